"""An ensemble of probabilistic dynamics models: change of the observation, reward and end of an episode.

Each member predicts a Gaussian over s' - s, the logit of a terminal, and two Gaussians over r, one for steps after
which the episode continues and one for those that end it (PETS, Chua et al., NeurIPS 2018; MOPO and COMBO, Yu et al.,
2020 and 2021, have a single one, which misses a reward that is paid only at the end). The members differ by their
initial weights and are trained on the same batches (Lakshminarayanan et al., NeurIPS 2017).
Dimension letters: M members, B batch, N rollouts, T steps, D observation, E goal vector, A action, I input.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from kalm_jax.offline_rl.arrays import Actions, Inputs, Loss, Params, Scalar
from kalm_jax.offline_rl.buffer import Batch, Buffer
from kalm_jax.offline_rl.networks import MLP, apply
from kalm_jax.offline_rl.normalization import DatasetStats, policy_input
from kalm_jax.types.pytree import pytree_dataclass

LOG_VARIANCE = (-10.0, 0.5)
"""Soft bounds of the log variance of a normalized change of an observation or reward (PETS)."""
_ROWS = 1 << 16


@pytree_dataclass
class ModelRollouts:
    """Rollouts of the dynamics models, each valid for its first `length` steps.

    Attributes:
      observation: (N, T + 1, D). goal: (N, E). action: (N, T) int32 or (N, T, A).
      reward: (N, T), in the units of the data. terminal: (N, T), 1 where the episode ended.
      length: (N,) int32, steps up to the first terminal, at most T.
    """

    observation: Float[Array, "N T+1 D"]
    goal: Float[Array, "N E"]
    action: Int[Array, "N T"] | Float[Array, "N T A"]
    reward: Float[Array, "N T"]
    terminal: Float[Array, "N T"]
    length: Int[Array, " N"]


def dynamics_stats(buffer: Buffer) -> DatasetStats:
    """`Buffer.stats` with the statistics of changes and rewards, by which the models' outputs are normalized."""
    row, size = np.asarray(buffer.row), buffer.observations.shape[1] + 1
    total, squares = np.zeros(size), np.zeros(size)
    for first in range(0, len(row), _ROWS):  # the arrays of a stream are files that may be larger than memory
        part = slice(first, first + _ROWS)
        after, before = (np.asarray(buffer.observations[i], np.float64) for i in (row[part] + 1, row[part]))
        step = np.append(after - before, np.asarray(buffer.reward[part], np.float64)[:, None], axis=1)
        total, squares = total + step.sum(0), squares + (step**2).sum(0)
    mean = total / len(row)
    std = np.sqrt(np.maximum(squares / len(row) - mean**2, 0.0))
    std[std < 1e-6 * np.abs(mean)] = 0.0  # constant, except for rounding
    return dataclasses.replace(buffer.stats(), change=jnp.asarray(np.stack([mean, std]), jnp.float32))


def init_models(hidden: tuple[int, ...], count: int, key: Array, stats: DatasetStats) -> Params:
    """Parameters of `count` members, stacked along the first axis."""
    example = jnp.zeros((1, stats.input_dim + stats.action_dim))
    return jax.vmap(lambda k: member_network(hidden, stats).init(k, example))(jax.random.split(key, count))


def predict(
    hidden: tuple[int, ...], models: Params, stats: DatasetStats, inputs: Inputs, action: Actions
) -> tuple[Float[Array, "M B outputs"], Float[Array, "M B outputs"], Float[Array, "M B"]]:
    """Means, log variances and terminal logits of all members.

    The first D entries are the change of the observation, then come the reward if the episode continues and if it ends,
    all normalized by `stats.change`.
    """
    vector = jax.nn.one_hot(action, stats.action_dim) if stats.discrete else action
    x = jnp.concatenate([inputs, vector], axis=-1)
    out = jax.vmap(lambda params: apply(member_network(hidden, stats), params, x))(models)
    size = stats.observation_mean.shape[0] + 2
    mean, raw, logit = out[..., :size], out[..., size : 2 * size], out[..., -1]
    low, high = LOG_VARIANCE
    log_variance = high - jax.nn.softplus(high - raw)
    return mean, low + jax.nn.softplus(log_variance - low), logit


