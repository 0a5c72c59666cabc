"""Reads rollouts of every format, and writes ours: HDF5 or `.npz`, complete or not at all.

Ours holds the fields of `Rollouts` under `rollouts/` and those of `GoalTable` under `goals/`, one array each, and any
attributes (seed, versions, settings) as JSON in the attribute, or for `.npz` the entry, `attributes`. Other people's
formats have modules of their own: `authors`, `imaginebench`, `flat` (D4RL) and `minari_dataset`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
from collections.abc import Iterator

import h5py
import numpy as np

from kalm_jax.datasets import authors, flat, imaginebench, safe_pickle
from kalm_jax.datasets import minari as minari_dataset
from kalm_jax.files import replacing
from kalm_jax.types import LEVELS, GoalTable, Rollouts, validate

FORMAT = "kalm_jax rollouts"
VERSION = 1
HDF5_EXTENSIONS = (".hdf5", ".h5")
LAYOUTS = {"kalm_jax": None, "imaginebench": imaginebench, "d4rl": flat}
"""Name -> module with `write_layout`; None is ours, which holds everything."""

_FIELDS = {
    **{f"rollouts/{field.name}": None for field in dataclasses.fields(Rollouts)},
    **{f"goals/{field.name}": None for field in dataclasses.fields(GoalTable)},
}
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


def read_rollouts(path, num_actions: int | None = None, action_bounds=None) -> tuple[Rollouts, GoalTable]:
    """Rollouts and their goals from a file, checked by `validate`; the format is known by name and content.

    - `.hdf5`, `.h5`, `.npz`: ours; the layout of ImagineBench and of the authors' offline RL files (`imaginebench.py`:
      no goal arrays); or the flat layout of D4RL (`flat.py`: one unnamed goal).
    - `.npy`: a pickled dictionary, the authors' (see `authors.read_npy`) or ImagineBench's; nothing in it is run.
    - `minari:ID`, or a folder of Minari's (`minari_dataset.py`).

    Args:
      path: the file.
      num_actions: if given, discrete actions must lie in 0..num_actions-1. The authors' CLEVR-Robot files are always
        checked for their 40.
      action_bounds: if given, (low, high) of continuous actions, each a number or (A,).

    Raises:
      FileNotFoundError: no such file.
      ModuleNotFoundError: a Minari data set without Minari.
      ValueError: unknown extension, damaged file, missing or wrong field. The message names file, field, index and
        mend.
    """
    path = os.fspath(path)
    extension = os.path.splitext(path)[1].lower()
    if minari_dataset.is_dataset(path):
        rollouts, goals = minari_dataset.read_dataset(path)
    elif extension not in (".npy", ".npz", *HDF5_EXTENSIONS):
        raise ValueError(
            f"{path}: unknown extension {extension!r}; rollouts are read from .npy, .npz, .hdf5, .h5, minari:ID or a "
            "folder of Minari's"
        )
    elif not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such file")
    elif extension == ".npy":
        data = safe_pickle.load(path)
        foreign = isinstance(data, dict) and "next_observations" not in data and set(imaginebench.FIELDS) <= set(data)
        rollouts, goals = imaginebench.read_layout(path, data) if foreign else authors.read_dictionary(path, data)
    else:
        arrays, attributes = _read_npz(path) if extension == ".npz" else _read_hdf5(path)
        ours = arrays is not None
        rollouts, goals = _assemble(path, arrays, attributes) if ours else _read_foreign(path, extension)
    return validate(rollouts, len(goals), num_actions, path, action_bounds), goals


def read_pieces(path, size: int = 1000) -> tuple[GoalTable, Iterator[Rollouts]]:
    """The goals of one of our HDF5 files, and its rollouts `size` at a time, for files larger than memory.

    Raises:
      FileNotFoundError: no such file.
      ValueError: another format, a damaged file, an impossible value; the message names file, piece, field and index.
        Faults of a piece come up when it is read.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such file")
    is_hdf5 = os.path.splitext(path)[1].lower() in HDF5_EXTENSIONS
    names = [name for name in _FIELDS if name.startswith("goals/")]
    goal_arrays, header = _read_hdf5(path, names) if is_hdf5 else (None, None)
    if goal_arrays is None:
        raise ValueError(f"{path}: only our own HDF5 files are read in pieces; read it whole and write it as one first")

    def pieces(size):
        with h5py.File(path, "r") as file:
            fields = {name: file[name] for name in _FIELDS if name not in names and name in file}
            for start in range(0, min((len(data) for data in fields.values()), default=1), size):
                piece = {name: data[start : start + size] for name, data in fields.items()}
                yield _assemble(f"{path} (from rollout {start} on)", goal_arrays | piece, header)

    _, goals = next(pieces(1))
    return goals, (rollouts for rollouts, _ in pieces(size))


