"""The layout of ImagineBench and of the offline RL files of KALM's authors: four arrays, with encoded text.

`observations` (N, T, D + 768), `actions` (N, T), (N, T, 1) or (N, T, A), `rewards` (N, T, 1) and `masks` (N, T, 1), in
an HDF5 or `.npz` file, a pickled dictionary, or the dictionary that ImagineBench's `get_dataset` returns. The last 768
numbers of an observation are the encoding of the instruction. With an entry `instructions`, (N,) or (N, M) sentences,
observations are (N, T, D) and carry no encoding. The reader follows the published description; it has not been run on
the published files. Where there are `terminals` (N, T[, 1]), they say which rollouts terminated; where there are only
`timeouts`, those that they do not cut off did. The last of `next_observations` are the final states. Dimension letters:
N rollouts, T time steps (padded), D observation, A action, K goals, M sentences of a rollout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kalm_jax.datasets.arrays import entries, say_rounding, sentences, whole_numbers, yes_or_no
from kalm_jax.datasets.d4rl import ENDS
from kalm_jax.types import LEVELS, GoalTable, Rollouts, make_goal_table, make_rollouts, validate

FIELDS = ("masks", "observations", "actions", "rewards")
ENCODING_DIM = 768
"""Size of BERT's pooled output, which is appended to every observation."""
DISCRETE = {10: 40, 17: 7}
"""Numbers of discrete actions by D, of ImagineBench's Ball and BabyAI; elsewhere the shape of `actions` decides."""
CUT = ("timeouts", "truncations", "truncated")
"""Those of `d4rl.ENDS` that say of a rollout's last step that it was cut off there."""
_BLOCK = 256
"""Rollouts read at once: a block of observations with encodings is 40 MB where the whole file may be gigabytes."""
_UNKNOWN = -1


def from_arrays(name: str, data: Mapping[str, Any]) -> tuple[Rollouts, GoalTable]:
    """Rollouts and goals of arrays (or open HDF5 data sets) in the layout of this module.

    Each distinct encoding becomes the `vector` of one goal. Without `instructions` no goal has a text; no goal has a
    goal array: `family` is -1 and `level` is "offline". Offline RL can learn from such goals, while grounding, reward
    labels and evaluation cannot. Without `next_observations` there are no final states: the last observation is
    repeated for each. Without `terminals` and `timeouts` every rollout is marked as terminated, as the authors do, so
    that no value is bootstrapped from it. A ValueError names a field that is missing, or has a wrong shape or value.
    """
    missing = [field for field in FIELDS if np.ndim(data.get(field, 0)) == 0]
    if missing:
        raise ValueError(
            f"{name}: lacks {', '.join(missing)}; rollouts of (N, T, D) observations want {', '.join(FIELDS)} (it has "
            f"{entries(data)})"
        )
    observed, width = data["observations"], 0 if "instructions" in data else ENCODING_DIM
    if observed.ndim != 3 or observed.shape[2] <= width or np.dtype(observed.dtype).kind not in "iuf":
        behind = f", where {width} are the text's encoding" if width else ""
        raise ValueError(
            f"{name}: observations has shape {observed.shape} and type {observed.dtype}, want numbers (N, T, more than "
            f"{width}){behind}"
        )
    n, t = observed.shape[:2]
    length = lengths_of_masks(name, data["masks"], n, t)
    step = np.arange(t) < length[:, None]
    observations, encodings, code = _observations(name, observed, step, width)
    if width:
        text, goal = [""] * len(encodings), code
    else:
        text, goal = _sentences(name, data["instructions"], n)
        encodings = np.zeros((len(text), 0), np.float32)
    observations[np.arange(n), length] = observations[np.arange(n), length - 1]
    if np.ndim(data.get("next_observations", 0)):
        _add_final_states(name, data["next_observations"], observations, length, observed.shape)
    actions, num_actions = _actions(name, data["actions"], step, observations.shape[2])
    rewards = data["rewards"]
    if rewards.shape not in ((n, t), (n, t, 1)) or rewards.dtype.kind not in "iuf":
        raise ValueError(f"{name}: rewards has shape {rewards.shape}, want numbers ({n}, {t}) or ({n}, {t}, 1)")
    terminated: np.ndarray | bool = True
    for field in (*(field for field in ENDS if np.ndim(data.get(field, 0))), "terminals"):
        if np.ndim(data.get(field, 0)):
            ended = ended_at_last(name, data[field], length, t, field)
            terminated = ended if field == "terminals" else ~ended if field in CUT else terminated
    rollouts = make_rollouts(observations, actions, length, np.asarray(rewards).reshape(n, t), terminated, goal)
    array = np.zeros((len(text), 0), np.int32)
    goals = make_goal_table(text, LEVELS.index("offline"), _UNKNOWN, array, encodings)
    return validate(rollouts, len(goals), num_actions, name=str(name)), goals


