"""Goals of Meta-world: the success tests of its 22 tasks as one pure array function of the 91-number state.

A goal's family is the index of its task in `tasks.TASKS`. Its array (12,) float32 is what the test reads:

  0      index in the observation of the position that is tested (the gripper's 0, or an entity's slot)
  1:4    weights of x, y, z    4:7  offset in meters that is added to the position    7  radius in meters
  8:11   weights of the target position's x, y, z    11  minimum of their sum: which stage has been reached

  success:  |weights * (position + offset - target)| <= radius  and  stage weights . target >= minimum

The tests are those of the package (and of KALM, with its radii); only the two composed tasks have a second stage, in
which the observed target position is another one. Reach is tested at the fingertips, 4.5 cm below the observed hand.

All functions take NumPy or JAX arrays and return the same kind; they can be jitted and accept any leading axes that
broadcast against each other. Dimension letters: N leading axes, D = 91.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from kalm_jax.worlds.metaworld.tasks import NAMES, OBSERVATION_DIM, TARGET, entity_start

Array: TypeAlias = Any
"""An array of NumPy or JAX; functions return the kind that they are given."""

FAMILIES = NAMES
GOAL_SIZE = 12
FINGERTIPS = (-0.0007, 0.003, -0.045)
"""Meters from the observed hand to the middle of the fingertips while the hand moves (fitted; 3 mm RMS)."""
SUCCESS_REWARD = 10.0
FINISHED_STAGE = 10.0
"""Reward of the simulator for the finished first stage of a composed task."""

RADIUS = {
    **{"reach": 0.05, "push": 0.05, "pick-place": 0.07, "button-press": 0.02, "door-unlock": 0.02, "door-open": 0.08},
    **{"window-open": 0.05, "faucet-open": 0.07, "coffee-push": 0.07, "coffee-button": 0.02},
    **{"reach-wall": 0.05, "push-wall": 0.07, "pick-place-wall": 0.07, "button-press-wall": 0.03},
    **{"door-lock": 0.02, "door-close": 0.08, "window-close": 0.05, "faucet-close": 0.07},
    **{"make-coffee": 0.02, "locked-door-open": 0.08, "hammer": 0.05, "soccer": 0.07},
}
"""Meters within which a task succeeds (hammer: see `_OFFSET`; composed tasks: of the second stage)."""
HANDLE_TARGET = {"door-open": (-0.3, -0.45, 0.0), "locked-door-open": (-0.3, -0.45, 0.0)}
"""Position of the opened door's handle, in meters from the middle of the safe."""

TESTED_ENTITY = {
    **dict.fromkeys(("push", "pick-place", "push-wall", "pick-place-wall"), "target_object"),
    **dict.fromkeys(("button-press", "button-press-wall"), "button"),
    **dict.fromkeys(("door-unlock", "door-lock"), "lock"),
    **dict.fromkeys(("door-open", "door-close", "locked-door-open"), "handle"),
    **dict.fromkeys(("window-open", "window-close"), "window"),
    **dict.fromkeys(("faucet-open", "faucet-close"), "faucet"),
    **dict.fromkeys(("coffee-button", "make-coffee"), "coffee-button"),
    **{"coffee-push": "coffee", "hammer": "nail", "soccer": "soccer"},
}
"""The entity whose position is tested; reach and reach-wall test the gripper."""
_AXES = {
    **dict.fromkeys(("door-unlock", "door-open", "locked-door-open", "window-open", "window-close"), (1, 0, 0)),
    **dict.fromkeys(("button-press", "button-press-wall", "coffee-button", "make-coffee", "hammer"), (0, 1, 0)),
    "door-lock": (0, 0, 1),
}
"""Weights of x, y, z; (1, 1, 1) for the others."""
_OFFSET = {
    "reach": FINGERTIPS,
    "reach-wall": FINGERTIPS,
    "faucet-open": (-0.04, 0.0, 0.03),
    # The nail is in once it is driven 9 of its 10 cm, 1 cm short of the target: this accepts -1 to 9 cm past it.
    "hammer": (0.0, -0.04, 0.0),
}
_STAGE = {"make-coffee": (0.0, 0.0, 1.0, 0.15), "locked-door-open": (0.0, -1.0, 0.0, -0.58)}
"""make-coffee's target rises to the button; locked-door-open's moves forward from the lock to the handle's target."""
FIRST_STAGE = {"make-coffee": "coffee-push", "locked-door-open": "door-unlock"}
"""The task whose test ends the first stage of a composed task."""
_SECOND_TARGET = {
    "make-coffee": ("coffee-button", (0.0, 0.03, 0.0)),
    "locked-door-open": ("handle", (-0.4907, -0.2429, 0.05)),
}
"""The second stage's target, in meters from an entity's position at the end of the first stage."""


