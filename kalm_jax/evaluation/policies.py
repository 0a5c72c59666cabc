"""Policies that evaluation can play: a trained learner, the random floor, the lookahead ceiling.

A policy is called as policy(episodes, states (n, S), active (n,) bool, step) and answers (n,) actions; those of
episodes that are not active are ignored. It draws its randomness from its own seed and the step, and from nothing else.
One that looks back at an episode begins anew at step 0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import numpy as np

from kalm_jax.offline_rl.registry import Learner
from kalm_jax.types import GoalTable, Policy, Rollouts
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr.behaviors import begin_habits, scripted_actions
from kalm_jax.worlds.clevr.collect import LOOKAHEAD_EPSILON
from kalm_jax.worlds.clevr.lookahead import lookahead_actions
from kalm_jax.worlds.clevr.simulator import NUM_ACTIONS, ClevrSimulator, observation_of


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


def behaviour_policy(simulator: ClevrSimulator, seed: int) -> Policy:
    """Reaches CLEVR-Robot goals of any level as the data's policy would: the scripted one for relations.

    Goals of other families take the lookahead policy with the random pushes that collection has.
    """
    habits = {}

    def act(episodes, states, active, step):
        rng, actions = np.random.default_rng([seed, step]), np.zeros(len(states), np.int64)
        if step == 0:
            habits.update(begin_habits(rng, len(states)))
        relation = episodes.family == clevr_goals.RELATION
        for index, scripted in ((np.flatnonzero(active & relation), True), (np.flatnonzero(active & ~relation), False)):
            if scripted and len(index):
                mine = {name: values[index] for name, values in habits.items()}
                seen, steps = observation_of(states[index]), np.full(len(index), step)
                actions[index] = scripted_actions(rng, seen, episodes.array[index], mine, steps)
            elif len(index):
                goal = (episodes.family[index], episodes.array[index])
                actions[index] = lookahead_actions(simulator, states[index], *goal, rng, LOOKAHEAD_EPSILON)
        return actions

    return act


def learner_policy(
    learner: Learner,
    state,
    greedy: bool,
    seed: int,
    observe: Callable[[np.ndarray], np.ndarray] = observation_of,
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
