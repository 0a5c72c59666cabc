"""The layout of ImagineBench and of the offline RL files of KALM's authors: four arrays, with encoded text.

`observations` (N, T, D + 768), `actions` (N, T), (N, T, 1) or (N, T, A), `rewards` (N, T, 1) and `masks` (N, T, 1), in
an HDF5 or `.npz` file, a pickled dictionary, or the dictionary that ImagineBench's `get_dataset` returns. The last 768
numbers of an observation are the encoding of the instruction. With an entry `instructions`, (N,) or (N, M) sentences,
observations are (N, T, D) and carry no encoding. The reader follows the published description; it has not been run on
the published files. Dimension letters: N rollouts, T time steps (padded), D observation, A action, K goals, M
sentences of a rollout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kalm_jax.types import LEVELS, GoalTable, Rollouts, make_goal_table, make_rollouts, validate

FIELDS = ("masks", "observations", "actions", "rewards")
ENCODING_DIM = 768
"""Size of BERT's pooled output, which is appended to every observation."""
DISCRETE = {10: 40, 17: 7}
"""Numbers of discrete actions by D, of ImagineBench's Ball and BabyAI; elsewhere the shape of `actions` decides."""
_BLOCK = 256
"""Rollouts read at once: a block of observations with encodings is 40 MB where the whole file may be gigabytes."""
_UNKNOWN = -1


def from_arrays(name: str, data: Mapping[str, Any]) -> tuple[Rollouts, GoalTable]:
    """Rollouts and goals of arrays (or open HDF5 data sets) in the layout of this module.

    Each distinct encoding becomes the `vector` of one goal. Without `instructions` no goal has a text; no goal has a
    goal array: `family` is -1 and `level` is "offline". Offline RL can learn from such goals, while grounding, reward
    labels and evaluation cannot. The layout holds no final states: the last observation is repeated for each, and every
    rollout is marked as terminated, as the authors do, so that no value is bootstrapped from it. A ValueError names a
    field that is missing, or has a wrong shape or value.
    """
    missing = [field for field in FIELDS if np.ndim(data.get(field, 0)) == 0]
    if missing:
        raise ValueError(f"{name}: lacks {', '.join(missing)}; want {', '.join(FIELDS)}")
    observed, width = data["observations"], 0 if "instructions" in data else ENCODING_DIM
    if observed.ndim != 3 or observed.shape[2] <= width or np.dtype(observed.dtype).kind not in "iuf":
        behind = f", where {width} are the text's encoding" if width else ""
        raise ValueError(
            f"{name}: observations has shape {observed.shape} and type {observed.dtype}, want numbers (N, T, more than "
            f"{width}){behind}"
        )
    n, t = observed.shape[:2]
    length = lengths_of_masks(name, np.asarray(data["masks"]), n, t)
    step = np.arange(t) < length[:, None]
    observations, encodings, code = _observations(name, observed, step, width)
    if width:
        text, goal = [""] * len(encodings), code
    else:
        text, goal = _sentences(name, np.asarray(data["instructions"]), n)
        encodings = np.zeros((len(text), 0), np.float32)
    observations[np.arange(n), length] = observations[np.arange(n), length - 1]
    actions, num_actions = _actions(name, np.asarray(data["actions"]), step, observations.shape[2])
    rewards = np.asarray(data["rewards"])
    if rewards.shape not in ((n, t), (n, t, 1)) or rewards.dtype.kind not in "iuf":
        raise ValueError(f"{name}: rewards has shape {rewards.shape}, want numbers ({n}, {t}) or ({n}, {t}, 1)")
    rollouts = make_rollouts(observations, actions, length, rewards.reshape(n, t), True, goal)
    array = np.zeros((len(text), 0), np.int32)
    goals = make_goal_table(text, LEVELS.index("offline"), _UNKNOWN, array, encodings)
    return validate(rollouts, len(goals), num_actions, name=str(name)), goals


