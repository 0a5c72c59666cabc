"""CLEVR-Robot's evaluation episodes."""

from __future__ import annotations

import numpy as np

from kalm_jax.arguments import COUNT, EPISODE_SEED, checked
from kalm_jax.evaluation.episodes import balanced_goals
from kalm_jax.settings import Setting
from kalm_jax.types import LEVELS, Episodes
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr.instructions import goals_of_level, sentences
from kalm_jax.worlds.clevr.simulator import observation_of, sample_states


def unsatisfied_states(rng: np.random.Generator, family: np.ndarray | int, goal: np.ndarray) -> np.ndarray:
    """Random initial states (N, 69) that do not satisfy their goals (N, 9) of family (N,) or ()."""
    states = sample_states(rng, len(goal))
    while (solved := clevr_goals.satisfied(family, goal, observation_of(states))).any():
        states[solved] = sample_states(rng, int(solved.sum()))
    return states


@checked(level=Setting("", choices=LEVELS), count=COUNT, seed=EPISODE_SEED)
def make_episodes(level: str, count: int, seed: int) -> Episodes:
    """`count` episodes of a level, a function of (level, count, seed) alone; `states` are (count, 69) float64.

    Families are equally frequent, and within a family the sentence templates are.
    """
    goals = goals_of_level(level)
    rng = np.random.default_rng([seed, LEVELS.index(level)])
    template = np.array([s.template for s in sentences(level)])
    goal = balanced_goals(rng, goals.family, np.unique(goals.family), count, template)
    return Episodes(unsatisfied_states(rng, goals.family[goal], goals.array[goal]), goal, goals)
