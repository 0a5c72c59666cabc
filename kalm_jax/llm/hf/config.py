"""`config.json` of a Hugging Face folder, read into a `LlamaConfig` and written back."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from kalm_jax.files import write_json
from kalm_jax.llm.transformer import LlamaConfig, RopeScaling

_FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {},
    "qwen2": {"qkv_bias": True},
    "qwen3": {"qk_norm": True},
}
_REFUSED = {
    "attention_bias": (bool, "biases on all attention projections"),
    "mlp_bias": (bool, "biases in the feed-forward layers"),
    "use_sliding_window": (bool, "a sliding window in some layers only"),
    "quantization_config": (bool, "quantized weights; use the checkpoint from which they were made"),
    "hidden_act": (lambda name: name != "silu", "a feed-forward layer without SwiGLU"),
}
"""Settings that would change the result and are not supported: key -> (test of its value, description)."""


def read_raw(folder: str | pathlib.Path) -> dict:
    """The contents of `folder/config.json`.

    Raises:
      FileNotFoundError, ValueError: there is none, or it is not JSON.
    """
    path = pathlib.Path(folder) / "config.json"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing; --llm needs a Hugging Face folder (config.json, *.safetensors, tokenizer.json)"
        )
    try:
        raw = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON ({error}); download it again") from error
    if not isinstance(raw, dict):
        raise ValueError(f"{path} holds a {type(raw).__name__}, not the settings of a model; download it again")
    return raw


def read_config(folder: str | pathlib.Path) -> LlamaConfig:
    """The shape of the model in `folder/config.json`.

    Raises:
      FileNotFoundError, ValueError: the file is missing, or asks for what this transformer does not support, by name.
    """
    raw, path = read_raw(folder), pathlib.Path(folder) / "config.json"
    family = raw.get("model_type")
    if family not in _FAMILIES:
        raise ValueError(f"{path}: model_type {family!r} is not one of {sorted(_FAMILIES)}")
    for key, (refused, words) in _REFUSED.items():
        if key in raw and refused(raw[key]):
            raise ValueError(f"{path}: {key}={raw[key]!r} is not supported ({words})")
    try:
        heads = raw["num_attention_heads"]
        return LlamaConfig(
            vocab_size=raw["vocab_size"],
            width=raw["hidden_size"],
            layers=raw["num_hidden_layers"],
            heads=heads,
            kv_heads=raw.get("num_key_value_heads") or heads,
            head_dim=raw.get("head_dim") or (128 if family == "qwen3" else raw["hidden_size"] // heads),
            ffn_dim=raw["intermediate_size"],
            norm_eps=float(raw.get("rms_norm_eps", 1e-6)),
            tie_embeddings=bool(raw.get("tie_word_embeddings", False)),
            sliding_window=(raw.get("sliding_window") or 0) if family == "mistral" else 0,
            max_positions=raw.get("max_position_embeddings", 4096),
            **_rotary(raw, path),
            **_FAMILIES[family],
        )
    except KeyError as error:
        raise ValueError(f"{path} lacks {error}") from error


def _rotary(raw: dict, path: pathlib.Path) -> dict[str, Any]:
    """`rope_theta` and `rope_scaling`: in "rope_parameters" since transformers 5, in two keys before."""
    rope = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    share = rope.get("partial_rotary_factor", raw.get("partial_rotary_factor", 1.0))
    if share != 1.0:
        raise ValueError(f"{path}: partial_rotary_factor={share} is not supported, only 1")
    theta = float(rope.get("rope_theta", raw.get("rope_theta", 10000.0)))
    if kind == "default":
        return {"rope_theta": theta}
    if kind == "linear":
        return {"rope_theta": theta, "rope_scaling": RopeScaling(kind, float(rope["factor"]))}
    if kind != "llama3":
        raise ValueError(f"{path}: rotary type {kind!r} is not supported, only default, linear and llama3")
    factor, low, high = (float(rope[k]) for k in ("factor", "low_freq_factor", "high_freq_factor"))
    original = rope.get("original_max_position_embeddings") or raw["max_position_embeddings"]
    return {"rope_theta": theta, "rope_scaling": RopeScaling(kind, factor, low, high, original)}


def family_of(config: LlamaConfig) -> str:
    """The Hugging Face `model_type` of `config`; ValueError where no family computes it."""
    if config.qkv_bias and config.qk_norm:
        raise ValueError("no Hugging Face family has both qkv_bias and qk_norm; the model cannot be exported")
    family = "qwen3" if config.qk_norm else "qwen2" if config.qkv_bias else "llama"
    if config.sliding_window and family != "llama":
        raise ValueError(f"{family} with a sliding window of {config.sliding_window} cannot be exported")
    return "mistral" if config.sliding_window else family


def write_config(folder: str | pathlib.Path, config: LlamaConfig, special: dict[str, int], dtype: str) -> None:
    """Writes config.json; `special` are the ids of special tokens, such as {"bos_token_id": 1}."""
    family, scaling = family_of(config), config.rope_scaling
    raw: dict[str, Any] = {
        "architectures": [f"{family.capitalize()}ForCausalLM"],
        "model_type": family,
        "vocab_size": config.vocab_size,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "intermediate_size": config.ffn_dim,
        "rope_theta": config.rope_theta,
        "rms_norm_eps": config.norm_eps,
        "tie_word_embeddings": config.tie_embeddings,
        "hidden_act": "silu",
        "max_position_embeddings": config.max_positions,
        **special,
        "torch_dtype": dtype,
    }
    if family == "mistral":
        raw["sliding_window"] = config.sliding_window
    if scaling is not None:
        rope: dict[str, Any] = {"rope_type": scaling.kind, "factor": scaling.factor}
        if scaling.kind == "llama3":
            rope |= {
                "low_freq_factor": scaling.low,
                "high_freq_factor": scaling.high,
                "original_max_position_embeddings": scaling.original,
            }
        raw["rope_scaling"] = rope
    write_json(pathlib.Path(folder) / "config.json", raw, sort_keys=False)
