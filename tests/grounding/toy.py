"""A toy world whose rule is known, and small grounded models of it, for the tests of grounding."""

import jax
import numpy as np

from kalm_jax.grounding.config import TaskShares
from kalm_jax.grounding.model import GroundedModel, init_params, numeric_spec
from kalm_jax.grounding.tasks import Batches
from kalm_jax.llm.transformer import LlamaConfig
from kalm_jax.types import Rollouts, make_goal_table
from kalm_jax.worlds.base import GoalLanguage

TEXTS = ["push the red ball left", "push the blue ball right", "keep the red ball left", "keep the blue ball right"]


GOALS = make_goal_table(TEXTS, 0, 0, np.array([[0, 1], [1, 0], [0, 1], [1, 0]]))


def toy_rollouts(n=48, seed=0, continuous=False):
    """A world whose rule is known: action a adds 0.1 * (a - 1) to each number; goal 0 pushes up, goal 1 down."""
    rng = np.random.default_rng(seed)
    horizon = 6
    length = rng.integers(2, horizon + 1, n)
    goal = rng.integers(0, 2, n)
    obs, actions = np.zeros((n, horizon + 1, 3), np.float32), np.zeros((n, horizon), np.int32)
    for i in range(n):
        obs[i, 0] = rng.normal(size=3)
        for t in range(length[i]):
            actions[i, t] = 2 - 2 * goal[i] if rng.random() < 0.9 else 1
            obs[i, t + 1] = obs[i, t] + 0.1 * (actions[i, t] - 1)
    if continuous:
        actions = np.where(np.arange(horizon) < length[:, None], actions - 1.0, 0.0).astype(np.float32)[..., None]
    ones = np.ones(n, bool)
    rewards = np.zeros((n, horizon), np.float32)
    return Rollouts(obs, actions, rewards, length.astype(np.int32), ones, goal.astype(np.int32), ~ones)


def make(words, rollouts, width=32):
    spec = numeric_spec(rollouts, 0 if rollouts.actions.ndim == 3 else 3, hidden=32)
    model = GroundedModel(LlamaConfig(words.vocab_size, width, 2, 2, 2, 16, 64), spec)
    return model, init_params(model, jax.random.key(0))


def batches(words, rollouts, shares=TaskShares(), seed=0):
    text = lambda rng: TEXTS[int(rng.integers(4))]  # noqa: E731
    wording = lambda rng: (t := text(rng), t[9:12])  # noqa: E731
    spec = numeric_spec(rollouts, 3, hidden=32)
    said = GoalLanguage(text, describe, short, short, wording)
    return Batches(rollouts, GOALS, words, shares, said, spec, rows=8, length=64, seed=seed)


def short(family, array):
    return TEXTS[array[0]][9:12]


def describe(rng, state, before=None):
    """One question, answered by the sign of the state's first number."""
    return [("goal", "go" if state[0] > 0 else "stay")]
