"""The flat layout of D4RL: one array per field over all transitions, episode after episode.

`observations` (L, D), `actions` (L, A) or (L,) whole numbers, `rewards` (L,), `terminals` (L,), and optionally
`timeouts` (L,) and `next_observations` (L, D). Dimension letters: L transitions, N rollouts, T time steps (padded), D
observation, A action.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kalm_jax.types import Episode, GoalTable, Rollouts, stack_episodes, unnamed_goal, validate

FIELDS = ("observations", "actions", "rewards", "terminals")


def from_arrays(name: str, data: Mapping[str, Any]) -> tuple[Rollouts, GoalTable]:
    """Rollouts of one goal without text from flat arrays (or open HDF5 data sets).

    An episode ends at a terminal, at a timeout and at the end of the data. With `next_observations` but without
    `timeouts`, it also ends where the next observation differs from the observation that follows. Without
    `next_observations` the last observation is repeated at a terminal, as no value is bootstrapped there; at a timeout
    the last transition is left out. A ValueError names a field that is missing, or has a wrong shape or value.
    """
    missing = [field for field in FIELDS if np.ndim(data.get(field, 0)) == 0]
    if missing:
        raise ValueError(f"{name}: lacks {', '.join(missing)}; want {', '.join(FIELDS)}")
    arrays = {k: np.asarray(data[k]) for k in (*FIELDS, "timeouts", "next_observations") if np.ndim(data.get(k, 0)) > 0}
    m = len(arrays["observations"])
    _check(name, arrays, m)
    terminal = arrays["terminals"].reshape(m).astype(bool)
    ends = terminal.copy()
    if "timeouts" in arrays:
        ends |= arrays["timeouts"].reshape(m).astype(bool)
    elif "next_observations" in arrays:
        ends[:-1] |= (arrays["next_observations"][:-1] != arrays["observations"][1:]).any(-1)
    ends[-1] = True
    last = np.flatnonzero(ends)
    first = np.append(0, last[:-1] + 1)
    length = (last - first + 1).astype(np.int32)
    if "next_observations" not in arrays:
        length = length - ~terminal[last]
        kept = length > 0
        first, last, length = first[kept], last[kept], length[kept]
    if not len(length):
        raise ValueError(f"{name}: no episode of two observations: terminals and timeouts end every one at once")
    # The state after the last step; at a terminal the last observation again, at a timeout that of the step left out.
    final = arrays["next_observations" if "next_observations" in arrays else "observations"]
    seen, actions, rewards = arrays["observations"], arrays["actions"], arrays["rewards"].reshape(m)
    if actions.ndim == 2 and actions.shape[1] == 1 and actions.dtype.kind in "iu":
        actions = actions.reshape(m)
    episodes: list[Episode] = [
        (np.append(seen[i : i + n], final[[j]], 0), actions[i : i + n], rewards[i : i + n], terminal[j])
        for i, j, n in zip(first, last, length)
    ]
    return validate(stack_episodes(episodes), 1, name=name), unnamed_goal()


def to_arrays(name: str, rollouts: Rollouts, goals: GoalTable) -> dict[str, np.ndarray]:
    """The rollouts in the flat layout, with `timeouts` and `next_observations`; goals and `imagined` are lost.

    Raises a ValueError where there is more than one goal.
    """
    if len(goals) > 1:
        raise ValueError(f"{name}: the flat layout has no place for {len(goals)} goals; use the layout kalm_jax")
    step = rollouts.valid()
    last = np.arange(rollouts.horizon) == np.asarray(rollouts.length)[:, None] - 1
    terminated = np.asarray(rollouts.terminated)[:, None]
    observations = np.asarray(rollouts.observations)
    fields = {
        "observations": observations[:, :-1],
        "next_observations": observations[:, 1:],
        "actions": np.asarray(rollouts.actions),
        "rewards": np.asarray(rollouts.rewards),
        "terminals": last & terminated,
        "timeouts": last & ~terminated,
    }
    return {field: value[step] for field, value in fields.items()}


def _check(name: str, arrays: Mapping[str, np.ndarray], m: int) -> None:
    observations, actions = arrays["observations"], arrays["actions"]
    if observations.ndim != 2 or not m:
        raise ValueError(f"{name}: observations has shape {observations.shape}, want (L, D) with L at least 1")
    for field, x in arrays.items():
        wanted: tuple[int, ...] = x.shape[1:] if field == "actions" and x.ndim == 2 else ()
        wanted = observations.shape[1:] if field.endswith("observations") else wanted
        if x.shape not in ((m, *wanted), *(() if wanted else ((m, 1),))):
            raise ValueError(f"{name}: {field} has shape {x.shape}, want {(m, *wanted)}")
        if x.dtype.kind not in "biuf":
            raise ValueError(f"{name}: {field} has type {x.dtype}, want numbers")
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            i = np.argwhere(~np.isfinite(x))[0]
            raise ValueError(f"{name}: {field}{i.tolist()} is {x[tuple(i)]}; repair or drop that transition")
    if actions.dtype.kind == "f" and actions.ndim == 1 and (actions != np.round(actions)).any():
        i = int(np.argmax(actions != np.round(actions)))
        raise ValueError(f"{name}: actions[{i}] is {actions[i]}; want whole numbers, or continuous actions (L, A)")
