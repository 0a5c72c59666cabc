"""Folders that users give: what they may look like, and one clear error for each way in which they can be broken."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec
from safetensors.numpy import load_file, save_file

from benchmarks.pretrain import train_tokenizer
from kalm_jax.llm.hf.folder import check_folder, load_model, save_model
from kalm_jax.llm.transformer import Llama, LlamaConfig
from kalm_jax.sharding import make_mesh
from tests.llm.small import SHAPES, drop, make, rewrite

TEXT = "push the red ball to the left of the blue ball"


WORDS = train_tokenizer([TEXT] * 3, 300)


CONFIG = LlamaConfig(WORDS.vocab_size, 16, 2, 2, 1, 8, 24, tie_embeddings=False)


INDEX = "model.safetensors.index.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder of several shards that opens, and its parameters."""
    tokens = jnp.zeros((1, 2), jnp.int32)
    params = jax.jit(Llama(CONFIG).init)(jax.random.key(0), tokens, tokens, jnp.ones((1, 2, 2), bool))["params"]
    path = tmp_path_factory.mktemp("whole")
    save_model(path, CONFIG, params, WORDS, shard_bytes=8000)
    assert len(list(path.glob("*.safetensors"))) > 2
    return path, params


def shard(path, number=2):
    return sorted(path.glob("*.safetensors"))[number - 1]


def change_tensor(path, name, change):
    file = path / json.loads((path / INDEX).read_text())["weight_map"][name]
    tensors = load_file(file)
    tensors[name] = change(tensors[name])
    save_file({k: x for k, x in tensors.items() if x is not None}, file)


def with_nan(x):
    x[0, 0] = np.nan
    return x


def zeros_at_the_end(path):
    content = shard(path).read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    shard(path).write_bytes(content[:start].ljust(len(content), b"\0"))


def pickled_only(path):
    for file in path.glob("*.safetensors*"):
        file.unlink()
    (path / "pytorch_model.bin").write_bytes(b"\x80\x04N.")


def lfs_pointer(path):
    shard(path).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def other_tokenizer(path):
    for file in path.glob("tokenizer*"):
        file.unlink()
    train_tokenizer(["a much larger vocabulary of another model, with words such as these"], 360).save(path)


def in_place(name, content=None):
    """A file with other content, or a folder in its place."""

    def damage(path):
        (path / name).unlink(missing_ok=True)
        (path / name).mkdir() if content is None else (path / name).write_bytes(content)

    return damage


def stored_as(dtype):
    """One tensor in another type, its size kept in line with it."""
    return lambda path: change_tensor(path, "model.norm.weight", lambda x: x.astype(dtype))


def lying_header(path):
    """A header that says a tensor is larger than the file."""
    content = shard(path).read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    tensor = header[next(name for name in header if name != "__metadata__")]
    tensor["shape"] = [2**40, *tensor["shape"][1:]]
    text = json.dumps(header).encode()
    shard(path).write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])


def index_of(file):
    def damage(path):
        (path / INDEX).write_text(json.dumps({"weight_map": {"model.norm.weight": file}}))

    return damage


def token_beyond(path):
    file = path / "tokenizer.json"
    raw = json.loads(file.read_text())
    raw["added_tokens"].append({**raw["added_tokens"][0], "id": WORDS.vocab_size, "content": "<more>"})
    file.write_text(json.dumps(raw))


def no_end(path):
    file = path / "tokenizer_config.json"
    raw = json.loads(file.read_text())
    file.write_text(json.dumps({k: v for k, v in raw.items() if k != "eos_token"}))


