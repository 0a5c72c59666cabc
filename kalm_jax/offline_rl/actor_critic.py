"""What learners with a policy and critics share: settings, state, and the target of the critics."""

from __future__ import annotations

import dataclasses
from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from kalm_jax.offline_rl.arrays import Params, PerRow, Scalar
from kalm_jax.offline_rl.buffer import Batch
from kalm_jax.offline_rl.networks import batch_setting, hidden_setting, rate_setting
from kalm_jax.offline_rl.updates import copy
from kalm_jax.settings import setting
from kalm_jax.types.pytree import pytree_dataclass


@dataclasses.dataclass(frozen=True)
class CriticConfig:
    """Settings that all learners with critics share.

    Attributes:
      learning_rate: of Adam. batch_size: transitions per update.
      discount: of future reward. tau: share by which the targets follow at each of their updates.
      reward_scale: factor on rewards: a critic that starts at 0 learns values near 10 sooner than values near 100.
      hidden: widths of the layers of all networks. critic_norm: LayerNorm in the critics (in none of the papers).
    """

    learning_rate: Scalar = rate_setting(3e-4)
    batch_size: int = batch_setting(256)
    discount: Scalar = setting(0.99, low=0, high=1)
    tau: Scalar = setting(0.005, above=0, high=1)
    reward_scale: Scalar = setting(1.0, above=0, high=1e6)
    hidden: tuple[int, ...] = hidden_setting()
    critic_norm: bool = False


@pytree_dataclass
class ActorCriticState:
    """What a resume of a learner with a policy and critics needs.

    Attributes:
      policy, critic: parameters. target_critic: the slow copy that gives the targets.
      policy_optimizer, critic_optimizer: Adam's states.
      step: () int32, updates done. key: the seed's key, from which each update's key is derived.
    """

    policy: Params
    critic: Params
    target_critic: Params
    policy_optimizer: optax.OptState
    critic_optimizer: optax.OptState
    step: Int[Array, ""]
    key: Array


def initial_fields(policy: Params, critic: Params, key: Array) -> dict[str, Any]:
    """The fields of an `ActorCriticState` before the first update; `key` is the seed's."""
    adam = optax.adam(0.0)  # its first state is the same with every learning rate
    return {
        "policy": policy,
        "critic": critic,
        "target_critic": copy(critic),
        "policy_optimizer": adam.init(policy),
        "critic_optimizer": adam.init(critic),
        "step": jnp.zeros((), jnp.int32),
        "key": key,
    }


def bellman_target(config: CriticConfig, batch: Batch, value: PerRow) -> PerRow:
    """y = r + gamma (1 - terminal) V(s'), with the scaled reward and without gradient."""
    chex.assert_equal_shape([value, batch.reward, batch.terminal])
    scaled, future = config.reward_scale * batch.reward, config.discount * (1.0 - batch.terminal) * value
    return jax.lax.stop_gradient(scaled + future)