def _namespace(*arrays: object) -> ModuleType:
    # Processes that only simulate have not imported JAX, and have no arrays of it.
    jax = sys.modules.get("jax")
    return jax.numpy if jax and any(isinstance(x, jax.Array) for x in arrays) else np


def make_goal(name: str) -> np.ndarray:
    """The goal array (12,) float32 of a task.

    Raises:
      ValueError: there is no such task.
    """
    if name not in FAMILIES:
        raise ValueError(f"unknown Meta-world task {name!r}: use one of {', '.join(FAMILIES)}")
    start = entity_start(TESTED_ENTITY[name]) if name in TESTED_ENTITY else 0
    stage = _STAGE.get(name, (0.0, 0.0, 0.0, 0.0))
    goal = (start, *_AXES.get(name, (1, 1, 1)), *_OFFSET.get(name, (0, 0, 0)), RADIUS[name], *stage)
    return np.array(goal, np.float32)


def distance(goal: Array, observation: Array) -> Array:
    """(N,) meters from the tested position to its target along the weighted axes, in either stage of composed tasks.

    Args:
      goal: (N, 12). observation: (N, 91).
    """
    xp = _namespace(goal, observation)
    goal, observation = xp.asarray(goal), xp.asarray(observation)
    leading = np.broadcast_shapes(goal.shape[:-1], observation.shape[:-1])
    observation = xp.broadcast_to(observation, (*leading, OBSERVATION_DIM))
    index = xp.broadcast_to(goal[..., :1].astype(int) + xp.arange(3), (*leading, 3))
    position = xp.take_along_axis(observation, index, axis=-1)
    offset = goal[..., 1:4] * (position + goal[..., 4:7] - observation[..., TARGET])
    return xp.sqrt((offset**2).sum(-1))


def last_stage(goal: Array, observation: Array) -> Array:
    """(N,) bool: the stage in which the task can succeed has been reached; True for tasks with one stage."""
    xp = _namespace(goal, observation)
    goal, observation = xp.asarray(goal), xp.asarray(observation)
    return (goal[..., 8:11] * observation[..., TARGET]).sum(-1) >= goal[..., 11]


def satisfied(family: Array, goal: Array, observation: Array) -> Array:
    """(N,) bool: the state satisfies the goal; `family` (N,) or () is not used."""
    del family
    return (distance(goal, observation) <= _namespace(goal, observation).asarray(goal)[..., 7]) & last_stage(
        goal, observation
    )


def success(family: Array, goal: Array, observation: Array, action: Array, next_observation: Array) -> Array:
    """(N,) bool: whether a step ends a rollout, a test of the next state; `observation` and `action` are not used."""
    del observation, action
    return satisfied(family, goal, next_observation)


def step_done(family: Array, goal: Array, observation: Array) -> Array:
    """(N,) bool: a subgoal is done: the state satisfies it, or shows the target of a later stage."""
    xp = _namespace(family, goal, observation)
    done = satisfied(family, goal, observation)
    for whole, first in FIRST_STAGE.items():
        later = last_stage(make_goal(whole), observation)
        done = done | ((xp.asarray(family) == FAMILIES.index(first)) & later)
    return done


def show_stage(family: Array, observation: Array) -> np.ndarray:
    """Observations (N, 91) of composed tasks with the target that the simulator would show.

    Where the first stage is satisfied that is the second one's. A model that imagines states cannot know that targets
    move, since no task of the data has a second stage.

    Args:
      family: (N,) index of each state's task. observation: (N, 91), which is not changed.
    """
    family, seen = np.asarray(family), np.array(observation, np.float32)
    for whole, first in FIRST_STAGE.items():
        over = satisfied(family, make_goal(first), seen) & ~last_stage(make_goal(whole), seen)
        mine = np.flatnonzero((family == FAMILIES.index(whole)) & over)
        entity, offset = _SECOND_TARGET[whole]
        start = entity_start(entity)
        seen[mine, TARGET] = seen[mine, start : start + 3] + np.array(offset, np.float32)
    return seen
