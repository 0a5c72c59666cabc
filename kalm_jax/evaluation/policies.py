"""A trained learner as a policy that evaluation can play."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from kalm_jax.offline_rl.normalization import DatasetStats
from kalm_jax.offline_rl.registry import Learner, State
from kalm_jax.types import Episodes, GoalTable, Policy, Rollouts


def learner_policy(
    learner: Learner,
    state: State,
    stats: DatasetStats,
    greedy: bool,
    seed: int,
    observe: Callable[[np.ndarray], np.ndarray],
    label: Callable[[Rollouts, GoalTable], Rollouts] | None = None,
) -> Policy:
    """A trained learner as a policy; the episodes need goal vectors.

    Args:
      learner: the algorithm.
      state: of one seed, see `offline_rl.state_of`. stats: of the data that it was trained on.
      greedy: takes the most probable actions instead of sampled ones.
      seed: of the sampled actions.
      observe: makes observations of the simulator's states; Meta-world's states are observations: `np.asarray`.
      label: gives rollouts the environment's rewards, on which the actions of a recurrent learner depend.
    """
    key, played = jax.random.key(seed), _Played()

    def act(episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int) -> np.ndarray:
        vectors = np.asarray(episodes.goals.vector)
        if vectors.shape[1] != stats.goal_mean.shape[0]:
            raise ValueError(
                f"goal vectors of the episodes have size {vectors.shape[1]}, the learner was trained on size "
                f"{stats.goal_mean.shape[0]}: encode the sentences and use Episodes.with_vectors"
            )
        # All rows, active or not: one shape means one compilation, and rows do not depend on the randomness of others.
        draw, observation = jax.random.fold_in(key, step), observe(states)
        if not learner.is_recurrent:
            return np.asarray(_act(state, stats, observation, vectors[episodes.goal], draw, learner, greedy))
        if step == 0:
            played.observations, played.actions = [observation], []
            played.carry = _init_carry(stats, observation, learner)
        else:
            played.observations.append(observation)
            assert label is not None, "a recurrent learner needs `label`"
            reward = label(played.rollouts(episodes.goal), episodes.goals).rewards[:, -1]
            played.carry = _update_carry(played.carry, played.actions[-1], reward, observation, learner)
        action = _act(state, stats, played.carry, vectors[episodes.goal], draw, learner, greedy)
        played.actions.append(np.asarray(action))
        return played.actions[-1]

    return act


class _Played:
    """What a policy has seen and done in the episodes that are being played."""

    def __init__(self) -> None:
        self.observations: list[np.ndarray] = []
        self.actions: list[np.ndarray] = []
        self.carry: Any = None

    def rollouts(self, goal: np.ndarray) -> Rollouts:
        """The episodes so far, without rewards; `goal` (n,) indexes their goals."""
        n, t = len(goal), len(self.actions)
        return Rollouts(
            observations=np.stack(self.observations, 1),
            actions=np.stack(self.actions, 1),
            rewards=np.zeros((n, t), np.float32),
            length=np.full(n, t, np.int32),
            terminated=np.zeros(n, bool),
            goal=np.asarray(goal),
            imagined=np.zeros(n, bool),
        )


@functools.partial(jax.jit, static_argnames=("learner", "greedy"))
def _act(
    state: State,
    stats: DatasetStats,
    carry: Any,
    goal: jax.Array,
    key: jax.Array,
    learner: Learner,
    greedy: bool,
) -> jax.Array:
    return learner.act(state, stats, carry, goal, key, greedy)


@functools.partial(jax.jit, static_argnames="learner")
def _init_carry(stats: DatasetStats, observation: jax.Array, learner: Learner) -> Any:
    return learner.init_carry(stats, observation)


@functools.partial(jax.jit, static_argnames="learner")
def _update_carry(carry: Any, action: jax.Array, reward: jax.Array, observation: jax.Array, learner: Learner) -> Any:
    return learner.update_carry(carry, action, reward, observation)
