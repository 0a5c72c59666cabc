"""The library's own files of rollouts: HDF5 or `.npz` with one array for each field of `Rollouts` and `GoalTable`.

The arrays are called `rollouts/FIELD` and `goals/FIELD`. Attributes (seed, versions, settings) are JSON in the HDF5
attribute, or for `.npz` the entry, `attributes`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import numpy as np

from kalm_jax.types import LEVELS, GoalTable, Rollouts, validate
from kalm_jax.types.goals import GOAL_ARRAYS

FORMAT = "kalm_jax rollouts"
VERSION = 1
HDF5_EXTENSIONS = (".hdf5", ".h5")

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


def read(path: str) -> tuple[Rollouts, GoalTable] | None:
    """Rollouts and goals of a file that `write` wrote; None for a file of another format.

    A ValueError names what is damaged, missing or wrong, or another version.
    """
    is_npz = os.path.splitext(path)[1].lower() == ".npz"
    names = (*_ROLLOUT_FIELDS, *_GOAL_FIELDS)
    arrays = _read_npz(path, names) if is_npz else _read_hdf5(path, names)
    return None if arrays is None else _assemble(path, arrays)


def read_pieces(path: str | os.PathLike, size: int = 1000) -> tuple[GoalTable, Iterator[Rollouts]]:
    """The goals of one of the library's HDF5 files, and its rollouts `size` at a time: for files larger than memory.

    Errors are those of `read_rollouts`; those of a piece are raised when it is read.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such file")
    goal_arrays = _read_hdf5(path, _GOAL_FIELDS) if os.path.splitext(path)[1].lower() in HDF5_EXTENSIONS else None
    if goal_arrays is None:
        raise ValueError(f"{path}: only our own HDF5 files are read in pieces; read it whole and write it as one first")

    def pieces(size: int) -> Iterator[tuple[Rollouts, GoalTable]]:
        with h5py.File(path, "r") as file:
            fields = {name: file[name] for name in _ROLLOUT_FIELDS if name in file}
            for start in range(0, min((len(data) for data in fields.values()), default=1), size):
                piece = {name: data[start : start + size] for name, data in fields.items()}
                yield _assemble(f"{path} (from rollout {start} on)", goal_arrays | piece)

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
    with h5py.File(path, "w") as file:
        file.attrs.update(header)
        for name, array in arrays.items():
            if array.dtype.kind == "U":
                file.create_dataset(name, data=array.astype(object), dtype=h5py.string_dtype())
            else:
                options = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if array.size else {}
                file.create_dataset(name, data=array, **options)


def _read_hdf5(path: str, names: tuple[str, ...]) -> dict[str, np.ndarray] | None:
    """Arrays by name; None for a file of another format."""
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                return None
            _check_version(path, file.attrs.get("version"))
            found = [name for name in names if name in file]
            return {name: file[name].asstr()[()] if name == "goals/text" else file[name][()] for name in found}
    except (OSError, RuntimeError, TypeError) as error:
        raise ValueError(f"{path}: not a complete HDF5 file ({error}); copy it again or write it again") from error


def _read_npz(path: str, names: tuple[str, ...]) -> dict[str, np.ndarray] | None:
    """As `_read_hdf5`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if "format" not in file or str(file["format"]) != FORMAT:
                return None
            _check_version(path, int(file["version"]))
            return {name: file[name] for name in names if name in file}
    except (OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a complete .npz file ({error}); copy it again or write it again") from error


def _check_version(path: str, version: object) -> None:
    if version != VERSION:
        raise ValueError(f"{path}: format version {version}, this program reads {VERSION}; update one side")


def _assemble(path: str, arrays: dict[str, np.ndarray]) -> tuple[Rollouts, GoalTable]:
    """Rollouts and goals of the arrays, once types and shapes fit."""
    missing = [name for name in (*_ROLLOUT_FIELDS, *_GOAL_FIELDS) if name not in arrays]
    if missing:
        raise ValueError(f"{path}: lacks {', '.join(missing)}; write it with kalm_jax.datasets.write_rollouts")
    for name, kind in _TYPES.items():
        if not np.can_cast(arrays[name].dtype, kind, "same_kind"):
            raise ValueError(f"{path}: {name} has type {arrays[name].dtype}, want {np.dtype(kind)}")
        arrays[name] = arrays[name].astype(kind)
    for name in ("rollouts/actions", "goals/array"):
        kind = arrays[name].dtype.kind
        if kind not in "iuf":
            raise ValueError(f"{path}: {name} has type {arrays[name].dtype}, want integers or floats")
        arrays[name] = arrays[name].astype("f4" if kind == "f" else "i4")
    level, text = arrays["goals/level"], arrays["goals/text"]
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
    goals = GoalTable(**{name: arrays[f"goals/{name}"] for name in GOAL_ARRAYS}, text=tuple(str(t) for t in text))
    return validate(rollouts, len(level), name=path), goals
