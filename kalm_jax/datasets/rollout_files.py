"""Reads rollouts of every format, which is recognized by name and content, and writes rollouts, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kalm_jax.arguments import checked
from kalm_jax.datasets import d4rl, imagine_bench, kalm_authors, minari, native, safe_pickle
from kalm_jax.datasets.arrays import HDF5_EXTENSIONS, entries, of_dictionary, open_arrays
from kalm_jax.disk import check_output_file, check_room, naming_full_disk
from kalm_jax.files import replacing, require_file
from kalm_jax.types import GoalTable, Rollouts, validate, validate_goals

LAYOUTS = ("kalm_jax", "d4rl")
"""What `write_rollouts` writes; only the first holds everything."""


@checked()
def read_rollouts(
    path: str | os.PathLike,
    num_actions: int | None = None,
    action_bounds: tuple | None = None,
    decode_goal: Callable[[np.ndarray], tuple[int, np.ndarray]] | None = None,
) -> tuple[Rollouts, GoalTable]:
    """Rollouts and their goals from a file, checked by `kalm_jax.types.validate`.

    - `.hdf5`, `.h5`, `.npz`: the library's own (`native.py`); ImagineBench's and the offline RL files of KALM's authors
      (`imagine_bench.py`: no goal arrays); D4RL's (`d4rl.py`: one goal without text).
    - `.npy`: a pickled dictionary, of KALM's authors (`kalm_authors.py`) or of ImagineBench. Nothing in it is executed.
    - `minari:ID`, or the folder of a Minari data set (`minari.py`).

    Args:
      path: the file.
      num_actions: if given, discrete actions must be in 0..num_actions-1.
      action_bounds: if given, the pair (low, high) of continuous actions, each a number or (A,).
      decode_goal: makes a family code and a goal array (G,) of a goal vector in the files of KALM's authors, for the
        environment that they were recorded in. Without it the family is -1 and the array is the vector as stored.

    Raises:
      OSError: no such file, or it cannot be opened.
      ModuleNotFoundError: a Minari data set without the package minari.
      ValueError: unknown extension, damaged file, missing or wrong field. The message names the file, the field, the
        index and how to fix it.
    """
    path = os.fspath(path)
    extension = os.path.splitext(path)[1].lower()
    if minari.is_dataset(path):
        rollouts, goals = minari.read_dataset(path)
    elif os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a folder, want a file, or the folder of a Minari data set (metadata.json)")
    elif extension not in (".npy", ".npz", *HDF5_EXTENSIONS):
        raise ValueError(
            f"{path}: unknown extension {extension!r}; rollouts are read from .npy, .npz, .hdf5, .h5, minari:ID or the "
            "folder of a Minari data set"
        )
    elif extension == ".npy":
        data = safe_pickle.load(require_file(path))
        if isinstance(data, dict) and "next_observations" not in data and set(imagine_bench.FIELDS) <= set(data):
            rollouts, goals = imagine_bench.from_arrays(path, of_dictionary(path, data))
        else:
            rollouts, goals = kalm_authors.from_dictionary(path, data, decode_goal)
    else:
        rollouts, goals = native.read(path) or _read_foreign(path)
    if not len(rollouts):
        raise ValueError(f"{path}: holds no rollouts")
    return validate(rollouts, len(goals), num_actions, path, action_bounds), goals


@checked()
def write_rollouts(
    path: str | os.PathLike,
    rollouts: Rollouts,
    goals: GoalTable,
    attributes: Mapping | None = None,
    layout: str = "kalm_jax",
) -> None:
    """Writes rollouts and goals to `path`: `.hdf5`, `.h5`, `.npz` or `minari:ID`.

    The file is written under a temporary name and renamed, so that an interrupted run leaves no partial file. The
    same input gives the same HDF5 bytes.

    Args:
      path: the file, in a folder that exists; or `minari:ID`, see `minari.write_dataset`.
      rollouts: the episodes, checked before anything is written.
      goals: the table that `rollouts.goal` indexes.
      attributes: anything that JSON holds, such as the seed; only the library's own layout and Minari's keep them.
      layout: one of `LAYOUTS`; a ValueError says what it cannot hold.
    """
    path = os.fspath(path)
    if layout not in LAYOUTS:
        raise ValueError(f"{path}: unknown layout {layout!r}; rollouts are written in one of {', '.join(LAYOUTS)}")
    check_writable(path, layout)
    rollouts = validate(rollouts, num_goals=len(validate_goals(goals, path)), name=path)
    if path.startswith(minari.PREFIX):
        root = minari.root()
        size = sum(np.asarray(getattr(rollouts, name)).nbytes for name in ("observations", "actions", "rewards"))
        check_room(root, 2 * size + 30_000 * len(rollouts), path)  # HDF5 itself crashes on a full disk
        with naming_full_disk(root):
            minari.write_dataset(path, rollouts, goals, attributes)
        return
    arrays: dict[str, Any] = d4rl.to_arrays(path, rollouts, goals) if layout == "d4rl" else {}
    with replacing(path) as temporary:
        if layout == "kalm_jax":
            native.write(temporary, rollouts, goals, attributes or {})
        elif temporary.suffix.lower() == ".npz":
            np.savez_compressed(temporary, **arrays)
        else:
            with native.writing_hdf5(temporary) as file:
                for field, value in arrays.items():
                    file[field] = value


def check_writable(path: str | os.PathLike, layout: str = LAYOUTS[0]) -> None:
    """Raises what `write_rollouts` would, where it could not write to `path` in this layout."""
    path = os.fspath(path)
    extension = os.path.splitext(path)[1].lower()
    if path.startswith(minari.PREFIX):
        if layout != LAYOUTS[0]:
            raise ValueError(f"{path}: a Minari data set has a layout of its own; leave the layout {layout!r} out")
        minari.check_writable(path)
        return
    if extension not in (".npz", *HDF5_EXTENSIONS):
        raise ValueError(f"{path}: rollouts are written to .hdf5, .h5 or .npz, not to {extension!r}")
    check_output_file(path)


def require_instructions(goals: GoalTable, purpose: str) -> None:
    """Raises a ValueError where goals lack the text or the goal array that `purpose` (such as "grounding") needs."""
    blank = [i for i, text in enumerate(goals.text) if not text.strip()]
    unknown = np.flatnonzero(np.asarray(goals.family) < 0)
    if blank or len(unknown):
        first = blank[0] if blank else int(unknown[0])
        raise ValueError(
            f"{purpose} needs instructions and goal arrays, but {max(len(blank), len(unknown))} of {len(goals)} goals "
            f"lack them (the first is {first}): the .hdf5 files of KALM's authors hold encodings only, and serve "
            "offline RL alone. Read rollouts with sentences, such as their .npy files, or collect some"
        )


def _read_foreign(path: str) -> tuple[Rollouts, GoalTable]:
    """Rollouts and goals of a file that this library did not write; the axes of its observations reveal the layout."""
    with open_arrays(path) as data:
        if "observations" not in data:
            raise ValueError(
                f"{path}: has no observations but {entries(data)}, so it is of none of the layouts "
                f"kalm_jax, ImagineBench ({', '.join(imagine_bench.FIELDS)}) and D4RL ({', '.join(d4rl.FIELDS)})"
            )
        shape = data["observations"].shape
        if len(shape) not in (2, 3):
            raise ValueError(
                f"{path}: observations has shape {shape}, want (L, D), or (N, T, D) padded; images are not read"
            )
        return (d4rl if len(shape) == 2 else imagine_bench).from_arrays(path, data)
