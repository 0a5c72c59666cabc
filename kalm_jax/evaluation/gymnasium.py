"""Any Gymnasium environment: its spaces as learners see them, as a simulator of episodes, and episodes as `Rollouts`.

Observations are flattened to one vector, and discrete actions count from 0. As a simulator of instructions, the
environment's `reset` takes `options={"instruction": text}`, and its `step` reports `is_success` (or `success`) in its
info. Dimension letters: B copies of the environment, N episodes, T time steps, D observation, A action.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from kalm_jax.types import Episode, Episodes, Rollouts, stack_episodes
from kalm_jax.types.spaces import NOT_READ, is_vector

if TYPE_CHECKING:
    import gymnasium

MAX_ACTIONS = 65_536
"""Most discrete actions: learners have an output for each."""
MAX_STEPS = 1000
"""Steps after which an episode is truncated where the environment has no limit."""


@dataclasses.dataclass(frozen=True)
class Spaces:
    """What a learner must know about an environment.

    Attributes:
      observation_dim: D, flattened.
      num_actions: of a discrete action space, 0 for a continuous one.
      start: the environment's number of its first discrete action.
      low, high: (A,) bounds of continuous actions; empty for discrete ones. They are float32, or float64 where that
        holds neither them nor their difference.
      dtype: type of the actions that the environment gets; integers are rounded.
      inner: bounds of the actions that it gets, where its own are no float32 numbers and `low` or `high` beyond them.
    """

    observation_dim: int
    num_actions: int
    start: int
    low: np.ndarray
    high: np.ndarray
    dtype: np.dtype = np.dtype(np.float32)
    inner: tuple[np.ndarray, np.ndarray] | None = None

    def to_unit(self, actions: np.ndarray) -> np.ndarray:
        """Continuous actions (..., A) within the bounds, scaled to [-1, 1]."""
        return np.clip(2 * (np.asarray(actions) - self.low) / (self.high - self.low) - 1, -1, 1).astype(np.float32)

    def from_unit(self, actions: np.ndarray) -> np.ndarray:
        """Actions (..., A) in [-1, 1] scaled to the bounds, as the environment's space contains them."""
        scaled = np.clip(self.low + (np.asarray(actions) + 1) / 2 * (self.high - self.low), self.low, self.high)
        plain = self.low.dtype == self.dtype == np.float32 and self.inner is None
        return scaled if plain else self.contained(scaled)

    def contained(self, actions: np.ndarray) -> np.ndarray:
        """Continuous actions (..., A) in the environment's units, of the type that its space contains.

        Raises:
          ValueError: actions that are not finite.
        """
        if not np.isfinite(actions).all():
            raise ValueError("an action is not finite (NaN or infinity); look at the controller or the policy")
        if self.dtype == np.float32:
            given = np.asarray(actions).astype(np.float32)
            return given if self.inner is None else np.clip(given, *self.inner)
        inside = np.clip(np.asarray(actions, np.float64), self.low, self.high)
        return (inside if self.dtype.kind == "f" else np.rint(inside)).astype(self.dtype)


def make_environment(
    environment: str, max_steps: int | None = None, render_mode: str | None = None
) -> gymnasium.Env[np.ndarray, Any]:
    """The Gymnasium environment of an id (`module:Id-v0` imports the module first), observations flattened.

    A ValueError says that there is no such environment, or that its package is missing.
    """
    import gymnasium

    from kalm_jax.worlds.registration import register_environments

    register_environments()

    if not isinstance(environment, str):
        raise ValueError(f"environment {environment!r} cannot be made: want the id of a Gymnasium environment")
    module, _, name = environment.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        spec = gymnasium.spec(name)
        limit = max_steps or spec.max_episode_steps or MAX_STEPS
        options: dict[str, Any] = {"render_mode": render_mode} if render_mode else {}
        env = gymnasium.make(name, max_episode_steps=limit, **options)
    except (gymnasium.error.Error, ImportError) as error:
        near = difflib.get_close_matches(name, gymnasium.registry, 1)
        hint = f"; did you mean {near[0]}?" if near and near[0] != name else ""
        raise ValueError(f"environment {environment!r} cannot be made: {error}{hint}") from error
    if not is_vector(env.observation_space):
        raise ValueError(f"{environment}: observation space {env.observation_space}: {NOT_READ}")
    return gymnasium.wrappers.FlattenObservation(env)


def step_limit(environment: str, max_steps: int = 0) -> int:
    """Steps after which an episode of the environment is cut off; `max_steps`, if not 0, replaces its own limit."""
    import gymnasium

    return max_steps or gymnasium.spec(environment.rpartition(":")[2]).max_episode_steps or MAX_STEPS


