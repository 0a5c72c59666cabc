"""Minari's data sets: round trips, composed spaces, and what to do where something is missing."""

import sys

import numpy as np
import pytest

from kalm_jax.datasets import read_rollouts, write_rollouts
from tests.fixtures import assert_equal, encoded_goals, random_rollouts


@pytest.fixture
def minari_root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("action_dim", [None, 3])
def test_minari_round_trip(minari_root, action_dim):
    pytest.importorskip("minari")
    rollouts, goals = random_rollouts(action_dim=action_dim), encoded_goals(size=4)
    write_rollouts("minari:test/ours-v0", rollouts, goals)
    for path in ("minari:test/ours-v0", minari_root / "test" / "ours-v0"):
        again, table = read_rollouts(path)
        assert_equal(rollouts, again)
        assert_equal(goals, table)


def test_minari_of_a_goal_environment(minari_root):
    """Composed observations become one vector in Gymnasium's order; actions that start at 1 count from 0."""
    minari = pytest.importorskip("minari")
    from gymnasium import spaces
    from minari.data_collector import EpisodeBuffer

    space = spaces.Dict({"b": spaces.Box(-1, 1, (2,)), "a": spaces.Discrete(3)})
    rng = np.random.default_rng(0)
    seen = {"b": rng.uniform(-1, 1, (5, 2)).astype(np.float32), "a": rng.integers(0, 3, 5)}
    ends = np.arange(4) == 3
    episode = EpisodeBuffer(0, None, None, seen, np.array([1, 2, 2, 1]), np.ones(4), ends, ~ends & False)
    with pytest.warns(UserWarning):
        minari.create_dataset_from_buffers(
            "goal-v0", [episode], observation_space=space, action_space=spaces.Discrete(2, start=1)
        )
    rollouts, goals = read_rollouts("minari:goal-v0")
    want = [spaces.flatten(space, {"a": seen["a"][i], "b": seen["b"][i]}) for i in range(5)]
    np.testing.assert_allclose(rollouts.observations[0], want)
    assert rollouts.actions.tolist() == [[0, 1, 1, 0]] and rollouts.terminated.tolist() == [True]
    assert len(goals) == 1


def test_minari_missing_says_how_to_get_it(minari_root, monkeypatch):
    monkeypatch.setitem(sys.modules, "minari", None)
    with pytest.raises(ModuleNotFoundError, match=r"kalm_jax\[minari\]"):
        read_rollouts("minari:absent-v0")


def test_minari_absent_says_how_to_download_it(minari_root):
    pytest.importorskip("minari")
    with pytest.raises(FileNotFoundError, match="minari download absent-v0"):
        read_rollouts("minari:absent-v0")
