"""Files of named arrays (HDF5 and `.npz`), opened so that what they claim cannot mislead, and checks of their arrays.

A file may come from anywhere. Nothing outside it is read (external links, external storage, virtual data sets), no
object in it is executed, and no array is made that is far larger than the bytes behind it. Every error names the file
and the array.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import h5py
import numpy as np
from numpy.lib import format as npy

from kalm_jax.datasets import safe_pickle
from kalm_jax.files import require_file

HDF5_EXTENSIONS = (".hdf5", ".h5")

_MOST_COMPRESSED = 1100
"""Bytes that one byte of a file may stand for: deflate's best is 1,032."""
_SMALL = 1 << 24
"""Bytes of an array that a file may declare without holding any of them."""
_MOST_LINKS = 16


class Arrays(Mapping[str, Any]):
    """Arrays (or HDF5 data sets, which are read where they are sliced) by name, found when they are asked for.

    `read(name)` finds one; it raises a KeyError where there is none, and a ValueError where it cannot be read.
    """

    def __init__(self, names: Iterable[str], read: Callable[[str], Any]) -> None:
        """`names` are those that a message may list."""
        self._names, self._read, self._found = list(names), read, dict[str, Any]()

    def __getitem__(self, name: str) -> Any:
        if name not in self._found:
            self._found[name] = self._read(name)
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@contextlib.contextmanager
def open_arrays(path: str) -> Iterator[Arrays]:
    """The arrays of an HDF5 file or, by its extension, of an `.npz` file.

    HDF5 attributes of the file are arrays called "@NAME".

    Raises:
      OSError: the file cannot be opened, see `require_file`.
      ValueError: it is not complete, or it is not such a file; also where that shows later, inside the block.
    """
    require_file(path)
    is_npz = os.path.splitext(path)[1].lower() == ".npz"
    try:
        if is_npz:
            with zipfile.ZipFile(path) as archive:
                yield _of_npz(path, archive)
        else:
            with h5py.File(path, "r") as file:
                yield _of_hdf5(path, file)
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        kind, reason = ".npz" if is_npz else "HDF5", " ".join(str(error).split())[:200]
        raise ValueError(f"{path}: not a complete {kind} file ({reason}); copy or write it again") from error
    except MemoryError as error:
        raise ValueError(f"{path}: does not fit into this machine's memory ({error}); split it") from error


def of_dictionary(path: str, data: Mapping[Any, Any]) -> Arrays:
    """The entries of a dictionary, such as a pickled one, as arrays."""

    def read(name: str) -> np.ndarray:
        try:
            return np.asarray(data[name])
        except ValueError as error:
            raise ValueError(f"{path}: {name} is no array ({error}); want rows of equal length") from error

    return Arrays([str(name) for name in data], read)


def _of_npz(path: str, archive: zipfile.ZipFile) -> Arrays:
    entries = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

    def read(name: str) -> np.ndarray:
        info = entries[name]
        with archive.open(info) as file:
            try:
                version = npy.read_magic(file)
                header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, _, dtype = header(file)
            except (ValueError, SyntaxError, TypeError) as error:
                raise ValueError(f"{path}: {name} is no array that NumPy wrote ({error})") from error
            size, held = math.prod(shape) * dtype.itemsize, info.file_size - file.tell()
            if not dtype.hasobject:
                if size != held:
                    raise ValueError(f"{path}: {name} declares {shape} of {dtype}, {size} bytes, but has {held}")
                _check_size(path, name, size, info.compress_size)
        with archive.open(info) as file:
            if not dtype.hasobject:
                return npy.read_array(file, allow_pickle=False)
            _check_size(path, name, info.file_size, info.compress_size)
            try:
                return np.asarray(safe_pickle.load(file.read()))
            except ValueError as error:
                reason = str(error).removeprefix("the bytes given: ")
                raise ValueError(f"{path}: {name} holds Python objects ({reason}); save it as numbers") from error

    return Arrays(entries, read)


def _of_hdf5(path: str, file: h5py.File) -> Arrays:
    def read(name: str) -> Any:
        if name.startswith("@"):
            return file.attrs[name[1:]]
        found = _follow(path, file, name, _MOST_LINKS)
        if not isinstance(found, h5py.Dataset) or found.shape is None:
            raise KeyError(name)
        _check_dataset(path, name, found.id)
        return found

    return Arrays(file, read)


def check_links(path: str) -> None:
    """A ValueError where any array of an HDF5 file is outside it, or declares far more than the file holds.

    For files that another library reads.
    """
    with open_arrays(path) as data, h5py.File(path, "r") as file:
        names: list[tuple[bytes, bool]] = []  # what is raised while links are visited is lost

        def note(name: bytes, link: Any) -> None:
            names.append((name, link.type == h5py.h5l.TYPE_HARD))

        file.id.links.visit(note, info=True)
        for name, hard in names:
            text = name.decode("utf-8", "replace")
            if not hard:
                data.get(text)
                continue
            found = h5py.h5o.open(file.id, name)
            if isinstance(found, h5py.h5d.DatasetID):
                _check_dataset(path, text, found)