BROKEN = {
    "no config": (lambda p: (p / "config.json").unlink(), r"config\.json is missing"),
    "half a config": (lambda p: (p / "config.json").write_text('{"model_type":'), "not valid JSON"),
    "config without a size": (
        lambda p: rewrite(p, model_type="llama") or drop(p, "hidden_size"),
        "hidden_size",
    ),
    "other architecture": (lambda p: rewrite(p, model_type="gpt2"), "model_type 'gpt2' is not one of"),
    "quantized": (lambda p: rewrite(p, quantization_config={"quant_method": "gptq"}), "quantized"),
    "other activation": (lambda p: rewrite(p, hidden_act="gelu"), "hidden_act='gelu'"),
    "output bias": (lambda p: rewrite(p, attention_bias=True), "attention_bias"),
    "partial rotary": (
        lambda p: rewrite(p, rope_parameters={"partial_rotary_factor": 0.5}),
        "partial_rotary_factor",
    ),
    "unknown rotary": (lambda p: rewrite(p, rope_scaling={"rope_type": "longrope"}), "rotary type 'longrope'"),
    "rotary without factor": (lambda p: rewrite(p, rope_scaling={"type": "linear"}), "lacks 'factor'"),
    "no weights": (lambda p: [f.unlink() for f in p.glob("*.safetensors*")], r"holds no \*\.safetensors"),
    "pickled weights": (pickled_only, "pytorch_model.bin"),
    "half a shard": (lambda p: shard(p).write_bytes(shard(p).read_bytes()[:-100]), "may be incomplete"),
    "half a header": (lambda p: shard(p).write_bytes(shard(p).read_bytes()[:40]), "may be incomplete"),
    "empty shard": (lambda p: shard(p).write_bytes(b""), "may be incomplete"),
    "pointer": (lfs_pointer, "git-lfs"),
    "missing shard": (lambda p: shard(p).unlink(), "lacks 1 of its .* model-00002"),
    "missing shard, no index": (lambda p: shard(p).unlink() or (p / INDEX).unlink(), "model-00002"),
    "half an index": (lambda p: (p / INDEX).write_text('{"weight_map": {'), "index.json is not valid JSON"),
    "missing tensor": (lambda p: change_tensor(p, "model.norm.weight", lambda x: None), "missing .*model.norm.weight"),
    "too many layers": (lambda p: rewrite(p, num_hidden_layers=1), "does not have .*layers.1"),
    "other width": (
        lambda p: rewrite(p, intermediate_size=32),
        r"gate_proj.weight has shape \(24, 16\).*\(32, 16\)",
    ),
    "other vocabulary": (lambda p: rewrite(p, vocab_size=WORDS.vocab_size + 1), "embed_tokens.weight has shape"),
    "no tokenizer": (lambda p: (p / "tokenizer.json").unlink(), r"no tokenizer\.json"),
    "half a tokenizer": (
        lambda p: (p / "tokenizer.json").write_text('{"model":'),
        r"tokenizer\.json is not valid JSON",
    ),
    "no tokenizer in it": (lambda p: (p / "tokenizer.json").write_text("{}"), "tokenizer cannot be used"),
    "larger tokenizer": (other_tokenizer, "entries, but the model only"),
    "special tokens": (lambda p: rewrite(p, eos_token_id=[2, 77]), "eos_token_id=77"),
    "special tokens of wrong types": (lambda p: rewrite(p, bos_token_id={"id": 1}), "bos_token_id={'id': 1}"),
    "an added token": (token_beyond, "entries, but the model only"),
    "no end of a sequence": (no_end, "no end-of-sequence token; add eos_token"),
    "a list for a config": (in_place("config.json", b"[1, 2]"), "want an object of settings"),
    "config in another encoding": (in_place("config.json", '{"a": "é"}'.encode("latin1")), "not valid JSON"),
    "a very deep config": (in_place("config.json", b"[" * 100_000), "not valid JSON"),
    "folder for a tokenizer": (in_place("tokenizer.json"), "is a folder, want a file"),
    "list for a tokenizer": (in_place("tokenizer.json", b"[]"), "want an object"),
    "half of a tokenizer's config": (in_place("tokenizer_config.json", b'{"eos_token": '), "not valid JSON"),
    "folder for weights": (in_place("model.safetensors"), "is a folder, want a file"),
    "folder for an index": (in_place(INDEX), "is a folder, want a file"),
    "device for weights": (lambda p: (p / "model.safetensors").symlink_to("/dev/zero"), "device or a pipe"),
    "broken link": (lambda p: (p / "model.safetensors").symlink_to("nothing"), "link to a file that is missing"),
    "lying header": (lying_header, "cannot be read"),
    "index to another folder": (index_of("../whole/model.safetensors"), "name of a file in the same folder"),
    "index of numbers": (index_of(3), "no weight_map"),
    "int8": (stored_as(np.int8), "model.norm.weight is stored as I8"),
    "uint8": (stored_as(np.uint8), "model.norm.weight is stored as U8"),
    "fp8": (stored_as(ml_dtypes.float8_e4m3fn), "model.norm.weight is stored as F8"),
    "nan": (lambda p: change_tensor(p, "model.layers.1.mlp.up_proj.weight", with_nan), "not finite in .*1.*up"),
    "beyond float32": (
        lambda p: change_tensor(p, "model.norm.weight", lambda x: x.astype(float) * 1e300),
        "not finite in .*norm",
    ),
    "a preallocated download": (
        zeros_at_the_end,
        "weight is 0 everywhere, or in half of its rows; the download may be incomplete",
    ),
    "half a matrix": (
        lambda p: change_tensor(p, "model.embed_tokens.weight", lambda x: x * (np.arange(len(x)) < 30)[:, None]),
        "embed_tokens.weight is 0 everywhere, or in half of its rows; the download may be incomplete",
    ),
    "a zero norm": (
        lambda p: change_tensor(p, "model.norm.weight", np.zeros_like),
        "model.norm.weight is 0 everywhere",
    ),
    "a zero matrix": (
        lambda p: change_tensor(p, "model.layers.1.mlp.up_proj.weight", np.zeros_like),
        "layers.1.mlp.up_proj.weight is 0 everywhere",
    ),
    "a constant matrix": (
        lambda p: change_tensor(p, "model.layers.1.mlp.up_proj.weight", lambda x: np.full_like(x, 0.5)),
        "layers.1.mlp.up_proj.weight is 0.5 everywhere",
    ),
    "enormous weights": (
        lambda p: change_tensor(p, "model.layers.0.self_attn.q_proj.weight", lambda x: np.full_like(x, 3e38)),
        r"layers.0.self_attn.q_proj.weight has numbers as large as 3e\+38",
    ),
    "a tied model with another head": (
        lambda p: rewrite(p, tie_word_embeddings=True),
        "tie_word_embeddings. lm_head",
    ),
    "a million layers": (
        lambda p: rewrite(p, num_hidden_layers=10**6),
        "num_hidden_layers is 1000000, but .* 2",
    ),
    "an enormous width": (lambda p: rewrite(p, hidden_size=10**8, num_attention_heads=2), "should have"),
    "an enormous vocabulary": (lambda p: rewrite(p, vocab_size=2**30), "embed_tokens.weight has shape"),
    "other attention": (lambda p: rewrite(p, layer_types=["full_attention", "linear_attention"]), "layer_types"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_folder_is_refused_by_name_before_weights_are_read(whole, tmp_path, case):
    path = tmp_path / "broken"
    shutil.copytree(whole[0], path)
    damage, message = BROKEN[case]
    damage(path)
    for read in (check_folder, load_model):
        with pytest.raises((ValueError, OSError), match=message) as error:
            read(path)
        said = str(error.value)
        assert str(path) in said and sum(said.count(x) for x in ("etch it again", "ownload it again", "add eos_")) <= 1


def test_weights_that_are_not_numbers_are_refused(whole, tmp_path):
    path = tmp_path / "nan"
    shutil.copytree(whole[0], path)
    change_tensor(path, "model.layers.1.mlp.up_proj.weight", with_nan)
    with pytest.raises(ValueError, match="not finite in layer_1/ffn/up/kernel"):
        load_model(path)
    with pytest.raises(ValueError, match="not finite in layers/ffn/up/kernel"):
        load_model(path, scan_layers=True)


def test_shards_with_and_without_index_and_buffers_of_old_files(whole, tmp_path):
    path, params = whole
    copy = tmp_path / "copy"
    shutil.copytree(path, copy)
    (copy / INDEX).unlink()
    # What Llama-2 files of 2023 carry, and what Mistral's carry beside: neither is part of the model.
    save_file({"model.layers.0.self_attn.rotary_emb.inv_freq": np.ones(4, np.float32)}, copy / "buffers.safetensors")
    jax.tree.map(np.testing.assert_array_equal, load_model(copy)[1], params)
    save_file({"layers.0.attention.wq.weight": np.ones(4, np.float32)}, copy / "consolidated.safetensors")
    shutil.copy(path / INDEX, copy / INDEX)
    jax.tree.map(np.testing.assert_array_equal, load_model(copy)[1], params)
    (copy / INDEX).unlink()
    with pytest.raises(ValueError, match=r"does not have .*attention\.wq"):
        load_model(copy)
    shutil.copy(shard(path), copy / "again.safetensors")
    with pytest.raises(ValueError, match="two of its files hold"):
        load_model(copy)


def test_bfloat16_files_are_read_exactly_and_types_are_chosen(whole, tmp_path):
    rounded = jax.tree.map(lambda x: x.astype(jnp.bfloat16), whole[1])
    save_model(tmp_path, CONFIG, rounded, WORDS, dtype=ml_dtypes.bfloat16)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b.astype(jnp.float32)), load_model(tmp_path)[1], rounded)
    for dtype in (jnp.bfloat16, None):
        assert all(x.dtype == jnp.bfloat16 for x in jax.tree.leaves(load_model(tmp_path, dtype)[1]))


