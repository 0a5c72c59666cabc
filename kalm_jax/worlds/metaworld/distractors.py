"""Distractors: an entity that the task does not have, shown in its slot in a possible pose.

KALM's evaluation fills the slot of one absent entity from a file that is not published; here its pose is drawn from
those in which the package's resets place that entity. The authors draw another pose at every step ("step"), so that
the distractor flickers; by default it stays ("episode").
"""

from __future__ import annotations

import numpy as np

from kalm_jax.worlds.metaworld.tasks import ENTITIES, ENTITY_TABLE, absent_entities, entity_slot

MODES = ("none", "episode", "step")

STARTS = {entity: ENTITY_TABLE[entity]["starts"] for entity in ENTITIES}
"""Entity -> the boxes (low x y z, high x y z) in which it starts, each with its quaternion."""


def draw_pose(rng: np.random.Generator, entity: str) -> np.ndarray:
    """A pose (7,) float32 of an entity at the start of an episode."""
    boxes = STARTS[entity]
    low, high, quaternion = boxes[rng.integers(len(boxes))]
    return np.concatenate([rng.uniform(low, high), quaternion]).astype(np.float32)


class Distractor:
    """The distractor of one episode; its poses depend on its generator and on the number of steps only."""

    def __init__(self, mode: str, rng: np.random.Generator, first_observation: np.ndarray):
        """Draws an entity that `first_observation` (91,) lacks; ValueError where `mode` is none of `MODES`."""
        if mode not in MODES:
            raise ValueError(f"unknown distractor mode {mode!r}: use one of {', '.join(MODES)}")
        self.mode, self._rng = mode, rng
        if mode != "none":
            self.entity = ENTITIES[rng.choice(np.flatnonzero(absent_entities(first_observation)))]
            self._pose, self._slot = draw_pose(rng, self.entity), entity_slot(self.entity)

    def show(self, observation: np.ndarray) -> np.ndarray:
        """The observation (91,) with the distractor in its slot; with mode "step" in a new pose at each call."""
        if self.mode == "none":
            return observation
        observation = observation.copy()
        observation[self._slot] = self._pose
        if self.mode == "step":
            self._pose = draw_pose(self._rng, self.entity)
        return observation
