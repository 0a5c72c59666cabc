"""Meta-world's tasks and entities, and the entity slots of KALM's 91-number observation, without a simulator.

Observation (91,): gripper 4 (hand x, y, z in meters, opening 0..1), target position 3, then 7 numbers (position in
meters, quaternion as the package has it) for each entity of `ENTITIES`. Slots of entities that a scene does not have
are zero. It is the current frame only; the package's own 39 numbers also repeat the previous frame.

Action (4,) float32 in [-1, 1]: the hand's motion along x, y, z (1 is 1 cm) and the force that closes the gripper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kalm_jax.files import read_toml

ENTITY_TABLE: dict[str, dict[str, Any]] = read_toml(__package__, "data/entity_table.toml")
"""Entity -> its row; the file explains the columns."""
ENTITIES = tuple(ENTITY_TABLE)
ENTITY_SIZE = 7
HAND = slice(0, 3)
OPENING = 3
TARGET = slice(4, 7)
FIRST_ENTITY = 7
OBSERVATION_DIM = FIRST_ENTITY + ENTITY_SIZE * len(ENTITIES)
ACTION_DIM = 4
HORIZON = 100


class Task(NamedTuple):
    """A row of `data/task_table.toml`, which explains the columns."""

    name: str
    level: str
    entities: Sequence[str]
    radius: float
    tested: str = ""
    axes: Sequence[float] = (1, 1, 1)
    offset: Sequence[float] = (0, 0, 0)
    stage: Sequence[float] = (0.0, 0.0, 0.0, 0.0)
    first_stage: str = ""
    second_target: tuple[str, Sequence[float]] = ("", ())
    words: str = ""


_TABLE: dict[str, dict[str, dict]] = read_toml(__package__, "data/task_table.toml")
TASKS = tuple(Task(name, level, **row) for level, rows in _TABLE.items() for name, row in rows.items())
"""All 22; a goal's family is the index here. The level "rephrase" has the tasks of "offline" in other words."""
NAMES = tuple(task.name for task in TASKS)
LEVEL_TASKS = {
    level: tuple(_TABLE["offline" if level == "rephrase" else level])
    for level in ("offline", "rephrase", "unseen_easy", "unseen_hard")
}


def task_of(name: str) -> Task:
    """The task with this name; ValueError where there is none."""
    if name not in NAMES:
        raise ValueError(f"unknown Meta-world task {name!r}: use one of {', '.join(NAMES)}")
    return TASKS[NAMES.index(name)]


def entity_start(name: str) -> int:
    """Index of the first of an entity's 7 numbers in the observation."""
    return FIRST_ENTITY + ENTITY_SIZE * ENTITIES.index(name)


def entity_slot(name: str) -> slice:
    """The slice of an entity's 7 numbers in the observation."""
    return slice(entity_start(name), entity_start(name) + ENTITY_SIZE)


def compose_observation(task: Task, gripper: np.ndarray, target: np.ndarray, poses: Sequence[np.ndarray]) -> np.ndarray:
    """The observation (91,) float32 of gripper (4,), target (3,) and the poses (E, 7) of the task's E entities."""
    observation = np.zeros(OBSERVATION_DIM, np.float32)
    observation[:4], observation[TARGET] = gripper, target
    for name, pose in zip(task.entities, poses, strict=True):
        observation[entity_slot(name)] = pose
    return observation


def absent_entities(observations: np.ndarray) -> np.ndarray:
    """(..., 12) bool: the entities that observations (..., 91) do not show, whose slots are zero."""
    slots = np.asarray(observations)[..., FIRST_ENTITY:]
    return (slots.reshape(*slots.shape[:-1], len(ENTITIES), ENTITY_SIZE) == 0).all(-1)
