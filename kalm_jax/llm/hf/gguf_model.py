"""A GGUF file of the Llama, Mistral, Qwen2 or Qwen3 family, converted into a Hugging Face folder."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from kalm_jax.files import write_json
from kalm_jax.llm.hf.config import Settings, write_config
from kalm_jax.llm.hf.gguf_file import GgufFile
from kalm_jax.llm.hf.gguf_tokenizer import GgufTokenizer, read_tokenizer
from kalm_jax.llm.hf.tensors import Place, places
from kalm_jax.llm.hf.weights import write_tensors
from kalm_jax.llm.transformer import LlamaConfig, RopeScaling, rotary_frequencies

DTYPES = ("bfloat16", "float32")
"""Types in which the weights can be written."""
_SPECIAL: Mapping[str, Mapping[str, Any]] = {"qwen2": {"qkv_bias": True}, "qwen3": {"qk_norm": True}}
"""What an architecture has besides what "llama" has."""
_LAYER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_TOP = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
_FREQUENCIES = "rope_freqs.weight"
"""What the angles of Llama 3's scaling are divided by."""
_READ = {
    *("block_count", "context_length", "embedding_length", "feed_forward_length", "vocab_size"),
    *("attention.head_count", "attention.head_count_kv", "attention.key_length", "attention.value_length"),
    *("attention.layer_norm_rms_epsilon", "rope.dimension_count", "rope.freq_base", "rope.scaling.type"),
    *("rope.scaling.factor", "rope.scaling.original_context_length", "rope.scaling.finetuned", "rope.scale_linear"),
    *("tensor_data_layout", "attention.causal"),
}
"""Keys of an architecture that are read, or change nothing."""
_ORIGINALS = (8192, *(1 << i for i in range(5, 21)))
"""Positions that a model was trained for before its angles were scaled, the usual ones first."""
SHARD_BYTES = 5_000_000_000


@dataclasses.dataclass(frozen=True)
class GgufModel:
    """A GGUF file that can be converted; nothing large has been read.

    Attributes:
      file: its head. config: the model's shape. tokenizer: of it.
      sources: Hugging Face's name of every tensor -> its name in the file.
    """

    file: GgufFile
    config: LlamaConfig
    tokenizer: GgufTokenizer
    sources: Mapping[str, str]

    def folder_bytes(self, dtype: str) -> int:
        """Bytes that the folder will have, about."""
        numbers = sum(int(np.prod(place.shape)) for place in places(self.config).values())
        return numbers * (2 if dtype == "bfloat16" else 4) + 20_000_000


def read_gguf(path: str | pathlib.Path) -> GgufModel:
    """The model in a GGUF file, checked.

    Raises:
      OSError: the file cannot be opened.
      ValueError: it is damaged, of another architecture, or has what is not computed here; the message names it.
    """
    file = GgufFile(path)
    config = _config(file)
    table = places(config)
    sources = {name: _source(name) for name in table}
    _check_tensors(file, table, sources)
    return GgufModel(file, config, read_tokenizer(file.path, file.metadata, config.vocab_size), sources)


