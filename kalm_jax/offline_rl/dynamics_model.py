"""A learned world: an ensemble of probabilistic models of the change of state, the reward and the end of an episode.

Each member predicts a Gaussian over (s' - s, r) and the logit of a terminal (PETS, Chua et al., NeurIPS 2018; MOPO and
COMBO, Yu et al., 2020 and 2021). The members differ by their initial weights and see the same batches (Lakshminarayanan
et al., NeurIPS 2017). Letters: K members, B batch, D observation, E goal vector, A action, H horizon.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
import optax

from kalm_jax.offline_rl.networks import MLP, Batch, Spec, policy_input

LOG_VARIANCE = (-10.0, 0.5)
"""Soft bounds of the log variance of a normalised change of state (PETS)."""


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


def init_models(hidden: tuple[int, ...], count: int, key, spec: Spec) -> dict:
    """Parameters of `count` members, stacked along the first axis."""
    example = jnp.zeros((1, spec.input_dim + spec.action_dim))
    return jax.vmap(lambda k: _network(hidden, spec).init(k, example))(jax.random.split(key, count))


def predict(hidden: tuple[int, ...], models, spec: Spec, inputs, action):
    """(means (K, B, D + 1), log variances (K, B, D + 1), terminal logits (K, B)) of all members.

    The first D numbers are the change of state in units of the observations' standard deviation, the last is the
    reward as it was trained on. `action` is (B,) int32 or (B, A).
    """
    vector = jax.nn.one_hot(action, spec.action_dim) if spec.discrete else action
    x = jnp.concatenate([inputs, vector], axis=-1)
    out = jax.vmap(lambda params: _network(hidden, spec).apply(params, x))(models)
    size = spec.observation_mean.shape[0] + 1
    mean, raw, logit = out[..., :size], out[..., size : 2 * size], out[..., -1]
    low, high = LOG_VARIANCE
    log_variance = high - jax.nn.softplus(high - raw)
    return mean, low + jax.nn.softplus(log_variance - low), logit


def model_loss(hidden: tuple[int, ...], models, spec: Spec, batch: Batch, reward_scale: float):
    """sum_K mean_B of the negative log-likelihood of (s' - s, r) and of the terminal (MOPO, equation of section 5)."""
    inputs = policy_input(spec, batch.observation, batch.goal)
    mean, log_variance, logit = predict(hidden, models, spec, inputs, batch.action)
    change = (batch.next_observation - batch.observation) / spec.observation_std
    want = jnp.concatenate([change, reward_scale * batch.reward[:, None]], axis=-1)
    chex.assert_shape(mean, (None, *want.shape))
    nll = 0.5 * ((mean - want) ** 2 * jnp.exp(-log_variance) + log_variance + math.log(2 * math.pi))
    ends = optax.sigmoid_binary_cross_entropy(logit, jnp.broadcast_to(batch.terminal, logit.shape))
    return (nll.sum(-1) + ends).mean(1).sum()


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
    reward_scale: float,
    terminal: Callable | None = None,
) -> Imagined:
    """`horizon` steps from observations (B, D) under goal vectors (B, E); each step asks one member, drawn at random.

    Args:
      policy: (observation, goal, key) -> actions.
      reward_scale: by which predicted rewards are divided.
      terminal: (next observation (B, D), goal (B, E)) -> (B,) bool where it is known when an episode ends; None draws
        ends from the learned probability.
    """
    count = jax.tree.leaves(models)[0].shape[0]
    size = observation.shape[0]

    def step(state, step_key):
        act_key, member_key, noise_key, end_key = jax.random.split(step_key, 4)
        action = policy(state, goal, act_key)
        inputs = policy_input(spec, state, goal)
        member, places = jax.random.randint(member_key, (size,), 0, count), jnp.arange(size)
        mean, log_variance, logit = (x[member, places] for x in predict(hidden, models, spec, inputs, action))
        drawn = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(noise_key, mean.shape)
        after = state + spec.observation_std * drawn[:, :-1]
        if terminal is None:
            ends = jax.random.uniform(end_key, (size,)) < jax.nn.sigmoid(logit)
        else:
            ends = terminal(after, goal)
            chex.assert_shape(ends, (size,))
        return after, (after, action, drawn[:, -1] / reward_scale, ends)

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


def _network(hidden: tuple[int, ...], spec: Spec) -> MLP:
    return MLP(2 * (spec.observation_mean.shape[0] + 1) + 1, hidden)
