"""Random rollouts, bandits, buffers and small learners for the tests of offline RL."""

import dataclasses
import functools

import jax
import numpy as np

from kalm_jax.offline_rl import make_buffer
from kalm_jax.offline_rl.trainer import init_states, update_many
from kalm_jax.types import Rollouts, make_goal_table

SMALL = {
    "awac": {"hidden": (8,), "batch_size": 8},
    "bc": {"hidden": (16, 16), "batch_size": 8},
    "combo": {
        **{"hidden": (8,), "batch_size": 8, "action_samples": 2, "models": 2, "model_hidden": (8,)},
        **{"dynamics_updates": 2, "horizon": 2, "rollout_every": 2, "memory": 2},
    },
    "cql": {"hidden": (8,), "batch_size": 8, "action_samples": 2},
    "decision_transformer": {"batch_size": 8, "context": 3, "width": 8, "layers": 1, "warmup": 2},
    "iql": {"hidden": (8,), "batch_size": 8},
    "td3bc": {"hidden": (16, 16), "batch_size": 8, "critic_norm": True},
}
"""Settings of every learner that compile and run fast."""


def random_rollouts(seed, n=12, horizon=5, observation_dim=3, num_actions=4, num_goals=3, continuous=False):
    rng = np.random.default_rng(seed)
    length = rng.integers(1, horizon + 1, n).astype(np.int32)
    step = np.arange(horizon)[None] < length[:, None]
    seen = np.arange(horizon + 1)[None] <= length[:, None]
    if continuous:
        actions = (rng.uniform(-1, 1, (n, horizon, 2)) * step[..., None]).astype(np.float32)
    else:
        actions = (rng.integers(0, num_actions, (n, horizon)) * step).astype(np.int32)
    return Rollouts(
        observations=(rng.normal(size=(n, horizon + 1, observation_dim)) * seen[..., None]).astype(np.float32),
        actions=actions,
        rewards=(rng.normal(size=(n, horizon)) * step).astype(np.float32),
        length=length,
        terminated=rng.random(n) < 0.5,
        goal=rng.integers(0, num_goals, n).astype(np.int32),
        imagined=np.zeros(n, bool),
    )


def goal_table(num_goals=3, size=4, seed=0):
    vector = np.random.default_rng(seed).normal(size=(num_goals, size))
    text = [f"goal {i}" for i in range(num_goals)]
    return make_goal_table(text, 0, 0, np.zeros((num_goals, 9), np.int32), vector)


def random_buffer(seed=0, continuous=False):
    sources = [(random_rollouts(seed, continuous=continuous), 0.5)]
    sources.append((random_rollouts(seed + 1, continuous=continuous), 0.5))
    return make_buffer(sources, goal_table(), None if continuous else 4)


def one_step_rollouts(actions, rewards, terminated=True, next_observation=None):
    """Rollouts of one transition each from one observation under one goal: a bandit."""
    n = len(actions)
    observations = np.zeros((n, 2, 2), np.float32)
    if next_observation is not None:
        observations[:, 1] = next_observation
    return Rollouts(
        observations,
        np.asarray(actions, np.int32)[:, None],
        np.asarray(rewards, np.float32)[:, None],
        np.ones(n, np.int32),
        np.full(n, terminated),
        np.zeros(n, np.int32),
        np.zeros(n, bool),
    )


def first_states(learner, buffer, seeds):
    """States before the first update, stacked over seeds."""
    return init_states(learner, learner.stats(buffer), seeds)


def advance(state, buffer, count, learner):
    """(states, means of the metrics) after `count` updates."""
    state, sums = update_many(state, learner.stats(buffer), buffer, np.int32(count), learner=learner)
    return state, {name: x / count for name, x in sums.items()}


@functools.partial(jax.jit, static_argnames="learner")
def update(learner, state, stats, batch, key):
    return learner.update(state, stats, batch, key)


def raw(state):
    return jax.tree.map(np.asarray, dataclasses.replace(state, key=jax.random.key_data(state.key)))


def assert_same(a, b):
    jax.tree.map(np.testing.assert_array_equal, raw(a), raw(b))


def differs(a, b):
    pairs = zip(jax.tree.leaves(raw(a)), jax.tree.leaves(raw(b)))
    return any(not np.array_equal(x, y) for x, y in pairs)
