"""File formats: what is written reads back equal, the authors' files mean what they should, and faults are named."""

import dataclasses
import os

import h5py
import numpy as np
import pytest

from kalm_jax.datasets import authors
from kalm_jax.datasets.formats import read_attributes, read_rollouts, write_rollouts
from kalm_jax.types import GoalTable, Rollouts, make_goal_table
from kalm_jax.worlds.clevr import goals as clevr_goals
from tests.paths import SHARED_DATA

SAMPLE = SHARED_DATA / "clevr_robot_sample.npy"


def random_rollouts(seed, n=7, t=9, dim=10, action_dim=None):
    rng = np.random.default_rng(seed)
    length = rng.integers(1, t + 1, n).astype(np.int32)
    step = np.arange(t) < length[:, None]
    seen = np.arange(t + 1) <= length[:, None]
    shape = (n, t) if action_dim is None else (n, t, action_dim)
    actions = rng.integers(0, 40, shape).astype(np.int32) if action_dim is None else rng.normal(size=shape).astype("f4")
    return Rollouts(
        observations=(rng.normal(size=(n, t + 1, dim)) * seen[..., None]).astype(np.float32),
        actions=(actions * step.reshape(n, t, *[1] * (len(shape) - 2))).astype(actions.dtype),
        rewards=(rng.normal(size=(n, t)) * step).astype(np.float32),
        length=length,
        terminated=rng.random(n) < 0.5,
        goal=rng.integers(0, 3, n).astype(np.int32),
        imagined=rng.random(n) < 0.5,
    )


def some_goals(vector_dim=4, array_type=np.int32):
    array = np.arange(27).reshape(3, 9).astype(array_type) - 1
    vector = np.random.default_rng(0).normal(size=(3, vector_dim))
    return make_goal_table(["push the red ball", "", "schiebe die grüne Kugel"], [0, 3, 1], [0, 2, 0], array, vector)


def assert_equal(a, b):
    for field in dataclasses.fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if field.name == "text":
            assert x == y
        else:
            assert x.dtype == y.dtype, field.name
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("extension", [".hdf5", ".h5", ".npz"])
@pytest.mark.parametrize("action_dim", [None, 4])
@pytest.mark.parametrize("vector_dim", [0, 4])
def test_write_then_read_is_equal(tmp_path, extension, action_dim, vector_dim):
    for seed in range(3):
        rollouts = random_rollouts(seed, action_dim=action_dim)
        goals = some_goals(vector_dim, np.int32 if action_dim is None else np.float32)
        path = tmp_path / f"r{extension}"
        write_rollouts(path, rollouts, goals, {"seed": seed, "note": "ü"})
        again, goals_again = read_rollouts(path)
        assert_equal(rollouts, again)
        assert_equal(goals, goals_again)
        assert read_attributes(path) == {"seed": seed, "note": "ü"}
    assert os.listdir(tmp_path) == [f"r{extension}"]


def test_hdf5_bytes_are_reproducible(tmp_path):
    for name in ("a.h5", "b.h5"):
        write_rollouts(tmp_path / name, random_rollouts(0), some_goals())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "r.h5"
    write_rollouts(path, random_rollouts(0), some_goals())
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_rollouts(path, random_rollouts(1), some_goals(), {"not json": object()})
    with pytest.raises(ValueError, match="length"):
        write_rollouts(path, dataclasses.replace(random_rollouts(1), length=np.zeros(7, np.int32)), some_goals())
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["r.h5"]


@pytest.mark.parametrize("extension", [".h5", ".npz"])
def test_truncated_files_are_named(tmp_path, extension):
    path = tmp_path / f"cut{extension}"
    write_rollouts(path, random_rollouts(0, n=200), some_goals())
    whole = path.read_bytes()
    for share in (0.0, 0.01, 0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ValueError, match=r"cut\."):
            read_rollouts(path)


