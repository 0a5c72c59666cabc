"""Rollout files of any format: how they are recognized, and what is checked."""

import dataclasses

import numpy as np
import pytest

from kalm_jax.datasets import read_rollouts, require_instructions, write_rollouts
from kalm_jax.datasets.arrays import open_arrays
from kalm_jax.types import make_goal_table, unnamed_goal, validate
from tests.fixtures import assert_equal, encoded_goals, random_rollouts


@pytest.mark.parametrize("extension", [".h5", ".npz"])
def test_what_stands_behind_the_end_is_not_written(tmp_path, extension):
    rollouts, goals = random_rollouts(num_goals=1), unnamed_goal()
    behind = ~rollouts.valid()
    padded = dataclasses.replace(rollouts, rewards=np.where(behind, 999, rollouts.rewards).astype(np.float32))
    write_rollouts(tmp_path / f"r{extension}", padded, goals)
    assert_equal(read_rollouts(tmp_path / f"r{extension}")[0], rollouts)
    with open_arrays(str(tmp_path / f"r{extension}")) as data:
        np.testing.assert_array_equal(np.asarray(data["rollouts/rewards"]), rollouts.rewards)


@pytest.mark.parametrize("extension", [".h5", ".npz"])
def test_a_sentence_with_a_null_character_is_named(tmp_path, extension):
    goals = dataclasses.replace(unnamed_goal(), text=("push\0pull",))
    with pytest.raises(ValueError, match=r"text \[0\] has a null character at place 4"):
        write_rollouts(tmp_path / f"r{extension}", random_rollouts(num_goals=1), goals)
    assert not list(tmp_path.iterdir())


def test_wrong_paths(tmp_path):
    with pytest.raises(IsADirectoryError, match="want a file, or the folder of a Minari data set"):
        read_rollouts(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"absent\.h5"):
        read_rollouts(tmp_path / "absent.h5")
    with pytest.raises(ValueError, match=r"r\.csv.*\.npy, \.npz"):
        read_rollouts(tmp_path / "r.csv")
    with pytest.raises(ValueError, match=r"r\.npy.*written to"):
        write_rollouts(tmp_path / "r.npy", random_rollouts(0), encoded_goals())
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(ValueError, match=r"other\.npz.*has no observations but a"):
        read_rollouts(tmp_path / "other.npz")


def test_require_instructions_accepts_goals_with_text():
    goals = make_goal_table(["a", "b"], 0, 0, np.zeros((2, 9), np.int32))
    assert require_instructions(goals, "grounding") is None


def test_layouts_refuse_goals_that_they_cannot_hold(tmp_path):
    rollouts = random_rollouts()
    with pytest.raises(ValueError, match="no place for 3 goals"):
        write_rollouts(tmp_path / "r.h5", rollouts, encoded_goals(), layout="d4rl")
    with pytest.raises(ValueError, match="unknown layout 'lerobot'"):
        write_rollouts(tmp_path / "r.h5", rollouts, encoded_goals(), layout="lerobot")
    assert not list(tmp_path.iterdir())


def test_action_ranges_are_checked_at_load(tmp_path):
    rollouts = random_rollouts(action_dim=2)
    rollouts.actions[0, 4] = [0.5, -1.5]
    write_rollouts(tmp_path / "r.h5", rollouts, encoded_goals())
    read_rollouts(tmp_path / "r.h5", action_bounds=(-2, [2.0, 2.0]))
    with pytest.raises(ValueError, match=r"r\.h5: actions \[0, 4, 1\] is -1.5, want -1..1"):
        read_rollouts(tmp_path / "r.h5", action_bounds=([-2, -1], 1))
    discrete = random_rollouts()
    discrete.actions[0, 2] = -1
    with pytest.raises(ValueError, match=r"actions \[0, 2\] is -1"):
        validate(discrete)


@pytest.mark.parametrize("vector", [(), (0.5, 2.0)])
def test_rollouts_without_a_named_goal(tmp_path, vector):
    """One goal with a constant vector, or with none, goes through files and into a buffer that learners can use."""
    import jax

    from kalm_jax.offline_rl import make_buffer, make_learner, sample
    from kalm_jax.offline_rl.trainer import train

    rollouts, goals = random_rollouts(num_goals=1), unnamed_goal(vector)
    write_rollouts(tmp_path / "r.h5", rollouts, goals)
    again, table = read_rollouts(tmp_path / "r.h5")
    assert table.text == ("",) and table.vector.shape == (1, len(vector))
    buffer = make_buffer([(again, 1.0)], table)
    assert sample(buffer, jax.random.key(0), 8).goal.shape == (8, len(vector))
    assert np.isfinite(np.asarray(buffer.stats().goal_std)).all()
    learner = make_learner("bc", hidden=(8,), batch_size=4)
    _, curve = train(learner, buffer, [0, 1], 3)
    assert all(np.isfinite(row["value"]) for row in curve)
