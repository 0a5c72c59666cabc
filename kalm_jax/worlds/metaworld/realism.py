"""How realistic Meta-world rollouts are: the four kinds of unrealistic transition that KALM counts (section 5.3).

  floating      a loose object is in the air and out of the fingers' reach
  off_bench     the hand or an object of the task is where it never is in real rollouts
  pose          a quaternion or an opening that the joints do not allow
  dynamics      an object moves or turns further in one step than it ever does in the simulator

KALM publishes no thresholds. `LIMITS` are the extremes of real rollouts, widened by `MARGIN`, of all 22 tasks' experts
with noise 0.5; `experiments.metaworld_experts` measures them. Only the entities of a rollout's task are tested.
Dimension letters: N rollouts, T steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from kalm_jax.types import Rollouts
from kalm_jax.worlds.metaworld.goals import FINGERTIPS
from kalm_jax.worlds.metaworld.tasks import ENTITIES, HAND, OPENING, TASKS, entity_slot

KINDS = ("floating", "off_bench", "pose", "dynamics")
MARGIN = 0.02
"""Meters by which the measured positions are widened; moves and turns are widened by a tenth."""
UNIT_TOLERANCE = 0.05
"""Tolerance of a quaternion's length, and of the quaternion of an object that cannot turn."""
LIFTED = 0.03
"""Meters above its rest from which a loose object counts as in the air."""
HELD_QUANTILE = 0.99
"""Quantile over a task's real states with a loose object in the air; the rest are throws and falls."""
LOOSE = {"target_object": 0.02, "coffee": 0.0, "hammer": 0.0, "soccer": 0.03}
"""Loose objects -> the height in meters at which they rest on the bench."""


class Limit(NamedTuple):
    """An object in real rollouts: range of positions (meters), largest move and quaternion change of a step, and for a
    loose object its distance from the fingertips in the air."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    move: float
    turn: float = 0.0
    held: float = 0.0


LIMITS: Mapping[str, Limit] = {
    "hand": Limit((-0.499, 0.386, 0.040), (0.487, 0.893, 0.478), 0.0487, 0.0000, 0.0000),
    "target_object": Limit((-0.244, 0.569, 0.011), (0.139, 0.875, 0.440), 0.0261, 0.1015, 0.2178),
    "button": Limit((-0.096, 0.654, 0.115), (0.099, 0.781, 0.115), 0.0113, 0.0000, 0.0000),
    "lock": Limit((-0.292, 0.419, 0.120), (0.190, 0.692, 0.243), 0.0165, 0.0277, 0.0000),
    "handle": Limit((-0.324, 0.309, 0.100), (0.291, 0.744, 0.150), 0.0459, 0.0588, 0.0000),
    "window": Limit((-0.137, 0.609, 0.160), (0.259, 0.804, 0.200), 0.0126, 0.0000, 0.0000),
    "faucet": Limit((-0.264, 0.624, 0.114), (0.218, 0.808, 0.114), 0.0253, 0.0000, 0.0000),
    "coffee": Limit((-0.201, 0.461, -0.026), (0.118, 0.812, 0.083), 0.0160, 0.1367, 0.1197),
    "coffee-button": Limit((-0.100, 0.580, 0.299), (0.095, 0.767, 0.301), 0.0199, 0.0000, 0.0000),
    "wall": Limit((0.100, 0.600, 0.000), (0.100, 0.750, 0.060), 0.0000, 0.0000, 0.0000),
    "hammer": Limit((-0.123, 0.396, 0.000), (0.115, 0.655, 0.147), 0.0112, 0.0216, 0.1291),
    "nail": Limit((0.240, 0.640, 0.110), (0.240, 0.738, 0.110), 0.0120, 0.0000, 0.0000),
    "soccer": Limit((-0.645, 0.595, -0.001), (0.656, 0.887, 0.142), 0.0237, 0.4247, 0.1770),
}


def _objects(family: int) -> tuple[str, ...]:
    return ("hand", *TASKS[family].entities)


def _position(observations: np.ndarray, thing: str) -> np.ndarray:
    return observations[..., HAND if thing == "hand" else entity_slot(thing)][..., :3]


def _rotation(observations: np.ndarray, thing: str) -> np.ndarray:
    return observations[..., entity_slot(thing)][..., 3:]


def possible_states(states: np.ndarray) -> np.ndarray:
    """The nearest states to (..., 91) whose hand is within the arm's reach and whose quaternions have length 1.

    Predicted changes add up. The arm stops where its reach ends, and a hand that continues is soon where no real one
    is, though its actions may be right; the reach is that of `LIMITS`, so the hand's position tests nothing afterwards.
    A quaternion that turns is too short after some dozens of steps, since changes add up along a chord of the sphere of
    rotations; zeros, of absent entities and of windows, are unchanged.
    """
    states, limit = np.array(states, np.float32), LIMITS["hand"]
    hand = states[..., HAND]  # a view, like those below
    np.clip(hand, np.array(limit.low, np.float32), np.array(limit.high, np.float32), out=hand)
    for entity in ENTITIES:
        rotation = states[..., entity_slot(entity)][..., 3:]
        length = np.linalg.norm(rotation, axis=-1, keepdims=True)
        rotation /= np.where(length > 0.5, length, 1.0)
    return states


def _turn(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Change of a quaternion, where a quaternion and its negative are the same rotation."""
    return np.minimum(np.linalg.norm(after - before, axis=-1), np.linalg.norm(after + before, axis=-1))


