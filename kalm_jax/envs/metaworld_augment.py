"""What grounding changes in Meta-world rollouts: things that no goal and no action depends on."""

from __future__ import annotations

import numpy as np

from kalm_jax.envs.metaworld_distractors import Distractor
from kalm_jax.envs.metaworld_tasks import ENTITIES, HAND, TARGET, absent_entities, entity_slot, entity_start

SHIFT = 0.08
"""Metres by which a scene is moved at most, in each direction."""


def varied(rng: np.random.Generator, observations: np.ndarray) -> np.ndarray:
    """Observations (T, 91) of one episode, sometimes with `one_more` entity, sometimes moved `elsewhere`."""
    return elsewhere(rng, one_more(rng, observations))


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
    offset, observations = rng.uniform(-SHIFT, SHIFT, 3).astype(np.float32), observations.copy()
    starts = [HAND.start, TARGET.start]
    starts += [entity_start(e) for e, absent in zip(ENTITIES, absent_entities(observations[0])) if not absent]
    for start in starts:
        observations[:, start : start + 3] += offset
    return observations
