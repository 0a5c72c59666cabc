"""Hindsight relabeling: goals of other rollouts in place of the recorded ones (Andrychowicz et al., NeurIPS 2017).

Dimension letters: B batch, D observation, A action, G goal array.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from kalm_jax.types.pytree import pytree_dataclass


@dataclasses.dataclass(frozen=True)
class Relabel:
    """How goals are exchanged as batches are sampled.

    The outcome of an action is known for every goal, not only for the one it was taken for, and a critic needs the
    outcomes of actions that nobody takes for a goal. The other goal is that of another rollout of the same source.

    Attributes:
      share: probability that a row of a batch gets another goal, in [0, 1).
      judge: called as judge(family (B,), array (B, G), observation, action, next_observation), returns the outcome of
        the step for that goal: reward (B,), reached (B,) bool, and possible (B,) bool, whether a rollout for the goal
        could have such a step (it ends at its first success).
    """

    share: float
    judge: Callable[[Array, Array, Array, Array, Array], tuple[Array, Array, Array]]

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError(f"the share of relabeled goals is {self.share}, want 0 <= share < 1")


@pytree_dataclass
class Relabeled:
    """Goals, rewards and terminals after relabeling; `is_original_goal` is 1 where the goal was kept. All (B,)."""

    goal: Int[Array, " B"]
    reward: Float[Array, " B"]
    terminal: Float[Array, " B"]
    is_original_goal: Float[Array, " B"]


def relabel_goals(
    relabel: Relabel,
    key: Array,
    *,
    goal: Int[Array, " B"],
    other: Int[Array, " B"],
    family: Int[Array, " K"],
    array: Int[Array, "K G"],
    observation: Float[Array, "B D"],
    action: Int[Array, " B"] | Float[Array, "B A"],
    next_observation: Float[Array, "B D"],
    reward: Float[Array, " B"],
    terminal: Float[Array, " B"],
) -> Relabeled:
    """Replaces goals by `other` ones with probability `relabel.share`; family and array are those of all goals."""
    new_reward, reached, possible = relabel.judge(family[other], array[other], observation, action, next_observation)
    swap = jax.random.uniform(key, goal.shape) < relabel.share
    swap = swap & possible & (other != goal)
    return Relabeled(
        goal=jnp.where(swap, other, goal),
        reward=jnp.where(swap, new_reward, reward).astype(reward.dtype),
        terminal=jnp.where(swap, reached, terminal).astype(terminal.dtype),
        is_original_goal=1.0 - swap,
    )