def model_loss(hidden: tuple[int, ...], models: Params, stats: DatasetStats, batch: Batch, beta: Scalar) -> Loss:
    """sum_M mean_B of the negative log-likelihood of (s' - s, r) and of the terminal (MOPO, equation of section 5).

    The likelihood of each entry is weighted by its variance to the power `beta`, without gradient: with 0, means are
    hardly learned where the network is still uncertain (Seitzer et al., ICLR 2022).

    Entries whose change is constant in the data (`stats.change`), such as objects that never move, are left out: their
    likelihood would grow without bound and dominate the loss.
    """
    inputs = policy_input(stats, batch.observation, batch.goal)
    mean, log_variance, logit = predict(hidden, models, stats, inputs, batch.action)
    ends = batch.terminal > 0
    mean, log_variance = select_reward(mean, ends), select_reward(log_variance, ends)
    center, spread = stats.change
    step = jnp.concatenate([batch.next_observation - batch.observation, batch.reward[:, None]], axis=-1)
    want = (step - center) / jnp.where(spread > 0, spread, 1.0)
    chex.assert_shape(mean, (None, *want.shape))
    nll = 0.5 * ((mean - want) ** 2 * jnp.exp(-log_variance) + log_variance + math.log(2 * math.pi))
    nll = nll * jax.lax.stop_gradient(jnp.exp(beta * log_variance))
    ending = optax.sigmoid_binary_cross_entropy(logit, jnp.broadcast_to(batch.terminal, logit.shape))
    return (jnp.where(spread > 0, nll, 0.0).sum(-1) + ending).mean(1).sum()


def rollout(
    hidden: tuple[int, ...],
    models: Params,
    stats: DatasetStats,
    observation: Float[Array, "N D"],
    goal: Float[Array, "N E"],
    key: Array,
    *,
    policy: Callable[[Array, Array, Array], Array],
    horizon: int,
    terminal: Callable[[Array, Array], Array] | None = None,
) -> ModelRollouts:
    """Rolls out the policy for `horizon` steps from given observations; a random member predicts each step.

    Args:
      policy: (observation, goal, key) -> actions.
      terminal: (next observation (N, D), goal (N, E)) -> (N,) bool where it is known when an episode ends; None
        samples ends from the predicted probability.
    """
    count = jax.tree.leaves(models)[0].shape[0]
    size, (center, spread) = observation.shape[0], stats.change

    def step(state: Float[Array, "N D"], step_key: Array) -> tuple[Array, tuple[Array, ...]]:
        act_key, member_key, noise_key, end_key = jax.random.split(step_key, 4)
        action = policy(state, goal, act_key)
        inputs = policy_input(stats, state, goal)
        member, places = jax.random.randint(member_key, (size,), 0, count), jnp.arange(size)
        mean, log_variance, logit = (x[member, places] for x in predict(hidden, models, stats, inputs, action))
        sampled = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(noise_key, mean.shape)
        change = center[:-1] + spread[:-1] * sampled[:, :-2]
        if terminal is None:
            ends = jax.random.uniform(end_key, (size,)) < jax.nn.sigmoid(logit)
        else:
            ends = terminal(state + change, goal)
            chex.assert_shape(ends, (size,))
        reward = center[-1] + spread[-1] * select_reward(sampled, ends)[:, -1]
        return state + change, (state + change, action, reward, ends)

    _, steps = jax.lax.scan(step, observation, jax.random.split(key, horizon))
    after, action, reward, ends = (jnp.swapaxes(x, 0, 1) for x in steps)
    return ModelRollouts(
        observation=jnp.concatenate([observation[:, None], after], axis=1),
        goal=goal,
        action=action,
        reward=reward,
        terminal=ends.astype(reward.dtype),
        length=jnp.where(ends.any(1), jnp.argmax(ends, axis=1) + 1, horizon).astype(jnp.int32),
    )


def empty_memory(stats: DatasetStats, size: int, horizon: int) -> ModelRollouts:
    """A memory for `size` rollouts of `horizon` steps."""
    action = jnp.zeros((size, horizon), jnp.int32) if stats.discrete else jnp.zeros((size, horizon, stats.action_dim))
    return ModelRollouts(
        observation=jnp.zeros((size, horizon + 1, stats.observation_mean.shape[0])),
        goal=jnp.zeros((size, stats.goal_mean.shape[0])),
        action=action,
        reward=jnp.zeros((size, horizon)),
        terminal=jnp.zeros((size, horizon)),
        length=jnp.ones((size,), jnp.int32),
    )


def sample_memory(memory: ModelRollouts, filled: Int[Array, ""] | int, key: Array, count: int) -> Batch:
    """`count` transitions: each from one of the first `filled` rollouts, and one of the steps up to its end."""
    which_key, step_key = jax.random.split(key)
    i = jax.random.randint(which_key, (count,), 0, filled)
    t = jax.random.randint(step_key, (count,), 0, memory.length[i])
    return Batch(
        observation=memory.observation[i, t],
        goal=memory.goal[i],
        action=memory.action[i, t],
        reward=memory.reward[i, t],
        next_observation=memory.observation[i, t + 1],
        terminal=memory.terminal[i, t],
    )


def select_reward(x: Float[Array, "*m B outputs"], ends: Bool[Array, " B"]) -> Float[Array, "*m B entries"]:
    """Keeps one of the two reward predictions at the end of the last axis: the last where the episode ends."""
    return jnp.concatenate([x[..., :-2], jnp.where(ends, x[..., -1], x[..., -2])[..., None]], axis=-1)


def member_network(hidden: tuple[int, ...], stats: DatasetStats) -> MLP:
    """A member: observation, goal and action -> means, raw log variances, terminal logit."""
    return MLP(2 * (stats.observation_mean.shape[0] + 2) + 1, hidden)