def test_wrong_paths(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.h5"):
        read_rollouts(tmp_path / "absent.h5")
    with pytest.raises(ValueError, match=r"r\.csv.*\.npy, \.npz"):
        read_rollouts(tmp_path / "r.csv")
    with pytest.raises(ValueError, match=r"r\.npy.*written to"):
        write_rollouts(tmp_path / "r.npy", random_rollouts(0), some_goals())
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(ValueError, match=r"other\.npz.*not written by kalm_jax"):
        read_rollouts(tmp_path / "other.npz")


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("rollouts/goal", None, "lacks rollouts/goal"),
        ("rollouts/rewards", lambda x: x[:, :-1], "rewards has shape"),
        ("rollouts/rewards", lambda x: x.astype("S4"), "rollouts/rewards has type"),
        (
            "rollouts/observations",
            lambda x: np.where(np.arange(7)[:, None, None] == 2, np.nan, x),
            r"observations \[2, 0\]",
        ),
        ("rollouts/actions", lambda x: x + 40, r"actions \[0, 0\] is"),
        ("rollouts/length", lambda x: x * 0, r"length \[0\] is 0"),
        ("rollouts/goal", lambda x: x + 3, r"goal \[0\] is"),
        ("goals/level", lambda x: x + 4, r"goals/level\[0\] is 4"),
        ("goals/text", lambda x: x[:2], "goals/text has shape"),
        ("goals/array", lambda x: x[0], "goals/array has shape"),
    ],
)
def test_each_fault_of_ours_is_named(tmp_path, field, change, words):
    path = tmp_path / "r.h5"
    write_rollouts(path, random_rollouts(0), some_goals())
    with h5py.File(path, "a") as file:
        value = file[field][()]
        del file[field]
        if change is not None:
            file[field] = change(value)
    with pytest.raises(ValueError, match=r"r\.h5.*" + words):
        read_rollouts(path, num_actions=40)


def test_version_from_the_future(tmp_path):
    write_rollouts(tmp_path / "r.h5", random_rollouts(0), some_goals())
    with h5py.File(tmp_path / "r.h5", "a") as file:
        file.attrs["version"] = 99
    with pytest.raises(ValueError, match="version 99"):
        read_rollouts(tmp_path / "r.h5")


# --- the authors' pickled dictionaries ---


def authors_dictionary(n=6, t=8, m=4, seed=0):
    """Rollouts in the layout of kalm.md, section 3.1: padded to `t`, with the final state in next_observations only."""
    rng = np.random.default_rng(seed)
    length = rng.integers(1, t + 1, n)
    step = np.arange(t) < length[:, None]
    positions = rng.uniform(-0.5, 0.5, (n, t + 1, 10)).astype(np.float32)
    goal = np.zeros((n, 6), np.float32)
    for i in range(n):
        source, reference = rng.permutation(5)[:2]
        goal[i, source], goal[i, reference], goal[i, 5] = 1, 2, rng.integers(4)
    configuration = [f"Push ball {np.argmax(g == 1)} {int(g[5])} of ball {np.argmax(g == 2)}" for g in goal]
    data = {
        "num_trajectories": n,
        "observation_type": "continuous",
        "observation_dim": 10,
        "action_type": "discrete",
        "action_dim": 40,
        "number_of_objects": 5,
        "observations": positions[:, :-1] * step[..., None],
        "next_observations": positions[:, 1:] * step[..., None],
        "actions": (rng.integers(0, 40, (n, t)) * step).astype(np.int32),
        "rewards": (rng.normal(size=(n, t, 1)) * step[..., None]).astype(np.float32),
        "terminals": (np.arange(t) == length[:, None] - 1)[..., None],
        "masks": step.astype(np.int32),
        "instructions": np.array([[f"{c} please {k}" for k in range(m)] for c in configuration]),
        "goals": np.repeat(goal[:, None], t, 1),
        "states": np.zeros((n, t, 69), np.float32),
    }
    return data, positions, length


def save(path, data):
    np.save(path, data, allow_pickle=True)
    return path


