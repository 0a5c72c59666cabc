"""Meta-world's goals as tables, and its evaluation episodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kalm_jax.evaluation.episodes import balanced_goals
from kalm_jax.types import LEVELS, Episodes, GoalTable, make_goal_table
from kalm_jax.types.text import Sentence
from kalm_jax.worlds.metaworld.goals import FAMILIES
from kalm_jax.worlds.metaworld.instructions import sentences, validation_sentences


def goals_of_level(level: str) -> GoalTable:
    """Every sentence of a level as a goal, without goal vectors; a goal's family is its task's index."""
    return _goal_table(sentences(level), level)


def validation_goals() -> GoalTable:
    """Every validation sentence as a goal, without goal vectors; they count as rephrased ones."""
    return _goal_table(validation_sentences(), "rephrase")


def _goal_table(every: Sequence[Sentence], level: str) -> GoalTable:
    families = [FAMILIES.index(s.family) for s in every]
    array = np.array([s.goal for s in every], np.float32)
    return make_goal_table([s.text for s in every], LEVELS.index(level), families, array)


def make_episodes(level: str, num: int, seed: int) -> Episodes:
    """`num` episodes of a level, a function of (level, num, seed) alone; `states` (n,) are the simulator's seeds.

    Tasks get equal numbers, and within a task the sentence templates do. Play them with
    `envs.metaworld_batch.MetaworldSimulator`.
    """
    goals = goals_of_level(level)
    rng = np.random.default_rng([seed, LEVELS.index(level)])
    template = np.array([s.template for s in sentences(level)])
    goal = balanced_goals(rng, goals.family, rng.permutation(np.unique(goals.family)), num, template)
    return Episodes(rng.integers(2**62, size=num), goal, goals)
