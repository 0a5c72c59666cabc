"""Minari's data sets: round trips, composed spaces, and what to do where something is missing."""

import json
import sys

import h5py
import numpy as np
import pytest

from kalm_jax.datasets import check_writable, read_rollouts, write_rollouts
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


@pytest.mark.parametrize("name", ["noversion", "a/b-v0", "../x-v0", "-v", "", "test/taken-v0"])
def test_minari_names_that_cannot_be_written_are_refused_before_any_work(minari_root, name):
    pytest.importorskip("minari")
    write_rollouts("minari:test/taken-v0", random_rollouts(), encoded_goals(size=4))
    before = sorted(minari_root.rglob("*"))
    with pytest.raises(ValueError, match="there already" if "taken" in name else "no name of a Minari data set"):
        check_writable(f"minari:{name}")
    assert sorted(minari_root.rglob("*")) == before


def test_minari_places_that_are_files_or_inside_a_data_set_are_refused(minari_root, monkeypatch):
    pytest.importorskip("minari")
    write_rollouts("minari:outer-v0", random_rollouts(), encoded_goals(size=4))
    with pytest.raises(ValueError, match="outer-v0 is a data set, and none can be inside it"):
        check_writable("minari:outer-v0/inner-v0")
    (minari_root / "left-v0").mkdir()  # of a writer that was killed early
    with pytest.raises(ValueError, match="left-v0 is there already"):
        check_writable("minari:left-v0")
    (minari_root / "file").touch()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(minari_root / "file"))
    with pytest.raises(ValueError, match="file is a file, where data sets belong"):
        check_writable("minari:other-v0")


def test_minari_missing_says_how_to_get_it(minari_root, monkeypatch):
    monkeypatch.setitem(sys.modules, "minari", None)
    with pytest.raises(ModuleNotFoundError, match=r"kalm_jax\[minari\]"):
        read_rollouts("minari:absent-v0")


def test_minari_absent_says_how_to_download_it(minari_root):
    pytest.importorskip("minari")
    with pytest.raises(FileNotFoundError, match="minari download absent-v0"):
        read_rollouts("minari:absent-v0")


def make(name, observation_space=None, observations=None, **fields):
    """Two episodes of four steps; `fields` are of `EpisodeBuffer`. Returns the folder of the data."""
    minari = pytest.importorskip("minari")
    from gymnasium import spaces
    from minari.data_collector import EpisodeBuffer
    from minari.storage.datasets_root_dir import get_dataset_path

    fields = {"terminations": np.arange(4) == 3, "truncations": np.zeros(4, bool), **fields}
    space = observation_space or spaces.Box(-9, 9, (2,), np.float32)
    seen = np.zeros((5, 2), np.float32) if observations is None else observations
    episodes = [EpisodeBuffer(i, None, None, seen, np.zeros(4, int), np.ones(4), **fields) for i in range(2)]
    with pytest.warns(UserWarning):
        minari.create_dataset_from_buffers(name, episodes, observation_space=space, action_space=spaces.Discrete(2))
    return get_dataset_path(name) / "data"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"env_spec": "{}"}, "env_spec is no environment's specification .*KeyError"),
        ({"env_spec": '{"id": "CartPole-v1"}'}, "env_spec is no environment's specification"),
        ({"eval_env_spec": 3}, "eval_env_spec is no environment's specification"),
        ({"total_episodes": 10**9}, "total_episodes is 1000000000, but there are 2"),
        ({"total_episodes": 1}, "total_episodes is 1, but there are 2"),
        ({"total_steps": 9}, "says 9 steps, but its episodes have 8"),
        ({"data_format": None}, "data_format is None"),
        ({"data_format": "tape"}, "Minari cannot read it .KeyError: 'tape'"),
        ({"action_space": 3}, "action_space is 3, want a space"),
        ({"observation_space": "x"}, "Minari cannot read it .JSONDecodeError"),
    ],
)
def test_minari_with_damaged_metadata(minari_root, changes, words):
    file = make("m-v0") / "metadata.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    with pytest.raises(ValueError, match=words):
        read_rollouts("minari:m-v0")
    file.write_text("[1]")
    with pytest.raises(ValueError, match=r"metadata\.json holds the JSON value \[1\]"):
        read_rollouts("minari:m-v0")


def outside(file):
    del file["episode_0/observations"]
    file["episode_0/observations"] = h5py.ExternalLink("other.h5", "x")


def enormous(file):
    del file["episode_0/observations"]
    file.create_dataset("episode_0/observations", (10**12, 2), "f4", chunks=(100, 2))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (outside, "episode_0/observations is a link to the file other"),
        (enormous, "episode_0/observations declares 8,000,000,000,000 bytes"),
        (lambda file: file.pop("episode_1"), "total_episodes is 2, but there are 1"),
        (lambda file: file.pop("episode_1/terminations"), "Minari cannot read it .KeyError.*terminations"),
    ],
)
def test_minari_with_damaged_episodes(minari_root, damage, words):
    with h5py.File(make("m-v0") / "main_data.hdf5", "a") as file:
        damage(file)
    with pytest.raises(ValueError, match=words):
        read_rollouts("minari:m-v0")


@pytest.mark.parametrize("field", ["terminations", "truncations"])
def test_minari_that_ends_an_episode_twice(minari_root, field):
    make("m-v0", **{field: np.array([False, True, False, True])})
    with pytest.raises(ValueError, match=rf"episode 0 has {field}\[1\] True, but 4 steps"):
        read_rollouts("minari:m-v0")


def test_minari_with_infos_of_others(minari_root):
    """Infos called as ours are not ours: there are no goals of ours beside them."""
    make("m-v0", infos={"goal": np.full(5, 3), "imagined": ["yes"] * 5})
    rollouts, goals = read_rollouts("minari:m-v0")
    assert rollouts.goal.tolist() == [0, 0] and not rollouts.imagined.any() and len(goals) == 1


def test_minari_refuses_images_and_text(minari_root):
    spaces = pytest.importorskip("gymnasium").spaces
    make("image-v0", spaces.Box(0, 255, (4, 4, 3), np.uint8), np.zeros((5, 4, 4, 3), np.uint8))
    make("text-v0", spaces.Dict({"t": spaces.Text(5)}), {"t": ["abc"] * 5})
    for name in ("image-v0", "text-v0"):
        with pytest.raises(ValueError, match="images, text and spaces of changing size are not read"):
            read_rollouts(f"minari:{name}")
