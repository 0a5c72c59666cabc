"""Who says in `imagine` what a rollout is to do next, where a round ends, and whether its goal is reached.

`ByTest` knows the goals' own success tests. `ByReading` knows a rollout's plan, and what can be read off its states.
Dimension letters: N rollouts or continuations of them, T time steps, D observation, G goal array.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.grounding.decoding import Stop
from kalm_jax.imagination.subgoals import Subgoal, next_subgoals
from kalm_jax.imagination.verification import REACHED, ScoreFn
from kalm_jax.types import GoalTable, Rollouts
from kalm_jax.worlds.base import World


class Continuations(NamedTuple):
    """How the rollouts number `rows` (N,) go on.

    Attributes:
      states: (N, T+1, D), the first one is where they were. actions: (N, T[, A]). lengths: (N,) numbers of actions.
      reached: (N,) bool, whether their subgoal is read as reached at their ends; False where nobody reads.
      read: (N,) log-probability of that, NaN where nobody reads.
    """

    rows: np.ndarray
    states: np.ndarray
    actions: np.ndarray
    lengths: np.ndarray
    reached: np.ndarray
    read: np.ndarray

    @property
    def ends(self) -> np.ndarray:
        """(N, D), the last states."""
        return self.states[np.arange(len(self.rows)), self.lengths]


class Judge(Protocol):
    """What `imagine` asks."""

    @property
    def stop(self) -> Stop:
        """Ends a round while it is generated: called with families (N, 2) and arrays (N, 2, G) of subgoals, goals."""
        ...

    def begin(self, states: np.ndarray) -> np.ndarray:
        """(N,) bool, the rollouts for which nothing is to be done in their first states (N, D)."""
        ...

    def next_subgoals(self, going: np.ndarray, states: np.ndarray, rounds: int) -> list[Subgoal]:
        """The next subgoal of each of the rollouts number `going`, whose states are (N, D)."""
        ...

    def cut(self, found: Continuations, subgoals: Sequence[Subgoal]) -> Continuations:
        """The continuations, each with its subgoal, cut where the subgoal is reached."""
        ...

    def reached(self, rollouts: Rollouts, found: Continuations) -> np.ndarray:
        """(N,) bool, whether the rollouts that `found` was appended to have reached their goals."""
        ...

    def label(self, rollouts: Rollouts) -> Rollouts:
        """The same rollouts with rewards."""
        ...


class ByTest:
    """Goals, subgoals and rewards by the world's own tests, those of novel goals too."""

    def __init__(self, world: World, goals: GoalTable, plans: Sequence[list[Subgoal]]) -> None:
        """`plans` are those of the rollouts (N)."""
        self.world, self.goals, self.plans = world, goals, plans
        self.stop: Stop = _either(world.success)

    def begin(self, states: np.ndarray) -> np.ndarray:
        return np.zeros(len(states), bool)

    def next_subgoals(self, going: np.ndarray, states: np.ndarray, rounds: int) -> list[Subgoal]:
        return next_subgoals([self.plans[i] for i in going], states, self.world.satisfied, rounds)

    def cut(self, found: Continuations, subgoals: Sequence[Subgoal]) -> Continuations:
        return found

    def reached(self, rollouts: Rollouts, found: Continuations) -> np.ndarray:
        rows = found.rows
        end, goal = rollouts.length[rows], rollouts.goal[rows]
        family, array = np.asarray(self.goals.family)[goal], np.asarray(self.goals.array)[goal]
        last = rollouts.observations[rows, end - 1], rollouts.actions[rows, end - 1], rollouts.observations[rows, end]
        return np.asarray(self.world.success(family, array, *last))

    def label(self, rollouts: Rollouts) -> Rollouts:
        return self.world.label_rewards(rollouts, self.goals)


@dataclasses.dataclass(frozen=True)
class Round:
    """A part of a rollout: the steps from `start` to `stop` toward subgoal number `place` of its plan."""

    rollout: int
    start: int
    stop: int
    place: int
    reached: bool


