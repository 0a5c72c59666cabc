"""What grounding changes in Meta-world rollouts: what no action depends on, and what it depends on in a known way.

A scene that is moved or mirrored, arm and all, is one in which the same, or the mirrored, actions do the same, and a
thing may be any other that stands in its place. Where a change makes another thing of a rollout than what its sentences
say, its short goal alone describes it ("window to target"), and no sentence does.
"""

from __future__ import annotations

import numpy as np

from kalm_jax.worlds.metaworld.distractors import STARTS, Distractor
from kalm_jax.worlds.metaworld.goals import JUDGED
from kalm_jax.worlds.metaworld.tasks import ENTITIES, HAND, NAMES, TARGET, absent_entities, entity_slot, entity_start
from kalm_jax.worlds.metaworld.text import subgoal

SHIFT = np.array([0.25, 0.12, 0.08], np.float32)
"""Metres by which a scene is moved at most along x, y and z: unseen tasks have things where none of the data's are."""
MIRRORED, EXCHANGED = 0.5, 0.3
"""Shares of rollouts that are mirrored, and, of those with a thing in `ALIKE`, that show the other in its place."""
CENTRE = (0.0, 0.6)
"""x and y of the planes of the mirrors, through where the hand begins."""
_MIRRORS = ((True, False), (False, True), (True, True))
ALIKE = {"target_object": "soccer", "coffee": "soccer", "button": "nail", "coffee-button": "nail"}
"""Things that the data move -> one that they only show standing about and that goes the same way: rolled or pushed over
the table, or pressed in."""
_SCALAR_FIRST = ("button", "lock", "faucet", "wall", "coffee-button", "hammer", "nail")
"""Entities whose quaternion is (w, x, y, z); the others' is (x, y, z, w)."""


def varied(
    rng: np.random.Generator, observations: np.ndarray, actions: np.ndarray, family: int
) -> tuple[np.ndarray, np.ndarray, str | None]:
    """A part of a rollout of task number `family`, sometimes changed by all functions below.

    Args:
      observations: (T+1, 91). actions: (T, 4).

    Returns:
      Observations, actions, and the short goal that describes the rollout now; None where its sentences still do.
    """
    task, said = NAMES[family], None
    thing = JUDGED.get(task)
    if rng.random() < MIRRORED:
        observations, actions = mirrored(observations, actions, _MIRRORS[rng.integers(len(_MIRRORS))])
        said = subgoal(task)
    if thing in ALIKE and rng.random() < EXCHANGED:
        other = ALIKE[thing]
        observations, said = exchanged(observations, thing, other), subgoal(task, other)
    return elsewhere(rng, one_more(rng, observations)), actions, said


def mirrored(observations: np.ndarray, actions: np.ndarray, axes: tuple[bool, bool]) -> tuple[np.ndarray, np.ndarray]:
    """Observations (T+1, 91) and actions (T, 4) with left and right, or near and far, or both, exchanged.

    Args:
      axes: whether x and whether y are mirrored, in planes through `CENTRE`.
    """
    observations, actions = observations.copy(), actions.copy()
    present = _present(observations)
    for axis in np.flatnonzero(axes):
        for start in _places(present):
            observations[:, start + axis] = 2 * CENTRE[axis] - observations[:, start + axis]
        for entity in present:
            first = entity_start(entity) + 3 + (entity in _SCALAR_FIRST)
            # A rotation seen in a mirror turns the other way about the axes that lie in it.
            observations[:, [first + k for k in range(3) if k != axis]] *= -1
        actions[:, axis] *= -1
    return observations, actions


def _present(observations: np.ndarray) -> list[str]:
    """The entities that the first of observations (T, 91) shows."""
    return [e for e, absent in zip(ENTITIES, absent_entities(observations[0])) if not absent]


def _places(entities: list[str]) -> list[int]:
    """Where in an observation the x of the hand, of the target and of entities is."""
    return [HAND.start, TARGET.start, *map(entity_start, entities)]


def exchanged(observations: np.ndarray, thing: str, other: str) -> np.ndarray:
    """Observations (T+1, 91) in which entity `other` does what `thing` did, upright; `thing` itself is gone.

    If `other` stood in the scene too, `thing` stands in its place.
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
    """Observations (T, 91) of one episode, half of the time with one more entity that their first one lacks.

    The scenes of unseen tasks have a wall beside things and a distractor: more entities than any that the data show.
    """
    if rng.random() < 0.5:
        return observations
    distractor, observations = Distractor("episode", rng, observations[0]), observations.copy()
    observations[:, entity_slot(distractor.entity)] = distractor.show(observations[0])[entity_slot(distractor.entity)]
    return observations


def elsewhere(rng: np.random.Generator, observations: np.ndarray) -> np.ndarray:
    """Observations (T, 91) of one episode, half of the time with the arm, all things and the target moved alike.

    What an action does hangs on where things are to each other. Every kind of thing begins at the same height and
    nearly in the same place in all of the data, in unseen scenes it does not.
    """
    if rng.random() < 0.5:
        return observations
    offset, observations = (rng.random() * rng.uniform(-SHIFT, SHIFT)).astype(np.float32), observations.copy()
    for start in _places(_present(observations)):
        observations[:, start : start + 3] += offset
    return observations