def test_authors_rollouts(tmp_path):
    data, positions, length = authors_dictionary()
    data["instructions"][1], data["goals"][1] = data["instructions"][0], data["goals"][0]  # one configuration twice
    rollouts, goals = read_rollouts(save(tmp_path / "a.npy", data))
    np.testing.assert_array_equal(rollouts.length, length)
    for i in range(len(rollouts)):
        np.testing.assert_array_equal(rollouts.observations[i, : length[i] + 1], positions[i, : length[i] + 1])
        np.testing.assert_array_equal(rollouts.actions[i], data["actions"][i])
        np.testing.assert_array_equal(rollouts.rewards[i], data["rewards"][i, :, 0])
        sentences = [s.lower() for s in data["instructions"][i]]
        family, array = clevr_goals.from_authors(data["goals"][i, 0])
        same = np.flatnonzero((goals.array == array).all(1) & (goals.family == family))
        assert goals.text[rollouts.goal[i]] in sentences
        # Every sentence of the configuration is a goal of its own, found by the equal goal array.
        assert set(sentences) <= {goals.text[k] for k in same}
    assert len(goals) == len(set(zip(goals.text, map(bytes, goals.array)))) == 20
    assert rollouts.terminated.all() and not rollouts.imagined.any() and (goals.level == 0).all()
    again, _ = read_rollouts(tmp_path / "a.npy")
    np.testing.assert_array_equal(again.goal, rollouts.goal)


@pytest.mark.skipif(not SAMPLE.exists(), reason="the authors' sample is not here")
def test_authors_sample():
    rollouts, goals = read_rollouts(SAMPLE)
    assert len(rollouts) == 40 and len(goals) == 40 * 54 and rollouts.terminated.all()
    assert (rollouts.length.min(), rollouts.length.max()) == (2, 49)
    rows = np.arange(40)
    array = goals.array[rollouts.goal]
    final = rollouts.observations[rows, rollouts.length]
    assert clevr_goals.satisfied(0, array, final).all()
    step = rollouts.valid()
    reward = clevr_goals.reward(
        0, array[:, None], rollouts.observations[:, :-1], rollouts.actions, rollouts.observations[:, 1:]
    )
    np.testing.assert_allclose(reward[step], rollouts.rewards[step], atol=2e-6)


def test_authors_faults_are_named(tmp_path):
    def with_change(words, field, change):
        data, _, _ = authors_dictionary()
        if change is None:
            del data[field]
        else:
            data[field] = change(data[field])
        with pytest.raises(ValueError, match=r"a\.npy.*" + words):
            read_rollouts(save(tmp_path / "a.npy", data))

    def put(index, value):
        def change(x):
            x = x.copy()
            x[index] = value
            return x

        return change

    with_change("lacks goals", "goals", None)
    with_change("observations has shape", "observations", lambda x: x[..., :9])
    with_change("next_observations has shape", "next_observations", lambda x: x[:, 1:])
    with_change("actions has shape", "actions", lambda x: x[:3])
    with_change(r"actions \[2, 0\] is 40", "actions", put((2, 0), 40))
    with_change(r"observations \[3, 0\] is not finite", "observations", put((3, 0, 4), np.nan))
    with_change(r"rewards \[3, 0\] is not finite", "rewards", put((3, 0), np.inf))
    with_change(r"masks: 2 rollouts have no step \(1, 4\)", "masks", put(([1, 4],), 0))
    with_change(r"masks\[0\] has gaps", "masks", put((0, slice(0, 8)), [1, 0, 1, 0, 0, 0, 0, 0]))
    with_change(r"goals\[5\].*more than one source", "goals", put((5, ..., slice(0, 5)), [1, 1, 2, 0, 0]))
    with_change("instructions has shape", "instructions", lambda x: x[:4])
    with_change(r"instructions\[1\] has an entry that is no sentence", "instructions", put((1, 2), " "))
    with_change("action_type is 'continuous'", "action_type", lambda _: "continuous")
    with_change("rewards has type", "rewards", lambda x: x.astype("U8"))
    data, _, length = authors_dictionary()
    i = int(np.argmax(length))
    data["next_observations"][i, 0] += 0.1
    with pytest.raises(ValueError, match=rf"next_observations\[{i}, 0\] is not observations\[{i}, 1\]"):
        read_rollouts(save(tmp_path / "a.npy", data))
    with pytest.raises(ValueError, match=r"b\.npy: holds a ndarray"):
        read_rollouts(save(tmp_path / "b.npy", np.zeros(3)))