class ByReading:
    """Plans alone: a subgoal is reached where it is read so, and a goal where all subgoals of its plan are.

    A subgoal of a state ("red left of blue") has to be read in the last state, one of a step ("push red to the left")
    counts as reached from the round on that reached it. A rollout that reaches its goal gets its reward at the last
    step, and no other step has one.

    Attributes:
      rounds: all that were appended, in order.
    """

    def __init__(
        self,
        plans: Sequence[list[Subgoal]],
        read: ScoreFn,
        of_state: Callable[[Subgoal, np.ndarray], bool],
        reward: float,
    ) -> None:
        """`plans` are those of the rollouts (N).

        Args:
          read: log-probability that subgoals are reached by what is read, see `make_verifier`.
          of_state: (subgoal, state (D,)) -> whether a single state shows it.
          reward: of a rollout that reaches its goal.
        """
        self.plans, self.rounds = plans, list[Round]()
        self.stop: Stop = _never
        self._read, self._of_state, self._reward = read, of_state, reward
        self._place = np.full(len(plans), -1)
        self._done = np.zeros((len(plans), max(map(len, plans), default=0)), bool)

    def begin(self, states: np.ndarray) -> np.ndarray:
        self._look(np.arange(len(states)), states)
        return self._place < 0

    def next_subgoals(self, going: np.ndarray, states: np.ndarray, rounds: int) -> list[Subgoal]:
        return [self.plans[i][self._place[i]] for i in going]

    def cut(self, found: Continuations, subgoals: Sequence[Subgoal]) -> Continuations:
        steps = found.states.shape[1] - 1
        row, step = np.nonzero(np.arange(steps) < found.lengths[:, None])
        plans = [[subgoals[i]] for i in row.tolist()]
        read = np.full((len(found.rows), steps), -np.inf)
        read[row, step] = self._read(plans, found.states[row, 0], found.states[row, step + 1])
        good = read >= REACHED
        reached: np.ndarray = np.asarray(good.any(1))
        lengths = np.where(reached, good.argmax(1) + 1, found.lengths)
        at_end = read[np.arange(len(read)), lengths - 1]
        return found._replace(lengths=lengths, reached=reached, read=at_end)

    def reached(self, rollouts: Rollouts, found: Continuations) -> np.ndarray:
        rows, place, stop = found.rows, self._place[found.rows], rollouts.length[found.rows]
        self._done[rows, place] |= found.reached
        for i, k, end, length, reached in zip(rows, place, stop, found.lengths, found.reached, strict=True):
            self.rounds.append(Round(int(i), int(end - length), int(end), int(k), bool(reached)))
        self._look(rows, rollouts.observations[rows, stop])
        return self._place[rows] < 0

    def label(self, rollouts: Rollouts) -> Rollouts:
        return reward_at_end(rollouts, self._reward)

    def _look(self, rows: np.ndarray, states: np.ndarray) -> None:
        """Finds the first open subgoal of the rollouts number `rows` in their states (N, D), -1 where there is none."""
        asked = [
            (i, k, n)
            for n, i in enumerate(rows)
            for k, subgoal in enumerate(self.plans[i])
            if self._of_state(subgoal, states[n])
        ]
        holds = self._done[rows]
        if asked:
            now = states[[n for *_, n in asked]]
            read = self._read([[self.plans[i][k]] for i, k, _ in asked], now, now)
            for (_, k, n), value in zip(asked, read, strict=True):
                holds[n, k] = value >= REACHED
        for n, i in enumerate(rows):
            open_ = np.flatnonzero(~holds[n, : len(self.plans[i])])
            self._place[i] = open_[0] if len(open_) else -1


def reward_at_end(rollouts: Rollouts, reward: float) -> Rollouts:
    """The rollouts with `reward` at the last step of those that reach their goal, and nothing before."""
    rewards = np.zeros_like(rollouts.rewards)
    over = np.flatnonzero(rollouts.terminated & (rollouts.length > 0))
    rewards[over, rollouts.length[over] - 1] = reward
    return dataclasses.replace(rollouts, rewards=rewards)


def _never(family: Any, goal: Any, state: Any, action: Any, next_state: Any) -> jax.Array:
    """Ends no round."""
    return jnp.zeros(len(state), bool)


@functools.cache
def _either(stop: Stop) -> Stop:
    """`stop` for two goals at once, families (N, 2) and arrays (N, 2, G): a rollout ends at the first one reached."""

    def either(family: Any, goal: Any, state: Any, action: Any, next_state: Any) -> jax.Array:
        return jnp.any(jnp.stack([stop(family[:, k], goal[:, k], state, action, next_state) for k in (0, 1)]), 0)

    return either
