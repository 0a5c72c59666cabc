"""How realistic Meta-world rollouts are: the four kinds of unrealistic transition that KALM counts (section 5.3).

  floating      a loose object is in the air and out of the fingers' reach
  off_bench     the hand or an object of the task is where nothing ever is in the data
  pose          a quaternion or an opening that the joints do not allow
  dynamics      an object moves or turns further in one step than anything ever does in the data

KALM publishes no thresholds. `LIMITS` are the extremes of attempts of the data's ten tasks, with more noise than the
data have; novel tasks take no part in them. They do not distinguish objects: a novel task may have an object that the
data do not move, or move one elsewhere. Only the entities of a rollout's task are tested, and where no task is known
those that its first state shows.

Dimension letters: N rollouts, T steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kalm_jax.types import Rollouts
from kalm_jax.worlds.metaworld.goals import FINGERTIPS
from kalm_jax.worlds.metaworld.tasks import (
    ENTITIES,
    ENTITY_TABLE,
    HAND,
    LEVEL_TASKS,
    OPENING,
    TASKS,
    absent_entities,
    entity_slot,
    task_of,
)

KINDS = ("floating", "off_bench", "pose", "dynamics")
MARGIN = 0.02
"""Meters by which the measured positions are widened; moves and turns are widened by a tenth."""
UNIT_TOLERANCE = 0.05
"""Tolerance of a quaternion's length and of an opening."""
LIFTED = 0.03
"""Meters above its rest from which a loose object counts as in the air."""
LOOSE = {entity: ENTITY_TABLE[entity]["rest"] for entity in ENTITIES if "rest" in ENTITY_TABLE[entity]}
"""Loose objects -> the height in meters at which they rest on the bench."""


class Limits(NamedTuple):
    """Extremes over attempts of the data's tasks.

    Attributes:
      hand_low, hand_high: (3,) meters, where the hand is. low, high: where the hand or any object is.
      move: meters that the hand or an object moves in a step. turn: change of an object's quaternion in a step.
      held: meters from the fingertips to a loose object in the air.
    """

    hand_low: Sequence[float]
    hand_high: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    move: float
    turn: float
    held: float


LIMITS = Limits(
    hand_low=(-0.272, 0.386, 0.026),
    hand_high=(0.459, 0.901, 0.426),
    low=(-0.272, 0.359, -0.026),
    high=(0.459, 0.901, 0.426),
    move=0.0609,
    turn=0.1501,
    held=0.2142,
)
"""Printed by `python -m experiments.metaworld_experts --show=realism --episodes=100` (2026-11-30, commit 2ac6336)."""
TURNING = tuple(dict.fromkeys(name for task in LEVEL_TASKS["offline"] for name in task_of(task).entities))
"""Entities of the data's tasks, to which `Limits.turn` applies: how a ball rolls the data do not show."""


def box(low: Sequence[float], high: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The corners (3,) of a range of positions, as far to the left as to the right: so the arm and the bench are."""
    side = max(-low[0], high[0])
    return np.array((-side, *low[1:]), np.float32), np.array((side, *high[1:]), np.float32)


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
    states = np.array(states, np.float32)
    hand = states[..., HAND]  # a view, like those below
    np.clip(hand, *box(LIMITS.hand_low, LIMITS.hand_high), out=hand)
    for entity in ENTITIES:
        turned = rotation(states, entity)
        length = np.linalg.norm(turned, axis=-1, keepdims=True)
        turned /= np.where(length > 0.5, length, 1.0)
    return states


def turn_between(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Change of a quaternion, where a quaternion and its negative are the same rotation."""
    return np.minimum(np.linalg.norm(after - before, axis=-1), np.linalg.norm(after + before, axis=-1))


def unrealistic(rollouts: Rollouts, family: np.ndarray) -> dict[str, np.ndarray]:
    """Unrealistic transitions, (N, T) bool for each of `KINDS`; `family` (N,) is the index of each rollout's task.

    An object may also be where it stands in the rollout's first state, which resets of the task give. A rollout of an
    unknown task (-1: no plan says what its sentence asks for) is tested for all that its first state shows.

    Raises:
      ValueError: there is no such task.
    """
    family, observations = np.asarray(family), np.asarray(rollouts.observations)
    if wrong := family[(family < -1) | (family >= len(TASKS))].tolist():
        raise ValueError(f"there is no task number {wrong[0]}: want 0 to {len(TASKS) - 1}, or -1 where it is unknown")
    tested = ~absent_entities(observations[:, 0]) & (family == -1)[:, None]  # (N, entities)
    for code in np.unique(family[family >= 0]):
        tested[family == code] = np.isin(ENTITIES, TASKS[code].entities)
    marks = {kind: np.zeros(rollouts.valid().shape, bool) for kind in KINDS}
    for thing, mine in {"hand": np.ones(len(family), bool), **dict(zip(ENTITIES, tested.T))}.items():
        seen = observations[mine].astype(np.float64)
        for kind, mark in _marks_of(thing, seen[:, :-1], seen[:, 1:]).items():
            marks[kind][mine] |= mark
    return {kind: mark & rollouts.valid() for kind, mark in marks.items()}


def _marks_of(thing: str, before: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray]:
    place, first = position(after, thing), position(before[:, :1], thing)
    low, high = box(LIMITS.low, LIMITS.high)
    outside = (place < np.minimum(low, first) - MARGIN) | (place > np.maximum(high, first) + MARGIN)
    marks = {
        "off_bench": np.any(outside, -1),
        "dynamics": np.linalg.norm(place - position(before, thing), axis=-1) > 1.1 * LIMITS.move + 1e-3,
    }
    if thing == "hand":
        opening = after[..., OPENING]
        return marks | {"pose": (opening < -UNIT_TOLERANCE) | (opening > 1 + UNIT_TOLERANCE)}
    turned = rotation(after, thing)
    length = 0.0 if thing == "window" else 1.0
    marks["pose"] = np.abs(np.linalg.norm(turned, axis=-1) - length) > UNIT_TOLERANCE
    if thing in TURNING:
        marks["dynamics"] |= turn_between(rotation(before, thing), turned) > 1.1 * LIMITS.turn + UNIT_TOLERANCE
    if thing in LOOSE:
        away = np.linalg.norm(after[..., HAND] + FINGERTIPS - place, axis=-1)
        marks["floating"] = (place[..., 2] > LOOSE[thing] + LIFTED) & (away > LIMITS.held + MARGIN)
    return marks
