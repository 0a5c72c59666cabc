"""A learned world: an ensemble of probabilistic models of the change of state, the reward and the end of an episode.

Each member predicts a Gaussian over s' - s, the logit of a terminal, and two Gaussians over r, one where the episode
goes on and one where it ends (PETS, Chua et al., NeurIPS 2018; MOPO and COMBO, Yu et al., 2020 and 2021, have but one,
which misses a reward that is paid at the end alone). The members differ by their initial weights and see the same
batches (Lakshminarayanan et al., NeurIPS 2017). Letters: K members, B batch, D observation, E goal vector, A action, H
horizon.
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

from kalm_jax.offline_rl.buffer import Buffer
from kalm_jax.offline_rl.networks import MLP, Batch, Spec, policy_input

LOG_VARIANCE = (-10.0, 0.5)
"""Soft bounds of the log variance of a normalised change of state or reward (PETS)."""
_ROWS = 1 << 16


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Imagined:
    """Rollouts of a learned world, N of them, each valid for its first `length` steps.

    Attributes:
      observation: (N, H + 1, D). goal: (N, E). action: (N, H) int32 or (N, H, A).
      reward: (N, H), in the units of the data. terminal: (N, H) 1 where the world ended.
      length: (N,) int32, steps up to the first terminal, at most H.
    """

    observation: jax.Array
    goal: jax.Array
    action: jax.Array
    reward: jax.Array
    terminal: jax.Array
    length: jax.Array


def world_spec(buffer: Buffer) -> Spec:
    """`Buffer.spec` with the statistics of changes and rewards, by which a learned world is normalised."""
    row, size = np.asarray(buffer.row), buffer.observations.shape[1] + 1
    total, squares = np.zeros(size), np.zeros(size)
    for first in range(0, len(row), _ROWS):  # of a stream the arrays are files that may be larger than memory
        part = slice(first, first + _ROWS)
        after, before = (np.asarray(buffer.observations[i], np.float64) for i in (row[part] + 1, row[part]))
        step = np.append(after - before, np.asarray(buffer.reward[part], np.float64)[:, None], axis=1)
        total, squares = total + step.sum(0), squares + (step**2).sum(0)
    mean = total / len(row)
    std = np.sqrt(np.maximum(squares / len(row) - mean**2, 0.0))
    std[std < 1e-6 * np.abs(mean)] = 0.0  # always alike, but for rounding
    return dataclasses.replace(buffer.spec(), change=jnp.asarray(np.stack([mean, std]), jnp.float32))


def init_models(hidden: tuple[int, ...], count: int, key, spec: Spec) -> dict:
    """Parameters of `count` members, stacked along the first axis."""
    example = jnp.zeros((1, spec.input_dim + spec.action_dim))
    return jax.vmap(lambda k: _network(hidden, spec).init(k, example))(jax.random.split(key, count))


def predict(hidden: tuple[int, ...], models, spec: Spec, inputs, action):
    """(means (K, B, D + 2), log variances (K, B, D + 2), terminal logits (K, B)) of all members.

    The first D numbers are the change of state, then come the reward where the episode goes on and where it ends, all
    normalised by `spec.change`. `action` is (B,) int32 or (B, A).
    """
    vector = jax.nn.one_hot(action, spec.action_dim) if spec.discrete else action
    x = jnp.concatenate([inputs, vector], axis=-1)
    out = jax.vmap(lambda params: _network(hidden, spec).apply(params, x))(models)
    size = spec.observation_mean.shape[0] + 2
    mean, raw, logit = out[..., :size], out[..., size : 2 * size], out[..., -1]
    low, high = LOG_VARIANCE
    log_variance = high - jax.nn.softplus(high - raw)
    return mean, low + jax.nn.softplus(log_variance - low), logit


def model_loss(hidden: tuple[int, ...], models, spec: Spec, batch: Batch, beta: float):
    """sum_K mean_B of the negative log-likelihood of (s' - s, r) and of the terminal (MOPO, equation of section 5).

    Each number's likelihood is weighted by its variance to the power `beta`, through which no gradient goes: with 0
    means are hardly learned where the network is not sure of them yet (Seitzer et al., ICLR 2022).

    What always changes alike in the data (`spec.change`), such as what never moves, is known and has no part in it: its
    likelihood would grow without bound and rule the network.
    """
    inputs = policy_input(spec, batch.observation, batch.goal)
    mean, log_variance, logit = predict(hidden, models, spec, inputs, batch.action)
    ends = batch.terminal > 0
    mean, log_variance = _given(mean, ends), _given(log_variance, ends)
    centre, spread = spec.change
    step = jnp.concatenate([batch.next_observation - batch.observation, batch.reward[:, None]], axis=-1)
    want = (step - centre) / jnp.where(spread > 0, spread, 1.0)
    chex.assert_shape(mean, (None, *want.shape))
    nll = 0.5 * ((mean - want) ** 2 * jnp.exp(-log_variance) + log_variance + math.log(2 * math.pi))
    nll = nll * jax.lax.stop_gradient(jnp.exp(beta * log_variance))
    ending = optax.sigmoid_binary_cross_entropy(logit, jnp.broadcast_to(batch.terminal, logit.shape))
    return (jnp.where(spread > 0, nll, 0.0).sum(-1) + ending).mean(1).sum()


def rollout(
    hidden: tuple[int, ...],
    models,
    spec: Spec,
    observation,
    goal,
    key,
    *,
    policy: Callable,
    horizon: int,
    terminal: Callable | None = None,
) -> Imagined:
    """`horizon` steps from observations (B, D) under goal vectors (B, E); each step asks one member, drawn at random.

    Args:
      policy: (observation, goal, key) -> actions.
      terminal: (next observation (B, D), goal (B, E)) -> (B,) bool where it is known when an episode ends; None draws
        ends from the learned probability.
    """
    count = jax.tree.leaves(models)[0].shape[0]
    size, (centre, spread) = observation.shape[0], spec.change

    def step(state, step_key):
        act_key, member_key, noise_key, end_key = jax.random.split(step_key, 4)
        action = policy(state, goal, act_key)
        inputs = policy_input(spec, state, goal)
        member, places = jax.random.randint(member_key, (size,), 0, count), jnp.arange(size)
        mean, log_variance, logit = (x[member, places] for x in predict(hidden, models, spec, inputs, action))
        drawn = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(noise_key, mean.shape)
        change = centre[:-1] + spread[:-1] * drawn[:, :-2]
        if terminal is None:
            ends = jax.random.uniform(end_key, (size,)) < jax.nn.sigmoid(logit)
        else:
            ends = terminal(state + change, goal)
            chex.assert_shape(ends, (size,))
        reward = centre[-1] + spread[-1] * _given(drawn, ends)[:, -1]
        return state + change, (state + change, action, reward, ends)

    _, steps = jax.lax.scan(step, observation, jax.random.split(key, horizon))
    after, action, reward, ends = (jnp.swapaxes(x, 0, 1) for x in steps)
    return Imagined(
        observation=jnp.concatenate([observation[:, None], after], axis=1),
        goal=goal,
        action=action,
        reward=reward,
        terminal=ends.astype(reward.dtype),
        length=jnp.where(ends.any(1), jnp.argmax(ends, axis=1) + 1, horizon).astype(jnp.int32),
    )


def empty_memory(spec: Spec, size: int, horizon: int) -> Imagined:
    """Room for `size` rollouts."""
    action = jnp.zeros((size, horizon), jnp.int32) if spec.discrete else jnp.zeros((size, horizon, spec.action_dim))
    return Imagined(
        observation=jnp.zeros((size, horizon + 1, spec.observation_mean.shape[0])),
        goal=jnp.zeros((size, spec.goal_mean.shape[0])),
        action=action,
        reward=jnp.zeros((size, horizon)),
        terminal=jnp.zeros((size, horizon)),
        length=jnp.ones((size,), jnp.int32),
    )


def sample_memory(memory: Imagined, filled, key, count: int) -> Batch:
    """`count` transitions: one of the first `filled` rollouts, then one of the steps up to its end."""
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


def _given(x, ends):
    """(..., B, D + 1): of x (..., B, D + 2) all but the reward that is not given, where `ends` (B,) says which is."""
    return jnp.concatenate([x[..., :-2], jnp.where(ends, x[..., -1], x[..., -2])[..., None]], axis=-1)


def _network(hidden: tuple[int, ...], spec: Spec) -> MLP:
    return MLP(2 * (spec.observation_mean.shape[0] + 2) + 1, hidden)
