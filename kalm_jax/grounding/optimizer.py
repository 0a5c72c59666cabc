"""The optimizer of grounding: Muon for the matrices between layers and Adam for the rest, or AdamW for all."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from kalm_jax.grounding.model import nested_models
from kalm_jax.sharding import partition_spec


def make_optimizer(
    *, steps: int, learning_rate: float, warmup: float, muon: float, weight_decay: float, clip: float, beta2: float
) -> optax.GradientTransformation:
    """Muon (Jordan et al. 2024) for matrices between layers, Adam for the rest, under a warm-up and cosine schedule.

    Muon's steps are scaled to the size of Adam's (Liu et al. 2025), so that one learning rate serves both. With `muon`
    0 it is AdamW for all parameters. Of the arguments see `TrainConfig`.
    """
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, learning_rate, max(1, round(warmup * steps)), max(2, steps), learning_rate / 20
    )
    if muon == 0:
        decayed = functools.partial(jax.tree_util.tree_map_with_path, lambda path, x: x.ndim - _stacked(path) > 1)
        adam = optax.adamw(schedule, b2=beta2, weight_decay=weight_decay, mask=decayed)
        return optax.chain(_clip(clip), adam)
    matrices = optax.contrib.muon(
        lambda step: muon * schedule(step),
        weight_decay=weight_decay,
        consistent_rms=0.2,
        adam_b2=beta2,
        adam_learning_rate=schedule,
        muon_weight_dimension_numbers=lambda stacks: {
            "matrices": dict.fromkeys(stacks["matrices"], optax.contrib.MuonDimensionNumbers((1,), (2,))),
            "rest": dict.fromkeys(stacks["rest"]),
        },
    )
    return optax.chain(_clip(clip), _on_stacks(matrices))


def _clip(norm: float) -> optax.GradientTransformation:
    """`optax.clip_by_global_norm`; a nested model's gradient is clipped apart, so that it learns as it would alone."""
    one = optax.clip_by_global_norm(norm)

    def update(grads: dict, state: optax.OptState, params: dict | None = None) -> tuple[optax.Updates, optax.OptState]:
        nested = nested_models(grads)
        clipped, _ = one.update({name: x for name, x in grads.items() if name not in nested}, state)
        return {**clipped, **{name: one.update(x, state)[0] for name, x in nested.items()}}, state

    return optax.GradientTransformation(one.init, update)


def _on_stacks(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """`inner` on stacks of all matrices of one shape, which are sharded over the devices of the current mesh.

    Muon's iteration is the same for every matrix. In batches it takes half the time on a CPU, and no device repeats
    the work of another.
    """

    def init(params: dict) -> optax.OptState:
        return inner.init(_stack(params))

    def update(grads: dict, state: optax.OptState, params: dict | None = None) -> tuple[dict, optax.OptState]:
        assert params is not None, "Muon decays weights, so it needs the parameters"
        updates, state = inner.update(_stack(grads), state, _stack(params))
        return _unstack(updates, params), state

    return optax.GradientTransformation(init, update)


def _stack(tree: dict) -> dict:
    """{"matrices": {"rows x columns": (count, rows, columns)}, "rest": {path: another parameter}}."""
    groups: dict[str, list] = {}
    rest = {}
    for path, x in jax.tree_util.tree_leaves_with_path(tree):
        shape = _matrices(path, x)
        if shape is None:
            rest[jax.tree_util.keystr(path, simple=True, separator="/")] = x
        else:
            groups.setdefault(f"{shape[1]}x{shape[2]}", []).append(x.reshape(shape))
    return {"matrices": {name: _sharded(name, jnp.concatenate(xs)) for name, xs in groups.items()}, "rest": rest}


def _unstack(stacks: dict, like: dict) -> dict:
    """The inverse of `_stack`, in the structure of `like`."""
    used: dict[str, int] = {}
    leaves = []
    for path, x in jax.tree_util.tree_leaves_with_path(like):
        shape = _matrices(path, x)
        if shape is None:
            leaves.append(stacks["rest"][jax.tree_util.keystr(path, simple=True, separator="/")])
        else:
            name = f"{shape[1]}x{shape[2]}"
            first = used.get(name, 0)
            used[name] = first + shape[0]
            leaves.append(stacks["matrices"][name][first : used[name]].reshape(x.shape))
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _sharded(name: str, stack: jax.Array) -> jax.Array:
    """`stack` sharded by the rules of the current mesh."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or mesh.size == 1:
        return stack
    return jax.lax.with_sharding_constraint(stack, partition_spec(f"matrices/{name}", stack.shape, mesh))


def _matrices(path: tuple[Any, ...], x: jax.Array) -> tuple[int, int, int] | None:
    """(count, rows, columns) of a parameter that holds the matrices between layers, of one layer or several.

    None for vectors, embeddings, the heads of words and actions, and LoRA's factors.
    """
    first = _stacked(path)
    names, shape = [key.key for key in path], x.shape[first:]
    if len(shape) < 2 or {"embedding", "head", "action_out"} & set(names) or names[-1] in ("a", "b"):
        return None
    # Attention: q, k, v are (width, heads, head width), o is (heads, head width, width).
    count, rows = math.prod(x.shape[:first]), math.prod(shape[: 2 if len(shape) == 3 and "o" in names else 1])
    return count, rows, x.size // count // rows


def _stacked(path: tuple[Any, ...]) -> int:
    """Number of leading layer axes of a parameter: 1 where layers are stacked (`LlamaConfig.scan_layers`)."""
    return int("layers" in [key.key for key in path])
