"""Success rates by level: rows of `results.csv`, one for each family."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import numpy as np

from kalm_jax.files import read_csv, write_csv
from kalm_jax.types import LEVELS, EpisodeResults, Episodes
from kalm_jax.worlds.base import World

KEY = ("environment", "algorithm", "condition", "level", "family", "seed", "action_choice")
COLUMNS = (*KEY, "episodes", "successes", "successes_early", "median_steps")


def result_rows(
    world: World,
    results: EpisodeResults,
    episodes: Episodes,
    algorithm: str,
    condition: str,
    seed: int,
    action_choice: str,
) -> list[dict]:
    """Result rows, one for each family of the level, with the columns `COLUMNS`.

    `successes_early` counts successes within the world's `early_steps`.
    """
    found, early = [], world.spaces.early_steps
    level = LEVELS[int(episodes.goals.level[0])]
    for family in np.unique(episodes.family):
        mine = episodes.family == family
        success, steps = results.success[mine], results.steps[mine]
        key = (world.name, algorithm, condition, level, world.families[family], int(seed), action_choice)
        median = float(np.median(steps[success])) if success.any() else float("nan")
        counts = (len(success), int(success.sum()), int((success & (steps <= early)).sum()), median)
        found.append(dict(zip(COLUMNS, (*key, *counts))))
    return found


def write_results_csv(path: str | os.PathLike, results: Iterable[Mapping]) -> None:
    """Writes result rows as a CSV file."""
    write_csv(path, COLUMNS, results)


def read_results_csv(path: str | os.PathLike) -> list[dict]:
    """The rows of `write_results_csv`, numbers as numbers."""
    return read_csv(path, seed=int, episodes=int, successes=int, successes_early=int, median_steps=float)
