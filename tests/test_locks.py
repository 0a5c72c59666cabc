"""The lock on a folder: one process at a time, named, and nothing stale."""

import json
import os
import signal
import subprocess
import sys

import pytest

from kalm_jax.locks import NAME, FolderLock
from tests.paths import ROOT

HOLD = "import sys, time; from kalm_jax.locks import FolderLock; FolderLock(sys.argv[1]); print('held', flush=True); "


def holder(folder):
    """A process that holds the lock."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD + "time.sleep(600)", str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "held\n"
    return child


def test_another_process_is_refused_by_name_until_the_holder_is_killed(tmp_path):
    child = holder(tmp_path)
    with pytest.raises(ValueError, match=rf"in use by process {child.pid} on host .* since 20"):
        FolderLock(tmp_path)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert json.loads((tmp_path / NAME).read_text())["process"] == child.pid
    lock = FolderLock(tmp_path)
    assert json.loads((tmp_path / NAME).read_text())["process"] == os.getpid()
    lock.release()
    assert (tmp_path / NAME).read_text() == ""


def test_one_process_may_take_it_several_times(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    first, second = FolderLock(tmp_path), FolderLock(tmp_path / "link")
    first.release()
    first.release()
    assert (tmp_path / NAME).read_text()
    second.release()
    assert not (tmp_path / NAME).read_text()


@pytest.mark.parametrize("spoil", [lambda path: path.mkdir(), lambda path: path.symlink_to("no/folder/lock")])
def test_what_cannot_be_the_lock_is_named(tmp_path, spoil):
    spoil(tmp_path / NAME)
    with pytest.raises(ValueError, match=r"/.lock cannot be the folder's lock .*: delete it"):
        FolderLock(tmp_path)


def test_a_lock_of_another_host_says_how_to_remove_it(tmp_path):
    (tmp_path / NAME).write_text(json.dumps({"process": 1, "host": "elsewhere", "since": "2026-11-30"}))
    with pytest.raises(ValueError, match=r"process 1 on host elsewhere since 2026-11-30.*delete .*\.lock and run"):
        FolderLock(tmp_path)
    (tmp_path / NAME).write_text("damaged")
    FolderLock(tmp_path).release()
