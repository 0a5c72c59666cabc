"""How policies see observations: differences of coordinates, and limits beside the usual normalization.

Dimension letters: D observation, P pairs of its entries, N transitions.
"""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import jax
import numpy as np

Array = TypeVar("Array", np.ndarray, jax.Array)

STD_OFFSET = 1e-3
"""Added to standard deviations of observations (TD3+BC, equation 5)."""


@dataclasses.dataclass(frozen=True)
class ObservationTransform:
    """How networks see observations, in addition to their normalization; the default is that of the algorithms' papers.

    Attributes:
      differences: pairs (i, j) of entries whose difference x_i - x_j is an additional input, such as an object's
        position relative to the hand. Where x_i is 0 the object is absent, and the row is left out of the scale.
      offset: added to standard deviations of observations and differences, in their own units.
      limit: normalized entries are clipped to [-limit, limit]; None does not clip. An entry that never varied in the
        data is hundreds of deviations away as soon as it does, and a network's answer there is arbitrary.
    """

    differences: tuple[tuple[int, int], ...] = ()
    offset: float = STD_OFFSET
    limit: float | None = None

    def apart(self, observation: Array) -> Array:
        """x_i - x_j (..., P) of the pairs, for observations (..., D) of NumPy or JAX."""
        one, other = np.array(self.differences, np.int32).reshape(-1, 2).T
        return observation[..., one] - observation[..., other]

    def scale(self, observations: np.ndarray) -> np.ndarray:
        """(P,) the divisors of the differences, measured on observations (N, D)."""
        x, out = np.asarray(observations, np.float64), []
        for i, j in self.differences:
            there = x[:, i] != 0
            out.append((x[there, i] - x[there, j]).std() if there.any() else 1.0)
        return np.array(out) + self.offset
