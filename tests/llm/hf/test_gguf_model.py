"""GGUF files as Hugging Face folders: the weights and logits of the model that was written, and clear refusals."""

import dataclasses
import json
import struct

import gguf
import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from kalm_jax.llm.completion import complete
from kalm_jax.llm.hf import parity
from kalm_jax.llm.hf.config import read_config
from kalm_jax.llm.hf.folder import check_folder, load_model
from kalm_jax.llm.hf.gguf_file import GgufFile
from kalm_jax.llm.hf.gguf_model import convert, read_gguf
from kalm_jax.llm.hf.weights import load_weights, weight_files
from kalm_jax.llm.named import convert_gguf
from kalm_jax.llm.tokenizer import left_pad
from kalm_jax.llm.transformer import rotary_frequencies
from tests.llm import families
from tests.llm.gguf_files import (
    ALPHABET,
    FAMILIES,
    Kind,
    byte_pairs,
    random_model,
    read_folder,
    write_gguf,
)
from tests.paths import GOLDEN

TOKENS = ["<unk>", "<s>", "</s>", *ALPHABET, "re", "red", "Ġb"]
MERGES = ["r e", "re d", "Ġ b"]
QUANTIZED = [Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1, Kind.Q8_0]
TYPES = [Kind.F32, Kind.F16, Kind.BF16, *QUANTIZED]


def tokenizer(writer):
    byte_pairs(writer, TOKENS, MERGES)


def small(path, family="llama", kind=Kind.F32, **about):
    """(config.json's contents, the tensors as they can be read) of a small random model in a GGUF file."""
    config, tensors = random_model(family, len(TOKENS))
    return config, write_gguf(path, config, tensors, kind, tokenizer, **about)


@pytest.mark.parametrize("family", [name for name in families.FAMILIES if name != "mistral_window"])
def test_golden_models_keep_their_weights_and_logits(family, tmp_path):
    """The logits of the golden models are those of transformers' torch models."""
    config, tensors = read_folder(GOLDEN / family)
    write_gguf(tmp_path / "model.gguf", config, tensors, Kind.F16)
    convert(read_gguf(tmp_path / "model.gguf"), tmp_path, "float32")
    golden, (ours, params, _) = read_config(GOLDEN / family), load_model(tmp_path)
    jax.tree.map(
        np.testing.assert_array_equal, params, load_weights(GOLDEN / family, weight_files(GOLDEN / family), golden)
    )
    assert dataclasses.replace(ours, rope_scaling=None) == dataclasses.replace(golden, rope_scaling=None)
    np.testing.assert_allclose(rotary_frequencies(ours), rotary_frequencies(golden), rtol=1e-6)
    if family == "llama3_scaled":  # whose scaling is found from what angles are divided by
        ids, valid = families.batch()
        want = np.load(GOLDEN / family / "logits.npy")
        assert parity.largest_difference(parity.full_logits(ours, params, ids, valid), want, valid) < 1e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_and_type_is_the_model_that_was_written(family, tmp_path):
    for kind in TYPES if family in ("llama", "qwen3") else (Kind.Q4_1,):
        config, tensors = small(tmp_path / "model.gguf", family, kind)
        convert(read_gguf(tmp_path / "model.gguf"), tmp_path, "float32")
        _, found = read_folder(tmp_path)
        assert found.keys() == tensors.keys()
        for name, x in tensors.items():
            np.testing.assert_array_equal(found[name], x.reshape(found[name].shape), err_msg=f"{kind} {name}")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "config.json").write_text(json.dumps(config))
    assert check_folder(tmp_path) == read_config(tmp_path) == read_config(tmp_path / "theirs")


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_computes_and_writes_the_same(family, tmp_path):
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    config, tensors = small(tmp_path / "model.gguf", family, Kind.Q8_0)
    convert_gguf(read_gguf(tmp_path / "model.gguf"), tmp_path / "ours", "float32")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "config.json").write_text(json.dumps(config))
    save_file(tensors, tmp_path / "theirs" / "model.safetensors", metadata={"format": "pt"})
    ids, valid = families.batch(length=40, words=len(TOKENS))
    want = parity.torch_logits(tmp_path / "theirs", ids, valid)
    ours, params, _ = load_model(tmp_path / "ours")
    assert parity.largest_difference(parity.torch_logits(tmp_path / "ours", ids, valid), want, valid) == 0
    assert np.abs(want[valid]).max() > 2.0
    assert parity.largest_difference(parity.full_logits(ours, params, ids, valid), want, valid) < 1e-3
    model = AutoModelForCausalLM.from_pretrained(str(tmp_path / "theirs"), dtype=torch.float32)
    prompt = [1, 30, 40, 50]
    with torch.no_grad():
        written = model.generate(torch.tensor([prompt]), max_new_tokens=20, do_sample=False, eos_token_id=None)
    assert complete(ours, params, prompt, 20) == written[0, len(prompt) :].tolist()