@pytest.mark.parametrize("scan_layers", [False, True])
def test_parameters_go_straight_into_their_sharding(whole, scan_layers):
    path, params = whole
    mesh = make_mesh()
    assert mesh.size == 2

    def sharding(name, shape):
        axes = [None] * len(shape)
        if shape[-1] % 2 == 0:
            axes[-1] = "data"
        return NamedSharding(mesh, PartitionSpec(*axes))

    _, got, _ = load_model(path, sharding=sharding, scan_layers=scan_layers)
    kernel = got["layers"]["ffn"]["up"]["kernel"][0] if scan_layers else got["layer_0"]["ffn"]["up"]["kernel"]
    np.testing.assert_array_equal(kernel, params["layer_0"]["ffn"]["up"]["kernel"])
    whole_kernel = got["layers" if scan_layers else "layer_0"]["ffn"]["up"]["kernel"]
    assert {s.data.shape[-1] for s in whole_kernel.addressable_shards} == {12}


def test_saving_again_replaces_the_model_of_before(whole, tmp_path):
    path = tmp_path / "again"
    shutil.copytree(whole[0], path)
    save_model(path, CONFIG, whole[1], WORDS)
    assert [f.name for f in path.glob("*.safetensors*")] == ["model.safetensors"]
    jax.tree.map(np.testing.assert_array_equal, load_model(path)[1], whole[1])


