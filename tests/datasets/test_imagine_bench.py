"""ImagineBench's layout: what it holds is read, and faults name file, field and index."""

import h5py
import numpy as np
import pytest

from kalm_jax.datasets import imagine_bench, read_rollouts, require_instructions
from kalm_jax.types import make_goal_table, validate
from tests.fixtures import assert_equal, encoded_goals, put, random_rollouts, rewrite

FILES = [".h5", ".npz"]
HELD = ("actions", "rewards", "length")
"""Fields that the layout holds whole."""


def as_arrays(rollouts, goals):
    """The rollouts in ImagineBench's layout."""
    step = rollouts.valid()
    encoding = np.repeat(goals.vector[rollouts.goal][:, None], rollouts.horizon, 1)
    arrays = {
        "observations": np.concatenate([rollouts.observations[:, :-1], encoding], -1) * step[..., None],
        "actions": rollouts.actions,
        "rewards": rollouts.rewards[..., None],
        "masks": step[..., None].astype(np.float32),
    }
    text = {"instructions": np.array([goals.text[g] for g in rollouts.goal])}
    return arrays if goals.vector.shape[1] else arrays | text


def write(path, rollouts, goals):
    arrays = as_arrays(rollouts, goals)
    if path.suffix == ".npz":
        np.savez_compressed(path, **arrays)
        return
    with h5py.File(path, "w") as file:
        for name, value in arrays.items():
            file[name] = value.astype(object) if value.dtype.kind == "U" else value


@pytest.mark.parametrize("extension", FILES)
@pytest.mark.parametrize("action_dim", [None, 3])
def test_imaginebench_round_trip(tmp_path, extension, action_dim):
    rollouts, goals = random_rollouts(action_dim=action_dim), encoded_goals(size=768)
    write(tmp_path / f"r{extension}", rollouts, goals)
    again, table = read_rollouts(tmp_path / f"r{extension}")
    assert_equal(rollouts, again, HELD)
    step = rollouts.valid()
    np.testing.assert_array_equal(again.observations[:, :-1][step], rollouts.observations[:, :-1][step])
    np.testing.assert_array_equal(table.vector[again.goal], goals.vector[rollouts.goal])
    rows = np.arange(len(rollouts))  # no final states: the last one stands in, and nothing is bootstrapped from it
    np.testing.assert_array_equal(again.observations[rows, again.length], rollouts.observations[rows, again.length - 1])
    assert len(table) == 3 and again.terminated.all() and not again.imagined.any()


@pytest.mark.parametrize("extension", FILES)
def test_imaginebench_with_sentences_instead_of_encodings(tmp_path, extension):
    rollouts = random_rollouts(action_dim=3)
    goals = make_goal_table(["open the window", "schließe sie", "jump"], 0, 0, np.zeros((3, 9), np.int32))
    write(tmp_path / f"r{extension}", rollouts, goals)
    again, table = read_rollouts(tmp_path / f"r{extension}")
    assert_equal(rollouts, again, HELD)
    assert [table.text[g] for g in again.goal] == [goals.text[g] for g in rollouts.goal]
    assert table.vector.shape == (3, 0) and again.observations.shape == rollouts.observations.shape