def lengths_of_masks(name: str, masks: Any, n: int, t: int) -> np.ndarray:
    """Numbers of steps (N,) int32 from masks (N, T[, 1]), which must be ones followed by zeros."""
    if masks.shape not in ((n, t), (n, t, 1)):
        raise ValueError(f"{name}: masks has shape {masks.shape}, want ({n}, {t}) or ({n}, {t}, 1)")
    if not n or not t:
        raise ValueError(f"{name}: holds no rollouts: masks has shape {masks.shape}")
    used = yes_or_no(name, "masks", masks).reshape(n, t)
    length = used.sum(1).astype(np.int32)
    empty = np.flatnonzero(length == 0)
    if len(empty):
        some = ", ".join(map(str, empty[:8])) + (", ..." if len(empty) > 8 else "")
        raise ValueError(f"{name}: masks: {len(empty)} rollouts have no step ({some}); drop them")
    broken = (used != (np.arange(t) < length[:, None])).any(1)
    if broken.any():
        raise ValueError(f"{name}: masks[{int(np.argmax(broken))}] has gaps; want ones, then zeros")
    return length


def ended_at_last(name: str, terminals: Any, length: np.ndarray, t: int, field: str = "terminals") -> np.ndarray:
    """(N,) bool, whether rollouts terminated, from terminals (N, T[, 1]), which are 1 at a rollout's last step only.

    Or whether they were cut off, from another `field`.
    """
    n = len(length)
    if terminals.shape not in ((n, t), (n, t, 1)):
        raise ValueError(f"{name}: {field} has shape {terminals.shape}, want ({n}, {t}) or ({n}, {t}, 1)")
    step = np.arange(t) < length[:, None]
    ended = yes_or_no(name, field, np.where(step, np.asarray(terminals).reshape(n, t), 0))
    early = ended[:, :-1] & step[:, 1:]
    if early.any():
        i, j = np.argwhere(early)[0]
        raise ValueError(
            f"{name}: {field}[{i}, {j}] is 1, but masks say that rollout {i} has {length[i]} steps; end it there"
        )
    return ended[np.arange(n), length - 1]