def test_bfloat16_rounds_to_the_nearest(tmp_path):
    _, tensors = small(tmp_path / "model.gguf")
    convert(read_gguf(tmp_path / "model.gguf"), tmp_path, "bfloat16")
    for name, x in read_folder(tmp_path)[1].items():
        np.testing.assert_array_equal(x, tensors[name].astype(ml_dtypes.bfloat16).astype(np.float32))
    assert json.loads((tmp_path / "config.json").read_text())["torch_dtype"] == "bfloat16"


def test_a_completion_is_the_likeliest_token_each_time_and_ends_at_an_end(tmp_path):
    small(tmp_path / "model.gguf")
    convert(read_gguf(tmp_path / "model.gguf"), tmp_path, "float32")
    config, params, _ = load_model(tmp_path)
    text = [5, 60, 7]
    for _ in range(6):
        ids, valid = left_pad([text], 0, 9)
        text.append(int(parity.full_logits(config, params, ids, valid)[0, -1].argmax()))
    assert complete(config, params, text[:3], 6) == text[3:]
    end = text[5]
    assert complete(config, params, text[:3], 6, {end}) == text[3 : text.index(end, 3)]


def dequantized_types():
    """Types of tensors that the package `gguf` makes numbers of."""
    for kind in Kind:
        block, size = gguf.GGML_QUANT_SIZES[kind]
        try:
            gguf.quants.dequantize(np.zeros((1, size * (2 if kind in (Kind.F16, Kind.F32) else 1)), np.uint8), kind)
        except NotImplementedError:
            continue
        yield kind, block, size


def test_every_type_that_gguf_dequantizes_is_read(tmp_path):
    """Random blocks, whose bytes make finite numbers where they are float16, read as gguf's own reader reads them."""
    writer, rng, kinds = gguf.GGUFWriter(tmp_path / "types.gguf", "llama"), np.random.default_rng(0), []
    for kind, block, size in dequantized_types():
        raw = rng.integers(0, 0x3C, (6, 4 * size), dtype=np.uint8)
        writer.add_tensor(kind.name, raw, raw_dtype=kind) if block > 1 else writer.add_tensor(
            kind.name, raw.view({4: np.float32, 2: np.float16}[size]) if kind != Kind.BF16 else raw, raw_dtype=kind
        )
        kinds.append(kind)
    assert {Kind.Q2_K, Kind.Q4_K, Kind.Q6_K, Kind.IQ4_XS, Kind.IQ1_S, Kind.TQ1_0} <= set(kinds)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    ours, theirs = GgufFile(tmp_path / "types.gguf"), gguf.GGUFReader(tmp_path / "types.gguf")
    for tensor in theirs.tensors:
        ours.check_type(tensor.name)
        want = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        np.testing.assert_array_equal(ours.read(tensor.name), want, err_msg=tensor.name)


def add(key, value, kind="uint32"):
    return lambda writer, table: getattr(writer, f"add_{kind}")(key, value)


def drop(name):
    return lambda writer, table: table.pop(name)


def put(name, x):
    return lambda writer, table: table.update({name: (np.asarray(x, np.float32), None)})


def damaged(name):
    def change(writer, table):
        table[name][0].flat[3] = np.nan

    return change


