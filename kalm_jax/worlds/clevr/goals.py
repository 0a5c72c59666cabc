"""Goals of CLEVR-Robot: families, success tests and distances as pure array functions, without a simulator.

A goal is a family (index into `FAMILIES`) and a goal array: (9,) int32, three triples (source ball, reference ball,
direction), unused entries -1.

  relation         the source ball is in a direction of the reference ball, close to it: the first triple
  move             push one ball in a direction, one step: (ball, -1, direction)
  two_relations    two relations at once, on one state; three_relations accordingly
  line             red, blue, green, purple, cyan from left to right; no entries
  gather           every other ball close to the green one; no entries

Success tests are those of KALM's released code, but the state test of `move` looks at the named ball instead of any.
All functions take NumPy or JAX arrays and return the same kind; they can be jitted and accept any leading axes N that
broadcast against each other: family () or (N,) int, goal (N, 9) int, observation (N, 10) in meters, x to the right, y
to the back, action (N,) int, 8 * ball + push.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

Array: TypeAlias = Any
"""An array of NumPy or JAX; functions return the kind that they are given."""

BALLS = ("red", "blue", "green", "purple", "cyan")
DIRECTIONS = ("behind", "left", "front", "right")
STILL = 4
"""Direction code of the authors' "stay still"; the tests of `move` support it, and no sentence uses it."""
FAMILIES = ("relation", "move", "two_relations", "three_relations", "line", "gather")
RELATION, MOVE, TWO_RELATIONS, THREE_RELATIONS, LINE, GATHER = range(len(FAMILIES))
GOAL_SIZE = 9

