"""Augmentation of Meta-world rollouts for grounding, by symmetries of the scene.

In a scene that is moved or mirrored with its robot, the same or the mirrored actions have the same effects, and an
object may be replaced by another one. Where a rollout no longer fits its sentences, only its subgoal describes it.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from kalm_jax.worlds.metaworld.distractors import STARTS, Distractor
from kalm_jax.worlds.metaworld.tasks import (
    ENTITIES,
    ENTITY_TABLE,
    HAND,
    TARGET,
    TASKS,
    absent_entities,
    entity_slot,
    entity_start,
)
from kalm_jax.worlds.metaworld.text import subgoal

SHIFT = np.array([0.25, 0.12, 0.08], np.float32)
"""Largest shift of a scene along x, y and z in meters: unseen tasks have objects where the data has none."""
MIRRORED, EXCHANGED = 0.5, 0.3
"""Share of rollouts that are mirrored, and of those with an object in `ALIKE` that show the other one in its place."""
CENTER = (0.0, 0.6)
"""x and y of the mirror planes, through the start of the hand."""
_MIRRORS = ((True, False), (False, True), (True, True))
AUGMENTATIONS = ("mirror", "exchange", "shift", "extra")
"""What `varied` does: mirrors rollouts, exchanges objects by `ALIKE`, shifts scenes, and shows an extra entity."""
ALIKE = {"target_object": "soccer", "coffee": "soccer", "button": "nail", "coffee-button": "nail"}
"""Object that moves in the data -> an object that the data only shows at rest and that moves in the same way: rolled or
pushed over the table, or pressed in."""


def varied(
    rng: np.random.Generator,
    observations: np.ndarray,
    actions: np.ndarray,
    family: int,
    using: Collection[str] = AUGMENTATIONS,
) -> tuple[np.ndarray, np.ndarray, str | None]:
    """A part of a rollout of task number `family`, changed at random by those of `AUGMENTATIONS` that are in `using`.

    Returns observations (T+1, 91), actions (T, 4), and the subgoal that describes the rollout now; None where its
    sentences still do.
    """
    task, thing, said = TASKS[family].name, TASKS[family].tested, None
    if "mirror" in using and rng.random() < MIRRORED:
        observations, actions = mirrored(observations, actions, _MIRRORS[rng.integers(len(_MIRRORS))])
        said = subgoal(task)
    if "exchange" in using and thing in ALIKE and rng.random() < EXCHANGED:
        other = ALIKE[thing]
        observations, said = exchanged(observations, thing, other), subgoal(task, other)
    if "extra" in using:
        observations = one_more(rng, observations)
    return elsewhere(rng, observations) if "shift" in using else observations, actions, said


def mirrored(observations: np.ndarray, actions: np.ndarray, axes: tuple[bool, bool]) -> tuple[np.ndarray, np.ndarray]:
    """Observations (T+1, 91) and actions (T, 4), whose x and y are mirrored in planes through `CENTER` where `axes`."""
    observations, actions = observations.copy(), actions.copy()
    present = _present(observations)
    for axis in np.flatnonzero(axes):
        for start in _places(present):
            observations[:, start + axis] = 2 * CENTER[axis] - observations[:, start + axis]
        for entity in present:
            first = entity_start(entity) + 3 + ENTITY_TABLE[entity].get("scalar_first", False)
            # A mirrored rotation turns the other way about the axes in the mirror plane.
            observations[:, [first + k for k in range(3) if k != axis]] *= -1
        actions[:, axis] *= -1
    return observations, actions


def _present(observations: np.ndarray) -> list[str]:
    """The entities that the first of observations (T, 91) shows."""
    return [e for e, absent in zip(ENTITIES, absent_entities(observations[0])) if not absent]


def _places(entities: list[str]) -> list[int]:
    """Indices in an observation of the x of the hand, of the target and of entities."""
    return [HAND.start, TARGET.start, *map(entity_start, entities)]


def exchanged(observations: np.ndarray, thing: str, other: str) -> np.ndarray:
    """Observations (T+1, 91) in which entity `other` takes the place of `thing`, upright.

    If `other` is in the scene too, `thing` takes its place, otherwise `thing` is absent.
    """
    out = observations.copy()
    there = other in _present(observations)
    for entity, source, shown in ((other, thing, True), (thing, other, there)):
        slot, place = entity_slot(entity), entity_start(source)
        out[:, slot] = 0
        if shown:
            out[:, slot.start : slot.start + 3] = observations[:, place : place + 3]
            out[:, slot.start + 3 : slot.stop] = STARTS[entity][0][2]
    return out


def one_more(rng: np.random.Generator, observations: np.ndarray) -> np.ndarray:
    """Observations (T, 91) of one episode, half of the time with one more entity, absent in the first one.

    The scenes of unseen tasks have a wall as well as objects and a distractor: more entities than any in the data.
    """
    if rng.random() < 0.5:
        return observations
    distractor, observations = Distractor("episode", rng, observations[0]), observations.copy()
    observations[:, entity_slot(distractor.entity)] = distractor.show(observations[0])[entity_slot(distractor.entity)]
    return observations


def elsewhere(rng: np.random.Generator, observations: np.ndarray) -> np.ndarray:
    """Observations (T, 91) of one episode, half of the time with the hand, all objects and the target shifted alike.

    In the data every kind of object begins nearly in the same place; in unseen scenes it does not.
    """
    if rng.random() < 0.5:
        return observations
    offset, observations = (rng.random() * rng.uniform(-SHIFT, SHIFT)).astype(np.float32), observations.copy()
    for start in _places(_present(observations)):
        observations[:, start : start + 3] += offset
    return observations
