"""Rewards of Meta-world rollouts as pure array functions of 91-number states and actions, one rule for each task.

The package's dense reward (version v2, 0 to 10) also uses the fingertips and finger pads, the joint of the door and the
start of the scene. Here they are derived from the observed hand and opening, from the handle's position, and from the
rollout's first state; `experiments.metaworld_experts` measures how well it agrees with the simulator. The functions use
NumPy only. Dimension letters: N rollouts, T steps, D = 91. Positions are meters.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kalm_jax.worlds.metaworld.goals import (
    FINGERTIPS,
    FINISHED_STAGE,
    HANDLE_TARGET,
    SUCCESS_REWARD,
    last_stage,
    make_goal,
    satisfied,
)
from kalm_jax.worlds.metaworld.tasks import HAND, NAMES, OPENING, TARGET, entity_slot

_LEFT_PAD, _RIGHT_PAD = (0.0021, 0.0439), (0.0082, -0.0559)
"""y of the pads relative to the hand, in meters: constant and slope in the opening (fitted; 1.7 mm RMS)."""
_REACH_HAND, _DOOR_CLOSE_HAND = np.array([0.0, 0.6, 0.2]), np.array([-0.5, 0.6, 0.2])
_HINGE, _SHUT_ANGLE = np.array([-0.185, -0.1, 0.0]), np.arctan2(-0.1071, 0.3757)
"""The door's hinge relative to the middle of the safe, and the angle of the handle about it when the door is shut."""
_SHOULDER = np.array([0.0, 0.055, 0.07])
_BUTTON_TRAVEL = 0.093
"""Meters between a button-press button's start and its hole."""


class _Scene(NamedTuple):
    """After each step: positions (N, T, 3), opening and pads' y (N, T); actions (N, T, 4), first state (N, 1, D)."""

    hand: np.ndarray
    opening: np.ndarray
    tips: np.ndarray
    left: np.ndarray
    right: np.ndarray
    target: np.ndarray
    action: np.ndarray
    seen: np.ndarray
    first: np.ndarray

    def at(self, entity: str) -> np.ndarray:
        return self.seen[..., entity_slot(entity)][..., :3]

    def start(self, entity: str) -> np.ndarray:
        return self.first[..., entity_slot(entity)][..., :3]

    @property
    def first_tips(self) -> np.ndarray:
        return self.first[..., HAND] + (0.0, 0.0, FINGERTIPS[2])


Rule = Callable[[_Scene], np.ndarray]
"""The dense reward (N, T) of a task."""


def _scene(observations: np.ndarray, actions: np.ndarray) -> _Scene:
    after, first = observations[:, 1:], observations[:, :1]
    hand, opening = after[..., HAND], after[..., OPENING]
    left, right = (hand[..., 1] + constant + slope * opening for constant, slope in (_LEFT_PAD, _RIGHT_PAD))
    return _Scene(hand, opening, hand + FINGERTIPS, left, right, after[..., TARGET], actions, after, first)


def rewards(
    family: np.ndarray, goal: np.ndarray, observations: np.ndarray, actions: np.ndarray, length: np.ndarray
) -> np.ndarray:
    """Rewards (N, T) float32 of rollouts: increments of the dense reward, 10 where a step succeeds, 0 after `length`.

    family (N,) int, goal (N, 12), observations (N, T+1, 91), actions (N, T, 4), length (N,) int.
    """
    dense = dense_rewards(family, observations, actions)
    increments = np.diff(dense, axis=1, prepend=0.0)
    reached = satisfied(family, np.asarray(goal)[:, None], observations[:, 1:])
    step = np.arange(dense.shape[1]) < np.asarray(length)[:, None]
    return np.where(step, np.where(reached, SUCCESS_REWARD, increments), 0.0).astype(np.float32)


