"""The rollouts that KALM's authors published: a dictionary pickled into an `.npy` file, with sentences and goals.

Their offline RL files have another layout, see `imagine_bench.py`. What each field holds was measured on the published
samples. Dimension letters: N rollouts, T time steps (padded), D observation, G goal array, M sentences of a rollout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from kalm_jax.datasets.arrays import numbers, of_dictionary, say_rounding, whole_numbers
from kalm_jax.datasets.imagine_bench import ended_at_last, lengths_of_masks
from kalm_jax.types import LEVELS, GoalTable, Rollouts, make_goal_table, make_rollouts, validate
from kalm_jax.types.text import normalize_sentence

FIELDS = ("observations", "next_observations", "actions", "rewards", "terminals", "masks", "instructions", "goals")

DecodeGoal = Callable[[np.ndarray], tuple[int, np.ndarray]]


def from_dictionary(
    path: str, data: object, decode_goal: DecodeGoal | None = None, seed: int = 0
) -> tuple[Rollouts, GoalTable]:
    """The rollouts of a dictionary with the entries `FIELDS`, and their goals.

    Every rollout carries M sentences (54 in the published files) for one goal vector. A goal of the table is one
    sentence in lower case, at the level "offline", so one goal vector makes M goals with equal `array`, and the table
    holds each once. A rollout's `goal` is one of its sentences, drawn with `seed`. `decode_goal` is that of
    `read_rollouts`. A ValueError names a field that is missing, or has a wrong shape or value.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{path}: holds a {type(data).__name__}, want a dictionary with {', '.join(FIELDS)}")
    missing = [field for field in FIELDS if field not in data]
    if missing:
        raise ValueError(f"{path}: lacks {', '.join(missing)}; want rollouts in the format of KALM's authors")
    action_type = data.get("action_type", "discrete")
    if not isinstance(action_type, str) or action_type != "discrete":
        raise ValueError(f"{path}: action_type is {action_type!r}; only rollouts with discrete actions are read here")
    arrays = dict(of_dictionary(path, {field: data[field] for field in FIELDS}))
    n, t = _shape(path, arrays)
    length = lengths_of_masks(path, arrays["masks"], n, t)
    with np.errstate(over="ignore"):  # what becomes infinite is refused
        before, after = (arrays[field].astype(np.float32) for field in ("observations", "next_observations"))
    step = np.arange(t) < length[:, None]
    say_rounding(path, "observations", arrays["observations"][step])
    jump = (np.abs(after[:, :-1] - before[:, 1:]) > 1e-4).any(-1) & step[:, 1:]
    if jump.any():
        i, j = np.argwhere(jump)[0]
        raise ValueError(
            f"{path}: next_observations[{i}, {j}] is not observations[{i}, {j + 1}]; rollouts must be unbroken"
        )
    observations = np.concatenate([before[:, :1], np.where(step[..., None], after, 0)], axis=1)
    texts, table = _sentences(path, arrays["instructions"], arrays["goals"], n, decode_goal)
    chosen = np.random.default_rng(seed).integers(texts.shape[1], size=n)
    rows, flat = np.arange(n), {field: arrays[field].reshape(n, t) for field in ("actions", "rewards")}
    actions = whole_numbers(path, flat["actions"], step)
    ended, goal = ended_at_last(path, arrays["terminals"], length, t), texts[rows, chosen]
    rollouts = make_rollouts(observations, actions, length, flat["rewards"], ended, goal)
    return validate(rollouts, len(table), name=path), table


def _shape(path: str, arrays: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """(N, T), once the shapes and types of all fields agree."""
    shape = arrays["observations"].shape
    if len(shape) != 3 or 0 in shape:
        raise ValueError(f"{path}: observations has shape {shape}, want (N, T, D) with each at least 1")
    n, t = shape[:2]
    if arrays["next_observations"].shape != shape:
        raise ValueError(f"{path}: next_observations has shape {arrays['next_observations'].shape}, want {shape}")
    for field in ("actions", "rewards", "terminals"):
        if arrays[field].shape not in ((n, t), (n, t, 1)):
            raise ValueError(f"{path}: {field} has shape {arrays[field].shape}, want ({n}, {t}) or ({n}, {t}, 1)")
    numbers = [field for field in FIELDS if field != "instructions"]
    for field in numbers:
        if arrays[field].dtype.kind not in "iufb":
            raise ValueError(f"{path}: {field} has type {arrays[field].dtype}, want numbers")
    return n, t


def _sentences(
    path: str, instructions: np.ndarray, goals: np.ndarray, n: int, decode_goal: DecodeGoal | None
) -> tuple[np.ndarray, GoalTable]:
    """Goal indices (N, M) of every rollout's sentences, and the table of distinct (sentence, goal array)."""
    if (
        instructions.ndim != 2
        or len(instructions) != n
        or not instructions.shape[1]
        or instructions.dtype.kind not in "UO"
    ):
        raise ValueError(
            f"{path}: instructions has shape {instructions.shape} and type {instructions.dtype}, want ({n}, M) strings"
        )
    if goals.ndim not in (2, 3) or len(goals) != n or 0 in goals.shape:
        raise ValueError(f"{path}: goals has shape {goals.shape}, want ({n}, T, G) or ({n}, G)")
    goals = numbers(path, "goals", goals)
    first = goals[:, 0] if goals.ndim == 3 else goals
    if goals.ndim == 3 and (goals[:, 0:1] != goals).any():
        first = _constant_goals(path, goals)
    index = np.zeros(instructions.shape, np.int32)
    seen: dict[tuple, int] = {}
    rows: dict[tuple, list[int]] = {}
    for i in range(n):
        # The sentences of a goal are repeated in every one of its rollouts: decode each set of them once.
        row = (tuple(instructions[i]), first[i].tobytes())
        if row not in rows:
            if any(not isinstance(text, str) or not normalize_sentence(text) for text in row[0]):
                raise ValueError(f"{path}: instructions[{i}] has an entry that is no sentence")
            try:
                family, array = (-1, first[i]) if decode_goal is None else decode_goal(first[i])
            except ValueError as error:
                raise ValueError(f"{path}: goals[{i}]: {error}") from None
            keys = [(normalize_sentence(text), family, tuple(array.tolist())) for text in row[0]]
            rows[row] = [seen.setdefault(key, len(seen)) for key in keys]
        index[i] = rows[row]
    text, families, vectors = zip(*seen)
    array = np.asarray(vectors)
    array = array.astype(np.float32 if array.dtype.kind == "f" else np.int32)
    return index, make_goal_table(text, LEVELS.index("offline"), families, array)


def _constant_goals(path: str, goals: np.ndarray) -> np.ndarray:
    """Goals (N, G) of goals (N, T, G) that are constant over time or padded with zeros."""
    wrong = (goals != goals[:, :1]).any(-1) & (goals != 0).any(-1)
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise ValueError(f"{path}: goals[{i}, {j}] differs from goals[{i}, 0]; a rollout has one goal")
    return goals[:, 0]
