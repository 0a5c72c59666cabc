"""Whitening of goal vectors: what a language model says about a goal, with every direction equally loud.

Most of the variance of sentence vectors is in a few directions, such as length and style, which say nothing about what
is wanted (Su et al., "Whitening sentence representations", 2021). A policy that sees them so learns the few dozen
directions that do say it late or not at all.
"""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Whitening:
    """x -> (x - mean) matrix.

    Attributes:
      mean: (E,) float32. matrix: (E, E) float32, symmetric.
    """

    mean: np.ndarray
    matrix: np.ndarray

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Whitened vectors (K, E) float32."""
        return (np.asarray(vectors, np.float32) - self.mean) @ self.matrix


def whitening(vectors: np.ndarray, ridge: float) -> Whitening:
    """The symmetric (ZCA) whitening of vectors (K, E): covariance C becomes C (C + ridge c)^-1, c its largest variance.

    Args:
      ridge: positive; a direction whose variance is below this share of the largest is noise, and stays quiet.

    Raises:
      ValueError: vectors that are not finite, or a ridge that is not positive.
    """
    if not np.isfinite(vectors).all():
        raise ValueError("goal vectors are not all finite; encode the goals again")
    if not ridge > 0:
        raise ValueError(f"the ridge of goal vectors' whitening is {ridge}, want a positive number")
    x = np.asarray(vectors, np.float64)
    mean = x.mean(0)
    variance, directions = np.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    largest = max(variance.max(), np.finfo(np.float32).tiny)
    scale = 1.0 / np.sqrt(np.maximum(variance, 0.0) + ridge * largest)
    return Whitening(mean.astype(np.float32), ((directions * scale) @ directions.T).astype(np.float32))
