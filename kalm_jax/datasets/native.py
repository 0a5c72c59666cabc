"""The library's own files of rollouts: HDF5 or `.npz` with one array for each field of `Rollouts` and `GoalTable`.

The arrays are called `rollouts/FIELD` and `goals/FIELD`. Attributes (seed, versions, settings) are JSON in the HDF5
attribute, or for `.npz` the entry, `attributes`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import numpy as np

from kalm_jax.datasets.arrays import HDF5_EXTENSIONS, Arrays, numbers, open_arrays, say_rounding, sentences
from kalm_jax.files import require_file
from kalm_jax.types import LEVELS, GoalTable, Rollouts, validate
from kalm_jax.types.goals import GOAL_ARRAYS

FORMAT = "kalm_jax rollouts"
VERSION = 1

_ROLLOUT_FIELDS = tuple(f"rollouts/{field.name}" for field in dataclasses.fields(Rollouts))
_GOAL_FIELDS = tuple(f"goals/{field.name}" for field in dataclasses.fields(GoalTable))
_TYPES = {
    "rollouts/observations": "f4",
    "rollouts/rewards": "f4",
    "rollouts/length": "i4",
    "rollouts/terminated": "?",
    "rollouts/goal": "i4",
    "rollouts/imagined": "?",
    "goals/level": "i4",
    "goals/family": "i4",
    "goals/vector": "f4",
}  # actions and goal arrays may be integers or floats


_WHOLE_ONLY = "{}: only our own HDF5 files are read in pieces; read it whole and write it as one first"


def read(path: str) -> tuple[Rollouts, GoalTable] | None:
    """Rollouts and goals of a file that `write` wrote; None for a file of another format.

    An OSError or ValueError names what is damaged, missing or wrong, or another version.
    """
    with open_arrays(path) as data:
        return _assemble(path, _in_memory(data, (*_ROLLOUT_FIELDS, *_GOAL_FIELDS))) if _is_ours(path, data) else None


def read_pieces(path: str | os.PathLike, size: int = 1000) -> tuple[GoalTable, Iterator[Rollouts]]:
    """The goals of one of the library's HDF5 files, and its rollouts `size` at a time: for files larger than memory.

    Errors are those of `read_rollouts`; those of a piece are raised when it is read.
    """
    path = os.fspath(path)
    is_hdf5 = os.path.splitext(path)[1].lower() in HDF5_EXTENSIONS
    if not is_hdf5:
        require_file(path)
        raise ValueError(_WHOLE_ONLY.format(path))

    def pieces(size: int) -> Iterator[tuple[Rollouts, GoalTable]]:
        with open_arrays(path) as data:
            if not _is_ours(path, data):
                raise ValueError(_WHOLE_ONLY.format(path))
            goals = _in_memory(data, _GOAL_FIELDS)
            fields = {name: data[name] for name in _ROLLOUT_FIELDS if name in data}
            for start in range(0, min((len(x) for x in fields.values()), default=1), size):
                piece = {name: x[start : start + size] for name, x in fields.items()}
                yield _assemble(f"{path} (from rollout {start} on)", goals | piece)

    _, goals = next(pieces(1))
    return goals, (rollouts for rollouts, _ in pieces(size))


def write(path: pathlib.Path, rollouts: Rollouts, goals: GoalTable, attributes: Mapping) -> None:
    """Writes checked rollouts and their goals; the extension decides between HDF5 and `.npz`."""
    arrays = {name: np.asarray(getattr(rollouts, name.partition("/")[2])) for name in _ROLLOUT_FIELDS}
    arrays |= {name: np.asarray(getattr(goals, name.partition("/")[2])) for name in _GOAL_FIELDS}
    arrays["goals/text"] = np.array(goals.text, dtype=np.str_)
    text = json.dumps(dict(attributes), sort_keys=True)
    header: dict[str, Any] = {"format": FORMAT, "version": VERSION, "attributes": text}
    if path.suffix.lower() == ".npz":
        np.savez_compressed(path, **(header | arrays))
        return
    with writing_hdf5(path) as file:
        file.attrs.update(header)
        for name, array in arrays.items():
            if array.dtype.kind == "U":
                file.create_dataset(name, data=array.astype(object), dtype=h5py.string_dtype())
            else:
                options = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if array.size else {}
                file.create_dataset(name, data=array, **options)


@contextlib.contextmanager
def writing_hdf5(path: pathlib.Path) -> Iterator[h5py.File]:
    """An HDF5 file in memory, which is written to `path` at the end of the block.

    On a full disk HDF5 itself ends the process by a segmentation fault, and what Python writes fails with an error.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        yield file
    path.write_bytes(buffer.getbuffer())


