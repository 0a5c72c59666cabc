"""Parts of an update that algorithms share: an optimizer's step, slow copies of networks, means over some rows."""

from __future__ import annotations

from typing import Any, TypeVar

import chex
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from kalm_jax.offline_rl.arrays import Params, PerRow, Scalar
from kalm_jax.types.pytree import pytree_dataclass

Tree = TypeVar("Tree")


@pytree_dataclass
class PolicyState:
    """What a resume of a learner with a policy alone needs.

    Attributes:
      policy: parameters. optimizer: the optimizer's state.
      step: () int32, updates done. key: the seed's key, from which each update's key is derived.
    """

    policy: Params
    optimizer: optax.OptState
    step: Int[Array, ""]
    key: Array


def adam_step(
    learning_rate: Scalar, grads: Tree, optimizer: optax.OptState, params: Tree
) -> tuple[Tree, optax.OptState]:
    """(parameters, optimizer state) after one step of Adam."""
    updates, optimizer = optax.adam(learning_rate).update(grads, optimizer)
    return optax.apply_updates(params, updates), optimizer


def soft_update(online: Tree, target: Tree, tau: Scalar) -> Tree:
    """Target parameters moved by the share tau toward the online ones: theta' <- tau theta + (1 - tau) theta'."""
    return jax.tree.map(lambda o, t: t + tau * (o - t), online, target)


def copy(tree: Tree) -> Tree:
    """A copy with its own buffers: a donated state must not hold one buffer twice."""
    return jax.tree.map(jnp.copy, tree)


def masked_mean(mask: PerRow | None, x: PerRow) -> Float[Array, ""]:
    """Mean of x over the rows where `mask` is 1; None means all rows."""
    if mask is None:
        return x.mean()
    chex.assert_equal_shape([mask, x])
    return jnp.sum(mask * x) / jnp.maximum(mask.sum(), 1.0)


def zeros_like_output(function: Any, *args: Any) -> Any:
    """Zeros of the shapes and types of `function(*args)`, which is not computed."""
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(function, *args))