# --- the authors' offline RL layout ---


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
        authors.require_instructions(goals, "grounding")


def test_require_instructions_accepts_goals_with_text():
    goals = make_goal_table(["a", "b"], 0, 0, np.zeros((2, 9), np.int32))
    assert authors.require_instructions(goals, "grounding") is None


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


def test_read_attributes_of_a_foreign_file(tmp_path):
    offline_rl_file(tmp_path / "rl.hdf5")
    with pytest.raises(ValueError, match="not written by kalm_jax"):
        read_attributes(tmp_path / "rl.hdf5")


# --- prompts ---


def prompt_dictionary():
    rng = np.random.default_rng(0)
    relation, line = np.array([1, 0, 2, 0, 0, 3], np.float32), np.array([0, 0, 0, 0, 0, 2], np.float32)
    two = np.concatenate([np.zeros(6), [1, 2, 0, 0, 0, 0], [0, 0, 1, 2, 0, 1]]).astype(np.float32)
    move = np.array([0, 0, 0, 1, 0, 2], np.float32)
    texts = [
        "Push the red ball behind the blue ball.",
        "Get red over to green",
        "Make a line",
        "Both at once",
        "Purple, ahead",
    ]
    return {
        "number_of_objects": 5,
        "instructions": [np.array([text]) for text in texts],
        "goals": [relation, relation, line, two, move],
        "observations": [rng.normal(size=(length, 10)).astype(np.float32) for length in (3, 1, 7, 2, 1)],
        "rewards": [rng.normal(size=(2, 1)) for _ in range(5)],
    }


def test_prompts(tmp_path):
    data = prompt_dictionary()
    goals, start = authors.read_prompts(save(tmp_path / "p.npy", data))
    assert isinstance(goals, GoalTable) and start.dtype == np.float32
    np.testing.assert_array_equal(start, [x[0] for x in data["observations"]])
    assert [clevr_goals.FAMILIES[f] for f in goals.family] == ["relation", "relation", "line", "two_relations", "move"]
    assert goals.level.tolist() == [0, 1, 3, 3, 2]
    assert goals.text[0] == "push the red ball behind the blue ball"
    assert goals.array[1].tolist() == [0, 2, 3, -1, -1, -1, -1, -1, -1]
    assert goals.array[3].tolist() == [0, 1, 0, 2, 3, 1, -1, -1, -1]


def test_test_files_with_encodings(tmp_path):
    data = prompt_dictionary()
    plain = [x[0] for x in data["observations"]]
    data["observations"] = np.stack([np.concatenate([x, np.ones(768, "f4")]) for x in plain])
    _, start = authors.read_prompts(save(tmp_path / "t.npy", data))
    np.testing.assert_array_equal(start, plain)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("goals", None, "holds .*want a dictionary with instructions, goals, observations"),
        ("goals", [np.zeros(6)], r".*have \[5, 1, 5\] entries"),
        ("goals", [np.ones(6)] * 5, r"goals\[0\]: "),
        ("instructions", [np.array([""])] * 5, r"instructions\[0\] is"),
        ("observations", [np.zeros((2, 9))] * 5, r"observations\[0\] has shape \(2, 9\)"),
        ("observations", [np.zeros((0, 10))] * 5, r"observations\[0\] has shape \(0, 10\)"),
        ("observations", [np.full((2, 10), np.nan)] * 5, r"observations\[0\]\[0\] is not finite"),
    ],
)
def test_prompt_faults_are_named(tmp_path, field, value, words):
    data = prompt_dictionary()
    if value is None:
        del data[field]
    else:
        data[field] = value
    with pytest.raises(ValueError, match=r"p\.npy: " + words):
        authors.read_prompts(save(tmp_path / "p.npy", data))
