"""Success by level: policies play episodes in lock step in the simulator; tidy result rows and their summary."""

from __future__ import annotations

import csv
import dataclasses
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kalm_jax.data.rollouts import LEVELS
from kalm_jax.envs import clevr_goals
from kalm_jax.envs.clevr import HORIZON, ClevrSimulator, observation_of
from kalm_jax.evaluation.episodes import Episodes
from kalm_jax.evaluation.intervals import pooled_interval
from kalm_jax.evaluation.policies import Policy

EARLY = 10
"""The stricter limit of pushes that is reported beside the horizon."""
KEY = ("environment", "algorithm", "arm", "level", "family", "seed", "action_choice")
COLUMNS = (*KEY, "episodes", "successes", "successes_10", "median_steps")


@dataclasses.dataclass(frozen=True)
class EpisodeResults:
    """How one policy fared.

    Attributes:
      success: (n,) bool, the goal was reached within the horizon.
      steps: (n,) int32, pushes made until success or until the episode's time was up.
    """

    success: np.ndarray
    steps: np.ndarray


def evaluate(
    policies: Sequence[Policy], episodes: Sequence[Episodes], simulator: ClevrSimulator, horizon: int = HORIZON
) -> list[EpisodeResults]:
    """Plays every policy on its episodes, all together: one call of the simulator per step for all that still run.

    Args:
      policies: see `evaluation.policies`; one for each training seed, arm and action choice, say.
      episodes: those of each policy; the same object may stand there several times.
      simulator: steps the states.
      horizon: pushes allowed; a `move` goal has one.

    An episode ends at its first success. Results do not depend on which policies are played together.
    """
    if len(policies) != len(episodes):
        raise ValueError(f"{len(policies)} policies and {len(episodes)} sets of episodes: want one set for each policy")
    states = [played.states.copy() for played in episodes]
    limits = [np.where(played.family == clevr_goals.MOVE, 1, horizon) for played in episodes]
    success = [np.zeros(len(played), bool) for played in episodes]
    steps = [np.zeros(len(played), np.int32) for played in episodes]
    for step in range(horizon):
        active = [~s & (step < limit) for s, limit in zip(success, limits)]
        playing = [i for i, a in enumerate(active) if a.any()]
        if not playing:
            break
        actions = {i: np.asarray(policies[i](episodes[i], states[i], active[i], step))[active[i]] for i in playing}
        before = np.concatenate([states[i][active[i]] for i in playing])
        after = simulator.push(before, np.concatenate([actions[i] for i in playing]))
        for i, part in zip(playing, np.split(after, np.cumsum([len(actions[i]) for i in playing])[:-1])):
            on = active[i]
            family, goal = episodes[i].family[on], episodes[i].array[on]
            seen, next_seen = observation_of(states[i][on]), observation_of(part)
            success[i][on] = clevr_goals.success(family, goal, seen, actions[i], next_seen)
            states[i][on] = part
            steps[i][on] += 1
    return [EpisodeResults(s, n) for s, n in zip(success, steps)]


def rows(
    results: EpisodeResults,
    episodes: Episodes,
    *,
    algorithm: str,
    arm: str,
    seed: int,
    action_choice: str,
    environment: str = "clevr",
) -> list[dict]:
    """Result rows, one for each family of the level, with the columns `COLUMNS`."""
    found = []
    level = LEVELS[int(episodes.goals.level[0])]
    for family in np.unique(episodes.family):
        mine = episodes.family == family
        success, steps = results.success[mine], results.steps[mine]
        key = (environment, algorithm, arm, level, clevr_goals.FAMILIES[family], int(seed), action_choice)
        counts = (len(success), int(success.sum()), int((success & (steps <= EARLY)).sum()), _median(steps[success]))
        found.append(dict(zip(COLUMNS, (*key, *counts))))
    return found


def write_results_csv(path: str | os.PathLike, results: Iterable[Mapping]) -> None:
    """Writes result rows to a temporary name and renames it."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(results)
    temporary.replace(path)


def read_results_csv(path: str | os.PathLike) -> list[dict]:
    """The rows of `write_results_csv`, numbers as numbers."""
    whole = ("seed", "episodes", "successes", "successes_10")
    with pathlib.Path(path).open(newline="") as file:
        return [
            {**row, **{k: int(row[k]) for k in whole}, "median_steps": float(row["median_steps"])}
            for row in csv.DictReader(file)
        ]


def summarise(results: Iterable[Mapping]) -> list[dict]:
    """Rows pooled over seeds and families, one for each (environment, algorithm, arm, level, action_choice).

    Columns besides those: seeds, episodes, rate_50, low_50, high_50, rate_10, low_10, high_10 (95%), and median_steps:
    the median of the rows' medians, each counted as often as it has successes.
    """
    names = ("environment", "algorithm", "arm", "level", "action_choice")
    groups: dict[tuple, list[Mapping]] = {}
    for row in results:
        groups.setdefault(tuple(row[k] for k in names), []).append(row)
    return [{**dict(zip(names, key)), **_pooled(group)} for key, group in groups.items()]


def _pooled(group: list[Mapping]) -> dict:
    seeds = sorted({row["seed"] for row in group})

    def count(column):
        return np.array([sum(row[column] for row in group if row["seed"] == seed) for seed in seeds], np.float64)

    episodes = count("episodes")
    found = {"seeds": len(seeds), "episodes": int(episodes.sum())}
    for limit, column in ((HORIZON, "successes"), (EARLY, "successes_10")):
        good = count(column)
        low, high = pooled_interval(good, episodes)
        found |= {f"rate_{limit}": float(good.sum() / episodes.sum()), f"low_{limit}": low, f"high_{limit}": high}
    weights = np.array([row["successes"] for row in group], np.int64)
    medians = np.array([row["median_steps"] for row in group], np.float64)
    return {**found, "median_steps": _median(np.repeat(medians[weights > 0], weights[weights > 0]))}


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")