@pytest.mark.parametrize("shape", SHAPES)
def test_folder_round_trip(shape, tmp_path):
    config = dataclasses.replace(SHAPES[shape], vocab_size=WORDS.vocab_size)
    params = make(config)
    save_model(tmp_path, config, params, WORDS)
    config_again, params_again, words_again = load_model(tmp_path)
    assert config_again == config
    assert jax.tree.structure(params_again) == jax.tree.structure(params)
    jax.tree.map(np.testing.assert_array_equal, params_again, params)
    assert words_again.encode(TEXT) == WORDS.encode(TEXT)


def _saved(path, **changes):
    config = LlamaConfig(WORDS.vocab_size, 32, 1, 4, 4, 8, 48)
    save_model(path, config, make(config), WORDS)
    raw = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**raw, **changes}))
    return path


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model_type": "gpt2"}, "gpt2"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "yarn"),
        ({"mlp_bias": True}, "mlp_bias"),
        ({"num_hidden_layers": 2}, "missing"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"vocab_size": 10}, "tokenizer"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_by_name(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        load_model(_saved(tmp_path, **changes))


def test_damaged_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        load_model(tmp_path / "nothing")
    path = _saved(tmp_path / "half")
    whole = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="may be incomplete"):
        load_model(path)
    (path / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="safetensors"):
        load_model(path)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    config = LlamaConfig(WORDS.vocab_size, 32, 1, 4, 4, 8, 48)
    params = make(config)
    params["norm"]["scale"] = params["norm"]["scale"].at[3].set(jnp.nan)
    save_model(tmp_path, config, params, WORDS)
    with pytest.raises(ValueError, match="norm/scale"):
        load_model(tmp_path)
