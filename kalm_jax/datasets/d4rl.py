"""The flat layout of D4RL, d3rlpy and OGBench: one array per field over all transitions, episode after episode.

`observations` (L, D), `actions` (L, A) or (L,) whole numbers, `rewards` (L,), `terminals` (L,), and optionally
`timeouts` (L,) and `next_observations` (L, D). Dimension letters: L transitions, N rollouts, T time steps (padded), D
observation, A action.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from kalm_jax.datasets.arrays import entries, numbers, say_rounding, whole_numbers, yes_or_no
from kalm_jax.types import Episode, GoalTable, Rollouts, stack_episodes, unnamed_goal, validate

FIELDS = ("observations", "actions", "rewards", "terminals")
ENDS = ("timeouts", "truncations", "truncated", "episode_terminals", "dones", "done", "dones_float")
"""Fields of which a 1 says that an episode ends with this transition, for whatever reason."""
STARTS = ("episode_starts",)
"""Fields of which a 1 says that an episode begins with this transition."""
NAMES = ("episode_id", "episode_ids", "episode_index", "traj_id", "traj_ids")
"""Fields that say of which episode a transition is."""
OTHERS = ("is_first", "is_last", "episode_ends", "episode_lengths", "traj_lengths")
"""Fields that say where episodes end in a way that is read beside next observations only.