def lengths_of_masks(name: str, masks: np.ndarray, n: int, t: int) -> np.ndarray:
    """Numbers of steps (N,) int32 from masks (N, T[, 1]), which must be ones followed by zeros."""
    if masks.shape not in ((n, t), (n, t, 1)):
        raise ValueError(f"{name}: masks has shape {masks.shape}, want ({n}, {t}) or ({n}, {t}, 1)")
    if not n or not t:
        raise ValueError(f"{name}: holds no rollouts: masks has shape {masks.shape}")
    used = masks.reshape(n, t) > 0
    length = used.sum(1).astype(np.int32)
    empty = np.flatnonzero(length == 0)
    if len(empty):
        some = ", ".join(map(str, empty[:8])) + (", ..." if len(empty) > 8 else "")
        raise ValueError(f"{name}: masks: {len(empty)} rollouts have no step ({some}); drop them")
    broken = (used != (np.arange(t) < length[:, None])).any(1)
    if broken.any():
        raise ValueError(f"{name}: masks[{int(np.argmax(broken))}] has gaps; want ones, then zeros")
    return length


def whole_numbers(name: str, actions: np.ndarray, step: np.ndarray, num_actions: int | None = None) -> np.ndarray:
    """`actions` (N, T), or a ValueError that names the first one, of a step that was taken, that is no whole number."""
    wrong = (actions != np.round(actions)) & step if actions.dtype.kind == "f" else np.zeros(actions.shape, bool)
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        last = "" if num_actions is None else num_actions - 1
        raise ValueError(f"{name}: actions[{i}, {j}] is {actions[i, j]}, want a whole number in 0..{last}")
    return actions


def _observations(name: str, data: Any, step: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observations (N, T+1, D) without encodings, the distinct encodings (K, width), the index (N,) into these."""
    n, t = step.shape
    dim = data.shape[2] - width
    observations, goal = np.zeros((n, t + 1, dim), np.float32), np.zeros(n, np.int32)
    codes: dict[bytes, int] = {}
    for start in range(0, n, _BLOCK):
        block = np.asarray(data[start : start + _BLOCK]).astype(np.float32)
        encodings, used = block[..., dim:], step[start : start + _BLOCK]
        changed = (encodings != encodings[:, :1]).any(-1) & used
        if changed.any():
            i, j = np.argwhere(changed)[0]
            raise ValueError(
                f"{name}: observations[{start + i}, {j}, {dim}:] differs from [{start + i}, 0, {dim}:] (or is NaN); "
                "a rollout has one goal, so its encoding must not change"
            )
        observations[start : start + _BLOCK, :t] = np.where(used[..., None], block[..., :dim], 0)
        for i, encoding in enumerate(encodings[:, 0]):
            goal[start + i] = codes.setdefault(encoding.tobytes(), len(codes))
    return observations, np.stack([np.frombuffer(code, np.float32) for code in codes]), goal


def _sentences(name: str, instructions: np.ndarray, n: int) -> tuple[list[str], np.ndarray]:
    """The distinct sentences, and the goal (N,) of each rollout: the first of its sentences."""
    if instructions.ndim not in (1, 2) or len(instructions) != n or 0 in instructions.shape:
        raise ValueError(f"{name}: instructions has shape {instructions.shape}, want ({n},) or ({n}, M) sentences")
    first = instructions.reshape(n, -1)[:, 0].tolist()
    first = [text.decode() if isinstance(text, bytes) else text for text in first]
    for i, text in enumerate(first):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{name}: instructions[{i}] is {text!r}, want a sentence")
    table: dict[str, int] = {}
    goal = np.array([table.setdefault(text, len(table)) for text in first], np.int32)
    return list(table), goal


def _actions(name: str, actions: np.ndarray, step: np.ndarray, dim: int) -> tuple[np.ndarray, int | None]:
    """Actions without padding, and how many discrete ones there are (None: continuous, or not known)."""
    n, t = step.shape
    if actions.shape[:2] != (n, t) or actions.ndim not in (2, 3) or actions.dtype.kind not in "iuf":
        raise ValueError(f"{name}: actions has shape {actions.shape}, want numbers ({n}, {t}) or ({n}, {t}, A)")
    single = actions.size == n * t
    if single and (dim in DISCRETE or actions.ndim == 2 or actions.dtype.kind in "iu"):
        whole = whole_numbers(name, actions.reshape(n, t), step, DISCRETE.get(dim))
        return np.where(step, whole, 0).astype(np.int32), DISCRETE.get(dim)
    if dim == 10:
        raise ValueError(f"{name}: actions has shape {actions.shape}, want ({n}, {t}) or ({n}, {t}, 1) in Ball")
    return np.where(step[..., None], actions, 0).astype(np.float32), None
