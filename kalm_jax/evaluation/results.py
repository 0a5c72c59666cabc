"""Success rates by level: rows of `results.csv`, one for each family."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kalm_jax.files import read_csv, write_csv
from kalm_jax.types import LEVELS, EpisodeResults, Episodes
from kalm_jax.worlds.base import World

SENTENCE_SETS = ("met", "new", "any")
"""Which sentences episodes have: those that policies were trained with, new ones (see `World.new_sentences`), or, of
policies that read none, any."""
KEY = ("environment", "algorithm", "condition", "level", "sentences", "family", "seed", "action_choice")
COLUMNS = (*KEY, "episodes", "successes", "successes_early", "median_steps")
EPISODE_COLUMNS = (*KEY, "template", "success", "steps", "by_tool")


def episode_rows(
    world: World,
    results: EpisodeResults,
    episodes: Episodes,
    algorithm: str,
    condition: str,
    seed: int,
    action_choice: str,
    sentences: str = "any",
) -> list[dict]:
    """A row for each episode, with the columns `EPISODE_COLUMNS`; `sentences` is one of `SENTENCE_SETS`.

    `success` is 1 or 0, `steps` as in `EpisodeResults`, `template` the group and name of `World.templates`. `by_tool`
    is "1" or "0" where the task has a tool, and "" elsewhere.
    """
    level = LEVELS[int(episodes.goals.level[0])]
    templates = world.templates(level)
    found = []
    touched = np.full(len(episodes), -1) if results.by_tool is None else results.by_tool
    for goal, family, success, steps, tool in zip(
        episodes.goal, episodes.family, results.success, results.steps, touched, strict=True
    ):
        key = (world.name, algorithm, condition, level, sentences, world.families[family], int(seed), action_choice)
        row = (*key, "/".join(templates[goal]), int(success), int(steps), str(tool) if tool >= 0 else "")
        found.append(dict(zip(EPISODE_COLUMNS, row, strict=True)))
    return found


def result_rows(episodes: Iterable[Mapping], early_steps: int) -> list[dict]:
    """Rows with the columns `COLUMNS`, one for each `KEY`, of rows of episodes.

    `successes_early` counts successes within `early_steps`.
    """
    groups: dict[tuple, list[Mapping]] = {}
    for row in episodes:
        groups.setdefault(tuple(row[name] for name in KEY), []).append(row)
    found = []
    for key, rows in groups.items():
        steps = np.array([row["steps"] for row in rows if row["success"]])
        median = float(np.median(steps)) if len(steps) else float("nan")
        counts = (len(rows), len(steps), int((steps <= early_steps).sum()), median)
        found.append(dict(zip(COLUMNS, (*key, *counts), strict=True)))
    return found


def write_results(folder: str | os.PathLike, world: World, episodes: Sequence[Mapping]) -> None:
    """Writes rows of episodes to `episodes.csv` in a folder, and their `result_rows` to `results.csv`."""
    write_csv(pathlib.Path(folder) / "episodes.csv", EPISODE_COLUMNS, episodes)
    write_csv(pathlib.Path(folder) / "results.csv", COLUMNS, result_rows(episodes, world.spaces.early_steps))


def read_episodes_csv(path: str | os.PathLike) -> list[dict]:
    """The rows of an `episodes.csv`, numbers as numbers."""
    return read_csv(path, seed=int, success=int, steps=int)


def read_results_csv(path: str | os.PathLike) -> list[dict]:
    """The rows of a `results.csv`, numbers as numbers."""
    return read_csv(path, seed=int, episodes=int, successes=int, successes_early=int, median_steps=float)
