"""How realistic Meta-world rollouts are: the four kinds of unrealistic transition that KALM counts (section 5.3).

  floating      a loose object is in the air and out of the fingers' reach
  off_bench     the hand or an object of the task is where it never is in real rollouts
  pose          a quaternion or an opening that the joints do not allow
  dynamics      an object moves or turns further in one step than it ever does in the simulator

KALM publishes no thresholds. `LIMITS` are the extremes of attempts of the data's ten tasks, with more noise than the
data have, and are widened by `MARGIN`; novel tasks take no part in them. Only the entities of a rollout's task are
tested, and those that no task of the data has (wall, hammer, nail, ball) by the length of their quaternions alone.
Dimension letters: N rollouts, T steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kalm_jax.types import Rollouts
from kalm_jax.worlds.metaworld.goals import FINGERTIPS
from kalm_jax.worlds.metaworld.tasks import ENTITIES, ENTITY_TABLE, HAND, OPENING, TASKS, entity_slot

KINDS = ("floating", "off_bench", "pose", "dynamics")
MARGIN = 0.02
"""Meters by which the measured positions are widened; moves and turns are widened by a tenth."""
UNIT_TOLERANCE = 0.05
"""Tolerance of a quaternion's length, and of the quaternion of an object that cannot turn."""
LIFTED = 0.03
"""Meters above its rest from which a loose object counts as in the air."""
LOOSE = {entity: ENTITY_TABLE[entity]["rest"] for entity in ENTITIES if "rest" in ENTITY_TABLE[entity]}
"""Loose objects -> the height in meters at which they rest on the bench."""


class Limit(NamedTuple):
    """An object in the data: range of positions (meters), largest move and quaternion change of a step, and for a loose
    object its distance from the fingertips in the air."""

    low: Sequence[float]
    high: Sequence[float]
    move: float
    turn: float = 0.0
    held: float = 0.0


def _limit(row: Mapping[str, Any]) -> Limit:
    """The limit of a row of the table; an object may also be where resets place it, as the data's distractors are."""
    limit, starts = Limit(**{k: row[k] for k in Limit._fields if k in row}), row.get("starts", ())
    low, high = ([limit.low, *(box[0] for box in starts)], [limit.high, *(box[1] for box in starts)])
    return limit._replace(low=np.min(low, 0).tolist(), high=np.max(high, 0).tolist())


LIMITS = {thing: _limit(row) for thing, row in ENTITY_TABLE.items() if "low" in row}


def objects_of(family: int) -> tuple[str, ...]:
    """The hand, and the entities of a task."""
    return ("hand", *TASKS[family].entities)


def position(observations: np.ndarray, thing: str) -> np.ndarray:
    """(..., 3) meters, of an entity or of the hand."""
    return observations[..., HAND if thing == "hand" else entity_slot(thing)][..., :3]


def rotation(observations: np.ndarray, thing: str) -> np.ndarray:
    """(..., 4), an entity's quaternion."""
    return observations[..., entity_slot(thing)][..., 3:]


def possible_states(states: np.ndarray) -> np.ndarray:
    """The nearest states to (..., 91) whose hand is within the arm's reach and whose quaternions have length 1.

    Predicted changes add up: a hand that continues where the arm's reach ends is soon where no real one is, though its
    actions may be right, and a quaternion that turns gets too short. Zeros, of absent entities and of windows, stay.
    """
    states, limit = np.array(states, np.float32), LIMITS["hand"]
    hand = states[..., HAND]  # a view, like those below
    np.clip(hand, np.array(limit.low, np.float32), np.array(limit.high, np.float32), out=hand)
    for entity in ENTITIES:
        turned = rotation(states, entity)
        length = np.linalg.norm(turned, axis=-1, keepdims=True)
        turned /= np.where(length > 0.5, length, 1.0)
    return states


def turn_between(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Change of a quaternion, where a quaternion and its negative are the same rotation."""
    return np.minimum(np.linalg.norm(after - before, axis=-1), np.linalg.norm(after + before, axis=-1))


def unrealistic(rollouts: Rollouts, family: np.ndarray) -> dict[str, np.ndarray]:
    """Unrealistic transitions, (N, T) bool for each of `KINDS`; `family` (N,) is the index of each rollout's task."""
    marks = {kind: np.zeros(rollouts.valid().shape, bool) for kind in KINDS}
    for code in np.unique(family):
        mine = np.flatnonzero(np.asarray(family) == code)
        seen = np.asarray(rollouts.observations)[mine].astype(np.float64)
        for thing in objects_of(int(code)):
            for kind, mark in _marks_of(thing, seen[:, :-1], seen[:, 1:]).items():
                marks[kind][mine] |= mark
    return {kind: mark & rollouts.valid() for kind, mark in marks.items()}


def _marks_of(thing: str, before: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray]:
    marks = _hand_marks(after) if thing == "hand" else _pose_marks(thing, after)
    if thing not in LIMITS:
        return marks
    limit, place = LIMITS[thing], position(after, thing)
    outside = (place < np.array(limit.low) - MARGIN) | (place > np.array(limit.high) + MARGIN)
    marks["off_bench"] = outside.any(-1)
    marks["dynamics"] = np.linalg.norm(place - position(before, thing), axis=-1) > 1.1 * limit.move + 1e-3
    if thing == "hand":
        return marks
    turned = rotation(after, thing)
    marks["dynamics"] |= turn_between(rotation(before, thing), turned) > 1.1 * limit.turn + UNIT_TOLERANCE
    if thing in LOOSE:
        away = np.linalg.norm(after[..., HAND] + FINGERTIPS - place, axis=-1)
        marks["floating"] = (place[..., 2] > LOOSE[thing] + LIFTED) & (away > limit.held + MARGIN)
    elif limit.turn == 0.0:
        still = np.array([0.0] * 4 if thing == "window" else [1.0, 0.0, 0.0, 0.0])
        marks["pose"] |= np.linalg.norm(turned - still, axis=-1) > UNIT_TOLERANCE
    return marks


def _hand_marks(after: np.ndarray) -> dict[str, np.ndarray]:
    opening = after[..., OPENING]
    return {"pose": (opening < -UNIT_TOLERANCE) | (opening > 1 + UNIT_TOLERANCE)}


def _pose_marks(thing: str, after: np.ndarray) -> dict[str, np.ndarray]:
    length = 0.0 if thing == "window" else 1.0
    return {"pose": np.abs(np.linalg.norm(rotation(after, thing), axis=-1) - length) > UNIT_TOLERANCE}
