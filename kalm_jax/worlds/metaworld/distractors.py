"""Distractors: an entity that the task does not have, shown in its slot in a possible pose.

KALM's evaluation fills the slot of one absent entity from a file that its authors did not publish; here its pose is
drawn from the poses in which the package's resets place that entity. The authors draw another pose at every step
("step"), so that the distractor flickers; by default it stays ("episode").
"""

from __future__ import annotations

import numpy as np

from kalm_jax.worlds.metaworld.tasks import ENTITIES, absent_entities, entity_slot

MODES = ("none", "episode", "step")

_PUCK, _UPRIGHT = (0.0, 0.0, 0.0, 1.0), (1.0, 0.0, 0.0, 0.0)
STARTS = {
    "target_object": (((-0.1, 0.6, 0.015), (0.1, 0.7, 0.02), _PUCK),),
    "button": (((-0.1, 0.657, 0.115), (0.1, 0.707, 0.115), _UPRIGHT),),
    "lock": (
        ((-0.11, 0.642, 0.121), (0.09, 0.692, 0.121), _UPRIGHT),
        ((-0.01, 0.642, 0.221), (0.19, 0.692, 0.221), _UPRIGHT),
    ),
    "handle": (
        ((0.19, 0.643, 0.15), (0.29, 0.743, 0.15), (0.6908, -0.1506, 0.6909, 0.1512)),
        ((-0.292, 0.374, 0.15), (-0.192, 0.474, 0.15), (0.3819, -0.5949, 0.3816, 0.5954)),
    ),
    "window": (
        ((-0.14, 0.605, 0.16), (0.06, 0.805, 0.16), (0.0,) * 4),
        ((0.21, 0.655, 0.2), (0.21, 0.805, 0.2), (0.0,) * 4),
    ),
    "faucet": (((-0.1, 0.625, 0.114), (0.106, 0.675, 0.114), _UPRIGHT),),
    "wall": (((0.1, 0.75, 0.06), (0.1, 0.75, 0.06), _UPRIGHT), ((0.1, 0.6, 0.0), (0.1, 0.6, 0.0), _UPRIGHT)),
    "coffee": (((-0.1, 0.55, 0.0), (0.1, 0.65, 0.001), (0.0047, -0.0026, -0.0298, 0.9995)),),
    "coffee-button": (((-0.1, 0.58, 0.3), (0.1, 0.75, 0.3), _UPRIGHT),),
    "hammer": (((-0.1, 0.4, 0.0), (0.1, 0.5, 0.0), (0.9996, 0.0002, -0.0297, 0.0)),),
    "nail": (((0.24, 0.64, 0.11), (0.24, 0.64, 0.11), _UPRIGHT),),
    "soccer": (((-0.1, 0.6, 0.03), (0.1, 0.7, 0.03), _PUCK),),
}
"""Entity -> the boxes (low x y z, high x y z) in which it starts, each with its quaternion."""


def draw_pose(rng: np.random.Generator, entity: str) -> np.ndarray:
    """A pose (7,) float32 of an entity at the start of an episode."""
    boxes = STARTS[entity]
    low, high, quaternion = boxes[rng.integers(len(boxes))]
    return np.concatenate([rng.uniform(low, high), quaternion]).astype(np.float32)


class Distractor:
    """The distractor of one episode; its poses depend on its generator and on the number of steps only."""

    def __init__(self, mode: str, rng: np.random.Generator, first_observation: np.ndarray):
        """Draws an entity that `first_observation` (91,) lacks.

        Raises:
          ValueError: `mode` is none of `MODES`.
        """
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