def spaces_of(environment: str) -> Spaces:
    """The spaces of an environment; ValueError for actions that are neither Discrete nor a bounded Box of one axis."""
    from gymnasium import spaces

    env = make_environment(environment)
    actions, dim = env.action_space, spaces.flatdim(env.observation_space)
    env.close()
    if isinstance(actions, spaces.Discrete):
        if actions.n > MAX_ACTIONS:
            raise ValueError(f"{environment}: action space {actions}; learners want at most {MAX_ACTIONS} actions")
        return Spaces(dim, int(actions.n), int(actions.start), *np.zeros((2, 0), np.float32))
    if not isinstance(actions, spaces.Box) or len(actions.shape) != 1 or not actions.shape[0]:
        raise ValueError(f"{environment}: action space {actions}; learners want Discrete, or a Box of one axis")
    low, high = actions.low.astype(np.float64), actions.high.astype(np.float64)
    most = float(np.finfo(np.float32).max if actions.dtype.kind == "f" else 2**24)  # exact in training and rounding
    if not ((np.abs([low, high]) <= most).all() and (low < high).all()):
        raise ValueError(
            f"{environment}: action bounds {low.tolist()} to {high.tolist()}; want low < high, within {-most:g} to "
            f"{most:g}"
        )
    with np.errstate(over="ignore"):
        near = low.astype(np.float32), high.astype(np.float32)
        if not ((near[0] < near[1]).all() and np.isfinite(near[1] - near[0]).all()):
            return Spaces(dim, 0, 0, low, high, actions.dtype)
    # A space of float64 contains float32 numbers too, and those are what environments get.
    dtype = np.dtype(np.float32) if actions.dtype.kind == "f" and actions.dtype.itemsize > 4 else actions.dtype
    beyond = (near[0] < low).any() or (near[1] > high).any()
    inner = np.nextafter(near[0], near[1]), np.nextafter(near[1], near[0])
    return Spaces(dim, 0, 0, *near, dtype, inner if beyond and dtype == np.float32 else None)


class GymnasiumSimulator(AbstractContextManager["GymnasiumSimulator"]):
    """Plays episodes whose `states` (n,) are the seeds of their resets; use as a context manager."""

    def __init__(self, environment: str, horizon: int):
        """Of the Gymnasium id `environment`, whose own limit of steps `horizon` replaces.

        It makes no copy of the environment before it is needed.
        """
        self.environment, self.horizon, self.spaces = environment, horizon, spaces_of(environment)
        self._idle: list[gymnasium.Env] = []

    def start(self, episodes: Episodes) -> GymnasiumPlay:
        """Begins the episodes, with one copy of the environment for each."""
        texts = [episodes.goals.text[g] for g in episodes.goal]
        copies = [self.take_copy() for _ in texts]
        seen = [_reset(*reset) for reset in zip(copies, texts, episodes.states, strict=True)]
        return GymnasiumPlay(self, copies, np.stack(seen))

    def first_observations(self, texts: Sequence[str], seeds: Sequence[int] | np.ndarray) -> np.ndarray:
        """(N, D) float32, the observations after resets with these instructions and seeds."""
        copy = self.take_copy()
        seen = [_reset(copy, text, seed) for text, seed in zip(texts, seeds, strict=True)]
        self.give_back([copy])
        return np.stack(seen)

    def take_copy(self) -> gymnasium.Env:
        """A copy of the environment in which no episode is played."""
        return self._idle.pop() if self._idle else make_environment(self.environment, self.horizon)

    def give_back(self, copies: Sequence) -> None:
        """Takes copies back whose episodes are over."""
        self._idle += copies

    def close(self) -> None:
        """Closes the copies; new ones are made if the simulator is used again."""
        for copy in self._idle:
            copy.close()
        self._idle = []

    def __exit__(self, *_: object) -> None:
        self.close()


