"""Returns of learners in any Gymnasium environment: all training seeds play their own episodes, stepped together.

Dimension letters: S training seeds, B copies of the environment for each, D observation, A action.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from kalm_jax.evaluation.gymnasium import Player, Spaces
from kalm_jax.evaluation.policies import LearnerPlayer
from kalm_jax.offline_rl.normalization import DatasetStats
from kalm_jax.offline_rl.registry import Learner, State
from kalm_jax.types import GoalTable

COPIES = 32
"""Approximate number of copies of the environment that are stepped together."""
EPISODE_SEEDS = 10_000_019
"""Evaluation episodes begin at this seed, far from those that `kalm collect` uses."""


class Evaluator(AbstractContextManager["Evaluator"]):
    """Plays policies in the environment, all training seeds together; use as a context manager."""

    def __init__(self, environment: str, spaces: Spaces, seeds: Sequence[int], episodes: int, max_steps: int = 0):
        """Starts nothing before `play`.

        Args:
          environment: Gymnasium id.
          spaces: its spaces.
          seeds: of the training runs, S consecutive ones.
          episodes: number of each seed's episodes, which are the same at every call of `play`.
          max_steps: of an episode; 0 takes the environment's own limit.
        """
        self.environment, self.spaces, self.seeds = environment, spaces, list(seeds)
        self.episodes, self.max_steps = episodes, max_steps
        self._player: Player | None = None
        self._each = min(episodes, max(1, COPIES // len(self.seeds)))

    def __exit__(self, *_: object) -> None:
        if self._player is not None:
            self._player.close()

    def play(
        self, act: Callable[[np.ndarray, int], np.ndarray], progress: Callable[[int], None] | None = None
    ) -> list[dict[str, Any]]:
        """Returns, lengths and success of each seed's episodes, a row per seed.

        Args:
          act: called as act(observations (S, B, D), step); returns (S, B) indices or (S, B, A) in [-1, 1]. Where it
            has a method `on_rewards`, that is called with the rewards (S, B) of each step.
          progress: called as progress(episodes done).
        """
        if self._player is None:  # a run that finds everything done needs no simulator
            self._player = Player(self.environment, len(self.seeds) * self._each, self.max_steps)
        s, each, episodes = len(self.seeds), self._each, self.episodes
        rounds = -(-episodes // each)
        number = np.arange(rounds * each).reshape(rounds, 1, each) + episodes * np.arange(s)[:, None]
        wanted = np.broadcast_to(np.arange(rounds * each).reshape(rounds, 1, each) < episodes, number.shape)

        def flat_act(observations: np.ndarray, _: np.ndarray, step: int) -> np.ndarray:
            actions = np.asarray(act(observations.reshape(s, each, -1), step))
            actions = actions.reshape(s * each, *actions.shape[2:])
            return actions if self.spaces.num_actions else self.spaces.from_unit(actions)

        take = getattr(act, "on_rewards", None)
        on_rewards = None if take is None else lambda rewards: take(rewards.reshape(s, each))
        seeds = EPISODE_SEEDS + 1_000_000 * self.seeds[0] + number
        rollouts, success = self._player.play(flat_act, seeds.reshape(-1), progress, on_rewards)
        returns, rows = rollouts.rewards.sum(1, dtype=np.float64), []
        for i in range(s):
            mine = (wanted & (np.arange(s) == i)[:, None]).reshape(-1)
            rows.append(
                {
                    "seed": self.seeds[i],
                    "episodes": episodes,
                    "return_mean": float(returns[mine].mean()),
                    "return_std": float(returns[mine].std()),
                    "length_mean": float(rollouts.length[mine].mean()),
                    "success": "" if success is None else float(success[mine].mean()),
                }
            )
        return rows


class GreedyPolicy:
    """What `Evaluator.play` wants, of the stacked states (S, ...) that `train` returns."""

    def __init__(self, learner: Learner, states: State, stats: DatasetStats, goals: GoalTable) -> None:
        """`stats`: of the data that the states were trained on. `goals`: the one goal of the environment."""
        self._player, self._vector = LearnerPlayer(learner, states, stats, stacked=True), np.asarray(goals.vector)
        self._rewards: np.ndarray | None = None

    def __call__(self, observations: np.ndarray, step: int) -> np.ndarray:
        """Actions (S, B) or (S, B, A) for observations (S, B, D)."""
        goal = np.broadcast_to(self._vector, (observations.shape[1], self._vector.shape[1]))
        return self._player(step, observations, goal, self._player.state.key, self._rewards)

    def on_rewards(self, rewards: np.ndarray) -> None:
        """Takes the rewards (S, B) of the latest actions."""
        self._rewards = rewards.astype(np.float32)
