"""A trained learner as a policy that evaluation can play.

Dimension letters: S training seeds, B batch (episodes), D observation, A action, E goal-vector width.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from kalm_jax.imagination.verification import REACHED
from kalm_jax.offline_rl.normalization import DatasetStats
from kalm_jax.offline_rl.registry import Learner, State
from kalm_jax.programs import program
from kalm_jax.types import Episodes, GoalTable, Policy, Rollouts, make_rollouts


class LearnerPlayer:
    """Plays episodes of a batch from step to step; remembers what the actions of a recurrent learner depend on.

    With `stacked` states (S, ...), as `train` returns them, arrays have a leading axis S, but goals have not.
    """

    def __init__(self, learner: Learner, state: State, stats: DatasetStats, stacked: bool = False) -> None:
        """`stats`: of the data that the learner was trained on."""
        self.learner, self.state, self.stats = learner, state, stats
        self._act = _act_stacked if stacked else _act
        self._carry: Any = None
        self._action: Any = None

    def __call__(
        self,
        step: int,
        observation: np.ndarray,
        goal: np.ndarray,
        key: jax.Array,
        reward: np.ndarray | None = None,
        greedy: bool = True,
    ) -> np.ndarray:
        """Actions (B,) or (B, A); step 0 begins new episodes.

        Args:
          observation: (B, D). goal: (B, E) goal vectors.
          key: of sampled actions.
          reward: (B,) of the previous actions, for a recurrent learner.
          greedy: takes the most probable actions instead of sampled ones.
        """
        # All rows, also of finished episodes: one shape means one compilation.
        last = (self._action, reward) if step and self.learner.is_recurrent else None
        carry = self._carry if step else None
        self._carry, self._action = self._act(
            self.state, self.stats, carry, last, observation, goal, key, self.learner, greedy
        )
        return np.asarray(self._action)


@program(static_argnames=("learner", "greedy"))
def _act(
    state: State,
    stats: DatasetStats,
    carry: Any,
    last: tuple[Any, Any] | None,
    observation: jax.Array,
    goal: jax.Array,
    key: jax.Array,
    learner: Learner,
    greedy: bool,
) -> tuple[Any, jax.Array]:
    """(carry, actions); `last` is the previous actions and their rewards, None at the beginning of episodes."""
    carry = learner.init_carry(stats, observation) if last is None else learner.update_carry(carry, *last, observation)
    return carry if learner.is_recurrent else None, learner.act(state, stats, carry, goal, key, greedy)


@program(static_argnames=("learner", "greedy"))
def _act_stacked(
    state: Any, stats: Any, carry: Any, last: Any, observation: Any, goal: Any, key: Any, learner: Learner, greedy: bool
) -> tuple[Any, jax.Array]:
    """`_act` of every training seed."""
    act = functools.partial(_act, learner=learner, greedy=greedy)
    return jax.vmap(act, (0, None, 0, 0, 0, None, 0))(state, stats, carry, last, observation, goal, key)


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
    key, player = jax.random.key(seed), LearnerPlayer(learner, state, stats)
    observations: list[np.ndarray] = []
    actions: list[np.ndarray] = []

    def act(episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int) -> np.ndarray:
        vectors = np.asarray(episodes.goals.vector)
        if vectors.shape[1] != stats.goal_mean.shape[0]:
            raise ValueError(
                f"goal vectors of the episodes have size {vectors.shape[1]}, the learner was trained on size "
                f"{stats.goal_mean.shape[0]}: encode the sentences and use Episodes.with_vectors"
            )
        observation, goal, draw = observe(states), vectors[episodes.goal], jax.random.fold_in(key, step)
        if not learner.is_recurrent:
            return player(step, observation, goal, draw, greedy=greedy)
        if step == 0:
            observations.clear()
            actions.clear()
        observations.append(observation)
        reward = None
        if step:
            assert label is not None, "a recurrent learner needs `label`"
            reward = label(_rollouts(observations, actions, episodes.goal), episodes.goals).rewards[:, -1]
        actions.append(player(step, observation, goal, draw, reward, greedy))
        return actions[-1]

    return act


class SubgoalPolicy:
    """A policy that is told the subgoals of each goal, one after the other, in place of the goal.

    `open_places` says which one at each step.
    """

    def __init__(
        self,
        policy: Policy,
        told: GoalTable,
        plans: Sequence[Sequence[int]],
        read: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray],
        observe: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        """Takes the policy that is told.

        Args:
          policy: of the words, such as `learner_policy`.
          told: the sentences, with goal vectors.
          plans: for every goal of the episodes the numbers in `told` of its subgoals' sentences.
          read: (goals (N,), places in their plans (N,), first observations of the episodes (N, D), observations (N, D))
            -> (N,) log-probability that this subgoal is reached.
          observe: as of `learner_policy`.
        """
        self.policy, self.told, self.plans, self.read, self.observe = policy, told, plans, read, observe
        self._first: np.ndarray = np.zeros(0, np.float32)

    def __call__(self, episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int) -> np.ndarray:
        """Actions of all episodes, see `kalm_jax.types.Policy`."""
        now: np.ndarray = np.asarray(self.observe(states), np.float32)
        if step == 0:
            self._first = now
        count = np.array([len(self.plans[goal]) for goal in episodes.goal])

        def read(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
            return self.read(episodes.goal[rows], places, self._first[rows], now[rows])

        next_place = open_places(np.where(active, count, 1), read)
        goal = np.array([self.plans[g][k] for g, k in zip(episodes.goal, next_place, strict=True)], np.int32)
        return self.policy(dataclasses.replace(episodes, goal=goal, goals=self.told), states, active, step)


def open_places(count: np.ndarray, read: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """(N,) places of the subgoals to reach next, of plans of `count` (N,) subgoals.

    It is the first one that is not read as reached; where all are, the one that is read so with the least probability.
    `read` takes rows and places (M,) and gives the log-probabilities (M,) that these subgoals are reached. Plans of one
    subgoal are not read.
    """
    place, several = np.zeros(len(count), int), np.flatnonzero(count > 1)
    if len(several):
        rows, places = np.repeat(several, count[several]), np.concatenate([np.arange(n) for n in count[several]])
        for i, mine in zip(several, np.split(read(rows, places), np.cumsum(count[several])[:-1]), strict=True):
            open_ = np.flatnonzero(mine < REACHED)
            place[i] = open_[0] if len(open_) else mine.argmin()
    return place


def _rollouts(observations: list[np.ndarray], actions: list[np.ndarray], goal: np.ndarray) -> Rollouts:
    """The episodes so far, without rewards; `goal` (B,) indexes their goals."""
    length = np.full(len(goal), len(actions))
    return make_rollouts(np.stack(observations, 1), np.stack(actions, 1), length, goal=goal)
