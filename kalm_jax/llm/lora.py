"""LoRA (Hu et al. 2022): W becomes W + (alpha / rank) A B with small A and B. B is zero at the start of training.

Adapters are a separate tree of parameters. In training the model's layers add the adapter's output to that of W
(`transformer.add_adapter`), because merged matrices of a large model, and their gradients, would need more memory than
everything else. `merge` gives the parameters of a plain model, for export.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import traverse_util

_ADAPTED = ("attention/q", "attention/k", "attention/v", "attention/o", "ffn/gate", "ffn/up", "ffn/down")


@dataclasses.dataclass(frozen=True)
class LoraConfig:
    """Size and strength of the adapters.

    Attributes:
      rank: columns of A and rows of B.
      alpha: the change is scaled by alpha / rank, so that one learning rate suits all ranks.
    """

    rank: int
    alpha: float = 16.0

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(
                f"a LoRA rank of {self.rank}: it must be at least 1; give no LoraConfig to train without LoRA"
            )


def init(key: jax.Array, params: dict, config: LoraConfig) -> dict:
    """Adapters of a `Llama` in float32, at the path of each matrix of its layers: {"a": A, "b": B}.

    A is (inputs, rank), B is (rank, outputs); those of stacked layers have a leading axis too.
    """
    adapters: dict[str, jax.Array] = {}
    flat = traverse_util.flatten_dict(params, sep="/")
    adapted = (path for path in flat if path.startswith("layer") and path.removesuffix("/kernel").endswith(_ADAPTED))
    for i, path in enumerate(sorted(adapted)):
        stack, inputs, outputs = _matrix(path, flat[path].shape)
        a = jax.random.normal(jax.random.fold_in(key, i), (*stack, inputs, config.rank)) / math.sqrt(inputs)
        adapters |= {f"{path}/a": a, f"{path}/b": jnp.zeros((*stack, config.rank, outputs))}
    return traverse_util.unflatten_dict(adapters, sep="/")


def merge(params: dict, adapters: dict, config: LoraConfig, dtype: Any = None) -> dict:
    """Parameters of a plain model. Sums are computed in float32; changed matrices get `dtype`, or keep their type.

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
    """The model's collection "lora": adapters with B scaled by alpha / rank."""
    factor = config.alpha / config.rank
    return jax.tree_util.tree_map_with_path(lambda path, x: x * factor if path[-1].key == "b" else x, adapters)


def _matrix(path: str, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int, int]:
    """(stacked layers or nothing, inputs, outputs) of a kernel that may have an axis of heads."""
    stack = shape[:1] if path.startswith("layers/") else ()
    matrix = shape[len(stack) :]
    split = len(matrix) - 1 if "attention/o/" in path else 1
    return stack, math.prod(matrix[:split]), math.prod(matrix[split:])
