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

Act = Callable[[np.ndarray, int, np.ndarray | None], np.ndarray]
"""(observations (S, B, D), step, rewards (S, B) of the previous actions) -> (S, B) indices, or (S, B, A) in [-1, 1]."""
COPIES = 32
"""Approximate number of copies of the environment that are stepped together."""
EPISODE_SEEDS = 10_000_019
"""Evaluation episodes begin at this seed, far from those that `kalm collect` uses."""


class Evaluator(AbstractContextManager["Evaluator"]):
    """Plays policies in the environment, all training seeds together; use as a context manager."""

    def __init__(self, environment: str, spaces: Spaces, seeds: Sequence[int], episodes: int, max_steps: int = 0):
        """Starts nothing before `play`, which always plays the same `episodes` of each of S consecutive training seeds.

        `max_steps` 0 is the environment's own limit of an episode.
        """
        self.environment, self.spaces, self.seeds = environment, spaces, list(seeds)
        self.episodes, self.max_steps = episodes, max_steps
        self._player: Player | None = None
        self._each = min(episodes, max(1, COPIES // len(self.seeds)))

    def __exit__(self, *_: object) -> None:
        if self._player is not None:
            self._player.close()

    def play(self, act: Act, progress: Callable[[int], None] | None = None) -> list[dict[str, Any]]:
        """Returns, lengths and success of each seed's episodes, a row per seed; calls progress(episodes done)."""
        if self._player is None:  # a run that finds everything done needs no simulator
            self._player = Player(self.environment, len(self.seeds) * self._each, self.max_steps)
        s, each, episodes = len(self.seeds), self._each, self.episodes
        rounds = -(-episodes // each)
        number = np.arange(rounds * each).reshape(rounds, 1, each) + episodes * np.arange(s)[:, None]

        def flat_act(observations: np.ndarray, _: np.ndarray, step: int, rewards: np.ndarray | None) -> np.ndarray:
            rewards = None if rewards is None else rewards.reshape(s, each).astype(np.float32)
            actions = np.asarray(act(observations.reshape(s, each, -1), step, rewards))
            actions = actions.reshape(s * each, *actions.shape[2:])
            return actions if self.spaces.num_actions else self.spaces.from_unit(actions)

        seeds = EPISODE_SEEDS + 1_000_000 * self.seeds[0] + number
        rollouts, success = self._player.play(flat_act, seeds.reshape(-1), progress)

        def by_seed(values: np.ndarray) -> np.ndarray:
            return values.reshape(rounds, s, each).swapaxes(0, 1).reshape(s, -1)[:, :episodes]

        returns, length = by_seed(rollouts.returns()), by_seed(rollouts.length)
        return [
            {
                "seed": seed,
                "episodes": episodes,
                "return_mean": float(returns[i].mean()),
                "return_std": float(returns[i].std()),
                "return_min": float(returns[i].min()),
                "return_max": float(returns[i].max()),
                "length_mean": float(length[i].mean()),
                "success": "" if success is None else float(by_seed(success)[i].mean()),
            }
            for i, seed in enumerate(self.seeds)
        ]


def greedy_policy(learner: Learner, states: State, stats: DatasetStats, goals: GoalTable) -> Act:
    """What `Evaluator.play` wants, of the stacked states (S, ...) that `train` returns, for the only goal."""
    player, vector = LearnerPlayer(learner, states, stats, stacked=True), np.asarray(goals.vector)

    def act(observations: np.ndarray, step: int, rewards: np.ndarray | None) -> np.ndarray:
        goal = np.broadcast_to(vector, (observations.shape[1], vector.shape[1]))
        return player(step, observations, goal, states.key, rewards)

    return act
