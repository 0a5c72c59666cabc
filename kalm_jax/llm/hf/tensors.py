"""Names and layouts: every tensor of a Hugging Face checkpoint, and the parameter that it becomes.

Linear weights are (out, in) there and (in, out) here; heads are flat there and a separate axis here.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from kalm_jax.llm.transformer import LlamaConfig

# Hugging Face name -> (our path, conversion).
_LAYER = {
    "self_attn.q_proj.weight": ("attention/q/kernel", "heads_out"),
    "self_attn.k_proj.weight": ("attention/k/kernel", "heads_out"),
    "self_attn.v_proj.weight": ("attention/v/kernel", "heads_out"),
    "self_attn.q_proj.bias": ("attention/q/bias", "heads_bias"),
    "self_attn.k_proj.bias": ("attention/k/bias", "heads_bias"),
    "self_attn.v_proj.bias": ("attention/v/bias", "heads_bias"),
    "self_attn.q_norm.weight": ("attention/q_norm/scale", "same"),
    "self_attn.k_norm.weight": ("attention/k_norm/scale", "same"),
    "self_attn.o_proj.weight": ("attention/o/kernel", "heads_in"),
    "mlp.gate_proj.weight": ("ffn/gate/kernel", "transpose"),
    "mlp.up_proj.weight": ("ffn/up/kernel", "transpose"),
    "mlp.down_proj.weight": ("ffn/down/kernel", "transpose"),
    "input_layernorm.weight": ("attention_norm/scale", "same"),
    "post_attention_layernorm.weight": ("ffn_norm/scale", "same"),
}
_TOP = {
    "model.embed_tokens.weight": ("embedding/embedding", "same"),
    "model.norm.weight": ("norm/scale", "same"),
    "lm_head.weight": ("head/kernel", "transpose"),
}


@dataclasses.dataclass(frozen=True)
class Place:
    """The parameter of a tensor: its path, the conversion of its array, and its index among stacked layers."""

    path: str
    how: str
    layer: int | None = None


def places(config: LlamaConfig) -> dict[str, Place]:
    """Every Hugging Face tensor name of a model of this shape -> its place."""
    table = {k: Place(*v) for k, v in _TOP.items() if k != "lm_head.weight" or not config.tie_embeddings}
    for i in range(config.layers):
        for name, (path, how) in _LAYER.items():
            is_norm = name.startswith(("self_attn.q_norm", "self_attn.k_norm"))
            if (name.endswith("bias") and not config.qkv_bias) or (is_norm and not config.qk_norm):
                continue
            place = Place(f"layers/{path}", how, i) if config.scan_layers else Place(f"layer_{i}/{path}", how)
            table[f"model.layers.{i}.{name}"] = place
    return table


def may_be_ignored(name: str, config: LlamaConfig) -> bool:
    """Whether a tensor carries no information: rotary buffers of old files, and the copy of a tied embedding."""
    return name.endswith("rotary_emb.inv_freq") or (name == "lm_head.weight" and config.tie_embeddings)


def shape_there(how: str, ours: tuple[int, ...]) -> tuple[int, ...]:
    """The Hugging Face shape of a tensor whose shape here is `ours`."""
    if how == "heads_out":
        return (math.prod(ours[1:]), ours[0])
    if how == "heads_in":
        return (ours[-1], math.prod(ours[:-1]))
    if how == "heads_bias":
        return (math.prod(ours),)
    return ours[::-1] if how == "transpose" else ours


def to_ours(x: np.ndarray, how: str, head_dim: int) -> np.ndarray:
    """A tensor of a checkpoint in the layout of our parameters."""
    if how == "same":
        return x
    if how == "transpose":
        return x.T
    if how == "heads_out":
        return x.T.reshape(x.shape[1], -1, head_dim)
    if how == "heads_in":
        return x.T.reshape(-1, head_dim, x.shape[0])
    return x.reshape(-1, head_dim)  # heads_bias


def to_theirs(x: np.ndarray, how: str) -> np.ndarray:
    """The inverse of `to_ours`."""
    if how == "same":
        return x
    if how == "transpose":
        return x.T
    if how == "heads_out":
        return x.reshape(x.shape[0], -1).T
    if how == "heads_in":
        return x.reshape(-1, x.shape[-1]).T
    return x.reshape(-1)  # heads_bias
