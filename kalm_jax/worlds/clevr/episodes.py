"""CLEVR-Robot's evaluation episodes."""

from __future__ import annotations

import numpy as np

from kalm_jax.evaluation.episodes import balanced_goals
from kalm_jax.types import LEVELS, Episodes
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr.instructions import goals_of_level, sentences
from kalm_jax.worlds.clevr.simulator import observation_of, sample_states


def make_episodes(level: str, count: int, seed: int) -> Episodes:
    """`count` episodes of a level, a function of (level, count, seed) alone; `states` are (count, 69) float64.

    Families are equally frequent (of `unseen_hard`: two_relations, three_relations, line, gather), and within a family
    the sentence templates are. Draw different episodes for each training seed: see `kalm_jax.evaluation.statistics`.
    """
    goals = goals_of_level(level)
    rng = np.random.default_rng([seed, LEVELS.index(level)])
    template = np.array([s.template for s in sentences(level)])
    goal = balanced_goals(rng, goals.family, np.unique(goals.family), count, template)
    states = sample_states(rng, count)
    while True:
        solved = clevr_goals.satisfied(goals.family[goal], goals.array[goal], observation_of(states))
        if not solved.any():
            return Episodes(states, goal, goals)
        states[solved] = sample_states(rng, int(solved.sum()))