def _follow(path: str, group: h5py.Group, name: str, links: int) -> Any:
    """What `name` leads to inside the file; a KeyError where that is nothing."""
    parts = name.strip("/").split("/")
    for i, part in enumerate(parts):
        if not isinstance(group, h5py.Group) or part not in group.keys():
            raise KeyError(name)
        link = group.get(part, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise ValueError(
                f"{path}: {name} is a link to the file {link.filename}, which is not read; copy its data into this file"
            )
        if isinstance(link, h5py.SoftLink):
            rest = "/".join([link.path, *parts[i + 1 :]])
            if not links:
                raise ValueError(f"{path}: {name} is a link that leads back to itself; copy the data to its place")
            try:
                return _follow(path, group.file if link.path.startswith("/") else group, rest, links - 1)
            except KeyError:
                raise ValueError(f"{path}: {name} is a link to {link.path}, which the file does not have") from None
        group = group[part]
    return group


def _check_dataset(path: str, name: str, found: h5py.h5d.DatasetID) -> None:
    made = found.get_create_plist()
    if made.get_layout() == h5py.h5d.VIRTUAL or made.get_external_count():
        raise ValueError(f"{path}: {name} keeps its data in other files, which are not read; copy them into it")
    declared = found.get_space().get_simple_extent_npoints() * found.get_type().get_size()
    _check_size(path, name, declared, found.get_storage_size())


def _check_size(path: str, name: str, declared: int, held: int) -> None:
    if declared > _SMALL + _MOST_COMPRESSED * held:
        raise ValueError(
            f"{path}: {name} declares {declared:,} bytes, but the file holds {held:,} for it; write the file again"
        )


def entries(data: Mapping[str, Any]) -> str:
    """The first names of arrays, for a message."""
    names = [name if name.isprintable() else ascii(name) for name in data]
    return ", ".join(name[:40] for name in names[:12]) or "nothing"


def numbers(path: str, name: str, x: Any, kinds: str = "biuf") -> np.ndarray:
    """`x` in memory, once its type is one of NumPy's `kinds` and its entries are finite as float32."""
    if x.dtype.kind not in kinds:
        raise ValueError(f"{path}: {name} has type {x.dtype}, want numbers")
    x = np.asarray(x)
    if x.dtype.kind == "f":
        with np.errstate(over="ignore"):
            wrong = ~np.isfinite(x.astype(np.float32, copy=False))
        if wrong.any():
            at = tuple(np.argwhere(wrong)[0].tolist())
            raise ValueError(f"{path}: {name}{list(at)} is {x[at]}, want a finite number; repair or drop what it is of")
    return x


def say_rounding(path: str, name: str, x: Any) -> None:
    """Says of which columns of (..., D) 64-bit numbers float32 keeps next to nothing, as they hardly vary for its size.

    To be called with what is read, before it becomes float32.
    """
    x = np.asarray(x)
    if x.dtype.kind not in "iuf" or x.dtype.itemsize < 8 or not x.size or x.ndim < 2:
        return
    rows = x.reshape(-1, x.shape[-1])
    low, high = rows.min(0).astype(np.float64), rows.max(0).astype(np.float64)
    largest = np.maximum(np.abs(low), np.abs(high))
    with np.errstate(over="ignore", invalid="ignore"):
        single, double = np.spacing(largest.astype(np.float32)).astype(np.float64), np.spacing(largest)
        lost = np.flatnonzero((high - low > 64 * double) & (high - low < 8 * single))
    if len(lost):
        i = int(lost[0])
        also = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        print(
            f"{path}: {name}[..., {i}]{also} varies by only {high[i] - low[i]:.3g} around {high[i]:.6g}, and float32, "
            f"in which all is learned, has steps of {single[i]:.3g} there: subtract its mean before you save it",
            file=sys.stderr,
        )


def yes_or_no(path: str, name: str, x: Any) -> np.ndarray:
    """`x` as bool, once all its entries are 0 or 1."""
    x = numbers(path, name, x)
    wrong = (x != 0) & (x != 1)
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0].tolist())
        raise ValueError(f"{path}: {name}{list(at)} is {x[at]}, want 0 or 1")
    return x.astype(bool)


def whole_numbers(
    path: str,
    actions: np.ndarray,
    step: np.ndarray,
    num_actions: int | None = None,
    hint: str = "",
    name_of: str = "actions",
) -> np.ndarray:
    """Discrete actions, or other indices called `name_of`, as int32, 0 where `step`, of the same shape, is False.

    A ValueError names the first action of a step that is no whole number, or too large a one.
    """
    wrong = ((actions != np.round(actions)) | (np.abs(actions.astype(float)) >= 2**31)) & step
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0].tolist())
        last = "" if num_actions is None else num_actions - 1
        raise ValueError(f"{path}: {name_of}{list(at)} is {actions[at]}, want a whole number in 0..{last}{hint}")
    return np.where(step, actions, 0).astype(np.int32)


def sentences(path: str, name: str, x: Any) -> np.ndarray:
    """Texts as an array of `str` of the same shape; bytes are read as UTF-8."""
    x = np.asarray(x)
    if not x.dtype.itemsize:  # of any length in no bytes
        raise ValueError(f"{path}: {name} holds texts without letters (type {x.dtype}); write sentences")
    out = np.empty(x.shape, object)
    for i, text in np.ndenumerate(x):
        if isinstance(text, bytes):
            try:
                text = text.decode("utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path}: {name}{list(i)} is not text in UTF-8 ({error}); write it in UTF-8"
                ) from error
        if not isinstance(text, str):
            raise ValueError(f"{path}: {name}{list(i)} is {text!r}, want a sentence")
        out[i] = str(text)
    return out
