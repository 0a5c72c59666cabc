"""Statistics of a data set, the normalization of network inputs by them, and the whitening of goal vectors.

Dimension letters: B batch, D observation, P differences of its entries, E goal vector, K goals.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import chex
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from kalm_jax.offline_rl.arrays import Goals, Inputs, Observations
from kalm_jax.types.pytree import pytree_dataclass
from kalm_jax.types.transforms import ObservationTransform


@pytree_dataclass
class DatasetStats:
    """What a learner must know of its data: sizes, and the statistics by which inputs are normalized.

    Attributes:
      observation_mean, observation_std: (D,) float32 over the observations of the data set.
      goal_mean, goal_std: (E,) float32 over the goal table.
      action_dim: number of discrete actions, or size A of a continuous action in [-1, 1].
      discrete: whether actions are indices.
      returns: (3,) float32, mean and standard deviation of the returns-to-go over the steps of the data set, and the
        largest return of a rollout; None where the learner is not conditioned on returns.
      difference_std: (P,) float32, the divisors of the transform's differences; None where it has none.
      change: (2, D + 1) float32, mean and standard deviation of the change of an observation in a step, and of its
        reward; None where the learner has no dynamics model.
      transform: how observations are presented to networks.
    """

    observation_mean: Float[Array, " D"]
    observation_std: Float[Array, " D"]
    goal_mean: Float[Array, " E"]
    goal_std: Float[Array, " E"]
    action_dim: int = dataclasses.field(metadata={"static": True})
    discrete: bool = dataclasses.field(metadata={"static": True})
    returns: Any = None
    difference_std: Any = None
    change: Any = None
    transform: ObservationTransform = dataclasses.field(default=ObservationTransform(), metadata={"static": True})

    @property
    def input_dim(self) -> int:
        """Size D + P + E of a policy's input."""
        return self.observation_mean.shape[0] + len(self.transform.differences) + self.goal_mean.shape[0]


def normalize_observation(stats: DatasetStats, observation: Float[Array, "*b D"]) -> Float[Array, "*b DP"]:
    """(..., D + P): observations as networks see them, with the transform's differences, normalized and clipped."""
    out = (observation - stats.observation_mean) / stats.observation_std
    if stats.transform.differences:
        out = jnp.concatenate([out, stats.transform.apart(observation) / stats.difference_std], axis=-1)
    limit = stats.transform.limit
    return out if limit is None else jnp.clip(out, -limit, limit)


def normalize_goal(stats: DatasetStats, goal: Goals) -> Goals:
    """Goal vectors normalized by the statistics of the goal table."""
    return (goal - stats.goal_mean) / stats.goal_std


def policy_input(stats: DatasetStats, observation: Observations, goal: Goals) -> Inputs:
    """(B, D + P + E): the normalized observation, then the normalized goal vector."""
    chex.assert_equal_shape_prefix([observation, goal], 1)
    return jnp.concatenate([normalize_observation(stats, observation), normalize_goal(stats, goal)], axis=-1)


@dataclasses.dataclass(frozen=True)
class Whitening:
    """x -> (x - mean) matrix.

    Attributes:
      mean: (E,) float32. matrix: (E, E) float32, symmetric.
    """

    mean: Float[np.ndarray, " E"]
    matrix: Float[np.ndarray, "E E"]

    def __call__(self, vectors: Float[np.ndarray, "K E"]) -> Float[np.ndarray, "K E"]:
        """Whitened vectors, float32."""
        return (np.asarray(vectors, np.float32) - self.mean) @ self.matrix


def whitening(vectors: Float[np.ndarray, "K E"], ridge: float) -> Whitening:
    """The symmetric (ZCA) whitening of goal vectors: covariance C becomes C (C + ridge c)^-1, c its largest variance.

    Most of the variance of sentence vectors is in a few directions, such as length and style, which say nothing about
    the goal (Su et al., "Whitening sentence representations", 2021). Without whitening a policy learns the directions
    that identify the goal late or not at all.

    Args:
      vectors: of the goals.
      ridge: positive; a direction whose variance is below this share of the largest is noise and stays small.

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
