"""LoRA (Hu et al. 2022): W becomes W + (alpha / rank) A B, A and B small. At the start B is zero: nothing is changed.

Adapters are a tree of their own. In training the model's layers add what they do to what W does
(`transformer.adapted`): merged matrices of a large model, and their gradients, would need more memory than all the
rest. `merge` gives the parameters of a plain model, for export.
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
from flax import traverse_util

_ADAPTED = ("attention/q", "attention/k", "attention/v", "attention/o", "ffn/gate", "ffn/up", "ffn/down")


@dataclasses.dataclass(frozen=True)
class LoraConfig:
    """Size and strength of the adapters.

    Attributes:
      rank: columns of A and rows of B.
      alpha: the change is scaled by alpha / rank, so that one learning rate serves all ranks.
    """

    rank: int
    alpha: float = 16.0

    def __post_init__(self):
        if self.rank < 1:
            raise ValueError(f"a LoRA rank of {self.rank}: it must be at least 1; without LoRA give no configuration")


def init(key: jax.Array, params: dict, config: LoraConfig) -> dict:
    """Adapters, float32, where each matrix of the layers is: {"a": (inputs, rank), "b": (rank, outputs)}.

    Args:
      key: random key.
      params: of a `Llama`, with layers apart or stacked (then A and B have a leading axis too).
      config: rank and strength.
    """
    adapters = {}
    flat = traverse_util.flatten_dict(params, sep="/")
    for i, (path, x) in enumerate(sorted((p, x) for p, x in flat.items() if _is_adapted(p))):
        stack, inputs, outputs = _matrix(path, x.shape)
        a = jax.random.normal(jax.random.fold_in(key, i), (*stack, inputs, config.rank)) / math.sqrt(inputs)
        adapters |= {f"{path}/a": a, f"{path}/b": jnp.zeros((*stack, config.rank, outputs))}
    return traverse_util.unflatten_dict(adapters, sep="/")


def merge(params: dict, adapters: dict, config: LoraConfig, dtype=None) -> dict:
    """Parameters of a plain model. The sum is taken in float32; changed matrices get `dtype`, or keep their own type.

    Raises:
      ValueError: adapters of another model.
    """
    flat, small = (traverse_util.flatten_dict(x, sep="/") for x in (params, adapters))
    for path in {name.rpartition("/")[0] for name in small}:
        change = (config.alpha / config.rank) * (small[f"{path}/a"] @ small[f"{path}/b"])
        if path not in flat or change.size != flat[path].size:
            raise ValueError(f"the adapter of {path} does not fit: it is of another model")
        merged = flat[path].astype(jnp.float32) + change.reshape(flat[path].shape)
        flat[path] = merged.astype(dtype or flat[path].dtype)
    return traverse_util.unflatten_dict(flat, sep="/")


def scaled(adapters: dict, config: LoraConfig) -> dict:
    """Adapters as the model's layers add them, its collection "lora": B with the strength."""

    def scale(path, x):
        return x * (config.alpha / config.rank) if path[-1].key == "b" else x

    return jax.tree_util.tree_map_with_path(scale, adapters)


def _is_adapted(path: str) -> bool:
    return path.startswith("layer") and path.removesuffix("/kernel").endswith(_ADAPTED)


def _matrix(path: str, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int, int]:
    """(stacked layers or nothing, inputs, outputs) of a kernel whose heads have an axis of their own."""
    stack = shape[:1] if path.startswith("layers/") else ()
    own = shape[len(stack) :]
    split = len(own) - 1 if "attention/o/" in path else 1
    return stack, math.prod(own[:split]), math.prod(own[split:])