def _is_ours(path: str, data: Arrays) -> bool:
    """Whether the file is of this format; a ValueError says that it is of another version."""
    at = "" if "format" in data else "@"
    mark = np.asarray(data.get(f"{at}format"))
    if mark.ndim or str(mark) != FORMAT:
        return False
    version = np.asarray(data.get(f"{at}version"))
    if version.ndim or version != VERSION:
        raise ValueError(f"{path}: format version {version}, this program reads {VERSION}; update one side")
    return True


def _in_memory(data: Arrays, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    return {name: np.asarray(data[name]) for name in names if name in data}


def _assemble(path: str, arrays: dict[str, np.ndarray]) -> tuple[Rollouts, GoalTable]:
    """Rollouts and goals of the arrays, once types and shapes fit."""
    missing = [name for name in (*_ROLLOUT_FIELDS, *_GOAL_FIELDS) if name not in arrays]
    if missing:
        raise ValueError(f"{path}: lacks {', '.join(missing)}; write it with kalm_jax.datasets.write_rollouts")
    say_rounding(path, "rollouts/observations", arrays["rollouts/observations"])
    for name, kind in _TYPES.items():
        if not np.can_cast(arrays[name].dtype, kind, "same_kind"):
            raise ValueError(f"{path}: {name} has type {arrays[name].dtype}, want {np.dtype(kind)}")
        arrays[name] = _cast(path, name, arrays[name], kind)
    for name in ("rollouts/actions", "goals/array"):
        kind = arrays[name].dtype.kind
        if kind not in "iuf":
            raise ValueError(f"{path}: {name} has type {arrays[name].dtype}, want integers or floats")
        arrays[name] = _cast(path, name, arrays[name], "f4" if kind == "f" else "i4")
    for name in ("goals/array", "goals/vector"):
        numbers(path, name, arrays[name])
    level, text = arrays["goals/level"], sentences(path, "goals/text", arrays["goals/text"])
    arrays["goals/text"] = text
    for name, dimensions in (("level", 1), ("family", 1), ("array", 2), ("vector", 2), ("text", 1)):
        shape = arrays[f"goals/{name}"].shape
        if len(shape) != dimensions or shape[0] != len(level):
            raise ValueError(
                f"{path}: goals/{name} has shape {shape}, want {len(level)} goals in {dimensions} dimensions"
            )
    if len(level) and (level.min() < 0 or level.max() >= len(LEVELS)):
        wrong = int(np.flatnonzero((level < 0) | (level >= len(LEVELS)))[0])
        raise ValueError(
            f"{path}: goals/level[{wrong}] is {level[wrong]}, want 0..{len(LEVELS) - 1}, an index of {LEVELS}"
        )
    rollouts = Rollouts(**{name.partition("/")[2]: arrays[name] for name in _ROLLOUT_FIELDS})
    goals = GoalTable(**{name: arrays[f"goals/{name}"] for name in GOAL_ARRAYS}, text=tuple(text.tolist()))
    return validate(rollouts, len(level), name=path), goals


def _cast(path: str, name: str, x: np.ndarray, kind: str) -> np.ndarray:
    """`x` in another type of its kind; a ValueError names an integer that does not fit."""
    with np.errstate(over="ignore"):  # what becomes infinite is refused where it counts
        out = x.astype(kind)
    wrong = out != x if kind == "i4" else np.zeros(0, bool)
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0].tolist())
        raise ValueError(f"{path}: {name}{list(at)} is {x[at]}, want an integer of 32 bits")
    return out