UNIT = np.array([[0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [1.0, 0.0]], np.float32)
"""(4, 2) unit vectors of `DIRECTIONS`."""
PUSHES = np.array([[1, 0], [0, 1], [-1, 0], [0, -1], [0.8, 0.8], [-0.8, 0.8], [0.8, -0.8], [-0.8, -0.8]], np.float32)
"""(8, 2) push directions: action = 8 * ball + index into this table."""

NEAR = 0.391
"""Distance of centers below which a relation holds (authors' evaluation code; the recorded data agree with it)."""
SNAP = 1e-3
"""Coordinate differences below this count as zero before the angle is taken."""
REWARD_POINT = 0.195
"""The reward of a relation measures the distance to the point this far from the reference ball."""
TOUCHING = 0.26
"""Distance of the centers of two balls that touch."""
MOVED, STAYED = 0.15, 0.05
LINE_ANGLE = np.pi / 6
GATHERED, GATHER_CENTER = 0.325, 2

_NUM_PARTS = np.array([1, 0, 2, 3, 4, 4])
_MAX_PARTS = 4


def opposite(direction: int) -> int:
    """The direction code of the other side; codes go around the compass, so it is two further."""
    return (direction + 2) % len(DIRECTIONS)


def namespace(*arrays: object) -> ModuleType:
    """`jax.numpy` if any of the arrays is one of JAX, otherwise `numpy`."""
    return jnp if any(isinstance(x, jax.Array) for x in arrays) else np


def make_goal(family: int, *triples: tuple[int, int, int]) -> np.ndarray:
    """The goal array (9,) int32 of a family (code) and its (source, reference, direction) triples.

    Raises a ValueError where the number of triples, a ball, or a direction does not fit the family.
    """
    if family not in range(len(FAMILIES)):
        raise ValueError(f"family {family!r} is not one of 0..{len(FAMILIES) - 1}, the indices of {FAMILIES}")
    wanted = {RELATION: 1, MOVE: 1, TWO_RELATIONS: 2, THREE_RELATIONS: 3}.get(family, 0)
    if len(triples) != wanted:
        raise ValueError(
            f"{FAMILIES[family]} takes {wanted} (source, reference, direction) triples, got {len(triples)}"
        )
    for source, reference, direction in triples:
        balls, directions = range(len(BALLS)), range(len(DIRECTIONS))
        if family == MOVE:
            fits = source in balls and reference == -1 and (direction in directions or direction == STILL)
        else:
            fits = source in balls and reference in balls and source != reference and direction in directions
        if not fits:
            raise ValueError(
                f"{FAMILIES[family]} triple {(source, reference, direction)}: want balls 0..4 "
                f"{'(reference -1)' if family == MOVE else 'that differ'} and a direction 0..3"
            )
    flat = [int(x) for triple in triples for x in triple]
    return np.array(flat + [-1] * (GOAL_SIZE - len(flat)), np.int32)


def check_goal(family: int, array: Sequence[float]) -> None:
    """Raises a ValueError where nine numbers are no goal array of a family (code)."""
    numbers = [int(x) for x in array]
    used = sum(x != -1 for x in numbers[0::3])
    triples = [(numbers[i], numbers[i + 1], numbers[i + 2]) for i in range(0, 3 * used, 3)]
    if make_goal(family, *triples).tolist() != numbers:
        raise ValueError(f"{FAMILIES[family]} has the goal array {numbers}: want {used} triples, then -1")


def _balls(observation: Array) -> Array:
    """(N, 10) -> (N, 5, 2) positions."""
    return observation.reshape((*observation.shape[:-1], len(BALLS), 2))


def _pick(xp: ModuleType, positions: Array, ball: Array) -> Array:
    """Positions (N, 5, 2) of `ball` (N, K) -> (N, K, 2); ball -1 gives the origin, which callers mask."""
    chosen = (ball[..., None] == xp.arange(len(BALLS))).astype(positions.dtype)  # (N, K, 5)
    return (chosen[..., None] * positions[..., None, :, :]).sum(-2)


def _unit(xp: ModuleType, direction: Array, dtype: np.dtype) -> Array:
    """Unit vectors (..., 2) of direction codes; codes outside 0..3 are clipped and must be masked by the caller."""
    return xp.asarray(UNIT, dtype)[xp.clip(direction, 0, len(DIRECTIONS) - 1)]


def relation_parts(xp: ModuleType, goal: Array, observation: Array) -> tuple[Array, Array, Array]:
    """The three triples' relations, each (N, 3): holds, meters to the reward's point, and shortfall in meters.

    The shortfall is the path around the reference ball to the sector's edge, plus the path into it; 0 where it holds.
    """
    positions = _balls(observation)
    source, reference, direction = goal[..., 0::3], goal[..., 1::3], goal[..., 2::3]  # (N, 3)
    delta = _pick(xp, positions, source) - _pick(xp, positions, reference)  # (N, 3, 2)
    unit = _unit(xp, direction, observation.dtype)
    snapped = xp.where(xp.abs(delta) < SNAP, xp.zeros_like(delta), delta)
    along = (snapped * unit).sum(-1)
    clockwise = snapped[..., 0] * unit[..., 1] - snapped[..., 1] * unit[..., 0]
    # Sectors of 90 degrees, closed at their clockwise edge: behind is [45, 135) degrees, left [135, 225), and so on.
    apart = xp.sqrt((delta**2).sum(-1))
    holds = (along >= clockwise) & (along > -clockwise) & (apart < NEAR)
    distance = xp.sqrt(((delta - REWARD_POINT * unit) ** 2).sum(-1))
    excess = xp.maximum(xp.arctan2(xp.abs(clockwise), along) - np.pi / 4, 0.0)
    around = excess * xp.maximum(apart, TOUCHING) + xp.maximum(apart - NEAR, 0.0)
    # On the open edge of the sector the relation does not hold at distance 0; SNAP reserves 0 for "holds".
    return holds, distance, xp.where(holds, 0.0, xp.maximum(around, SNAP))


def _line_parts(xp: ModuleType, observation: Array) -> tuple[Array, Array]:
    """The four links of the line: holds (N, 4) and the excess angle (N, 4) in radians over 30 degrees."""
    positions = _balls(observation)
    link = positions[..., 1:, :] - positions[..., :-1, :]
    angle = xp.abs(xp.arctan2(link[..., 1], link[..., 0]))
    # A tolerance of float32 rounding keeps a link at exactly 30 degrees inside.
    return angle <= LINE_ANGLE + 1e-6, xp.maximum(angle - LINE_ANGLE, 0.0)


def _gather_parts(xp: ModuleType, observation: Array) -> tuple[Array, Array]:
    """The four balls around the green one: holds (N, 4) and the excess distance (N, 4) in meters."""
    positions = _balls(observation)
    others = positions[..., [i for i in range(len(BALLS)) if i != GATHER_CENTER], :]
    distance = xp.sqrt(((others - positions[..., GATHER_CENTER : GATHER_CENTER + 1, :]) ** 2).sum(-1))
    return distance <= GATHERED, xp.maximum(distance - GATHERED, 0.0)


def _parts(xp: ModuleType, family: Array, goal: Array, observation: Array) -> tuple[Array, Array, Array]:
    """The parts of goals: used (N, 4) bool, holds (N, 4) bool and shortfall (N, 4), 0 where the part holds."""
    family, goal, observation = xp.asarray(family), xp.asarray(goal), xp.asarray(observation)
    used = xp.arange(_MAX_PARTS) < xp.asarray(_NUM_PARTS)[family][..., None]
    holds_relation, _, around = relation_parts(xp, goal, observation)
    pad = [(0, 0)] * (holds_relation.ndim - 1) + [(0, _MAX_PARTS - holds_relation.shape[-1])]
    holds_relation, around = xp.pad(holds_relation, pad), xp.pad(around, pad)
    holds_line, angle = _line_parts(xp, observation)
    holds_gather, excess = _gather_parts(xp, observation)
    is_line, is_gather = (family == LINE)[..., None], (family == GATHER)[..., None]
    holds = xp.where(is_line, holds_line, xp.where(is_gather, holds_gather, holds_relation))
    shortfall = xp.where(is_line, angle, xp.where(is_gather, excess, around))
    return used, holds & used, xp.where(used & ~holds, shortfall, 0.0)


def satisfied(family: Array, goal: Array, observation: Array) -> Array:
    """(N,) bool: the state satisfies the goal. `move` is a test of one step, not of a state, and is False here."""
    xp = namespace(family, goal, observation)
    used, holds, _ = _parts(xp, family, goal, observation)
    return (holds == used).all(-1) & (xp.asarray(family) != MOVE)


def completed_parts(family: Array, goal: Array, observation: Array) -> Array:
    """(N,) int32: how many relations, links of the line, or gathered balls hold in the state; 0 for `move`."""
    xp = namespace(family, goal, observation)
    return _parts(xp, family, goal, observation)[1].sum(-1).astype(np.int32)


def move_by_action(goal: Array, action: Array) -> Array:
    """(N,) bool: the action pushes the named ball straight or diagonally in the direction; chance level 7.5%.

    ImagineBench evaluates the unseen easy level by this test. False for the direction `STILL`.
    """
    xp = namespace(goal, action)
    goal, action = xp.asarray(goal), xp.asarray(action)
    push = xp.asarray(PUSHES)[action % len(PUSHES)]
    along = (push * _unit(xp, goal[..., 2], PUSHES.dtype)).sum(-1)
    return (action // len(PUSHES) == goal[..., 0]) & (along > 0) & (goal[..., 2] < STILL)


def move_by_state(goal: Array, observation: Array, next_observation: Array) -> Array:
    """(N,) bool: the named ball moved at least 0.15 m in the direction; for `STILL`, nothing moved by 0.05 m."""
    xp = namespace(goal, observation, next_observation)
    goal, change = xp.asarray(goal), xp.asarray(next_observation) - xp.asarray(observation)
    ball_change = _pick(xp, _balls(change), goal[..., 0:1])[..., 0, :]
    along = (ball_change * _unit(xp, goal[..., 2], change.dtype)).sum(-1)
    return xp.where(goal[..., 2] == STILL, (xp.abs(change) < STAYED).all(-1), along >= MOVED)


def success(family: Array, goal: Array, observation: Array, action: Array, next_observation: Array) -> Array:
    """(N,) bool: whether a step ends a rollout. `move` is tested by its action ("stay still" by the state), every other
    family by the next state.
    """
    xp = namespace(family, goal, observation, action, next_observation)
    still = xp.asarray(goal)[..., 2] == STILL
    moved = xp.where(still, move_by_state(goal, observation, next_observation), move_by_action(goal, action))
    return xp.where(xp.asarray(family) == MOVE, moved, satisfied(family, goal, next_observation))


def distance_to_goal(family: Array, goal: Array, observation: Array) -> Array:
    """(N,) how far a state is from the goal, 0 when satisfied: the score that the lookahead policy minimizes.

    Relations: meters around the reference ball into the sector and close to it. line: the links' excess angles in
    radians over 30 degrees. gather: the excess distances in meters over 0.325. All are summed over parts. move: always
    1.
    """
    xp = namespace(family, goal, observation)
    shortfall = _parts(xp, family, goal, observation)[2].sum(-1)
    return xp.where(xp.asarray(family) == MOVE, xp.ones_like(shortfall), shortfall)


def random_goals(rng: np.random.Generator, goal: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Goals (N, 9) with random entries: "direction" keeps the balls, "relation" draws them too.

    Name -> (whether there is a triple to change (N,) bool, the goals); the true entries may be drawn again.
    """
    goal = np.asarray(goal)
    source, reference = goal[:, 0::3], goal[:, 1::3]
    used = source >= 0
    directions = np.where(used, rng.integers(len(DIRECTIONS), size=used.shape), -1)
    first = rng.integers(len(BALLS), size=used.shape)
    second = (first + rng.integers(1, len(BALLS), size=used.shape)) % len(BALLS)
    found = {}
    for name, balls in (("direction", (source, reference)), ("relation", (first, second))):
        a, b = np.where(used, balls[0], -1), np.where(used & (reference >= 0), balls[1], -1)
        changed = np.stack([a, b, directions], -1).reshape(goal.shape).astype(goal.dtype)
        found[name] = np.asarray(used.any(1)), np.asarray(changed)
    return found


def _triple_from_authors(vector: np.ndarray) -> tuple[int, int, int]:
    """(source, reference, direction) from the authors' 6 numbers; an absent ball is -1."""
    source, reference = np.flatnonzero(vector[:5] == 1), np.flatnonzero(vector[:5] == 2)
    if len(source) > 1 or len(reference) > 1:
        raise ValueError(f"goal {vector.tolist()} marks more than one source (1) or reference (2) ball")
    return int(source[0]) if len(source) else -1, int(reference[0]) if len(reference) else -1, int(vector[5])


def from_authors(vector: np.ndarray) -> tuple[int, np.ndarray]:
    """Family code and goal array from a goal vector of KALM's files; a ValueError says why it is none.

    Six numbers: 1 at the source ball, 2 at the reference ball, then the direction; without a reference ball it is a
    `move`. The hard level has its indicator at entry 5 (0 two relations, 1 three, 2 line, 3 gather) and, for
    relations, the six numbers of each after it (18 or 24 in all).
    """
    vector = np.asarray(vector).reshape(-1)
    if vector.size < 6 or vector.dtype.kind not in "iufb" or not np.isfinite(vector).all():
        raise ValueError(f"goal vector {vector.tolist()}: want at least 6 finite numbers, as in KALM's `goals`")
    if vector.size == 6 and (vector[:5] != 0).any():
        triple = _triple_from_authors(vector)
        family = MOVE if triple[1] == -1 else RELATION
        return family, make_goal(family, triple)
    indicator = int(vector[5])
    if indicator in (2, 3):
        family = LINE if indicator == 2 else GATHER
        return family, make_goal(family)
    count = {0: 2, 1: 3}.get(indicator, -1)
    if vector.size != 6 * (count + 1):
        raise ValueError(
            f"goal vector of length {vector.size} with {indicator} at entry 5: want 0 (two relations, length 18), "
            "1 (three relations, length 24), 2 (line) or 3 (gather), or a single goal of length 6 that marks its balls"
        )
    family = TWO_RELATIONS if count == 2 else THREE_RELATIONS
    return family, make_goal(family, *(_triple_from_authors(v) for v in vector[6:].reshape(count, 6)))
