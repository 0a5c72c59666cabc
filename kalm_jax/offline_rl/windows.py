"""Windows of rollouts, for learners that read sequences instead of single transitions.

Letters: B batch, K steps of a window, D observation, E goal vector, A action.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.offline_rl.buffer import Buffer, draw_transitions, draw_wording, source_of_place
from kalm_jax.offline_rl.networks import Spec


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Windows:
    """Steps of rollouts in their order, from some step on; what lies behind a rollout's end is not valid.

    Attributes:
      observation: (B, K, D) float32, not normalised.
      goal: (B, E) float32 goal vectors, not normalised.
      action: (B, K) int32, or (B, K, A) float32 in [-1, 1].
      to_go: (B, K) float32, rewards from each step to the rollout's end.
      time: (B, K) int32, steps of the rollout before each.
      valid: (B, K) bool, the first n of each row, n at least 1.
    """

    observation: jax.Array
    goal: jax.Array
    action: jax.Array
    to_go: jax.Array
    time: jax.Array
    valid: jax.Array


def windows_spec(buffer: Buffer) -> Spec:
    """`Buffer.spec` with the statistics of returns.

    Raises:
      ValueError: the buffer is a stream, which keeps single transitions.
    """
    if buffer.to_go is None:
        raise ValueError("windows of rollouts cannot be drawn from a stream: keep the data in memory (no --stream)")
    to_go = np.asarray(buffer.to_go, np.float64)
    first = np.asarray(buffer.time) == 0
    returns = (to_go.mean(), max(to_go.std(), 1e-6), to_go[first].max())
    return dataclasses.replace(buffer.spec(), returns=jnp.asarray(returns, jnp.float32))


def sample_windows(buffer: Buffer, key, batch_size: int, steps: int) -> Windows:
    """Windows of `steps` steps, each from a transition on that is drawn as `buffer.sample` draws it.

    The goal is put in a wording drawn from all of its level's. It is never exchanged for another (`Relabel`): what is
    imitated was done for its own goal.
    """
    draw_key, wording_key = jax.random.split(key)
    first = draw_transitions(buffer, draw_key, source_of_place(buffer, batch_size))[:, None]
    index = jnp.minimum(first + jnp.arange(steps), buffer.row.shape[0] - 1)
    time = buffer.time[first] + jnp.arange(steps)
    goal = draw_wording(buffer, wording_key, buffer.goal[first[:, 0]])
    return Windows(
        observation=buffer.observations[buffer.row[index]],
        goal=buffer.goal_vectors[goal],
        action=buffer.action[index],
        to_go=buffer.to_go[index],
        time=time,
        valid=buffer.time[index] == time,  # the steps of the next rollout count from 0 again
    )
