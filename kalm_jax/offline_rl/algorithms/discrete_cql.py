"""CQL (Kumar et al., NeurIPS 2020) for discrete actions: double DQN with a penalty on actions outside the data."""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from kalm_jax.offline_rl.actor_critic import bellman_target
from kalm_jax.offline_rl.algorithms.cql import CQLConfig, concatenate_batches
from kalm_jax.offline_rl.arrays import Inputs, Loss, Metrics, Params, PerRow
from kalm_jax.offline_rl.buffer import Batch
from kalm_jax.offline_rl.distributions import select_index
from kalm_jax.offline_rl.networks import MLP, apply, moved_product
from kalm_jax.offline_rl.normalization import DatasetStats, policy_input
from kalm_jax.offline_rl.updates import adam_step, copy, soft_update
from kalm_jax.types.pytree import pytree_dataclass


@pytree_dataclass
class DiscreteCQLState:
    """Everything that a resume needs.

    Attributes:
      critic: parameters. target_critic: the slow copy that gives the targets. critic_optimizer: Adam's state.
      step: () int32, updates done. key: the seed's key, from which each update's key is derived.
    """

    critic: Params
    target_critic: Params
    critic_optimizer: optax.OptState
    step: Int[Array, ""]
    key: Array


def check(config: CQLConfig) -> None:
    """Raises a ValueError for settings that apply to continuous actions only."""
    if config.threshold is not None or config.soft_backup:
        raise ValueError("threshold (the Lagrangian) and soft_backup are for continuous actions: leave them out")


def init(config: CQLConfig, key: Array, stats: DatasetStats) -> DiscreteCQLState:
    """The state before the first update."""
    check(config)
    own, critic_key = jax.random.split(key)
    critic = critic_network(config, stats).init(critic_key, jnp.zeros((1, stats.input_dim)))
    optimizer = optax.adam(config.learning_rate).init(critic)
    return DiscreteCQLState(critic, copy(critic), optimizer, jnp.zeros((), jnp.int32), own)


def update(
    config: CQLConfig, state: DiscreteCQLState, stats: DatasetStats, batch: Batch, key: Array
) -> tuple[DiscreteCQLState, Metrics]:
    """One step of the critic and of its target; `key` is not used. Metrics: critic_loss, gap, q (mean of the data)."""
    return learn(config, state, stats, batch)


def act(
    config: CQLConfig, state: DiscreteCQLState, stats: DatasetStats, inputs: Inputs, key: Array, greedy: bool
) -> Int[Array, " B"]:
    """Actions of the highest value, or sampled from softmax Q, the policy whose values CQL(H) penalizes."""
    q = apply(critic_network(config, stats), state.critic, inputs)
    return select_index(q, key, greedy)


def learn(
    config: CQLConfig, state: DiscreteCQLState, stats: DatasetStats, batch: Batch, imagined: Batch | None = None
) -> tuple[DiscreteCQLState, Metrics]:
    """(state, metrics) after one update.

    With `imagined` transitions (COMBO) the temporal difference uses both, and the penalty is at imagined states.
    """
    both = concatenate_batches(batch, imagined)
    inputs = policy_input(stats, both.observation, both.goal)
    next_inputs = policy_input(stats, both.next_observation, both.goal)
    target = critic_target(config, state, stats, inputs, next_inputs, both)
    data_size = batch.reward.shape[0]
    (_, metrics), grads = jax.value_and_grad(critic_loss, argnums=1, has_aux=True)(
        config, state.critic, stats, inputs, both.action, target, data_size
    )
    critic, optimizer = adam_step(config.learning_rate, grads, state.critic_optimizer, state.critic)
    state = dataclasses.replace(state, critic=critic, critic_optimizer=optimizer, step=state.step + 1)
    return dataclasses.replace(state, target_critic=next_target(config, state)), metrics


def critic_target(
    config: CQLConfig, state: DiscreteCQLState, stats: DatasetStats, inputs: Inputs, next_inputs: Inputs, batch: Batch
) -> PerRow:
    """y = r + gamma (1 - terminal) Q'(s', argmax_a Q(s', a)) (van Hasselt et al., AAAI 2016)."""
    critic, moving = critic_network(config, stats), stats.input_dim - stats.goal_mean.shape[0]
    first = moved_product(state.critic, inputs, next_inputs, moving)
    best = jnp.argmax(apply(critic, state.critic, next_inputs, first), axis=-1)
    value = jnp.take_along_axis(apply(critic, state.target_critic, next_inputs), best[:, None], axis=-1)[:, 0]
    return bellman_target(config, batch, value)


def critic_loss(
    config: CQLConfig,
    critic: Params,
    stats: DatasetStats,
    inputs: Inputs,
    action: Int[Array, " B"],
    target: PerRow,
    data_size: int,
) -> tuple[Loss, Metrics]:
    """mean_B huber(Q(s, a) - y) + weight (mean log sum_a exp Q(s, a) - mean Q(data)), and its metrics.

    The first `data_size` rows are data; the log-sum is at the others where there are any, else at the data.
    """
    q = apply(critic_network(config, stats), critic, inputs)
    q_data = jnp.take_along_axis(q, action[:, None], axis=-1)[:, 0]
    chex.assert_equal_shape([q_data, target])
    penalized = q if q.shape[0] == data_size else q[data_size:]
    gap = jax.nn.logsumexp(penalized, axis=-1).mean() - q_data[:data_size].mean()
    loss = optax.huber_loss(q_data, target).mean() + config.conservative_weight * gap
    return loss, {"critic_loss": loss, "gap": gap, "q": q_data[:data_size].mean()}


def next_target(config: CQLConfig, state: DiscreteCQLState) -> Params:
    """The target critic after an update: moved by `tau`, or copied every `target_period` updates."""
    if not config.target_period:
        return soft_update(state.critic, state.target_critic, config.tau)
    return jax.lax.cond(state.step % config.target_period == 0, lambda: state.critic, lambda: state.target_critic)


def critic_network(config: CQLConfig, stats: DatasetStats) -> MLP:
    """Inputs (B, I) -> values (B, A) of all actions."""
    return MLP(stats.action_dim, config.hidden, config.critic_norm)