def test_imaginebench_dictionaries_in_memory_and_pickled(tmp_path):
    """What `get_dataset` returns; Ball's whole actions are stored as floats."""
    written, goals = random_rollouts(observation_dim=10), encoded_goals(size=768)
    data = as_arrays(written, goals)
    data["actions"] = data["actions"][..., None].astype(np.float64)
    rollouts, table = imagine_bench.from_arrays("get_dataset()", data)
    validate(rollouts, len(table), num_actions=40)
    assert_equal(written, rollouts, HELD)
    np.testing.assert_array_equal(table.vector[rollouts.goal], goals.vector[written.goal])
    np.save(tmp_path / "pickled.npy", data, allow_pickle=True)
    assert_equal(read_rollouts(tmp_path / "pickled.npy")[0], rollouts)


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("masks", put((2, 0), 0), r"masks(\[2\] has gaps|: 1 rollouts have no step)"),
        ("observations", lambda x: x[..., :768], "observations has shape"),
        ("observations", put((0, 3, 1), np.nan), r"observations \[0, 3\] is not finite"),
        ("observations", put((0, 3, 700), 9), r"observations\[0, 3, 5:\] differs"),
        ("rewards", put((0, 2, 0), np.inf), r"rewards \[0, 2\] is not finite"),
        ("rewards", lambda x: x[:, 1:], "rewards has shape"),
        ("actions", put((0, 1), 0.5), r"actions\[0, 1\] is 0.5, want a whole number"),
        ("actions", put((0, 1), -1), r"actions \[0, 1\] is -1"),
        ("actions", lambda x: x[0], "actions has shape"),
        ("rewards", None, "lacks rewards"),
    ],
)
def test_imaginebench_faults_are_named(tmp_path, field, change, words):
    write(tmp_path / "r.h5", random_rollouts(), encoded_goals(size=768))
    rewrite(tmp_path / "r.h5", field, change)
    with pytest.raises(ValueError, match=r"r\.h5: " + words):
        read_rollouts(tmp_path / "r.h5")


def offline_rl_file(path, dim=10, n=300, t=5, squeeze=False):
    rng = np.random.default_rng(0)
    length = rng.integers(1, t + 1, n)
    masks = (np.arange(t) < length[:, None]).astype(np.float32)
    encodings = np.tanh(rng.normal(size=(4, 768))).astype(np.float32)
    which = rng.integers(4, size=n)
    observations = rng.normal(size=(n, t, dim)).astype(np.float32)
    full = np.concatenate([observations, np.repeat(encodings[which][:, None], t, 1)], -1) * masks[..., None]
    actions = rng.integers(0, 40, (n, t)) if dim == 10 else rng.uniform(-1, 1, (n, t, 4))
    rewards = rng.normal(size=(n, t, 1))
    with h5py.File(path, "w") as file:
        file["masks"] = masks if squeeze else masks[..., None]
        file["observations"] = full
        file["actions"] = actions if squeeze or dim != 10 else actions[..., None]
        file["rewards"] = rewards
    return observations, actions, rewards[..., 0], length, encodings[which]


@pytest.mark.parametrize(("dim", "squeeze"), [(10, False), (10, True), (91, False)])
def test_authors_offline_rl(tmp_path, dim, squeeze):
    path = tmp_path / "rl.hdf5"
    observations, actions, rewards, length, encodings = offline_rl_file(path, dim, squeeze=squeeze)
    rollouts, goals = read_rollouts(path)
    step = rollouts.valid()
    np.testing.assert_array_equal(rollouts.length, length)
    np.testing.assert_array_equal(rollouts.observations[:, :-1][step], observations[step])
    np.testing.assert_array_equal(rollouts.actions[step], actions[step].astype(rollouts.actions.dtype))
    np.testing.assert_array_equal(rollouts.rewards[step], rewards[step].astype(np.float32))
    assert goals.vector.shape == (4, 768) and rollouts.terminated.all()
    np.testing.assert_array_equal(goals.vector[rollouts.goal], encodings)
    rows = np.arange(len(length))
    np.testing.assert_array_equal(rollouts.observations[rows, length], observations[rows, length - 1])
    with pytest.raises(ValueError, match="grounding needs instructions"):
        require_instructions(goals, "grounding")


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("masks", None, "lacks masks"),
        ("observations", lambda x: x[..., :768], "observations has shape"),
        ("observations", lambda x: x[..., :-1], r"observations\[\d+, 1, 9:\] differs"),
        ("observations", lambda x: x + (np.arange(5) == 1)[:, None] * 0.5, r"observations\[\d+, 1, 10:\] differs"),
        ("actions", lambda x: x + 0.5, r"actions\[0, 0\] is .*whole number"),
        ("actions", lambda x: x - 40, r"actions \[0, 0\] is"),
        ("rewards", lambda x: x[:-1], "rewards has shape"),
        ("masks", lambda x: x * (np.arange(300) != 7)[:, None, None], r"1 rollouts have no step \(7\)"),
    ],
)
def test_offline_rl_faults_are_named(tmp_path, field, change, words):
    path = tmp_path / "rl.hdf5"
    offline_rl_file(path)
    with h5py.File(path, "a") as file:
        value = file[field][()]
        del file[field]
        if change is not None:
            file[field] = change(value)
    with pytest.raises(ValueError, match=r"rl\.hdf5.*" + words):
        read_rollouts(path)


