"""The library's own files: what is written reads back equal, and faults are named."""

import dataclasses
import json
import os

import h5py
import numpy as np
import pytest

from kalm_jax.datasets import read_rollouts, write_rollouts
from kalm_jax.types import make_goal_table
from tests.fixtures import assert_equal, random_rollouts, rewrite


def attributes(path):
    if path.suffix == ".npz":
        with np.load(path) as file:
            return json.loads(str(file["attributes"]))
    with h5py.File(path) as file:
        return json.loads(file.attrs["attributes"])


def some_goals(vector_dim=4, array_type=np.int32):
    array = np.arange(27).reshape(3, 9).astype(array_type) - 1
    vector = np.random.default_rng(0).normal(size=(3, vector_dim))
    return make_goal_table(["push the red ball", "", "schiebe die grüne Kugel"], [0, 3, 1], [0, 2, 0], array, vector)


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
        assert attributes(path) == {"seed": seed, "note": "ü"}
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
        write_rollouts(path, dataclasses.replace(random_rollouts(1), length=np.zeros(9, np.int32)), some_goals())
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


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("rollouts/goal", None, "lacks rollouts/goal"),
        ("rollouts/rewards", lambda x: x[:, :-1], "rewards has shape"),
        ("rollouts/rewards", lambda x: x.astype("S4"), "rollouts/rewards has type"),
        (
            "rollouts/observations",
            lambda x: np.where(np.arange(9)[:, None, None] == 2, np.nan, x),
            r"observations \[2, 0\]",
        ),
        ("rollouts/actions", lambda x: x + 40, r"actions \[0, 0\] is"),
        ("rollouts/length", lambda x: x * 0, r"length \[0\] is 0"),
        ("rollouts/goal", lambda x: x + 3, r"goal \[0\] is"),
        ("goals/level", lambda x: x + 4, r"goals/level\[0\] is 4"),
        ("goals/text", lambda x: x[:2], "goals/text has shape"),
        ("goals/array", lambda x: x[0], "goals/array has shape"),
        ("goals/array", lambda x: x.astype(float) * np.nan, r"goals/array\[0, 0\] is nan"),
        ("goals/array", lambda x: x.astype("i8") + 2**40, r"goals/array\[0, 0\] is .*want an integer of 32 bits"),
        ("goals/vector", lambda x: np.full_like(x, np.inf), r"goals/vector\[0, 0\] is inf"),
        ("goals/text", lambda x: np.array([b"a", b"\xff", b"c"]), r"goals/text\[1\] is not text in UTF-8"),
        ("goals/text", lambda x: np.arange(3), r"goals/text\[0\] is .*want a sentence"),
        ("rollouts/length", lambda x: x.astype("i8") + 2**32, r"rollouts/length\[0\] is .*want an integer of 32 bits"),
        ("rollouts/observations", lambda x: x.astype("f8") * 1e300, r"observations \[0, 0\] is not finite"),
    ],
)
def test_each_fault_of_ours_is_named(tmp_path, field, change, words):
    path = tmp_path / "r.h5"
    write_rollouts(path, random_rollouts(0), some_goals())
    rewrite(path, field, change)
    with pytest.raises(ValueError, match=r"r\.h5.*" + words):
        read_rollouts(path, num_actions=40)


def test_version_from_the_future(tmp_path):
    write_rollouts(tmp_path / "r.h5", random_rollouts(0), some_goals())
    with h5py.File(tmp_path / "r.h5", "a") as file:
        file.attrs["version"] = 99
    with pytest.raises(ValueError, match="version 99"):
        read_rollouts(tmp_path / "r.h5")


def test_texts_in_bytes_are_texts(tmp_path):
    write_rollouts(tmp_path / "r.npz", random_rollouts(0), some_goals())
    arrays = dict(np.load(tmp_path / "r.npz"))
    np.savez(tmp_path / "r.npz", **(arrays | {"goals/text": np.array([b"red", b"green", b"blue"])}))
    assert read_rollouts(tmp_path / "r.npz")[1].text == ("red", "green", "blue")


def test_a_file_without_rollouts_and_one_with_one(tmp_path):
    path = tmp_path / "r.h5"
    write_rollouts(path, random_rollouts(0).take([]), some_goals())
    with pytest.raises(ValueError, match=r"r\.h5: holds no rollouts"):
        read_rollouts(path)
    write_rollouts(path, random_rollouts(0).take([0]), some_goals())
    assert len(read_rollouts(path)[0]) == 1
