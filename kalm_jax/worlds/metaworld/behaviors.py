"""Scripted experts of Meta-world's 22 tasks as functions of the 91-number state: the package's, and two more.

make-coffee chains the package's experts of its two stages. locked-door-open has a separate expert, because the
package's two in sequence take more than 100 steps.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from kalm_jax.worlds.metaworld.goals import HANDLE_TARGET, last_stage, make_goal
from kalm_jax.worlds.metaworld.tasks import ACTION_DIM, HAND, NAMES, OPENING, TARGET, entity_slot, task_of

if TYPE_CHECKING:  # recording processes import this module, and no JAX
    from kalm_jax.types import Episodes, Policy

Expert = Callable[[np.ndarray], np.ndarray]
"""Maps an observation (91,) to an action (4,) float64 in [-1, 1]."""

_HINGE = np.array([-0.185, -0.1, 0.0])
"""The door's hinge in meters from the middle of the safe."""
_LEAD = 0.2
"""Radians by which the pull is turned inwards, since the hand lags behind."""


def make_expert(name: str) -> Expert:
    """The expert of a task, deterministic and without memory; ValueError where there is no such task."""
    task = task_of(name)
    if name == "make-coffee":
        return _stages(
            name, _package_expert("coffee-push", "coffee"), _package_expert("coffee-button", task.entities[1])
        )
    if name == "locked-door-open":
        return _stages(name, _unlock, _pull_open)
    return _package_expert(name, *(entity for entity in task.entities if entity != "wall"))


def _stages(name: str, first: Expert, second: Expert) -> Expert:
    goal = make_goal(name)

    def act(observation: np.ndarray) -> np.ndarray:
        return second(observation) if last_stage(goal, observation) else first(observation)

    return act


def _package_expert(package: str, *entities: str) -> Expert:
    """The package's policy of a task, called with the package's 39 numbers of these entities."""
    from metaworld.policies import ENV_POLICY_MAP

    policy: Any = ENV_POLICY_MAP[f"{package}-v3"]()

    def act(observation: np.ndarray) -> np.ndarray:
        seen = np.zeros(39)
        seen[:4] = observation[: OPENING + 1]
        for i, entity in enumerate(entities):
            seen[4 + 7 * i : 11 + 7 * i] = observation[entity_slot(entity)]
        seen[-3:] = observation[TARGET]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "Constant(s) may be too high": the action is clipped below
            return np.clip(np.asarray(policy.get_action(seen), np.float64), -1.0, 1.0)

    return act


def _move(hand: np.ndarray, to: np.ndarray, grip: float) -> np.ndarray:
    return np.append(np.clip(25.0 * (np.asarray(to) - hand), -1.0, 1.0), grip)


def _unlock(observation: np.ndarray) -> np.ndarray:
    """Turns the lock's lever from hanging down to pointing right, without running into it from the right."""
    hand, lever = observation[HAND], observation[entity_slot("lock")][:3]
    beside = lever + np.array([-0.04, -0.02, -0.03])
    if hand[0] > beside[0] + 0.02:
        return _move(hand, beside - [0.0, 0.05, 0.0], 1.0)
    if np.linalg.norm(hand[:2] - beside[:2]) > 0.02:
        return _move(hand, beside, 1.0)
    return _move(hand, beside + np.array([0.1, 0.0, 0.01]), 1.0)


def _pull_open(observation: np.ndarray) -> np.ndarray:
    """Pulls the door around its hinge by the lever, which the fingers hold once it is turned."""
    hinge = observation[TARGET] - HANDLE_TARGET + _HINGE
    radial = observation[entity_slot("lock")][:2] - hinge[:2]
    angle = np.arctan2(radial[1], radial[0]) - np.pi / 2 - _LEAD  # clockwise from above
    opening = np.array([np.cos(angle), np.sin(angle)])
    return np.append(opening / np.abs(opening).max(), [0.0, 1.0])


def expert_policy() -> Policy:
    """The scripted expert of each episode's task, without noise: the upper bound of imitation."""
    experts: dict[int, Expert] = {}

    def act(episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int) -> np.ndarray:
        actions = np.zeros((len(states), ACTION_DIM))
        for i in np.flatnonzero(active):
            family = int(episodes.family[i])
            if family not in experts:
                experts[family] = make_expert(NAMES[family])
            actions[i] = experts[family](states[i])
        return actions

    return act
