"""Meta-world's evaluation episodes."""

from __future__ import annotations

import numpy as np

from kalm_jax.arguments import COUNT, EPISODE_SEED, checked
from kalm_jax.evaluation.episodes import balanced_goals
from kalm_jax.settings import Setting
from kalm_jax.types import LEVELS, Episodes
from kalm_jax.worlds.metaworld.instructions import goals_of_level, sentences


@checked(level=Setting("", choices=LEVELS), count=COUNT, seed=EPISODE_SEED)
def make_episodes(level: str, count: int, seed: int) -> Episodes:
    """`count` episodes of a level, a function of (level, count, seed) alone; `states` (n,) are the simulator's seeds.

    Tasks get equal numbers, and within a task the sentence templates do.
    """
    goals = goals_of_level(level)
    rng = np.random.default_rng([seed, LEVELS.index(level)])
    template = np.array([s.template for s in sentences(level)])
    goal = balanced_goals(rng, goals.family, rng.permutation(np.unique(goals.family)), count, template)
    return Episodes(rng.integers(2**62, size=count), goal, goals)
