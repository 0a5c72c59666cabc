"""Policies that evaluation can play: a trained learner, the random floor, the lookahead ceiling.

A policy is called as policy(episodes, states (n, S), active (n,) bool, step) and answers (n,) actions; those of
episodes that are not active are ignored. It draws its randomness from its own seed and the step, and from nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import numpy as np

from kalm_jax.envs.clevr import NUM_ACTIONS, ClevrSimulator, observation_of
from kalm_jax.envs.lookahead import lookahead_actions
from kalm_jax.evaluation.episodes import Episodes
from kalm_jax.offline_rl.learner import Learner

Policy = Callable[[Episodes, np.ndarray, np.ndarray, int], np.ndarray]


def random_policy(seed: int) -> Policy:
    """Every action equally likely: the floor under every success rate."""

    def act(episodes, states, active, step):
        return np.random.default_rng([seed, step]).integers(NUM_ACTIONS, size=len(states))

    return act


def lookahead_policy(simulator: ClevrSimulator, seed: int, epsilon: float = 0.05) -> Policy:
    """The lookahead policy, which tries every push in the simulator: the ceiling, at 40 pushes for one."""

    def act(episodes, states, active, step):
        index, rng = np.flatnonzero(active), np.random.default_rng([seed, step])
        actions = np.zeros(len(states), np.int64)
        family, goal = episodes.family[index], episodes.array[index]
        actions[index] = lookahead_actions(simulator, states[index], family, goal, rng, epsilon)
        return actions

    return act


def learner_policy(
    learner: Learner, state, greedy: bool, seed: int, observe: Callable[[np.ndarray], np.ndarray] = observation_of
) -> Policy:
    """A trained learner; `state` is that of one seed (`offline_rl.state_of`). The episodes need goal vectors.

    `observe` makes observations of the simulator's states; Meta-world's states are observations: `np.asarray`.
    """
    key = jax.random.key(seed)

    def act(episodes, states, active, step):
        vectors = np.asarray(episodes.goals.vector)
        if vectors.shape[1] != state.spec.goal_mean.shape[0]:
            raise ValueError(
                f"goal vectors of the episodes have size {vectors.shape[1]}, the learner was trained on size "
                f"{state.spec.goal_mean.shape[0]}: encode the sentences and use Episodes.with_vectors"
            )
        # All rows, active or not: one shape means one compilation, and a row's randomness does not hang on the others.
        draw = jax.random.fold_in(key, step)
        return np.asarray(_act(state, observe(states), vectors[episodes.goal], draw, learner, greedy))

    return act


@functools.partial(jax.jit, static_argnames=("learner", "greedy"))
def _act(state, observation, goal_vector, key, learner: Learner, greedy: bool):
    return learner.act(state, observation, goal_vector, key, greedy)
