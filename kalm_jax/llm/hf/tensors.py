"""Names and layouts: every tensor of a Hugging Face checkpoint, and the parameter that it becomes.

Linear weights are (out, in) there and (in, out) here; heads are flat there and a separate axis here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

import numpy as np

from kalm_jax.llm.transformer import LlamaConfig

# Hugging Face name -> (our path, `Place.inputs`, its shape there). Letters: E width, Q and K all query and key/value
# heads, D one head, F feed-forward, V vocabulary.
_LAYER = {
    "self_attn.q_proj.weight": ("attention/q/kernel", 1, "QE"),
    "self_attn.k_proj.weight": ("attention/k/kernel", 1, "KE"),
    "self_attn.v_proj.weight": ("attention/v/kernel", 1, "KE"),
    "self_attn.q_proj.bias": ("attention/q/bias", 0, "Q"),
    "self_attn.k_proj.bias": ("attention/k/bias", 0, "K"),
    "self_attn.v_proj.bias": ("attention/v/bias", 0, "K"),
    "self_attn.q_norm.weight": ("attention/q_norm/scale", 0, "D"),
    "self_attn.k_norm.weight": ("attention/k_norm/scale", 0, "D"),
    "self_attn.o_proj.weight": ("attention/o/kernel", 2, "EQ"),
    "mlp.gate_proj.weight": ("ffn/gate/kernel", 1, "FE"),
    "mlp.up_proj.weight": ("ffn/up/kernel", 1, "FE"),
    "mlp.down_proj.weight": ("ffn/down/kernel", 1, "EF"),
    "input_layernorm.weight": ("attention_norm/scale", 0, "E"),
    "post_attention_layernorm.weight": ("ffn_norm/scale", 0, "E"),
}
_TOP = {
    "model.embed_tokens.weight": ("embedding/embedding", None, "VE"),
    "model.norm.weight": ("norm/scale", 0, "E"),
    "lm_head.weight": ("head/kernel", 1, "VE"),
}


@dataclasses.dataclass(frozen=True)
class Place:
    """The parameter of a tensor.

    Attributes:
      path: of the parameter.
      inputs: number of leading axes here that are the inputs of a matrix, which is transposed there; 0 is a vector,
        which is flat there; None is a table with the same layout.
      shape: of the tensor there.
      layer: index among stacked layers, or None.
    """

    path: str
    inputs: int | None
    shape: tuple[int, ...]
    layer: int | None = None


def places(config: LlamaConfig) -> dict[str, Place]:
    """Every Hugging Face tensor name of a model of this shape -> its place."""
    sizes = {
        "E": config.width,
        "Q": config.heads * config.head_dim,
        "K": config.kv_heads * config.head_dim,
        "D": config.head_dim,
        "F": config.ffn_dim,
        "V": config.vocab_size,
    }
    table = {
        name: Place(path, inputs, tuple(sizes[axis] for axis in axes))
        for name, (path, inputs, axes) in _TOP.items()
        if name != "lm_head.weight" or not config.tie_embeddings
    }
    for i in range(config.layers):
        for name, (path, inputs, axes) in _LAYER.items():
            is_norm = name.startswith(("self_attn.q_norm", "self_attn.k_norm"))
            if (name.endswith("bias") and not config.qkv_bias) or (is_norm and not config.qk_norm):
                continue
            ours, layer = (f"layers/{path}", i) if config.scan_layers else (f"layer_{i}/{path}", None)
            table[f"model.layers.{i}.{name}"] = Place(ours, inputs, tuple(sizes[axis] for axis in axes), layer)
    return table


def layers_there(names: Iterable[str]) -> int:
    """The number of layers that the tensors of these names are of."""
    found = (re.match(r"model\.layers\.(\d{1,9})\.", name) for name in names)
    return max((int(match[1]) + 1 for match in found if match), default=0)


def may_be_ignored(name: str, config: LlamaConfig) -> bool:
    """Whether a tensor carries no information: rotary buffers of old files, and the copy of a tied embedding."""
    return name.endswith("rotary_emb.inv_freq") or (name == "lm_head.weight" and config.tie_embeddings)


def to_ours(x: np.ndarray, place: Place, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor of a checkpoint in the layout of our parameters, which have this shape, the layers' axis apart."""
    return (x.T if place.inputs else x).reshape(shape)


def to_theirs(x: np.ndarray, place: Place) -> np.ndarray:
    """The inverse of `to_ours`."""
    return x.reshape(place.shape[::-1]).T if place.inputs else x.reshape(place.shape)