class GymnasiumPlay:
    """See `types.Play`; `states` (N, D) float32 are observations."""

    def __init__(self, simulator: GymnasiumSimulator, copies: list, states: np.ndarray):
        self._simulator, self._copies, self.states = simulator, copies, states
        self.horizon, self._over = np.full(len(copies), simulator.horizon), np.zeros(len(copies), bool)

    def step(self, active: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Acts where `active` (N,) bool: indices (N,) from 0, or (N, A) in [-1, 1]. Returns successes (N,) bool.

        An episode that the environment has ended is not stepped any more.
        """
        reached = np.zeros(len(self._copies), bool)
        for i in np.flatnonzero(active & ~self._over):
            step = take_step(self._copies[i], self._simulator.spaces, actions[i])
            self.states[i], reached[i], self._over[i] = step
        return reached

    def close(self) -> None:
        """Gives the copies back."""
        self._simulator.give_back(self._copies)


def take_step(copy: gymnasium.Env, spaces: Spaces, action: np.ndarray) -> tuple[np.ndarray, bool, bool]:
    """(observation, success, whether the episode is over) after an action: an index from 0, or (A,) in [-1, 1]."""
    given = int(action) + spaces.start if spaces.num_actions else spaces.from_unit(action)
    seen, _, ended, truncated, info = copy.step(given)
    if not info.keys() & {"is_success", "success"}:
        raise ValueError(f"{copy.unwrapped}: a step's info has neither is_success nor success")
    return seen, bool(info.get("is_success", info.get("success"))), bool(ended or truncated)


def _reset(copy: gymnasium.Env, text: str, seed: int) -> np.ndarray:
    seen, _ = copy.reset(seed=int(seed), options={"instruction": text})
    return seen.astype(np.float32)


class Player(AbstractContextManager["Player"]):
    """B = `copies` of one environment, stepped together; use as a context manager."""

    def __init__(self, environment: str, copies: int, max_steps: int | None = None):
        """Arguments as of `make_environment`; `max_steps` replaces the environment's own limit."""
        import gymnasium

        self.spaces, self.copies = spaces_of(environment), copies
        make = functools.partial(make_environment, environment, max_steps)
        self._envs = gymnasium.vector.SyncVectorEnv([make] * copies)

    def play(
        self,
        act: Callable[[np.ndarray, np.ndarray, int, np.ndarray | None], np.ndarray],
        seeds: Sequence[int] | np.ndarray,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[Rollouts, np.ndarray | None]:
        """Plays one episode for each of `seeds` (N,), those of its reset, B of them at a time.

        Args:
          act: called as act(observations (B, D) float32, seeds (B,), step, rewards (B,) of the actions before); returns
            (B,) indices from 0, or (B, A) actions within the bounds. Those of finished episodes are ignored.
          seeds: in the order of the rollouts returned, which have one goal without text.
          progress: called as progress(episodes done) after each B episodes.

        Returns:
          The episodes, and success (N,) bool, or None where the environment does not report it.
        """
        parts: list[Episode] = []
        success: list[bool | None] = []
        for i in range(0, len(seeds), self.copies):
            wanted = np.asarray(seeds[i : i + self.copies])
            episodes, reached = self._round(act, np.resize(wanted, self.copies))
            parts += episodes[: len(wanted)]
            success += reached[: len(wanted)]
            if progress is not None:
                progress(len(parts))
        return stack_episodes(parts), None if None in success else np.array(success)

    def _round(self, act: Callable, seeds: np.ndarray) -> tuple[list[Episode], list[bool | None]]:
        """B episodes, and whether each succeeded (None: the environment does not report it)."""
        observation, _ = self._envs.reset(seed=[int(seed) for seed in seeds])
        seen: list[np.ndarray] = [observation.astype(np.float32)]
        taken: list[np.ndarray] = []
        rewards: list[np.ndarray] = []
        length, terminated = np.zeros(self.copies, int), np.zeros(self.copies, bool)
        success: list[bool | None] = [None] * self.copies
        while (length == 0).any():
            step = len(taken)
            actions = np.asarray(act(seen[-1], seeds, step, rewards[-1] if rewards else None))
            given = actions + self.spaces.start if self.spaces.num_actions else self.spaces.contained(actions)
            actions = actions if self.spaces.num_actions else given
            observation, reward, ended, truncated, info = self._envs.step(given)
            seen.append(observation.astype(np.float32))
            taken.append(actions)
            rewards.append(reward)
            for name in ("is_success", "success"):
                for i in np.flatnonzero((length == 0) & np.asarray(info.get(f"_{name}", False))):
                    success[i] = bool(success[i]) or bool(info[name][i])
            over = (length == 0) & (ended | truncated)
            length[over], terminated[over] = step + 1, ended[over]
        x, a, r = (np.stack(parts, 1) for parts in (seen, taken, rewards))
        return [(x[i, : n + 1], a[i, :n], r[i, :n], terminated[i]) for i, n in enumerate(length)], success

    def close(self) -> None:
        """Closes the copies."""
        self._envs.close()

    def __exit__(self, *_: object) -> None:
        self.close()