def measure_limits(observations: np.ndarray, length: np.ndarray, family: np.ndarray) -> dict[str, Limit]:
    """The extremes of real rollouts, not widened.

    Args:
      observations: (N, T+1, 91). length: (N,). family: (N,) index of each rollout's task.
    """
    found: dict[str, list[Limit]] = {}
    for code in np.unique(family):
        mine = np.flatnonzero(np.asarray(family) == code)
        paths = [observations[i, : length[i] + 1].astype(np.float64) for i in mine]
        states = np.concatenate(paths)
        for thing in _objects(int(code)):
            found.setdefault(thing, []).append(_extremes(thing, paths, states))
    return {
        thing: Limit(
            tuple(np.min([x.low for x in parts], 0).tolist()),
            tuple(np.max([x.high for x in parts], 0).tolist()),
            *(float(max(getattr(x, field) for x in parts)) for field in ("move", "turn", "held")),
        )
        for thing, parts in found.items()
    }


def _extremes(thing: str, paths: Sequence[np.ndarray], states: np.ndarray) -> Limit:
    place = _position(states, thing)
    move = max(float(np.linalg.norm(np.diff(_position(p, thing), axis=0), axis=-1).max()) for p in paths)
    if thing == "hand":
        return Limit(place.min(0), place.max(0), move)
    turn = max(float(_turn(_rotation(p[:-1], thing), _rotation(p[1:], thing)).max()) for p in paths)
    held = 0.0
    if thing in LOOSE:
        away = np.linalg.norm(states[:, HAND] + FINGERTIPS - place, axis=-1)
        lifted = place[:, 2] > LOOSE[thing] + LIFTED
        held = float(np.quantile(away[lifted], HELD_QUANTILE)) if lifted.any() else 0.0
    return Limit(place.min(0), place.max(0), move, turn, held)


def unrealistic(rollouts: Rollouts, family: np.ndarray) -> dict[str, np.ndarray]:
    """Unrealistic transitions, (N, T) bool for each of `KINDS`; `family` (N,) is the index of each rollout's task."""
    marks = {kind: np.zeros(rollouts.valid().shape, bool) for kind in KINDS}
    for code in np.unique(family):
        mine = np.flatnonzero(np.asarray(family) == code)
        seen = np.asarray(rollouts.observations)[mine].astype(np.float64)
        for thing in _objects(int(code)):
            for kind, mark in _marks_of(thing, seen[:, :-1], seen[:, 1:]).items():
                marks[kind][mine] |= mark
    return {kind: mark & rollouts.valid() for kind, mark in marks.items()}


def _marks_of(thing: str, before: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray]:
    limit, place = LIMITS[thing], _position(after, thing)
    outside = (place < np.array(limit.low) - MARGIN) | (place > np.array(limit.high) + MARGIN)
    marks = {
        "off_bench": outside.any(-1),
        "dynamics": np.linalg.norm(place - _position(before, thing), axis=-1) > 1.1 * limit.move + 1e-3,
    }
    if thing == "hand":
        opening = after[..., OPENING]
        return marks | {"pose": (opening < -UNIT_TOLERANCE) | (opening > 1 + UNIT_TOLERANCE)}
    rotation = _rotation(after, thing)
    length = 0.0 if thing == "window" else 1.0
    marks["pose"] = np.abs(np.linalg.norm(rotation, axis=-1) - length) > UNIT_TOLERANCE
    marks["dynamics"] |= _turn(_rotation(before, thing), rotation) > 1.1 * limit.turn + UNIT_TOLERANCE
    if thing in LOOSE:
        away = np.linalg.norm(after[..., HAND] + FINGERTIPS - place, axis=-1)
        marks["floating"] = (place[..., 2] > LOOSE[thing] + LIFTED) & (away > limit.held + MARGIN)
    elif limit.turn == 0.0:
        still = np.array([0.0] * 4 if thing == "window" else [1.0, 0.0, 0.0, 0.0])
        marks["pose"] |= np.linalg.norm(rotation - still, axis=-1) > UNIT_TOLERANCE
    return marks