def _read_foreign(path, extension):
    """Rollouts and goals of a file that is not ours: the layout is known by its fields."""
    try:
        with np.load(path, allow_pickle=False) if extension == ".npz" else h5py.File(path, "r") as file:
            # Data sets of HDF5 stay on disk, the layouts read them in blocks; an .npz reads an array at each access.
            data = {k: v for k, v in file.items() if np.ndim(v) > 0}
            if "masks" in data or (imaginebench.FIELDS[1] in data and "terminals" not in data):
                return imaginebench.read_layout(path, data)
            if "terminals" in data:
                return flat.read_layout(path, data)
            raise ValueError(
                f"{path}: not written by kalm_jax, and its entries ({', '.join(list(data)[:8])}) are not those of "
                f"ImagineBench ({', '.join(imaginebench.FIELDS)}) or D4RL ({', '.join(flat.FIELDS)})"
            )
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a complete file ({error}); copy it again or write it anew") from error


def read_attributes(path) -> dict:
    """The attributes that `write_rollouts` stored beside the rollouts; raises as `read_rollouts` does."""
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such file")
    is_npz = os.path.splitext(path)[1].lower() == ".npz"
    _, header = _read_npz(path, names=()) if is_npz else _read_hdf5(path, names=())
    if header is None:
        raise ValueError(f"{path}: not written by kalm_jax, so it holds no attributes of ours")
    return header["attributes"]


def check_writable(path) -> None:
    """Raises a ValueError or FileNotFoundError where `write_rollouts` could not write to `path`: before any work."""
    path = os.fspath(path)
    extension = os.path.splitext(path)[1].lower()
    if not path.startswith(minari_dataset.PREFIX):
        if extension not in (".npz", *HDF5_EXTENSIONS):
            raise ValueError(f"{path}: rollouts are written to .hdf5, .h5 or .npz, not to {extension!r}")
        if not os.path.isdir(os.path.dirname(path) or "."):
            raise FileNotFoundError(f"{path}: there is no folder {os.path.dirname(path)}; make it first")


def write_rollouts(
    path, rollouts: Rollouts, goals: GoalTable, attributes: dict | None = None, layout: str = "kalm_jax"
) -> None:
    """Writes rollouts and goals to `path` (`.hdf5`, `.h5` or `.npz`): under a temporary name first, then renamed.

    A reader, or a run that is killed in between, sees the old file or the new one and never half of one. The same
    input gives the same HDF5 bytes.

    Args:
      path: the file; its folder must exist. Or `minari:ID`, see `minari_dataset.write_dataset`.
      rollouts: checked by `validate` before anything is written.
      goals: the table that `rollouts.goal` points into.
      attributes: anything that JSON can hold, such as the seed and the settings; other layouts have no place for them.
      layout: one of `LAYOUTS`; the foreign ones leave out what they have no place for (see their modules).

    Raises:
      ValueError: rollouts that do not validate, another extension or layout, or goals that the layout cannot hold.
    """
    path = os.fspath(path)
    if layout not in LAYOUTS:
        raise ValueError(f"{path}: unknown layout {layout!r}; rollouts are written in one of {', '.join(LAYOUTS)}")
    check_writable(path)
    if path.startswith(minari_dataset.PREFIX):
        validate(rollouts, num_goals=len(goals), name=path)
        minari_dataset.write_dataset(path, rollouts, goals, attributes)
        return
    extension = os.path.splitext(path)[1].lower()
    validate(rollouts, num_goals=len(goals), name=path)
    if len(goals.text) != len(goals):
        raise ValueError(f"{path}: goals.text has {len(goals.text)} sentences for {len(goals)} goals")
    with replacing(path) as temporary:
        if layout == "kalm_jax":
            _write_ours(temporary, extension, rollouts, goals, attributes)
        else:
            _write_foreign(temporary, extension, LAYOUTS[layout], path, rollouts, goals)


