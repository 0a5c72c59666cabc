"""A lock on a folder, so that two processes never work in the same one.

It is the kernel's (`flock` on the file `.lock`), not a file that exists or not: the kernel takes it from a process
however that ends, also by `kill -9`, so nothing stale is left on a host and no other process can be taken for the dead
one that had its number. What the file says is for people, and for file systems that other hosts see but whose locks
they do not: there a file that names another host is believed. A process that ends in order empties it. Where there are
no such locks (Windows, some network file systems), what the file says decides alone.

One process may lock a folder several times; the last release counts.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import pathlib
import socket
from typing import Any

from kalm_jax.files import is_alive

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NAME = ".lock"
_UNKNOWN = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
"""What `flock` answers where a file system has no locks."""
_held: dict[str, tuple[int, int]] = {}
"""Folder -> the open file of this process's lock, and how often it was taken."""


class FolderLock:
    """The lock on an existing folder, taken when it is made and released by `release`."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Takes the lock.

        Raises:
          ValueError: another process has it, or there can be no lock; the message names the process and its host, or
            the file, and what to do.
        """
        self._key: str | None = str(pathlib.Path(folder).resolve())
        if self._key in _held:
            descriptor, count = _held[self._key]
            _held[self._key] = descriptor, count + 1
            return
        path = pathlib.Path(folder) / NAME
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise ValueError(
                f"{path} cannot be the folder's lock ({error.strerror}): delete it, make the folder writable, or "
                "choose another one"
            ) from error
        try:
            _take(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        _held[self._key] = descriptor, 1

    def release(self) -> None:
        """Releases the lock; a second call does nothing."""
        key, self._key = self._key, None
        if key is None or key not in _held:
            return
        descriptor, count = _held.pop(key)
        if count > 1:
            _held[key] = descriptor, count - 1
        else:
            _let_go(descriptor)


def release_all() -> None:
    """Releases all locks of this process, which ends at once."""
    while _held:
        _let_go(_held.popitem()[1][0])


def _take(path: pathlib.Path, descriptor: int) -> None:
    known = fcntl is not None
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ValueError(_in_use(path, _said(descriptor))) from None
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
        known = False
    before, host = _said(descriptor), socket.gethostname()
    if before:
        if before.get("host") != host:
            raise ValueError(
                f"{path.parent}: {_who(before)} worked here and has not said that it ended. If it is dead, delete "
                f"{path} and run the same command again; otherwise choose another folder"
            )
        process = before.get("process")
        if not known and isinstance(process, int) and process != os.getpid() and is_alive(process):
            raise ValueError(_in_use(path, before))
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    about = {"process": os.getpid(), "host": host, "since": now}
    with contextlib.suppress(OSError):  # on a full disk the kernel's lock must do
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, (json.dumps(about) + "\n").encode())


def _let_go(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
    os.close(descriptor)


def _said(descriptor: int) -> dict[str, Any]:
    """What the file says about who works in the folder; {} where it says nothing."""
    with contextlib.suppress(OSError, ValueError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        said = json.loads(os.read(descriptor, 4096))
        return said if isinstance(said, dict) else {}
    return {}


def _who(said: dict[str, Any]) -> str:
    since = f" since {said['since']}" if "since" in said else ""
    return f"process {said.get('process', '(unknown)')} on host {said.get('host', '(unknown)')}{since}"


def _in_use(path: pathlib.Path, said: dict[str, Any]) -> str:
    return f"{path.parent} is in use by {_who(said)}: wait for it, stop it, or choose another folder"