In layouts that have them the last observation of an episode may be a row of its own, whose action is none.
"""
_ALSO = "; OGBench's files have none: save what its make_env_and_datasets returns for a task, with its masks"


def from_arrays(name: str, data: Mapping[str, Any]) -> tuple[Rollouts, GoalTable]:
    """Rollouts of one goal without text from flat arrays (or open HDF5 data sets).

    An episode ends at a terminal, where one of `ENDS` is 1, where `STARTS`, `NAMES` or (with next observations)
    `OTHERS` say so, where the next observation differs from the observation that follows, and at the end of the data.
    With `masks`, OGBench's, an episode terminates where they are 0, and `terminals` only say where it ends; a
    transition whose `valids` are 0 only holds an episode's last observation. Without next observations the last
    observation is repeated at a terminal, as no value is bootstrapped there; at other ends the last transition is left
    out.

    Raises:
      ValueError: a field is missing, has a wrong shape or value, or nothing says where episodes end.
    """
    needed = [field for field in FIELDS if field != "terminals" or "masks" not in data]
    missing = [field for field in needed if np.ndim(data.get(field, 0)) == 0]
    if missing:
        hint = _ALSO if missing == ["rewards"] else ""
        raise ValueError(
            f"{name}: lacks {', '.join(missing)}; the flat layout wants {', '.join(FIELDS)} and, for episodes that are "
            f"cut off, timeouts (it has {entries(data)}){hint}"
        )
    observations = data["observations"]
    m = len(observations)
    if observations.ndim != 2 or 0 in observations.shape:
        raise ValueError(f"{name}: observations has shape {observations.shape}, want (L, D) with each at least 1")
    known = [*needed, "next_observations", "terminals", "masks", "valids", *ENDS, *STARTS, *NAMES]
    found = {k: data[k] for k in dict.fromkeys(known) if np.ndim(data.get(k, 0)) > 0}
    _check_shapes(name, found, m)
    flags = {k: yes_or_no(name, k, found[k]).reshape(m) for k in ("terminals", "masks", "valids", *ENDS) if k in found}
    seen, actions, rewards = (numbers(name, k, found[k]) for k in ("observations", "actions", "rewards"))
    say_rounding(name, "observations", seen)
    after = numbers(name, "next_observations", found["next_observations"]) if "next_observations" in found else None
    terminal = ~flags["masks"] if "masks" in flags else flags["terminals"]
    ends = terminal | np.any([x for k, x in flags.items() if k not in ("masks", "valids")], axis=0)
    for field in STARTS:
        if field in found:
            ends[:-1] |= yes_or_no(name, field, found[field]).reshape(m)[1:]
    for field in NAMES:
        if field in found:
            number = found[field] if found[field].dtype.kind in "SUO" else numbers(name, field, found[field])
            number = np.asarray(number).reshape(m)
            ends[:-1] |= number[1:] != number[:-1]
    kept = flags.get("valids", np.ones(m, bool))
    if after is None and not kept.all():
        after = np.append(seen[1:], seen[-1:], 0)
        ends[:-1] |= ~kept[1:]
    if after is not None:
        for field in OTHERS:
            if np.ndim(data.get(field, 0)):
                ends |= _other_ends(name, field, data[field], m)
        ends[:-1] |= (after[:-1].astype(np.float32) != seen[1:].astype(np.float32)).any(-1)
        seen, actions, rewards, terminal, ends, after = (
            x[kept] for x in (seen, actions, rewards, terminal, ends, after)
        )
    else:
        _check_ends(name, data, found, ends)
    m = len(seen)
    if not m:
        raise ValueError(f"{name}: valids are all 0, so there is no transition")
    ends[-1] = True
    last = np.flatnonzero(ends)
    first = np.append(0, last[:-1] + 1)
    length = (last - first + 1).astype(np.int32)
    if after is None:
        length = length - ~terminal[last]
        whole = length > 0
        first, last, length = first[whole], last[whole], length[whole]
    if not len(length):
        raise ValueError(f"{name}: no episode of two observations: terminals and timeouts end every one at once")
    # The state after the last step; at a terminal the last observation again, at a timeout that of the step left out.
    final = seen if after is None else after
    if actions.ndim == 2 and actions.shape[1] == 1 and actions.dtype.kind in "iu":
        actions = actions.reshape(m)
    if actions.ndim == 1:
        actions = whole_numbers(name, actions, np.ones(m, bool), hint=", or continuous actions (L, A)")
    episodes: list[Episode] = [
        (np.append(seen[i : i + n], final[[j]], 0), actions[i : i + n], rewards.reshape(m)[i : i + n], terminal[j])
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


def _check_shapes(name: str, found: Mapping[str, Any], m: int) -> None:
    for field, x in found.items():
        width = found["observations"].shape[1:] if field.endswith("observations") else ()
        wanted = x.shape[1:] if field == "actions" and x.ndim == 2 else width
        if x.shape not in ((m, *wanted), *(() if wanted else ((m, 1),))):
            raise ValueError(f"{name}: {field} has shape {x.shape}, want {(m, *wanted)} like observations")


def _other_ends(name: str, field: str, x: Any, m: int) -> np.ndarray:
    """(L,) bool, the transitions with which an episode ends by one of `OTHERS`."""
    if field in ("is_first", "is_last"):
        _check_shapes(name, {"observations": np.empty((m, 1)), field: x}, m)
        flags = yes_or_no(name, field, x).reshape(m)
        return flags if field == "is_last" else np.append(flags[1:], False)
    place = numbers(name, field, x).reshape(-1)
    place = whole_numbers(name, place, np.ones(len(place), bool), name_of=field)
    place = place if field == "episode_ends" else np.cumsum(place)
    if (np.diff(place, prepend=0) <= 0).any() or place[-1:].tolist() != [m]:
        what = "the ends of its episodes, each after the one before" if field == "episode_ends" else "their lengths"
        raise ValueError(f"{name}: {field} does not fit {m} transitions, want {what}, and {m} in all")
    ends = np.zeros(m, bool)
    ends[place - 1] = True
    return ends


def _check_ends(name: str, data: Mapping[str, Any], found: Mapping[str, Any], ends: np.ndarray) -> None:
    """Refuses a file that does not say where its episodes end, or only in a way that is not read."""
    if any(field in found for field in (*ENDS, *STARTS, *NAMES)) or {"masks", "terminals"} <= found.keys():
        return
    other = [field for field in OTHERS if field in data]
    how = "add timeouts (L,): 1 where an episode was cut off, or next_observations (L, D)"
    if other:
        raise ValueError(f"{name}: says where episodes end only in {', '.join(other)}, which is not read; {how}")
    if len(ends) > 1 and not ends[:-1].any():
        raise ValueError(
            f"{name}: does not say where an episode ends: terminals are 0 and there is nothing else; {how}"
        )
    print(f"{name}: only terminals say where episodes end; if some were cut off, {how}", file=sys.stderr)
