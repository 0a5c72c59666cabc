"""Rows of results, their file and their summary."""

import math

import numpy as np
import pytest

from kalm_jax.evaluation import (
    episode_rows,
    read_episodes_csv,
    read_results_csv,
    result_rows,
    wilson_interval,
    write_results,
)
from kalm_jax.report.summary import successes
from kalm_jax.types import EpisodeResults
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.clevr.episodes import make_episodes


def test_rows_summary_and_file(tmp_path):
    episodes = make_episodes("unseen_hard", 8, seed=0)
    success = np.array([1, 0, 1, 1, 0, 0, 1, 0], bool)
    steps = np.array([5, 50, 20, 8, 50, 50, 10, 50], np.int32)
    played, world = [], get_world("clevr")
    for seed in (0, 1):
        results = EpisodeResults(success, steps)
        played += episode_rows(world, results, episodes, "bc", "kalm", seed, "greedy", "new")
    templates = world.templates("unseen_hard")
    assert [row["template"] for row in played[:8]] == ["/".join(templates[g]) for g in episodes.goal]
    found = result_rows(played, 10)
    assert [r["family"] for r in found[:4]] == ["two_relations", "three_relations", "line", "gather"]
    assert [r["successes"] for r in found[:4]] == [1, 2, 0, 1]
    assert [r["successes_early"] for r in found[:4]] == [1, 1, 0, 1]
    assert [r["median_steps"] for r in found[:2]] == [5, 14] and math.isnan(found[2]["median_steps"])
    assert {row["sentences"] for row in found} == {"new"}
    write_results(tmp_path / "deep", world, played)
    assert read_episodes_csv(tmp_path / "deep" / "episodes.csv") == played
    read = read_results_csv(tmp_path / "deep" / "results.csv")
    np.testing.assert_equal(read, found)
    (pooled,) = successes(read)
    assert pooled.episodes == 16 and pooled.seeds == 2
    assert pooled.within.value == 0.5 and pooled.early.value == 6 / 16
    assert (pooled.within.low, pooled.within.high) == pytest.approx(wilson_interval(8, 16))
    assert pooled.median_steps == 12  # medians 5, 14, 14, 10, twice each
