"""Windows of rollouts, for learners of sequences instead of single transitions.

Dimension letters: B batch, W steps of a window, D observation, E goal vector, A action.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from kalm_jax.offline_rl.buffer import Buffer, sample_transitions, sample_wording, source_of_rows
from kalm_jax.offline_rl.normalization import DatasetStats
from kalm_jax.types.pytree import pytree_dataclass


@pytree_dataclass
class Windows:
    """Consecutive steps of rollouts; steps after the end of a rollout are not valid.

    Attributes:
      observation: (B, W, D) float32, not normalized.
      goal: (B, E) float32 goal vectors, not normalized.
      action: (B, W) int32, or (B, W, A) float32 in [-1, 1].
      returns_to_go: (B, W) float32, sum of the rewards from each step to the rollout's end.
      time: (B, W) int32, steps of the rollout before each.
      valid: (B, W) bool, the first n of each row, n at least 1.
    """

    observation: Float[Array, "B W D"]
    goal: Float[Array, "B E"]
    action: Int[Array, "B W"] | Float[Array, "B W A"]
    returns_to_go: Float[Array, "B W"]
    time: Int[Array, "B W"]
    valid: Bool[Array, "B W"]


def windows_stats(buffer: Buffer) -> DatasetStats:
    """`Buffer.stats` with the statistics of returns.

    Raises:
      ValueError: the buffer is a stream, which keeps single transitions.
    """
    if buffer.returns_to_go is None:
        raise ValueError("windows of rollouts cannot be sampled from a stream: keep the data in memory (no --stream)")
    to_go = np.asarray(buffer.returns_to_go, np.float64)
    first = np.asarray(buffer.time) == 0
    returns = (to_go.mean(), max(to_go.std(), 1e-6), to_go[first].max())
    return dataclasses.replace(buffer.stats(), returns=jnp.asarray(returns, jnp.float32))


def sample_windows(buffer: Buffer, key: Array, batch_size: int, steps: int) -> Windows:
    """Windows of `steps` steps, whose first transition is sampled as in `buffer.sample`.

    The goal is given in a wording sampled from all of its level's. It is never relabeled: imitated actions were taken
    for their recorded goal.
    """
    draw_key, wording_key = jax.random.split(key)
    first = sample_transitions(buffer, draw_key, source_of_rows(buffer.share_end, batch_size))[:, None]
    index = jnp.minimum(first + jnp.arange(steps), buffer.row.shape[0] - 1)
    time = buffer.time[first] + jnp.arange(steps)
    goal = sample_wording(buffer, wording_key, buffer.goal[first[:, 0]])
    return Windows(
        observation=buffer.observations[buffer.row[index]],
        goal=buffer.goal_vectors[goal],
        action=buffer.action[index],
        returns_to_go=buffer.returns_to_go[index],
        time=time,
        valid=buffer.time[index] == time,  # the steps of the next rollout count from 0 again
    )
