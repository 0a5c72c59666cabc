"""A trained learner as a policy that evaluation can play."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import numpy as np

from kalm_jax.offline_rl.registry import Learner
from kalm_jax.types import GoalTable, Policy, Rollouts


def learner_policy(
    learner: Learner,
    state,
    greedy: bool,
    seed: int,
    observe: Callable[[np.ndarray], np.ndarray],
    label: Callable[[Rollouts, GoalTable], Rollouts] | None = None,
) -> Policy:
    """A trained learner; `state` is that of one seed (`offline_rl.state_of`). The episodes need goal vectors.

    Args:
      observe: makes observations of the simulator's states; Meta-world's states are observations: `np.asarray`.
      label: gives rollouts the environment's rewards. A learner that remembers is told the rewards that it got.
    """
    key, played = jax.random.key(seed), _Played()

    def act(episodes, states, active, step):
        vectors = np.asarray(episodes.goals.vector)
        if vectors.shape[1] != state.spec.goal_mean.shape[0]:
            raise ValueError(
                f"goal vectors of the episodes have size {vectors.shape[1]}, the learner was trained on size "
                f"{state.spec.goal_mean.shape[0]}: encode the sentences and use Episodes.with_vectors"
            )
        # All rows, active or not: one shape means one compilation, and a row's randomness does not hang on the others.
        draw, observation = jax.random.fold_in(key, step), observe(states)
        if not learner.remembers:
            return np.asarray(_act(state, observation, vectors[episodes.goal], draw, learner, greedy))
        if step == 0:
            played.observations, played.actions, played.memory = [observation], [], _begin(state, observation, learner)
        else:
            played.observations.append(observation)
            reward = label(played.rollouts(episodes.goal), episodes.goals).rewards[:, -1]
            played.memory = _extend(played.memory, played.actions[-1], reward, observation, learner)
        action = _choose(state, played.memory, vectors[episodes.goal], draw, learner, greedy)
        played.actions.append(np.asarray(action))
        return played.actions[-1]

    return act


class _Played:
    """What a policy has seen and done in the episodes that are being played."""

    def __init__(self):
        self.observations, self.actions, self.memory = [], [], None

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
def _act(state, observation, goal_vector, key, learner: Learner, greedy: bool):
    return learner.act(state, observation, goal_vector, key, greedy)


@functools.partial(jax.jit, static_argnames="learner")
def _begin(state, observation, learner: Learner):
    return learner.begin(state, observation)


@functools.partial(jax.jit, static_argnames="learner")
def _extend(memory, action, reward, observation, learner: Learner):
    return learner.extend(memory, action, reward, observation)


@functools.partial(jax.jit, static_argnames=("learner", "greedy"))
def _choose(state, memory, goal_vector, key, learner: Learner, greedy: bool):
    return learner.choose(state, memory, goal_vector, key, greedy)
