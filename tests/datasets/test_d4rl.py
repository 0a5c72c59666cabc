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


SEEN = np.arange(7.0)[:, None]
BROKEN = {
    "observations": SEEN,
    "actions": np.zeros(7, int),
    "rewards": np.ones(7),
    "terminals": np.array([0, 0, 1, 0, 0, 0, 0]),
}
"""Seven transitions of which the third terminates."""
JUMP = np.where(np.arange(7)[:, None] == 4, 99, SEEN + 1)
"""Next observations: the fifth is not the observation that follows."""


@pytest.mark.parametrize("timeouts", [{}, {"timeouts": np.zeros(7)}])
def test_flat_ends_where_only_next_observations_show_it(timeouts):
    rollouts, _ = d4rl.from_arrays("x", {**BROKEN, "next_observations": JUMP, **timeouts})
    assert rollouts.length.tolist() == [3, 2, 2] and rollouts.terminated.tolist() == [True, False, False]
    assert rollouts.observations[1, :3, 0].tolist() == [3, 4, 99]


@pytest.mark.parametrize(
    "says",
    [
        *({field: np.array([0, 0, 1, 0, 1, 0, 1])} for field in d4rl.ENDS),
        {"timeouts": np.array([0, 0, 0, 0, 1, 0, 0])},
        {"episode_starts": np.array([1, 0, 0, 1, 0, 1, 0])},
        {"episode_id": np.array([7, 7, 7, 3, 3, 4, 4])},
        {"traj_ids": np.array(list("aaabbcc"))},
    ],
    ids=lambda says: next(iter(says)),
)
def test_flat_ends_where_any_field_says_so(says):
    """Without next observations the last transition of a cut episode only shows where the one before it led."""
    rollouts, _ = d4rl.from_arrays("x", {**BROKEN, **says})
    assert rollouts.length.tolist() == [3, 1, 1] and rollouts.terminated.tolist() == [True, False, False]
    assert rollouts.observations[1, :2, 0].tolist() == [3, 4]
    with_next, _ = d4rl.from_arrays("x", {**BROKEN, **says, "next_observations": SEEN + 1})
    assert with_next.length.tolist() == [3, 2, 2]


@pytest.mark.parametrize(
    "says",
    [
        {"is_last": np.array([0, 0, 1, 0, 1, 0, 1])},
        {"is_first": np.array([[1], [0], [0], [1], [0], [1], [0]])},
        {"episode_ends": np.array([3, 5, 7])},
        {"episode_lengths": np.array([3, 2, 2])},
        {"traj_lengths": np.array([3.0, 2.0, 2.0])},
    ],
    ids=lambda says: next(iter(says)),
)
def test_other_fields_count_beside_next_observations(says):
    rollouts, _ = d4rl.from_arrays("x", {**BROKEN, **says, "next_observations": SEEN + 1})
    assert rollouts.length.tolist() == [3, 2, 2] and rollouts.terminated.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ({"is_last": np.zeros(6)}, "is_last has shape"),
        ({"is_last": np.full(7, 2)}, r"is_last\[0\] is 2, want 0 or 1"),
        ({"episode_ends": np.array([3, 2, 7])}, "episode_ends does not fit 7 transitions"),
        ({"episode_lengths": np.array([3, 2])}, "episode_lengths does not fit 7 transitions"),
        ({"episode_lengths": np.array([3.5, 3.5])}, r"episode_lengths\[0\] is 3.5"),
        ({"episode_id": np.full(7, np.nan)}, r"episode_id\[0\] is nan"),
        ({"traj_id": np.array([1, 1, 1, 2, 2, np.inf, np.inf])}, r"traj_id\[5\] is inf"),
        ({"episode_id": np.zeros(7, complex)}, "episode_id has type complex128"),
        ({"episode_id": np.full(7, "NaT", "M8[s]")}, "episode_id has type datetime64"),
    ],
)
def test_fields_that_say_where_episodes_end_must_make_sense(says, words):
    with pytest.raises(ValueError, match=f"x: {words}"):
        d4rl.from_arrays("x", {**BROKEN, **says, "next_observations": SEEN + 1})


@pytest.mark.parametrize(
    ("observations", "said"),
    [
        (1e9 + 0.001 * np.arange(7.0)[:, None], True),
        (np.arange(7)[:, None] + 2**40, True),
        (np.column_stack([np.arange(7.0), 1e9 + 0.001 * np.arange(7.0)]), True),
        (1e9 + np.zeros((7, 1)), False),
        (1e9 + 1e5 * np.arange(7.0)[:, None], False),
        (0.1 + 1e-16 * np.arange(7.0)[:, None], False),
        (np.arange(7.0)[:, None], False),
    ],
)
def test_what_float32_cannot_tell_apart_is_said(observations, said, capsys):
    d4rl.from_arrays("file x", {**BROKEN, "observations": observations, "timeouts": np.zeros(7)})
    assert ("float32, in which all is learned" in capsys.readouterr().err) == said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"terminals": np.zeros(7)}, r"does not say where an episode ends.*add timeouts"),
        (
            {"terminals": np.zeros(7), "episode_ends": np.array([3, 5, 7])},
            r"says where .* only in episode_ends",
        ),
        (
            {"terminals": np.zeros(7), "is_last": np.zeros(7)},
            r"says where .* only in is_last",
        ),
        ({"terminals": np.full(7, 2)}, r"terminals\[0\] is 2, want 0 or 1"),
        ({"timeouts": np.full(7, np.nan)}, r"timeouts\[0\] is nan"),
        ({"timeouts": np.zeros(6)}, "timeouts has shape"),
        ({"actions": np.full(7, 2**32 + 3)}, r"actions\[0\] is 4294967299"),
        ({"rewards": np.ones(7, complex)}, "rewards has type complex128"),
        ({"rewards": np.full(7, 1e300)}, r"rewards\[0\] is 1e\+300"),
        ({"observations": np.zeros((7, 0))}, "observations has shape"),
    ],
)
def test_flat_fields_that_say_nothing_or_too_much(changes, words):
    with pytest.raises(ValueError, match=f"x: {words}"):
        d4rl.from_arrays("x", {**BROKEN, **changes})


def test_ogbench_terminates_where_masks_are_0_and_ends_at_terminals():
    """As its loader returns them: with next observations, or compact, where `valids` mark the last observations."""
    masks, ends = np.array([1, 1, 1, 1, 0, 1, 1]), np.array([0, 0, 1, 0, 1, 0, 1])
    data = {**BROKEN, "terminals": ends, "masks": masks}
    rollouts, _ = d4rl.from_arrays("x", {**data, "next_observations": SEEN + 1})
    assert rollouts.length.tolist() == [3, 2, 2] and rollouts.terminated.tolist() == [False, True, False]
    valids = np.array([1, 1, 0, 1, 1, 1, 0])
    compact = {**BROKEN, "terminals": np.array([0, 1, 1, 0, 0, 1, 1]), "masks": np.ones(7), "valids": valids}
    rollouts, _ = d4rl.from_arrays("x", compact)
    assert rollouts.length.tolist() == [2, 3] and not rollouts.terminated.any()
    assert [rollouts.observations[i, : n + 1, 0].tolist() for i, n in enumerate(rollouts.length)] == [
        [0, 1, 2],
        [3, 4, 5, 6],
    ]
    without = {k: v for k, v in BROKEN.items() if k != "rewards"}
    with pytest.raises(ValueError, match=r"lacks rewards.*OGBench's files have none"):
        d4rl.from_arrays("x", without)


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