def _write_foreign(temporary, extension, layout, path, rollouts, goals):
    if extension != ".npz":
        with h5py.File(temporary, "w") as file:
            layout.write_layout(path, file, rollouts, goals)
        return
    arrays = {}
    layout.write_layout(path, arrays, rollouts, goals)
    strings = {k: v.astype(np.str_) for k, v in arrays.items() if v.dtype == object}
    np.savez_compressed(temporary, **arrays | strings)


def _write_ours(temporary, extension, rollouts, goals, attributes):
    arrays = {f"rollouts/{f.name}": np.asarray(getattr(rollouts, f.name)) for f in dataclasses.fields(Rollouts)}
    arrays.update({f"goals/{f.name}": np.asarray(getattr(goals, f.name)) for f in dataclasses.fields(GoalTable)})
    arrays["goals/text"] = np.array(goals.text, dtype=np.str_)
    header = {"format": FORMAT, "version": VERSION, "attributes": json.dumps(attributes or {}, sort_keys=True)}
    if extension == ".npz":
        np.savez_compressed(temporary, **header, **arrays)
    else:
        _write_hdf5(temporary, header, arrays)


def _write_hdf5(path, header, arrays):
    with h5py.File(path, "w") as file:
        file.attrs.update(header)
        for name, array in arrays.items():
            if array.dtype.kind == "U":
                file.create_dataset(name, data=array.astype(object), dtype=h5py.string_dtype())
            else:
                options = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if array.size else {}
                file.create_dataset(name, data=array, **options)


def _read_hdf5(path, names=tuple(_FIELDS)):
    """Arrays by name and header of our HDF5; (None, None) for a file without our header."""
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                return None, None
            header = {key: file.attrs[key] for key in ("version", "attributes") if key in file.attrs}
            arrays = {}
            for name in names:
                if name in file:
                    arrays[name] = file[name].asstr()[()] if name == "goals/text" else file[name][()]
            return arrays, _parse_header(path, header)
    except (OSError, RuntimeError, TypeError) as error:
        raise ValueError(f"{path}: not a complete HDF5 file ({error}); copy it again or write it anew") from error


def _read_npz(path, names=tuple(_FIELDS)):
    """As `_read_hdf5`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if "format" not in file or str(file["format"]) != FORMAT:
                return None, None
            header = {"version": int(file["version"]), "attributes": str(file["attributes"])}
            return {name: file[name] for name in names if name in file}, _parse_header(path, header)
    except (OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a complete .npz file ({error}); copy it again or write it anew") from error


def _parse_header(path, header) -> dict:
    if header.get("version") != VERSION:
        raise ValueError(
            f"{path}: format version {header.get('version')}, this program reads {VERSION}; update one side"
        )
    try:
        return {**header, "attributes": json.loads(header["attributes"])}
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path}: attributes are not JSON ({error}); write the file anew") from error


def _assemble(path, arrays, header):
    missing = [name for name in _FIELDS if name not in arrays]
    if missing:
        raise ValueError(f"{path}: lacks {', '.join(missing)}; write it with kalm_jax.datasets.formats.write_rollouts")
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
    rollouts = Rollouts(**{f.name: arrays[f"rollouts/{f.name}"] for f in dataclasses.fields(Rollouts)})
    goals = {f.name: arrays[f"goals/{f.name}"] for f in dataclasses.fields(GoalTable)}
    goals["text"] = tuple(str(t) for t in text)
    return validate(rollouts, len(level), name=path), GoalTable(**goals)
