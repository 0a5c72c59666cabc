"""Prompt files of KALM's authors: goals of CLEVR-Robot to imagine rollouts for, and first states."""

from __future__ import annotations

import os

import numpy as np

from kalm_jax.datasets import safe_pickle
from kalm_jax.datasets.arrays import numbers, of_dictionary
from kalm_jax.files import require_file
from kalm_jax.types import LEVELS, GoalTable, make_goal_table
from kalm_jax.types.text import normalize_sentence
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr.instructions import split_of
from kalm_jax.worlds.clevr.simulator import OBSERVATION_DIM


def read_prompts(path: str | os.PathLike) -> tuple[GoalTable, np.ndarray]:
    """Goals (K) and first observations (K, 10) float32 from the prompt files or test files of KALM's authors.

    Both are pickled dictionaries of K entries each. `instructions`, `goals` and the first frame of `observations` are
    used (in test files its first 10 numbers, as an encoding follows). Goal k of the table belongs to entry k. Of
    several sentences of an entry the first counts. The level is the one that has the sentence; for other sentences it
    is the one of the goal's family (relations: "rephrase"). A ValueError names what is missing, of another length, or
    impossible.
    """
    data = safe_pickle.load(require_file(path))
    fields = ("instructions", "goals", "observations")
    if not isinstance(data, dict) or any(field not in data for field in fields):
        found = ", ".join(map(str, data)) if isinstance(data, dict) else f"a {type(data).__name__}"
        raise ValueError(f"{path}: holds {found}; want a dictionary with {', '.join(fields)}")
    sizes = [len(data[field]) if isinstance(data[field], list | tuple | np.ndarray) else 0 for field in fields]
    if sizes[0] == 0 or len(set(sizes)) > 1:
        raise ValueError(f"{path}: {', '.join(fields)} have {sizes} entries; want the same number, at least one")
    text, families, arrays, starts, levels = [], [], [], [], []
    for i in range(sizes[0]):
        entry = of_dictionary(f"{path}: prompt {i}", {field: data[field][i] for field in fields})
        sentence = entry["instructions"].reshape(-1)
        if not len(sentence) or not isinstance(sentence[0], str) or not normalize_sentence(sentence[0]):
            raise ValueError(f"{path}: instructions[{i}] is {str(data['instructions'][i])[:40]!r}, want a sentence")
        vector = entry["goals"]  # may be repeated over time
        try:
            family, array = clevr_goals.from_authors(vector[0] if vector.ndim > 1 and len(vector) else vector)
        except (ValueError, TypeError, IndexError) as error:
            raise ValueError(f"{path}: goals[{i}]: {error}") from None
        frame = entry["observations"]
        frame = frame[0] if frame.ndim > 1 and len(frame) else frame
        if frame.ndim != 1 or frame.size < OBSERVATION_DIM or frame.dtype.kind not in "iuf":
            found = f"shape {entry['observations'].shape} and type {frame.dtype}"
            raise ValueError(
                f"{path}: observations[{i}] has {found}, want (T, at least {OBSERVATION_DIM}) numbers with T at least 1"
            )
        frame = numbers(f"{path}: prompt {i}", "observations", frame[:OBSERVATION_DIM])
        text.append(normalize_sentence(sentence[0]))
        known = split_of(text[-1])
        levels.append(LEVELS.index(known if known in LEVELS else _level_of_family(family)))
        families.append(family)
        arrays.append(array)
        starts.append(frame.astype(np.float32))
    return make_goal_table(text, levels, families, arrays), np.stack(starts)


def _level_of_family(family: int) -> str:
    return {clevr_goals.RELATION: "rephrase", clevr_goals.MOVE: "unseen_easy"}.get(family, "unseen_hard")
