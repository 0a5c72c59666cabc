"""Names and layouts: every tensor of a Hugging Face checkpoint, and the parameter that it becomes.

Linear weights are (out, in) there and (in, out) here; heads are flat there and a separate axis here.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from kalm_jax.llm.transformer import LlamaConfig

# Hugging Face name -> (our path, `Place.inputs`).
_LAYER = {
    "self_attn.q_proj.weight": ("attention/q/kernel", 1),
    "self_attn.k_proj.weight": ("attention/k/kernel", 1),
    "self_attn.v_proj.weight": ("attention/v/kernel", 1),
    "self_attn.q_proj.bias": ("attention/q/bias", 0),
    "self_attn.k_proj.bias": ("attention/k/bias", 0),
    "self_attn.v_proj.bias": ("attention/v/bias", 0),
    "self_attn.q_norm.weight": ("attention/q_norm/scale", 0),
    "self_attn.k_norm.weight": ("attention/k_norm/scale", 0),
    "self_attn.o_proj.weight": ("attention/o/kernel", 2),
    "mlp.gate_proj.weight": ("ffn/gate/kernel", 1),
    "mlp.up_proj.weight": ("ffn/up/kernel", 1),
    "mlp.down_proj.weight": ("ffn/down/kernel", 1),
    "input_layernorm.weight": ("attention_norm/scale", 0),
    "post_attention_layernorm.weight": ("ffn_norm/scale", 0),
}
_TOP = {
    "model.embed_tokens.weight": ("embedding/embedding", None),
    "model.norm.weight": ("norm/scale", 0),
    "lm_head.weight": ("head/kernel", 1),
}


@dataclasses.dataclass(frozen=True)
class Place:
    """The parameter of a tensor.

    Attributes:
      path: of the parameter.
      inputs: number of leading axes here that are the inputs of a matrix, which is transposed there; 0 is a vector,
        which is flat there; None is a table with the same layout.
      layer: index among stacked layers, or None.
    """

    path: str
    inputs: int | None
    layer: int | None = None


def places(config: LlamaConfig) -> dict[str, Place]:
    """Every Hugging Face tensor name of a model of this shape -> its place."""
    table = {k: Place(*v) for k, v in _TOP.items() if k != "lm_head.weight" or not config.tie_embeddings}
    for i in range(config.layers):
        for name, (path, inputs) in _LAYER.items():
            is_norm = name.startswith(("self_attn.q_norm", "self_attn.k_norm"))
            if (name.endswith("bias") and not config.qkv_bias) or (is_norm and not config.qk_norm):
                continue
            place = Place(f"layers/{path}", inputs, i) if config.scan_layers else Place(f"layer_{i}/{path}", inputs)
            table[f"model.layers.{i}.{name}"] = place
    return table


def may_be_ignored(name: str, config: LlamaConfig) -> bool:
    """Whether a tensor carries no information: rotary buffers of old files, and the copy of a tied embedding."""
    return name.endswith("rotary_emb.inv_freq") or (name == "lm_head.weight" and config.tie_embeddings)


def shape_there(place: Place, ours: tuple[int, ...]) -> tuple[int, ...]:
    """The Hugging Face shape of a tensor whose shape here is `ours`, the layers' axis apart."""
    if place.inputs is None:
        return ours
    outputs = math.prod(ours[place.inputs :])
    return (outputs, math.prod(ours[: place.inputs])) if place.inputs else (outputs,)


def to_ours(x: np.ndarray, place: Place, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor of a checkpoint in the layout of our parameters, which have this shape, the layers' axis apart."""
    return (x.T if place.inputs else x).reshape(shape)


def to_theirs(x: np.ndarray, place: Place) -> np.ndarray:
    """The inverse of `to_ours`."""
    there = shape_there(place, x.shape)
    return x.reshape(there[::-1]).T if place.inputs else x.reshape(there)
