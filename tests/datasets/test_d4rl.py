"""D4RL's flat arrays: round trips, where episodes end, and faults that name file, field and index."""

import dataclasses

import numpy as np
import pytest

from kalm_jax.datasets import d4rl, read_rollouts, write_rollouts
from kalm_jax.types import unnamed_goal
from tests.fixtures import assert_equal, put, random_rollouts, rewrite

FILES = [".h5", ".npz"]


@pytest.mark.parametrize("extension", FILES)
@pytest.mark.parametrize("action_dim", [None, 3])
def test_flat_round_trip(tmp_path, extension, action_dim):
    rollouts = random_rollouts(action_dim=action_dim, num_goals=1)
    rollouts = dataclasses.replace(rollouts, imagined=np.zeros(9, bool))
    write_rollouts(tmp_path / f"r{extension}", rollouts, unnamed_goal(), layout="d4rl")
    again, goals = read_rollouts(tmp_path / f"r{extension}")
    assert_equal(rollouts, again)
    assert len(goals) == 1 and goals.vector.shape == (1, 0)


def test_flat_without_next_observations_keeps_what_is_known(tmp_path):
    """Episodes of 3 (terminal), 2 (timeout), 1 (timeout), 2 (the end of the data): the last of a timeout is unknown."""
    observations = np.arange(8.0)[:, None]
    data = {
        "observations": observations,
        "actions": np.zeros((8, 1)),
        "rewards": np.arange(8.0),
        "terminals": np.isin(np.arange(8), [2]),
        "timeouts": np.isin(np.arange(8), [4, 5]),
    }
    np.savez(tmp_path / "r.npz", **data)
    rollouts, _ = read_rollouts(tmp_path / "r.npz")
    assert rollouts.length.tolist() == [3, 1, 1] and rollouts.terminated.tolist() == [True, False, False]
    assert [rollouts.observations[i, : n + 1, 0].tolist() for i, n in enumerate(rollouts.length)] == [
        [0, 1, 2, 2],
        [3, 4],
        [6, 7],
    ]
    assert rollouts.rewards[1].tolist() == [3, 0, 0]


def test_flat_without_timeouts_breaks_where_states_do():
    observations = np.array([0.0, 1, 2, 10, 11])[:, None]
    following = np.array([1.0, 2, 3, 11, 12])[:, None]
    data = {"observations": observations, "next_observations": following, "actions": np.zeros(5, int)}
    rollouts, _ = d4rl.from_arrays("x", data | {"rewards": np.ones(5), "terminals": np.zeros(5)})
    assert rollouts.length.tolist() == [3, 2] and not rollouts.terminated.any()
    assert rollouts.observations[0, :, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("terminals", lambda x: x[1:], r"terminals has shape"),
        ("observations", put((4, 2), np.nan), r"observations\[4, 2\] is nan"),
        ("rewards", put(3, np.inf), r"rewards\[3\] is inf"),
        ("actions", put(6, 0.5), r"actions\[6\] is 0.5"),
        ("next_observations", lambda x: x[:, 1:], "next_observations has shape"),
        ("rewards", None, "lacks rewards"),
        ("terminals", None, "lacks terminals"),
    ],
)
def test_flat_faults_are_named(tmp_path, field, change, words):
    write_rollouts(tmp_path / "r.h5", random_rollouts(num_goals=1), unnamed_goal(), layout="d4rl")
    rewrite(tmp_path / "r.h5", field, change)
    with pytest.raises(ValueError, match=r"r\.h5: " + words):
        read_rollouts(tmp_path / "r.h5")
