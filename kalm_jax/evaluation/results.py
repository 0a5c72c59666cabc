"""Success rates by level: rows of `results.csv`, one for each family, and their summary."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import numpy as np

from kalm_jax.evaluation.statistics import pooled_interval
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
        counts = (len(success), int(success.sum()), int((success & (steps <= early)).sum()), _median(steps[success]))
        found.append(dict(zip(COLUMNS, (*key, *counts))))
    return found


def write_results_csv(path: str | os.PathLike, results: Iterable[Mapping]) -> None:
    """Writes result rows as a CSV file."""
    write_csv(path, COLUMNS, results)


def read_results_csv(path: str | os.PathLike) -> list[dict]:
    """The rows of `write_results_csv`, numbers as numbers."""
    whole = ("seed", "episodes", "successes", "successes_early")
    return [
        {**row, **{k: int(row[k]) for k in whole}, "median_steps": float(row["median_steps"])} for row in read_csv(path)
    ]


def summarize(results: Iterable[Mapping]) -> list[dict]:
    """Rows pooled over seeds and families, one for each (environment, algorithm, condition, level, action_choice).

    Columns besides those: seeds, episodes, rate, low, high, rate_early, low_early, high_early (95%), and median_steps:
    the median of the rows' medians, each counted as often as it has successes.
    """
    names = ("environment", "algorithm", "condition", "level", "action_choice")
    groups: dict[tuple, list[Mapping]] = {}
    for row in results:
        groups.setdefault(tuple(row[k] for k in names), []).append(row)
    return [{**dict(zip(names, key)), **_pooled(group)} for key, group in groups.items()]


def _pooled(group: list[Mapping]) -> dict:
    seeds = sorted({row["seed"] for row in group})

    def count(column: str) -> np.ndarray:
        return np.array([sum(row[column] for row in group if row["seed"] == seed) for seed in seeds], np.float64)

    episodes = count("episodes")
    found: dict[str, float] = {"seeds": len(seeds), "episodes": int(episodes.sum())}
    for end, column in (("", "successes"), ("_early", "successes_early")):
        good = count(column)
        low, high = pooled_interval(good, episodes)
        found |= {f"rate{end}": float(good.sum() / episodes.sum()), f"low{end}": low, f"high{end}": high}
    weights = np.array([row["successes"] for row in group], np.int64)
    medians = np.array([row["median_steps"] for row in group], np.float64)
    return {**found, "median_steps": _median(np.repeat(medians[weights > 0], weights[weights > 0]))}


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")
