"""Problems with known answers: bandits, a state that repeats, a grid; and how learners are fitted to them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.offline_rl import Batch, DatasetStats
from kalm_jax.offline_rl.critics import make_critics, value_of
from kalm_jax.offline_rl.normalization import policy_input

VALUE_LEARNERS = ("cql", "awac", "iql")
FAST = {"hidden": (), "learning_rate": 2e-2, "tau": 0.1, "reward_scale": 1.0, "discount": 0.8}
"""Linear networks: with one-hot states they are tables, and small problems take few updates."""


def make_stats(observation_dim, action_dim, discrete):
    """Inputs that are left as they are, under one goal (a vector of one zero)."""
    ones = (jnp.zeros(observation_dim), jnp.ones(observation_dim), jnp.zeros(1), jnp.ones(1))
    return DatasetStats(*ones, action_dim, discrete)


def make_batch(observation, action, reward, next_observation=None, terminal=1.0):
    observation = np.asarray(observation, np.float32)
    after = observation if next_observation is None else np.asarray(next_observation, np.float32)
    n = len(observation)
    action = np.asarray(action)
    action = action.astype(np.int32 if action.dtype.kind == "i" else np.float32)
    reward, terminal = (np.broadcast_to(np.float32(x), n) for x in (reward, terminal))
    return Batch(*map(jnp.asarray, (observation, np.zeros((n, 1), np.float32), action, reward, after, terminal)))


@functools.partial(jax.jit, static_argnames=("learner", "steps", "change"))
def fit(learner, stats, batch, steps, change=lambda state: state):
    """The state after `steps` updates, each on the whole of the data; the first begins at what `change` makes of it."""
    state = change(learner.init(jax.random.key(0), stats))
    return jax.lax.fori_loop(
        0, steps, lambda i, s: learner.update(s, stats, batch, jax.random.fold_in(jax.random.key(1), i))[0], state
    )


def inputs_of(stats, observation):
    return policy_input(stats, jnp.asarray(observation, jnp.float32), jnp.zeros((len(observation), 1)))


def q_of(learner, state, stats, observation, action):
    """Q1 of one action per observation, discrete or continuous."""
    inputs, action = inputs_of(stats, observation), jnp.asarray(action)
    if learner.name == "cql" and stats.discrete:
        critic = make_critics(learner.config, stats, 1)
        return np.asarray(value_of(critic, {"params": {"critics_0": state.critic["params"]}}, inputs, action)[0])
    return np.asarray(value_of(make_critics(learner.config, stats), state.critic, inputs, action)[0])


FREQUENCY = np.array([0.5, 0.3, 0.2])
REWARD = np.array([0.0, 0.6, 1.0])


def discrete_bandit():
    action = np.repeat([0, 1, 2], (20 * FREQUENCY).astype(int))
    return make_stats(1, 3, True), make_batch(np.ones((20, 1)), action, REWARD[action])


def continuous_bandit():
    """Rewards that rise with the first action and do not depend on the second."""
    action = np.random.default_rng(0).uniform(-0.9, 0.9, (64, 2))
    return make_stats(1, 2, False), make_batch(np.ones((64, 1)), action, 0.5 * action[:, 0])


SIZE, MOVES = 3, np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])


def grid():
    """Every transition of a 3 x 3 grid whose far corner pays 1 and ends; and Q* by value iteration."""
    cells = np.array([(x, y) for x in range(SIZE) for y in range(SIZE)][:-1])
    after = np.clip(cells[:, None] + MOVES, 0, SIZE - 1)
    reached = (after == SIZE - 1).all(-1)
    index = after @ [SIZE, 1]
    q = np.zeros((len(cells), 4))
    for _ in range(100):
        v = np.append(q.max(1), 0.0)
        q = reached + 0.8 * (1 - reached) * v[index]
    eye = np.eye(SIZE * SIZE)
    observation = eye[(cells @ [SIZE, 1]).repeat(4)]
    batch = make_batch(
        observation, np.tile(np.arange(4), len(cells)), reached.ravel() * 1.0, eye[index.ravel()], reached.ravel() * 1.0
    )
    return make_stats(SIZE * SIZE, 4, True), batch, q