SMALL = {
    "observations": np.zeros((3, 4, 5), np.float32),
    "instructions": np.array(["red", "green", "blue"]),
    "actions": np.zeros((3, 4), int),
    "rewards": np.ones((3, 4)),
    "masks": np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]),
}


def test_terminals_say_which_padded_rollouts_terminated():
    ended = np.zeros((3, 4, 1))
    ended[0, 3] = 1
    assert imagine_bench.from_arrays("x", SMALL)[0].terminated.all()
    rollouts, _ = imagine_bench.from_arrays("x", {**SMALL, "terminals": ended})
    assert rollouts.length.tolist() == [4, 2, 1] and rollouts.terminated.tolist() == [True, False, False]
    ended[0, 1] = 1
    with pytest.raises(ValueError, match=r"x: terminals\[0, 1\] is 1, but masks say that rollout 0 has 4 steps"):
        imagine_bench.from_arrays("x", {**SMALL, "terminals": ended})


@pytest.mark.parametrize("field", imagine_bench.CUT)
def test_rollouts_that_were_cut_off_did_not_terminate(field):
    cut = np.zeros((3, 4))
    cut[0, 3] = cut[2, 0] = 1
    rollouts, _ = imagine_bench.from_arrays("x", {**SMALL, field: cut[..., None]})
    assert rollouts.terminated.tolist() == [False, True, False]
    rollouts, _ = imagine_bench.from_arrays("x", {**SMALL, field: cut, "terminals": np.zeros((3, 4))})
    assert not rollouts.terminated.any()
    cut[0, 1] = 1
    with pytest.raises(ValueError, match=rf"x: {field}\[0, 1\] is 1, but masks say that rollout 0 has 4 steps"):
        imagine_bench.from_arrays("x", {**SMALL, field: cut})


@pytest.mark.parametrize("encoded", [False, True])
def test_next_observations_hold_the_final_states(encoded):
    seen = np.arange(60.0).reshape(3, 4, 5)
    after = np.concatenate([seen[:, 1:], seen[:, -1:] + 5], 1)
    data = {**SMALL, "observations": seen, "next_observations": after}
    if encoded:
        data.pop("instructions")
        for field in ("observations", "next_observations"):
            data[field] = np.concatenate([data[field], np.ones((3, 4, 768))], -1)
    rollouts, _ = imagine_bench.from_arrays("x", data)
    final = rollouts.observations[np.arange(3), rollouts.length]
    np.testing.assert_array_equal(final, after[np.arange(3), rollouts.length - 1])
    np.testing.assert_array_equal(rollouts.observations[0, :4], seen[0])
    data["next_observations"][1, 0] += 1
    with pytest.raises(ValueError, match=r"x: next_observations\[1, 0\] is not observations\[1, 1\]"):
        imagine_bench.from_arrays("x", data)
    with pytest.raises(ValueError, match=r"x: next_observations has shape"):
        imagine_bench.from_arrays("x", {**data, "next_observations": after[:, :3]})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"masks": np.full((3, 4), 0.5)}, r"masks\[0, 0\] is 0.5, want 0 or 1"),
        ({"masks": np.full((3, 4), np.nan)}, r"masks\[0, 0\] is nan"),
        ({"actions": np.full((3, 4), 2**33)}, r"actions\[0, 0\] is 8589934592"),
        ({"instructions": np.array([b"red", b"green", b"\xff"])}, r"instructions\[2\] is not text in UTF-8"),
        ({"instructions": np.arange(3)}, r"instructions\[0\] is .*0.*, want a sentence"),
    ],
)
def test_padded_faults_of_values(changes, words):
    with pytest.raises(ValueError, match=f"x: {words}"):
        imagine_bench.from_arrays("x", {**SMALL, **changes})