def convert(model: GgufModel, folder: pathlib.Path, dtype: str = "bfloat16") -> None:
    """Writes config.json, the weights, the tokenizer and generation_config.json into an existing folder."""
    permuted = model.file.check_architecture() == "llama"

    def tensor(name: str, place: Place) -> np.ndarray:
        x = model.file.read(model.sources[name])
        if permuted and name.partition("self_attn.")[2] in ("q_proj.weight", "k_proj.weight"):
            x = _halves(x, x.shape[0] // model.config.head_dim)
        return np.ascontiguousarray(x.astype(np.dtype(dtype)))

    write_tensors(folder, places(model.config), tensor, np.dtype(dtype), SHARD_BYTES)
    special, ends = model.tokenizer.special, model.tokenizer.ends
    write_config(folder, model.config, dict(special), dtype)
    generation = {**special, "eos_token_id": ends[0] if len(ends) == 1 else list(ends)}
    write_json(folder / "generation_config.json", generation, sort_keys=False)
    model.tokenizer.save(folder)


def _halves(x: np.ndarray, heads: int) -> np.ndarray:
    """Rows in the order of Hugging Face, which turns number i of a head's first half with number i of its second.

    Llama's own order, which GGUF keeps, turns neighbors.
    """
    return x.reshape(heads, x.shape[0] // heads // 2, 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def _source(name: str) -> str:
    """The GGUF name of a Hugging Face tensor."""
    stem, _, end = name.rpartition(".")
    if stem in _TOP:
        return f"{_TOP[stem]}.{end}"
    _, _, layer, rest = stem.split(".", 3)
    return f"blk.{layer}.{_LAYER[rest]}.{end}"


def _config(file: GgufFile) -> LlamaConfig:
    """The model's shape."""
    metadata, path = file.metadata, file.path
    family = file.check_architecture()
    for key, value in metadata.items():
        if key.startswith(f"{family}.") and key.removeprefix(f"{family}.") not in _READ and value not in (0, "", False):
            raise ValueError(f"{path}: {key} is {repr(value)[:40]}, which is not computed here")
    settings = Settings(path, {k.removeprefix(f"{family}."): v for k, v in metadata.items()}, f"{family}.")
    width, heads = settings.integer("embedding_length"), settings.integer("attention.head_count")
    kv_heads = settings.integer("attention.head_count_kv", heads)
    head_dim = settings.integer("attention.key_length", max(1, width // heads))
    same = {"attention.value_length": head_dim, "rope.dimension_count": head_dim}
    if "attention.key_length" not in settings.raw and width % heads:
        raise ValueError(f"{path}: embedding_length {width} is not a multiple of attention.head_count {heads}")
    for key, want in same.items():
        if settings.integer(key, want) != want:
            raise ValueError(
                f"{path}: {family}.{key} is {settings.raw[key]}, and only the width of a head is computed, {want}"
            )
    if heads % kv_heads or head_dim % 2:
        raise ValueError(
            f"{path}: {heads} heads of {head_dim} numbers with {kv_heads} for keys and values fit no model"
        )
    embedding = file.tensors.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise ValueError(f"{path} has no token_embd.weight, so it is no whole model; fetch it again")
    config = LlamaConfig(
        vocab_size=embedding.shape[0],
        width=width,
        layers=settings.integer("block_count"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        ffn_dim=settings.integer("feed_forward_length"),
        rope_theta=settings.real("rope.freq_base", 1, 1e12, 10000.0),
        norm_eps=_shortest(settings.real("attention.layer_norm_rms_epsilon", 1e-12, 1)),
        tie_embeddings="output.weight" not in file.tensors,
        max_positions=settings.integer("context_length"),
        **_SPECIAL.get(family, {}),
    )
    return dataclasses.replace(config, rope_scaling=_scaling(file, settings, config))


def _shortest(number: float) -> float:
    """The decimal number that was rounded to this float32: 1e-5 of 9.999999747378752e-06."""
    return float(str(np.float32(number)))


def _scaling(file: GgufFile, settings: Settings, config: LlamaConfig) -> RopeScaling | None:
    """How the angles are scaled.

    GGUF keeps Llama 3's scaling as the numbers by which each angle is divided, so its settings are found from them:
    settings that give those numbers are the right ones.
    """
    kind = settings.raw.get("rope.scaling.type", "none")
    if "rope.scale_linear" in settings.raw and "rope.scaling.type" not in settings.raw:
        kind = "linear"
    if kind not in ("none", "linear"):
        raise ValueError(f"{file.path}: {settings.prefix}rope.scaling.type {kind!r} is not supported, only linear")
    factor = 1.0
    if kind == "linear":
        key = "rope.scaling.factor" if "rope.scaling.factor" in settings.raw else "rope.scale_linear"
        factor = settings.real(key, 1e-6, 1e6, 1.0)
    if _FREQUENCIES not in file.tensors:
        return RopeScaling("linear", factor) if factor != 1.0 else None
    divisors = file.read(_FREQUENCIES)
    if divisors.shape != (config.head_dim // 2,) or not (divisors >= 1).all() or factor != 1.0:
        raise ValueError(f"{file.path}: {_FREQUENCIES} is no scaling of Llama 3, the only one that is computed here")
    if (divisors == 1).all():
        return None
    plain = np.asarray(rotary_frequencies(config), np.float64)
    known = settings.raw.get("rope.scaling.original_context_length")
    originals = [*([known] if isinstance(known, int) else []), *_ORIGINALS, config.max_positions]
    for scaling in (RopeScaling("llama3", float(divisors.max()), 1.0, 4.0, original) for original in originals):
        scaled = np.asarray(rotary_frequencies(dataclasses.replace(config, rope_scaling=scaling)), np.float64)
        if np.allclose(plain / scaled, divisors, rtol=1e-4):
            return scaling
    raise ValueError(f"{file.path}: {_FREQUENCIES} is no scaling of Llama 3 that is known here")


def _check_tensors(file: GgufFile, table: Mapping[str, Place], sources: Mapping[str, str]) -> None:
    """ValueError where the file has not exactly the tensors of the model, or one that cannot be read."""
    wanted = {*sources.values(), _FREQUENCIES}
    missing = [source for source in sources.values() if source not in file.tensors]
    unused = [name for name in file.tensors if name not in wanted]
    for names, what in ((missing, "lacks"), (unused, "has, and the model has not,")):
        if names:
            raise ValueError(f"{file.path} {what} {len(names)} tensors: {', '.join(names[:5])}")
    for name, place in table.items():
        got = file.tensors[sources[name]].shape
        if got != place.shape:
            raise ValueError(f"{file.path}: {sources[name]} has shape {got}, but by its metadata {place.shape}")
        file.check_type(sources[name])
