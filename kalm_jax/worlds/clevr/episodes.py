"""CLEVR-Robot's goals as tables, and its evaluation episodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kalm_jax.evaluation.episodes import balanced_goals
from kalm_jax.types import LEVELS, Episodes, GoalTable, make_goal_table
from kalm_jax.types.text import Sentence
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr.instructions import sentences, validation_sentences
from kalm_jax.worlds.clevr.simulator import observation_of, sample_states


def goals_of_level(level: str) -> GoalTable:
    """Every sentence of a level (`LEVELS`) as a goal, without goal vectors; the offline level has 4,320."""
    return _goal_table(sentences(level), level)


def validation_goals() -> GoalTable:
    """Every validation sentence as a goal, without goal vectors; they count as rephrased ones."""
    return _goal_table(validation_sentences(), "rephrase")


def _goal_table(every: Sequence[Sentence], level: str) -> GoalTable:
    families = [clevr_goals.FAMILIES.index(s.family) for s in every]
    array = np.array([s.goal for s in every], np.int32)
    return make_goal_table([s.text for s in every], LEVELS.index(level), families, array)


def make_episodes(level: str, num: int, seed: int) -> Episodes:
    """`num` episodes of a level, a function of (level, num, seed) alone; `states` are (num, 69) float64.

    Families are equally frequent (of `unseen_hard`: two_relations, three_relations, line, gather), and within a family
    the sentence templates are. Draw different episodes for each training seed: see `kalm_jax.evaluation.statistics`.
    """
    goals = goals_of_level(level)
    rng = np.random.default_rng([seed, LEVELS.index(level)])
    template = np.array([s.template for s in sentences(level)])
    goal = balanced_goals(rng, goals.family, np.unique(goals.family), num, template)
    states = sample_states(rng, num)
    while True:
        solved = clevr_goals.satisfied(goals.family[goal], goals.array[goal], observation_of(states))
        if not solved.any():
            return Episodes(states, goal, goals)
        states[solved] = sample_states(rng, int(solved.sum()))
