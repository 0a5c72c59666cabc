"""Output that cannot be written is refused before any work, and a disk that becomes full is named."""

import contextlib
import os
import pathlib
import resource
import subprocess

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from kalm_jax.checkpoint import Checkpoints
from kalm_jax.datasets import write_rollouts
from kalm_jax.disk import DiskFullError, check_output_file, check_output_folder, check_room, naming_full_disk
from kalm_jax.files import write_bytes, write_csv, write_npy, write_npz, write_text
from kalm_jax.types import unnamed_goal
from tests.fixtures import random_rollouts

BIG = np.random.default_rng(0).normal(size=100_000).astype(np.float32)


@contextlib.contextmanager
def files_of_at_most(size):
    """No file of this process may become larger, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def save_checkpoint(path):
    with Checkpoints(path) as checkpoints:
        checkpoints.save(1, {"state": {"x": jnp.asarray(BIG)}})


def write_tensors(path):
    with naming_full_disk(path):
        save_file({"x": BIG}, path)


def write_random(path, layout="kalm_jax"):
    rollouts = random_rollouts(n=300, horizon=50, num_goals=1, action_dim=2)
    write_rollouts(path, rollouts, unnamed_goal(), layout=layout)


@pytest.mark.parametrize(
    "name, write",
    [
        ("a.txt", lambda path: write_text(path, "x" * 200_000)),
        ("a.csv", lambda path: write_csv(path, ["x"], [{"x": i} for i in range(50_000)])),
        ("a.npy", lambda path: write_npy(path, BIG)),
        ("a.npz", lambda path: write_npz(path, x=BIG)),
        ("a.h5", write_random),
        ("b.h5", lambda path: write_random(path, "d4rl")),
        ("b.npz", write_random),
        ("a.safetensors", write_tensors),
        ("checkpoints", save_checkpoint),
    ],
)
def test_a_full_disk_is_named_and_leaves_nothing_half(tmp_path, name, write):
    with files_of_at_most(60_000), pytest.raises(DiskFullError, match=rf"{name}: .*make room there.*same command"):
        write(tmp_path / name)
    (tmp_path / "a.safetensors").unlink(missing_ok=True)  # not written by way of a temporary file
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    write(tmp_path / name)


def test_too_little_room_is_said_before_the_work(tmp_path):
    check_room(tmp_path / "new" / "folder", 10, "it")
    with pytest.raises(DiskFullError, match=r"are free and the run needs about 1000000000 GB: make room"):
        check_room(tmp_path, 10**18, "the run")


@pytest.mark.parametrize(
    "name, message",
    [
        ("file", "is a file, and a folder is wanted"),
        ("file/below/it", "cannot be made: .*file is a file"),
        ("dangling", "is no folder"),
        ("x" * 300, "cannot be a folder"),
        ("\0", "cannot be a folder"),
    ],
)
def test_output_that_is_no_folder_is_refused_and_nothing_made(tmp_path, name, message):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(ValueError, match=message + ".*--output") as refused:
        check_output_folder(tmp_path / name)
    assert "x" * 300 not in name or str(refused.value).count("x" * 300) == 1
    check_output_folder(tmp_path / "new" / "folder")
    assert sorted(os.listdir(tmp_path)) == ["dangling", "file"]


@pytest.mark.parametrize(
    "name, message",
    [
        ("", "is a folder"),
        ("none/a.json", "there is no folder"),
        ("file/a.json", "file is a file, not a folder"),
        ("x" * 250, "too long"),
        ("\0", "cannot be a file"),
    ],
)
def test_output_that_is_no_file_is_refused(tmp_path, name, message):
    (tmp_path / "file").write_text("mine")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        check_output_file(tmp_path / name)
    check_output_file(tmp_path / "a.json")


def test_what_killed_writers_left_is_deleted_by_the_next_one(tmp_path):
    child = subprocess.Popen(["true"])
    child.wait()
    child = child.pid
    dead, alive = tmp_path / f".writing-{child}-a.h5", tmp_path / f".writing-{os.getpid()}-a.h5"
    other_host = tmp_path / f".writing-{child}-0123abcd-a.h5"
    for path in (dead, alive, other_host):
        path.write_text("half")
    write_bytes(tmp_path / "a.h5", b"whole")
    assert {pathlib.Path(p).name for p in os.listdir(tmp_path)} == {"a.h5", alive.name, other_host.name}
