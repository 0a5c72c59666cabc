"""Other people's layouts: round trips, what they mean, and faults that name file, field and index."""

import dataclasses
import sys

import h5py
import numpy as np
import pytest

from kalm_jax.datasets import imaginebench
from kalm_jax.datasets.formats import read_rollouts, write_rollouts
from kalm_jax.types import Rollouts, make_goal_table, unnamed_goal, validate

FILES = [".h5", ".npz"]


def random_rollouts(seed=0, n=9, t=6, dim=5, action_dim=None, num_goals=3):
    rng = np.random.default_rng(seed)
    length = rng.integers(1, t + 1, n).astype(np.int32)
    length[0] = t
    step = np.arange(t) < length[:, None]
    seen = np.arange(t + 1) <= length[:, None]
    if action_dim:
        actions = (rng.uniform(-1, 1, (n, t, action_dim)) * step[..., None]).astype(np.float32)
    else:
        actions = (rng.integers(0, 4, (n, t)) * step).astype(np.int32)
    return Rollouts(
        observations=(rng.normal(size=(n, t + 1, dim)) * seen[..., None]).astype(np.float32),
        actions=actions,
        rewards=(rng.normal(size=(n, t)) * step).astype(np.float32),
        length=length,
        terminated=rng.random(n) < 0.5,
        goal=rng.permutation(np.arange(n) % num_goals).astype(np.int32),
        imagined=rng.random(n) < 0.5,
    )


def encoded_goals(k=3, size=imaginebench.ENCODING_DIM):
    vector = np.random.default_rng(1).normal(size=(k, size)).astype(np.float32)
    return make_goal_table([""] * k, 0, -1, np.full((k, 9), -1, np.int32), vector)


def equal(a, b, fields):
    for field in fields:
        x, y = getattr(a, field), getattr(b, field)
        assert x.dtype == y.dtype, field
        np.testing.assert_array_equal(x, y, field)


def rewrite(path, field, change):
    """Changes one field of an HDF5 file, or removes it."""
    with h5py.File(path, "a") as file:
        value = file[field][()]
        del file[field]
        if change is not None:
            file[field] = change(value)


def put(index, value):
    def change(x):
        x = x.astype(float)
        x[index] = value
        return x

    return change


# --- ImagineBench -------------------------------------------------------------------------------------------------

HELD = ("actions", "rewards", "length")
"""Fields that the layout holds whole."""


@pytest.mark.parametrize("extension", FILES)
@pytest.mark.parametrize("action_dim", [None, 3])
def test_imaginebench_round_trip(tmp_path, extension, action_dim):
    rollouts, goals = random_rollouts(action_dim=action_dim), encoded_goals()
    write_rollouts(tmp_path / f"r{extension}", rollouts, goals, layout="imaginebench")
    again, table = read_rollouts(tmp_path / f"r{extension}")
    equal(rollouts, again, HELD)
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
    write_rollouts(tmp_path / f"r{extension}", rollouts, goals, layout="imaginebench")
    again, table = read_rollouts(tmp_path / f"r{extension}")
    equal(rollouts, again, HELD)
    assert [table.text[g] for g in again.goal] == [goals.text[g] for g in rollouts.goal]
    assert table.vector.shape == (3, 0) and again.observations.shape == rollouts.observations.shape


def test_imaginebench_dictionaries_in_memory_and_pickled(tmp_path):
    """What `get_dataset` returns: a real and an imaginary dictionary; Ball's whole actions are stored as floats."""
    parts = []
    for seed, imagined in ((0, False), (1, True)):
        data = {}
        imaginebench.write_layout("data", data, random_rollouts(seed, dim=10), encoded_goals())
        data["actions"] = data["actions"][..., None].astype(np.float64)
        parts.append(imaginebench.read_layout("get_dataset()", data, imagined))
        np.save(tmp_path / "pickled.npy", data, allow_pickle=True)
    rollouts, goals = imaginebench.join(*parts)
    validate(rollouts, len(goals), num_actions=40)
    assert len(goals) == 6 and rollouts.imagined.tolist() == [False] * 9 + [True] * 9
    np.testing.assert_array_equal(goals.vector[rollouts.goal[9:]], parts[1][1].vector[parts[1][0].goal])
    equal(read_rollouts(tmp_path / "pickled.npy")[0], parts[1][0], ("observations", "goal", *HELD))


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
    write_rollouts(tmp_path / "r.h5", random_rollouts(), encoded_goals(), layout="imaginebench")
    rewrite(tmp_path / "r.h5", field, change)
    with pytest.raises(ValueError, match=r"r\.h5: " + words):
        read_rollouts(tmp_path / "r.h5")


# --- D4RL's flat arrays -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", FILES)
@pytest.mark.parametrize("action_dim", [None, 3])
def test_flat_round_trip(tmp_path, extension, action_dim):
    rollouts = random_rollouts(action_dim=action_dim, num_goals=1)
    rollouts = dataclasses.replace(rollouts, imagined=np.zeros(9, bool))
    write_rollouts(tmp_path / f"r{extension}", rollouts, unnamed_goal(), layout="d4rl")
    again, goals = read_rollouts(tmp_path / f"r{extension}")
    equal(rollouts, again, [f.name for f in dataclasses.fields(Rollouts)])
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
    from kalm_jax.datasets import flat

    observations = np.array([0.0, 1, 2, 10, 11])[:, None]
    following = np.array([1.0, 2, 3, 11, 12])[:, None]
    data = {"observations": observations, "next_observations": following, "actions": np.zeros(5, int)}
    rollouts, _ = flat.read_layout("x", data | {"rewards": np.ones(5), "terminals": np.zeros(5)})
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
        ("terminals", None, "lacks masks"),
    ],
)
def test_flat_faults_are_named(tmp_path, field, change, words):
    write_rollouts(tmp_path / "r.h5", random_rollouts(num_goals=1), unnamed_goal(), layout="d4rl")
    rewrite(tmp_path / "r.h5", field, change)
    with pytest.raises(ValueError, match=r"r\.h5: " + words):
        read_rollouts(tmp_path / "r.h5")


def test_layouts_refuse_goals_that_they_cannot_hold(tmp_path):
    rollouts = random_rollouts()
    with pytest.raises(ValueError, match="no place for 3 goals"):
        write_rollouts(tmp_path / "r.h5", rollouts, encoded_goals(), layout="d4rl")
    with pytest.raises(ValueError, match="goal vectors have 4 entries"):
        write_rollouts(tmp_path / "r.h5", rollouts, encoded_goals(size=4), layout="imaginebench")
    with pytest.raises(ValueError, match="unknown layout 'lerobot'"):
        write_rollouts(tmp_path / "r.h5", rollouts, encoded_goals(), layout="lerobot")
    assert not list(tmp_path.iterdir())


# --- ranges, goals ------------------------------------------------------------------------------------------------


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
    assert np.isfinite(np.asarray(buffer.spec().goal_std)).all()
    learner = make_learner("bc", hidden=(8,), batch_size=4)
    _, curve = train(learner, buffer, [0, 1], 3)
    assert all(np.isfinite(row["value"]) for row in curve)


# --- Minari -------------------------------------------------------------------------------------------------------


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
        equal(rollouts, again, [f.name for f in dataclasses.fields(Rollouts)])
        equal(goals, table, ("level", "family", "array", "vector"))
        assert goals.text == table.text


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