REFUSED = {
    "another architecture": ({"arch": "gemma3"}, "general.architecture is 'gemma3', want one of llama, qwen2, qwen3"),
    "a part": ({"change": add("split.count", 3, "uint16")}, "one of 3 parts"),
    "an adapter": ({"change": lambda w, t: w.add_type("adapter")}, "general.type is 'adapter'"),
    "experts": ({"change": add("llama.expert_count", 8)}, "llama.expert_count is 8"),
    "a window": ({"change": add("llama.attention.sliding_window", 99)}, "attention.sliding_window is 99"),
    "yarn": ({"change": add("llama.rope.scaling.type", "yarn", "string")}, "type 'yarn' is not supported"),
    "a missing tensor": ({"change": drop("blk.1.ffn_up.weight")}, "lacks 1 tensors: blk.1.ffn_up.weight"),
    "no embedding": ({"change": drop("token_embd.weight")}, "no token_embd.weight"),
    "a bias": ({"change": put("blk.0.attn_q.bias", np.zeros(64))}, "has not, 1 tensors: blk.0.attn_q.bias"),
    "a shape": ({"change": put("blk.0.attn_q.weight", np.zeros((32, 64)))}, "blk.0.attn_q.weight has shape"),
    "angles of nobody": ({"change": put("rope_freqs.weight", np.linspace(1, 9, 8))}, "rope_freqs.weight is no scaling"),
    "not finite": ({"change": damaged("blk.0.ffn_up.weight")}, "blk.0.ffn_up.weight has numbers that are not finite"),
    "big-endian": ({"endianess": gguf.GGUFEndian.BIG}, "big-endian"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_computed_is_refused_by_name(case, tmp_path):
    about, message = REFUSED[case]
    path = tmp_path / "model.gguf"
    small(path, **about)
    with pytest.raises(ValueError, match=message) as error:
        convert_gguf(read_gguf(path), tmp_path / "folder")
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert [file.name for file in tmp_path.iterdir()] == ["model.gguf"]


BROKEN = {
    "a text": (lambda b: b"Once upon a time\n" * 9, "no GGUF file, as it begins with b'Once upo'"),
    "empty": (lambda b: b"", "no GGUF file"),
    "a zip file": (lambda b: b"PK\x03\x04" + b, "no GGUF file"),
    "a pointer": (lambda b: b"version https://git-lfs.github.com/spec/v1\n", "pointer of git-lfs"),
    "version 1": (lambda b: b[:4] + struct.pack("<I", 1) + b[8:], "GGUF version 1"),
    "its first bytes": (lambda b: b[:12], "cut off in its head"),
    "its head cut": (lambda b: b[:700], "its head is damaged or cut off"),
    "its weights cut": (lambda b: b[:-1], "cut off: it has"),
    "a million million keys": (lambda b: b[:16] + struct.pack("<Q", 10**12) + b[24:], "damaged or cut off"),
    "a long name": (lambda b: b[:24] + struct.pack("<Q", 2**63) + b[32:], "damaged or cut off"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named(case, tmp_path):
    small(tmp_path / "whole.gguf")
    damage, message = BROKEN[case]
    path = tmp_path / "broken.gguf"
    path.write_bytes(damage((tmp_path / "whole.gguf").read_bytes()))
    with pytest.raises(ValueError, match=message) as error:
        read_gguf(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_any_damage_of_the_head_is_an_error_that_names_the_file_or_none(tmp_path):
    small(tmp_path / "model.gguf")
    whole, rng, path = (tmp_path / "model.gguf").read_bytes(), np.random.default_rng(0), tmp_path / "damaged.gguf"
    start = min(tensor.start for tensor in GgufFile(tmp_path / "model.gguf").tensors.values())
    for _ in range(100):
        content = bytearray(whole)
        for place in rng.integers(0, start, rng.integers(1, 4)):
            content[place] = rng.integers(256)
        path.write_bytes(content)
        try:
            read_gguf(path)
        except ValueError as error:
            assert str(path) in str(error), error
