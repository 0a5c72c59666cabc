"""Meta-world's tasks by level, and the entity slots of KALM's 91-number observation: constants, without a simulator.

Observation (91,): gripper 4 (hand x, y, z in meters, opening 0..1), target position 3, then 7 numbers (position in
meters, quaternion as the package has it) for each entity of `ENTITIES`. Slots of entities that a scene does not have
are zero. It is the current frame only; the package's own 39 numbers also repeat the previous frame.

Action (4,) float32 in [-1, 1]: the hand's motion along x, y, z (1 is 1 cm) and the force that closes the gripper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ENTITIES = (
    *("target_object", "button", "lock", "handle", "window", "faucet"),
    *("wall", "coffee", "coffee-button", "hammer", "nail", "soccer"),
)
ENTITY_SIZE = 7
HAND = slice(0, 3)
OPENING = 3
TARGET = slice(4, 7)
FIRST_ENTITY = 7
OBSERVATION_DIM = FIRST_ENTITY + ENTITY_SIZE * len(ENTITIES)
ACTION_DIM = 4
HORIZON = 100


class Task(NamedTuple):
    """A task.

    Attributes:
      name: as in KALM.
      entities: of its scene, in the order in which the package observes them.
      package: name in Meta-world without "-v3"; "" for the two tasks that are composed in `scenes.py`.
    """

    name: str
    entities: tuple[str, ...]
    package: str


def _task(name: str, *entities: str, package: str | None = None) -> Task:
    return Task(name, entities, name if package is None else package)


OFFLINE = (
    _task("reach", "target_object"),
    _task("push", "target_object"),
    _task("pick-place", "target_object"),
    _task("button-press", "button"),
    _task("door-unlock", "lock"),
    _task("door-open", "handle"),
    _task("window-open", "window"),
    _task("faucet-open", "faucet"),
    _task("coffee-push", "coffee"),
    _task("coffee-button", "coffee-button"),
)
UNSEEN_EASY = (
    _task("reach-wall", "target_object", "wall"),
    _task("push-wall", "target_object", "wall"),
    _task("pick-place-wall", "target_object", "wall"),
    _task("button-press-wall", "button", "wall"),
    _task("door-lock", "lock"),
    _task("door-close", "handle"),
    _task("window-close", "window"),
    _task("faucet-close", "faucet"),
)
UNSEEN_HARD = (
    _task("make-coffee", "coffee", "coffee-button", package=""),
    _task("locked-door-open", "lock", "handle", package=""),
    _task("hammer", "hammer", "nail"),
    _task("soccer", "soccer"),
)
TASKS = OFFLINE + UNSEEN_EASY + UNSEEN_HARD
"""All 22; a goal's family is the index here. The level "rephrase" has the tasks of "offline" in other words."""
NAMES = tuple(task.name for task in TASKS)
LEVEL_TASKS = {
    level: tuple(task.name for task in tasks)
    for level, tasks in {
        "offline": OFFLINE,
        "rephrase": OFFLINE,
        "unseen_easy": UNSEEN_EASY,
        "unseen_hard": UNSEEN_HARD,
    }.items()
}


def task_of(name: str) -> Task:
    """The task with this name.

    Raises:
      ValueError: there is none.
    """
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