def _observations(name: str, data: Any, step: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observations (N, T+1, D) without encodings, the distinct encodings (K, width), the index (N,) into these."""
    n, t = step.shape
    dim = data.shape[2] - width
    observations, goal = np.zeros((n, t + 1, dim), np.float32), np.zeros(n, np.int32)
    codes: dict[bytes, int] = {}
    for start in range(0, n, _BLOCK):
        with np.errstate(over="ignore"):  # what becomes infinite is refused
            read = np.asarray(data[start : start + _BLOCK])
            block = read.astype(np.float32)
        if not start:
            say_rounding(name, "observations", read[step[start : start + _BLOCK]][:, :dim])
        encodings, used = block[..., dim:], step[start : start + _BLOCK]
        changed = ((encodings != encodings[:, :1]) | np.isinf(encodings)).any(-1) & used
        if changed.any():
            i, j = np.argwhere(changed)[0]
            raise ValueError(
                f"{name}: observations[{start + i}, {j}, {dim}:] differs from [{start + i}, 0, {dim}:] or is not "
                "finite; a rollout has one goal, so its encoding must not change"
            )
        observations[start : start + _BLOCK, :t] = np.where(used[..., None], block[..., :dim], 0)
        for i, encoding in enumerate(encodings[:, 0]):
            goal[start + i] = codes.setdefault(encoding.tobytes(), len(codes))
    return observations, np.stack([np.frombuffer(code, np.float32) for code in codes]), goal


def _add_final_states(
    name: str, after: Any, observations: np.ndarray, length: np.ndarray, shape: tuple[int, ...]
) -> None:
    """Puts rollouts' last next observations, with or without encodings, behind their observations (N, T+1, D)."""
    n, t, dim = shape[0], shape[1], observations.shape[2]
    if after.shape not in (shape, (n, t, dim)) or after.dtype.kind not in "iuf":
        raise ValueError(
            f"{name}: next_observations has shape {after.shape} and type {after.dtype}, want numbers {shape} like "
            "observations"
        )
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        with np.errstate(over="ignore"):  # what becomes infinite is refused
            block = np.asarray(after[rows])[..., :dim].astype(np.float32)
        follows = np.arange(1, t) < length[rows, None]
        jump = (np.abs(block[:, :-1] - observations[rows, 1:-1]) > 1e-4).any(-1) & follows
        if jump.any():
            i, j = np.argwhere(jump)[0]
            raise ValueError(
                f"{name}: next_observations[{start + i}, {j}] is not observations[{start + i}, {j + 1}]; rollouts must "
                "be unbroken"
            )
        at = np.arange(len(block))
        observations[start + at, length[rows]] = block[at, length[rows] - 1]


def _sentences(name: str, instructions: Any, n: int) -> tuple[list[str], np.ndarray]:
    """The distinct sentences, and the goal (N,) of each rollout: the first of its sentences."""
    if instructions.ndim not in (1, 2) or len(instructions) != n or 0 in instructions.shape:
        raise ValueError(f"{name}: instructions has shape {instructions.shape}, want ({n},) or ({n}, M) sentences")
    first = sentences(name, "instructions", np.asarray(instructions).reshape(n, -1)[:, 0]).tolist()
    blank = next((i for i, text in enumerate(first) if not text.strip()), None)
    if blank is not None:
        raise ValueError(f"{name}: instructions[{blank}] is {first[blank]!r}, want a sentence")
    table: dict[str, int] = {}
    goal = np.array([table.setdefault(text, len(table)) for text in first], np.int32)
    return list(table), goal


def _actions(name: str, actions: Any, step: np.ndarray, dim: int) -> tuple[np.ndarray, int | None]:
    """Actions without padding, and how many discrete ones there are (None: continuous, or not known)."""
    n, t = step.shape
    if actions.shape[:2] != (n, t) or actions.ndim not in (2, 3) or actions.dtype.kind not in "iuf":
        raise ValueError(
            f"{name}: actions has shape {actions.shape} and type {actions.dtype}, want numbers ({n}, {t}) or ({n}, "
            f"{t}, A)"
        )
    actions = np.asarray(actions)
    single = actions.size == n * t
    if single and (dim in DISCRETE or actions.ndim == 2 or actions.dtype.kind in "iu"):
        return whole_numbers(name, actions.reshape(n, t), step, DISCRETE.get(dim)), DISCRETE.get(dim)
    if dim == 10:
        raise ValueError(f"{name}: actions has shape {actions.shape}, want ({n}, {t}) or ({n}, {t}, 1) in Ball")
    return np.where(step[..., None], actions, 0).astype(np.float32), None
