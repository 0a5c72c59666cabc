"""Goals of Meta-world: the success tests of its 22 tasks as one pure array function of the 91-number state.

A goal's family is the index of its task in `tasks.TASKS`. Its array (12,) float32 is what the test reads:

  0      index in the observation of the position that is tested (the gripper's 0, or an entity's slot)
  1:4    weights of x, y, z    4:7  offset in meters that is added to the position    7  radius in meters
  8:11   weights of the target position's x, y, z    11  minimum of their sum: which stage has been reached

  success:  |weights * (position + offset - target)| <= radius  and  stage weights . target >= minimum

The tests are those of the package (and of KALM, with its radii). Only the two composed tasks have a second stage, with
another target. Reach is tested at the fingertips. All functions take NumPy or JAX arrays and return the same kind; any
leading axes broadcast against each other: goals (N, 12), observations (N, 91), families (N,).
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from kalm_jax.worlds.metaworld.tasks import NAMES, OBSERVATION_DIM, TARGET, TASKS, entity_start, task_of

Array: TypeAlias = Any
"""An array of NumPy or JAX; functions return the kind that they are given."""

FAMILIES = NAMES
GOAL_SIZE = 12
FINGERTIPS = (-0.0007, 0.003, -0.045)
"""Meters from the observed hand to the middle of the fingertips while the hand moves (fitted; 3 mm RMS)."""
SUCCESS_REWARD = 10.0
FINISHED_STAGE = 10.0
"""Reward of the simulator for the finished first stage of a composed task."""

HANDLE_TARGET = (-0.3, -0.45, 0.0)
"""Position of an opened door's handle, in meters from the middle of the safe."""
_COMPOSED = tuple(task for task in TASKS if task.first_stage)


def _namespace(*arrays: object) -> ModuleType:
    # Processes that only simulate have not imported JAX, and have no arrays of it.
    jax = sys.modules.get("jax")
    return jax.numpy if jax and any(isinstance(x, jax.Array) for x in arrays) else np


def make_goal(name: str) -> np.ndarray:
    """The goal array (12,) float32 of a task; ValueError where there is no such task."""
    task = task_of(name)
    start = entity_start(task.tested) if task.tested else 0
    return np.array((start, *task.axes, *task.offset, task.radius, *task.stage), np.float32)


def distance(goal: Array, observation: Array) -> Array:
    """(N,) meters from the tested position to its target along the weighted axes, in either stage of composed tasks."""
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
    for task in _COMPOSED:
        later = last_stage(make_goal(task.name), observation)
        done = done | ((xp.asarray(family) == FAMILIES.index(task.first_stage)) & later)
    return done


def show_stage(family: Array, observation: Array) -> np.ndarray:
    """Observations (N, 91) of composed tasks with the target that the simulator would show.

    Where the first stage is satisfied that is the second one's. A model that imagines states cannot know that targets
    move, since no task of the data has a second stage.
    """
    family, seen = np.asarray(family), np.array(observation, np.float32)
    for task in _COMPOSED:
        over = satisfied(family, make_goal(task.first_stage), seen) & ~last_stage(make_goal(task.name), seen)
        mine = np.flatnonzero((family == FAMILIES.index(task.name)) & over)
        entity, offset = task.second_target
        start = entity_start(entity)
        seen[mine, TARGET] = seen[mine, start : start + 3] + np.array(offset, np.float32)
    return seen
