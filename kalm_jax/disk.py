"""Where output can be written: folders and files that can be made, room for them, and a disk that is full.

Imports neither JAX nor NumPy.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import re
import shutil
from collections.abc import Iterator

Path = str | os.PathLike[str]
_FULL = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than this process may write (ulimit -f)",
}


class DiskFullError(OSError):
    """Nothing more can be written; the message says where, and how to go on."""


@contextlib.contextmanager
def naming_full_disk(place: Path) -> Iterator[None]:
    """Raises a `DiskFullError` that names `place` where the block fails because nothing more can be written.

    The libraries that write files here say so with errors of many kinds.
    """
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        if not (why := _why_full(error)):
            raise
        room = free_bytes(place)
        left = "" if room is None else f" ({size_text(room)} are free)"
        raise DiskFullError(
            f"{place}: {why}{left}: make room there and run the same command again; what is complete is kept"
        ) from error


def _why_full(error: BaseException) -> str:
    """Which kind of full disk an error tells of; "" of others."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return _FULL[error.errno]
    said = str(error)
    if isinstance(error, OSError) and re.search(r"\d+ requested and \d+ written", said):  # NumPy's
        return _FULL[errno.ENOSPC]
    return next((why for code, why in _FULL.items() if os.strerror(code) in said), "")


def free_bytes(place: Path) -> int | None:
    """Bytes that this user may still write in the file system of a path, which need not exist; None where unknown."""
    place = pathlib.Path(place).absolute()
    try:
        return shutil.disk_usage(next(p for p in (place, *place.parents) if p.exists())).free
    except OSError:
        return None


def check_room(place: Path, needed: int, what: str, chosen_by: str = "--output") -> None:
    """Raises a `DiskFullError` where fewer than `needed` bytes are free, before `what` is begun.

    `chosen_by` is the flag or variable that chooses the place.
    """
    free = free_bytes(place)
    if free is not None and free < needed:
        raise DiskFullError(
            f"{place}: {size_text(free)} are free and {what} needs about {size_text(needed)}: make room "
            f"there, or choose another place with {chosen_by}"
        )


def folder_bytes(folder: Path) -> int:
    """Bytes of the files below a folder."""
    found = 0
    for path in pathlib.Path(folder).rglob("*"):
        with contextlib.suppress(OSError):
            found += path.lstat().st_size
    return found


def size_text(size: int) -> str:
    """A number of bytes for a reader: "12 MB"."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if size >= 10 * unit:
            return f"{size / unit:.0f} {name}"
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size / 1e3:.0f} kB"


def check_output_folder(path: Path, called: str = "--output") -> None:
    """Raises a ValueError where `path`, which was given as `called`, cannot be made or written in; makes nothing."""
    path = pathlib.Path(path)
    try:
        _look_up(path)
        place = next(p for p in (path, *path.absolute().parents) if os.path.lexists(p))
        is_folder, writable = place.is_dir(), os.access(place, os.W_OK | os.X_OK)
    except (OSError, ValueError) as error:  # too long, or with a null byte
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"{str(path)!r} cannot be a folder ({why}): choose another one ({called})") from error
    if not is_folder:
        what = "is a file" if place.is_file() else "is no folder"
        where = "" if place == path else f"{path} cannot be made: "
        raise ValueError(f"{where}{place} {what}, and a folder is wanted: choose another one ({called})")
    if not writable:
        raise ValueError(f"{path}: nothing can be written in {place}: choose another folder ({called})")


def _look_up(path: pathlib.Path) -> None:
    """Raises an OSError or ValueError where there can be no such path."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(path)


def check_output_file(path: Path) -> None:
    """Raises a ValueError or FileNotFoundError where no file `path` can be written; writes nothing."""
    path = pathlib.Path(path)
    try:
        _look_up(path)
        is_folder, place = path.is_dir(), path.absolute().parent
        found = place.is_dir()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"{str(path)!r} cannot be a file ({why}): choose another name") from error
    if is_folder:
        raise ValueError(f"{path} is a folder, and a file is wanted: give it a name in there")
    if place.is_file():
        raise ValueError(f"{path} cannot be written: {path.parent} is a file, not a folder")
    if not found:
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}; make it first")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ValueError(f"{path}: nothing can be written in {path.parent}: choose another place")
    if len(os.fsencode(path.name)) > os.pathconf(place, "PC_NAME_MAX") - 40:
        raise ValueError(f"{path}: the name is too long")
