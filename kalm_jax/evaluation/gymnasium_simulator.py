"""Any Gymnasium environment as the simulator of a world: copies of it, reset to a seed and an instruction.

The environment's `reset` takes `options={"instruction": text}`, and its `step` says `is_success` (or `success`) in its
info, as `kalm/ClevrRobot-v0` and `kalm/Metaworld-v0` do. Letters: n episodes, D observation, A action.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kalm_jax.evaluation.gymnasium_rollouts import Spaces, make_environment, spaces_of
from kalm_jax.types import Episodes


class GymnasiumSimulator:
    """Plays episodes whose `states` (n,) are the seeds of their resets; use as a context manager.

    Attributes:
      environment: its Gymnasium id, see `gym_rollouts.make_environment`. horizon: steps allowed, its limit's place.
      spaces: of the environment, see `gym_rollouts.Spaces`.
    """

    def __init__(self, environment: str, horizon: int):
        """No copy is made before it is needed."""
        self.environment, self.horizon, self.spaces = environment, horizon, spaces_of(environment)
        self._idle = []

    def start(self, episodes: Episodes) -> GymnasiumPlay:
        """Begins the episodes, a copy of the environment for each; see `evaluation.evaluate`."""
        texts = [episodes.goals.text[g] for g in episodes.goal]
        copies = [self.take_copy() for _ in texts]
        seen = [_reset(*reset) for reset in zip(copies, texts, episodes.states, strict=True)]
        return GymnasiumPlay(self, copies, np.stack(seen))

    def first_observations(self, texts: Sequence[str], seeds) -> np.ndarray:
        """(n, D) float32, what resets with these instructions and seeds show."""
        copy = self.take_copy()
        seen = [_reset(copy, text, seed) for text, seed in zip(texts, seeds, strict=True)]
        self.give_back([copy])
        return np.stack(seen)

    def take_copy(self):
        """An environment that no episode is played in."""
        return self._idle.pop() if self._idle else make_environment(self.environment, self.horizon)

    def give_back(self, copies: Sequence) -> None:
        """Environments whose episodes are over."""
        self._idle += copies

    def close(self) -> None:
        """Closes the copies; others are made if it is used again."""
        for copy in self._idle:
            copy.close()
        self._idle = []

    def __enter__(self) -> GymnasiumSimulator:
        return self

    def __exit__(self, *_) -> None:
        self.close()


class GymnasiumPlay:
    """Episodes that are being played.

    Attributes:
      states: (n, D) float32 observations, what policies see.
      horizon: (n,) int, steps allowed.
    """

    def __init__(self, simulator: GymnasiumSimulator, copies: list, states: np.ndarray):
        self._simulator, self._copies, self.states = simulator, copies, states
        self.horizon, self._over = np.full(len(copies), simulator.horizon), np.zeros(len(copies), bool)

    def step(self, active, actions) -> np.ndarray:
        """Acts where `active` (n,) bool: indices (n,) counted from 0, or (n, A) in [-1, 1]. Successes (n,) bool.

        An episode that the environment itself has ended stays where it is.
        """
        reached = np.zeros(len(self._copies), bool)
        for i in np.flatnonzero(active & ~self._over):
            step = take_step(self._copies[i], self._simulator.spaces, actions[i])
            self.states[i], reached[i], self._over[i] = step
        return reached

    def close(self) -> None:
        """Gives the environments back."""
        self._simulator.give_back(self._copies)


def take_step(copy, spaces: Spaces, action) -> tuple[np.ndarray, bool, bool]:
    """(observation, success, whether the episode is over) after an action: an index from 0, or (A,) in [-1, 1]."""
    action = int(action) + spaces.start if spaces.num_actions else spaces.from_unit(action)
    seen, _, ended, truncated, info = copy.step(action)
    if not info.keys() & {"is_success", "success"}:
        raise ValueError(f"{copy.unwrapped}: a step's info has neither is_success nor success")
    return seen, bool(info.get("is_success", info.get("success"))), bool(ended or truncated)


def _reset(copy, text: str, seed) -> np.ndarray:
    seen, _ = copy.reset(seed=int(seed), options={"instruction": text})
    return seen.astype(np.float32)