def dense_rewards(family: np.ndarray, observations: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """The package's dense reward (N, T) float64 after each step of rollouts; arguments as in `rewards`.

    Raises:
      ValueError: a family is no index of a task.
    """
    family = np.asarray(family)
    wrong = np.flatnonzero((family < 0) | (family >= len(NAMES)))
    if len(wrong):
        raise ValueError(f"family [{wrong[0]}] is {family[wrong[0]]}, want the index of a task, 0 to {len(NAMES) - 1}")
    observations, actions = np.asarray(observations, np.float64), np.asarray(actions, np.float64)
    dense = np.zeros(actions.shape[:2])
    for code in np.unique(family):
        mine = family == code
        dense[mine] = _RULES[NAMES[code]](_scene(observations[mine], actions[mine]))
    return dense


# --- the package's shaping functions ---------------------------------------------------------------------------------


def _norm(x: np.ndarray) -> np.ndarray:
    return np.sqrt((x**2).sum(-1))


def _near(
    x: np.ndarray, upper: float, margin: np.ndarray | float, lower: float = 0.0, gaussian: bool = False
) -> np.ndarray:
    """1 between `lower` and `upper`, falling to 0.1 at `margin` beyond them."""
    beyond = np.where(x < lower, lower - x, x - upper) / np.maximum(margin, 1e-12)
    tail = 0.1 ** np.minimum(beyond**2, 300.0) if gaussian else 1.0 / ((3.0 * beyond) ** 2 + 1.0)
    return np.where((lower <= x) & (x <= upper), 1.0, tail)


def _both(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The Hamacher product, a soft "and" of two numbers in 0..1."""
    below = a + b - a * b
    return np.where(below > 0, a * b / np.where(below > 0, below, 1.0), 0.0)


def _caging(
    s: _Scene, thing: np.ndarray, start: np.ndarray, radius: float, pad: float, xz: float, effort: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """How well the fingers enclose an object, and that combined with how firmly they close: both (N, T)."""
    sides = []
    for side in (s.left, s.right):
        margin = np.abs(np.abs(side - start[..., 1]) - pad)
        sides.append(_near(np.abs(side - thing[..., 1]), pad, margin, lower=radius))
    flat = np.array([1.0, 0.0, 1.0])
    margin = _norm((start - s.first_tips) * flat) - xz
    caging = _both(_both(*sides), _near(_norm((s.tips - thing) * flat), xz, margin))
    closed = np.clip(s.action[..., 3], 0.0, effort) / effort
    return caging, _both(caging, np.where(caging > 0.97, closed, 0.0))


def _signed_sides(s: _Scene, thing: np.ndarray, upper: float, radius: float) -> np.ndarray:
    """The rule of pick-place and soccer: the object is between the pads along y, each pad on its own side."""
    found = []
    for side, sign in ((s.left, 1.0), (s.right, -1.0)):
        # The package's "initial" pads follow the pads (they are views of the simulator), so the margin does too.
        margin = np.abs(np.abs(thing[..., 1] - side) - 0.05)
        found.append(_near(sign * (side - thing[..., 1]), upper, margin, lower=radius))
    return _both(*found)


def _xz_near(s: _Scene, thing: np.ndarray, start: np.ndarray) -> np.ndarray:
    flat = np.array([1.0, 0.0, 1.0])
    return _near(_norm((s.tips - thing) * flat), 0.005, _norm((start - s.first_tips) * flat) - 0.005)


# --- tasks -----------------------------------------------------------------------------------------------------------


def _reach(s: _Scene) -> np.ndarray:
    return 10.0 * _near(_norm(s.tips - s.target), 0.05, _norm(_REACH_HAND - s.target))


def _push(s: _Scene) -> np.ndarray:
    thing, start = s.at("target_object"), s.start("target_object")
    caging, gripping = _caging(s, thing, start, 0.015, 0.05, 0.005)
    away = _norm(thing - s.target)
    reward = caging + gripping
    held = (_norm(thing - s.tips) < 0.02) & (s.opening > 0)
    reward = np.where(held, 2.0 * reward + 1.0 + 5.0 * _near(away, 0.05, _norm(start - s.target)), reward)
    return np.where(away < 0.05, 10.0, reward)


def _pick_place(s: _Scene) -> np.ndarray:
    thing, start = s.at("target_object"), s.start("target_object")
    caging = _both(_signed_sides(s, thing, 0.05, 0.015), _xz_near(s, thing, start))
    closed = np.clip(s.action[..., 3], 0.0, 1.0)
    grasped = (_both(caging, np.where(caging > 0.97, closed, 0.0)) + caging) / 2
    away = _norm(thing - s.target)
    in_place = _near(away, 0.05, _norm(start - s.target))
    lifted = (_norm(thing - s.tips) < 0.02) & (s.opening > 0) & (thing[..., 2] - 0.01 > start[..., 2])
    return np.where(away < 0.05, 10.0, _both(grasped, in_place) + np.where(lifted, 1.0 + 5.0 * in_place, 0.0))


def _past_wall(s: _Scene, midpoint: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, ...]:
    """Puck, its start, its distance to the target, and how near midpoint and target are, for tasks with a wall."""
    thing, start = s.at("target_object"), s.start("target_object")
    away = _norm(thing - s.target)
    first = _near(_norm((thing - midpoint) * scale), 0.05, _norm((start - midpoint) * scale))
    return thing, start, away, first, _near(away, 0.05, _norm(start - s.target))


def _push_wall(s: _Scene) -> np.ndarray:
    thing = s.at("target_object")
    midpoint = np.stack([np.full_like(thing[..., 0], -0.05), np.full_like(thing[..., 0], 0.77), thing[..., 2]], -1)
    thing, start, away, first, second = _past_wall(s, midpoint, np.array([3.0, 1.0, 1.0]))
    caging, gripping = _caging(s, thing, start, 0.015, 0.05, 0.005)
    grasped = caging + gripping
    held = (_norm(thing - s.tips) < 0.02) & (s.opening > 0)
    onward = np.where(thing[..., 1] > 0.75, 5.0 + 3.0 * second, 1.0 + 4.0 * first)
    return np.where(away < 0.05, 10.0, grasped + np.where(held, onward, 0.0))


def _pick_place_wall(s: _Scene) -> np.ndarray:
    midpoint = np.stack(
        [s.target[..., 0], np.full_like(s.target[..., 0], 0.77), np.full_like(s.target[..., 0], 0.25)], -1
    )
    thing, start, away, first, second = _past_wall(s, midpoint, np.array([1.0, 1.0, 3.0]))
    _, gripping = _caging(s, thing, start, 0.015, 0.05, 0.005)
    lifted = (_norm(thing - s.tips) < 0.02) & (s.opening > 0) & (thing[..., 2] - 0.015 > start[..., 2])
    onward = np.where(thing[..., 1] > 0.75, 5.0 + 3.0 * second, 1.0 + 4.0 * first)
    return np.where(away < 0.05, 10.0, _both(gripping, first) + np.where(lifted, onward, 0.0))


def _press(s: _Scene, entity: str, travel: float) -> np.ndarray:
    button = s.at(entity)
    away = _norm(button - s.tips)
    near = _near(away, 0.05, _norm(button - s.first_tips))
    pressed = _near(np.abs(s.target[..., 1] - button[..., 1]), 0.005, travel)
    return 2.0 * _both(np.maximum(s.opening, 0.0), near) + np.where(away <= 0.05, 8.0 * pressed, 0.0)


def _button_press_wall(s: _Scene) -> np.ndarray:
    button = s.at("button")
    away = _norm(button - s.tips)
    near = _near(away, 0.01, _norm(button - s.first_tips))
    pressed = _near(np.abs(s.target[..., 1] - button[..., 1]), 0.005, _BUTTON_TRAVEL)
    far = 2.0 * _both((1.0 - s.opening) / 2.0, near)
    return np.where(away > 0.07, far, 2.0 + 2.0 * (1.0 + s.opening) + 4.0 * pressed**2)


def _door_unlock(s: _Scene) -> np.ndarray:
    lever, scale = s.at("lock"), np.array([0.25, 1.0, 0.5])
    pivot = s.target - np.array([0.1, -0.04, 0.0])
    ready = _near(_norm((s.hand + _SHOULDER - lever) * scale), 0.02, _norm((s.first_tips + _SHOULDER - pivot) * scale))
    return 2.0 * ready + 8.0 * _near(np.abs(s.target[..., 0] - lever[..., 0]), 0.005, 0.1)


def _door_lock(s: _Scene) -> np.ndarray:
    lever = s.at("lock")
    pad = np.stack([s.hand[..., 0], s.left, s.hand[..., 2]], -1)
    away = _norm((lever - pad) * np.array([0.25, 1.0, 0.5]))
    # The package uses the pad's current position as its position at the start, so the margin is the distance itself.
    near = _near(away, 0.01, away)
    pressed = _near(np.abs(s.target[..., 2] - lever[..., 2]), 0.005, 0.1)
    return 2.0 * _both(np.maximum(s.opening, 0.0), near) + 8.0 * pressed


def _open_door(s: _Scene) -> np.ndarray:
    handle, hand = s.at("handle"), s.hand
    door = handle + np.array([-0.05, 0.0, 0.0])
    radius = _norm((hand - door)[..., :2])
    floor = np.where(radius <= 0.12, 0.0, 0.04 * np.log(np.maximum(radius - 0.12, 1e-12)) + 0.4)
    above = np.where(hand[..., 2] >= floor, 1.0, _near(floor - hand[..., 2], 0.01, floor / 2.0))
    in_place = _near(_norm(hand - door - np.array([0.05, 0.03, -0.01])), 0.06, 0.5)
    arm = handle - (s.target - HANDLE_TARGET + _HINGE)
    angle = _SHUT_ANGLE - np.arctan2(arm[..., 1], arm[..., 0])
    opened = 0.2 * (angle > np.pi / 90) + 0.8 * _near(2 * np.pi / 3 - angle, 0.5, np.pi / 3)
    grab = (np.clip(s.action[..., 3], -1.0, 1.0) + 1.0) / 2.0
    reward = 2.0 * _both(_both(above, in_place), grab) + 8.0 * opened
    return np.where(np.abs(handle[..., 0] - s.target[..., 0]) <= 0.08, 10.0, reward)


def _door_close(s: _Scene) -> np.ndarray:
    handle = s.at("handle")
    away = _norm(handle - s.target)
    in_place = _near(away, 0.05, _norm(np.array([0.2, -0.2, 0.0])), gaussian=True)
    hand_margin = _norm(_DOOR_CLOSE_HAND - handle) + 0.1
    hand_in_place = _near(_norm(s.tips - s.target), 0.0125, hand_margin, gaussian=True)
    return np.where(away < 0.05, 10.0, 3.0 * hand_in_place + 6.0 * in_place)


def _window(s: _Scene, travel: np.ndarray | float, gaussian: bool) -> np.ndarray:
    handle, start = s.at("window"), s.start("window")
    in_place = _near(np.abs(handle[..., 0] - s.target[..., 0]), 0.05, np.abs(travel - 0.05))
    margin = np.abs(_norm(start - s.first_tips) - 0.02)
    return 10.0 * _both(_near(_norm(handle - s.tips), 0.02, margin, gaussian=gaussian), in_place)


def _window_close(s: _Scene) -> np.ndarray:
    return _window(s, np.abs(s.start("window")[..., 0] - s.target[..., 0]), gaussian=True)


def _faucet(s: _Scene, offset: np.ndarray, base: np.ndarray) -> np.ndarray:
    handle = s.at("faucet") + offset
    base = s.target - base
    away = _norm(handle - s.target)
    in_place = _near(away, 0.07, np.abs(_norm(base - s.target) - 0.07))
    margin = np.abs(_norm(base - s.first_tips) - 0.01)
    reach = _near(_norm(handle - s.tips), 0.01, margin, gaussian=True)
    return np.where(away <= 0.07, 10.0, 4.0 * reach + 6.0 * in_place)


def _coffee_push(s: _Scene) -> np.ndarray:
    mug, start, scale = s.at("coffee"), s.start("coffee"), np.array([2.0, 2.0, 1.0])
    away = _norm((mug - s.target) * scale)
    in_place = _near(away, 0.05, _norm((start - s.target) * scale))
    _, gripping = _caging(s, mug, start, 0.02, 0.05, 0.05, effort=0.7)
    tips = _norm(mug - s.tips)
    reach = _near(tips, 0.04, np.abs(_norm(start - s.first_tips) - 0.04))
    reward = _both((gripping + reach) / 2, in_place)
    reward = reward + np.where((tips < 0.04) & (s.opening > 0), 1.0 + 5.0 * in_place, 0.0)
    return np.where(away < 0.05, 10.0, reward)


def _hammer(s: _Scene) -> np.ndarray:
    hammer, start = s.at("hammer"), s.start("hammer")
    thing = hammer.copy()
    by_handle = np.abs(hammer[..., 0] - s.hand[..., 0]) < 0.07
    thing[..., 0] = np.where(by_handle, s.hand[..., 0], hammer[..., 0])
    caging, gripping = _caging(s, thing, start, 0.015, 0.02, 0.01)
    tilt = s.seen[..., entity_slot("hammer")][..., 3:] - np.array([1.0, 0.0, 0.0, 0.0])
    head = hammer + np.array([0.16, 0.06, 0.0])
    in_place = 0.1 * (head[..., 2] > 0.02) + 0.9 * _near(_norm(s.target - head), 0.02, 0.2)
    reward = (caging + gripping + 6.0 * in_place) * np.maximum(1.0 - _norm(tilt) / 0.4, 0.0)
    driven = s.at("nail")[..., 1] - s.target[..., 1] > -0.01
    return np.where(driven & (reward > 5.0), 10.0, reward)


def _soccer(s: _Scene) -> np.ndarray:
    ball, start, scale = s.at("soccer"), s.start("soccer"), np.array([3.0, 1.0, 1.0])
    away = _norm((ball - s.target) * scale)
    in_place = _near(away, 0.07, _norm((ball - start) * scale))
    line = s.target[..., 1] - 0.1
    missed = (ball[..., 1] > line) & (np.abs(ball[..., 0] - s.target[..., 0]) > 0.10)
    in_place = np.where(missed, np.clip(in_place - 2 * (ball[..., 1] - line) / (1 - line), 0.0, 1.0), in_place)
    caging = _both(_signed_sides(s, ball, 0.05, 0.013), _xz_near(s, ball, start))
    gripping = np.where(caging > 0.95, _signed_sides(s, ball, 0.023, 0.013), 0.0)
    return np.where(away < 0.07, 10.0, 1.5 * (caging + gripping) + 6.5 * in_place)


def _two_stages(name: str, first: Rule, second: Rule) -> Rule:
    goal = make_goal(name)

    def rule(s: _Scene) -> np.ndarray:
        return np.where(last_stage(goal, s.seen), FINISHED_STAGE + second(s), first(s))

    return rule


_coffee_button = functools.partial(_press, entity="coffee-button", travel=0.03)

_RULES: dict[str, Rule] = {
    "reach": _reach,
    "reach-wall": _reach,
    "push": _push,
    "push-wall": _push_wall,
    "pick-place": _pick_place,
    "pick-place-wall": _pick_place_wall,
    "button-press": functools.partial(_press, entity="button", travel=_BUTTON_TRAVEL),
    "button-press-wall": _button_press_wall,
    "coffee-button": _coffee_button,
    "door-unlock": _door_unlock,
    "door-lock": _door_lock,
    "door-open": _open_door,
    "door-close": _door_close,
    "window-open": functools.partial(_window, travel=0.2, gaussian=False),
    "window-close": _window_close,
    "faucet-open": functools.partial(_faucet, offset=np.array([-0.04, 0.0, 0.03]), base=np.array([0.175, 0.0, 0.125])),
    "faucet-close": functools.partial(_faucet, offset=np.zeros(3), base=np.array([-0.175, 0.0, 0.125])),
    "coffee-push": _coffee_push,
    "hammer": _hammer,
    "soccer": _soccer,
    "make-coffee": _two_stages("make-coffee", _coffee_push, _coffee_button),
    "locked-door-open": _two_stages("locked-door-open", _door_unlock, _open_door),
}
