"""Evaluation episodes, their results, and the protocols of what plays them: a policy and a simulator.

Dimension letters: N episodes, K goals, G goal array, E goal vector, S simulator state, A action.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np

from kalm_jax.types.goals import GoalTable, check_goal_numbers


@dataclasses.dataclass(frozen=True)
class Episodes:
    """Episodes to be played: N initial states, each with a goal that the state does not satisfy yet.

    Attributes:
      states: (N, ...) what the simulator starts from: full states (N, S), or the seeds (N,) of its resets.
      goal: (N,) int32 index into `goals`.
      goals: the goals of the level; their vectors are empty until `with_vectors`.

    Raises (when it is made):
      TypeError, ValueError: `goal` are no numbers of goals of the table, or there are more or fewer states.
    """

    states: np.ndarray
    goal: np.ndarray
    goals: GoalTable

    def __post_init__(self) -> None:
        check_goal_numbers(self.goal, self.goals)
        if len(self.states) != len(self.goal):
            raise ValueError(f"states are {len(self.states)}, and goal has {len(self.goal)}: one for each episode")

    def __len__(self) -> int:
        return len(self.goal)

    @property
    def family(self) -> np.ndarray:
        """(N,) int32, the code of each episode's success test."""
        return np.asarray(self.goals.family)[self.goal]

    @property
    def array(self) -> np.ndarray:
        """(N, G) int32 or float32, what each episode's success test reads."""
        return np.asarray(self.goals.array)[self.goal]

    def take(self, index: np.ndarray | slice) -> Episodes:
        """The episodes at `index` (integers, a slice or a boolean mask), with the same table of goals."""
        return dataclasses.replace(self, states=self.states[index], goal=self.goal[index])

    def with_vectors(self, vector: np.ndarray) -> Episodes:
        """The same episodes with goal vectors (K, E)."""
        return dataclasses.replace(self, goals=self.goals.with_vector(vector))


@dataclasses.dataclass(frozen=True)
class EpisodeResults:
    """How one policy fared in N episodes.

    Attributes:
      success: (N,) bool, the goal was reached within the horizon.
      steps: (N,) int32, actions taken until success or until the episode's last step.
      by_tool: (N,) int8, 1 where the tool of the task touched what it is for, 0 where it did not, -1 where the task
        has no tool; None where the simulator knows of none.
    """

    success: np.ndarray
    steps: np.ndarray
    by_tool: np.ndarray | None = None


class Policy(Protocol):
    """What evaluation can play.

    It draws its randomness from its own seed and the step alone, and resets a memory at step 0.
    """

    def __call__(self, episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int, /) -> np.ndarray:
        """Actions (N,) or (N, A) for states (N, S); those of episodes that are not `active` (N,) bool are ignored."""


class Play(Protocol):
    """Episodes that are being played: `states` (N, S) are what policies see, `horizon` (N,) the steps allowed."""

    states: np.ndarray
    horizon: np.ndarray

    def step(self, active: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Steps the episodes where `active` (N,) bool; returns successes (N,) bool, False where not active."""

    def close(self) -> None:
        """Frees what the simulator holds for these episodes."""


class Simulator(Protocol):
    """An environment's simulator as evaluation needs it."""

    def start(self, episodes: Episodes) -> Play:
        """Begins the episodes."""
