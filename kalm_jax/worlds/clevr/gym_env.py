"""CLEVR-Robot for Gymnasium: one environment, and many stepped as one batch.

The observation is a Box (10,) float32, the action Discrete(40); reward and success are those of `goals`. The goal is a
sentence of `instructions.sentences(level)`; it is in `info`, not in the observation. An episode terminates in its goal;
`gymnasium.make` and `make_vec` truncate it after 50 pushes (`max_episode_steps`).

info: "instruction" the sentence, "family" its index in `goals.FAMILIES`, "goal" (9,) int32, "is_success".

Options of `reset`, all optional:
  "instruction": one of the library's sentences, of any level, instead of a random one of this level
  "goal": (family, goal array (9,)) instead of a sentence; the instruction is then the empty string
  "state": the full state (69,) to start from, velocities included, instead of a random one
A random start never satisfies its goal; a "state" may.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from kalm_jax.types.text import Sentence
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import rewards as clevr_rewards
from kalm_jax.worlds.clevr.instructions import SENTENCES
from kalm_jax.worlds.clevr.render import TableCamera, top_view
from kalm_jax.worlds.clevr.simulator import (
    HORIZON,
    NUM_ACTIONS,
    OBSERVATION_DIM,
    STATE_DIM,
    ClevrSimulator,
    observation_of,
    sample_states,
)

_OPTIONS = ("instruction", "goal", "state")
_BOUND = 2.0  # meters; the walls keep the balls within 0.6
_FPS = 5


class Episode(NamedTuple):
    """The result of a reset: the sentence, its family and goal array, and the state (69,) to start from."""

    instruction: str
    family: int
    goal: np.ndarray
    state: np.ndarray


def _goal_of(sentence: Sentence) -> tuple[str, int, np.ndarray]:
    """The sentence's text, family and goal array (9,)."""
    return sentence.text, clevr_goals.FAMILIES.index(sentence.family), np.asarray(sentence.goal, np.int32)


def _given_goal(options: dict) -> tuple[str, int, np.ndarray] | None:
    """The goal that the options determine, or None."""
    if "goal" in options and "instruction" in options:
        raise ValueError('reset options have both "goal" and "instruction"; pass one of them')
    if "instruction" in options:
        try:
            return (str(options["instruction"]), *_goal_of(SENTENCES.find(options["instruction"]))[1:])
        except ValueError as error:
            raise ValueError(f'{error}; pass options={{"goal": (family, goal array)}}') from None
    if "goal" not in options:
        return None
    family, goal = options["goal"]
    goal = np.asarray(goal)
    if int(family) not in range(len(clevr_goals.FAMILIES)) or goal.shape != (clevr_goals.GOAL_SIZE,):
        raise ValueError(
            f'reset option "goal" is ({family}, array of shape {goal.shape}); want (family code 0..'
            f"{len(clevr_goals.FAMILIES) - 1}, goal array ({clevr_goals.GOAL_SIZE},)), see goals.make_goal"
        )
    return "", int(family), goal.astype(np.int32)


def checked_state(state: np.ndarray) -> np.ndarray:
    """`state` as a new (69,) float64 array; ValueError where it is not one."""
    array = np.array(state, np.float64)
    if array.shape != (STATE_DIM,) or not np.isfinite(array).all():
        raise ValueError(f"state of shape {array.shape}: pass {STATE_DIM} finite numbers, see simulator.states_of")
    return array


def draw_episode(rng: np.random.Generator, level: str, options: dict | None = None) -> Episode:
    """A goal of the level and a start that does not satisfy it, except for what `options` determine."""
    options = options or {}
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise ValueError(f"unknown reset options {unknown}; use {', '.join(_OPTIONS)}")
    entries, given = SENTENCES.sentences(level), _given_goal(options)
    fixed = checked_state(options["state"]) if "state" in options else None
    while True:
        instruction, family, goal = given or _goal_of(entries[rng.integers(len(entries))])
        state = sample_states(rng, 1)[0] if fixed is None else fixed
        redraw = given is None or fixed is None
        if not redraw or not clevr_goals.satisfied(family, goal, observation_of(state)):
            return Episode(instruction, family, goal.copy(), state)


def _observation_space() -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(-_BOUND, _BOUND, (OBSERVATION_DIM,), np.float32)


def _check_render(render_mode: str | None, renderer: str) -> None:
    if render_mode not in (None, "rgb_array"):
        raise ValueError(f"render_mode {render_mode!r}: use None or 'rgb_array'")
    if renderer not in ("top_view", "mujoco"):
        raise ValueError(f"renderer {renderer!r}: use 'top_view' (no OpenGL) or 'mujoco'")


class ClevrRobotEnv(gymnasium.Env):
    """One CLEVR-Robot table; `gymnasium.make("kalm/ClevrRobot-v0", level=...)`."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": _FPS}  # noqa: RUF012 (Gymnasium's convention)

    def __init__(
        self, level: str = "offline", render_mode: str | None = None, renderer: str = "top_view", render_size: int = 256
    ) -> None:
        """A table with goals of `level`.

        Args:
          level: "offline", "rephrase", "unseen_easy" or "unseen_hard" ("validation" for tuning only).
          render_mode: None or "rgb_array".
          renderer: "top_view" draws without OpenGL; "mujoco" uses MuJoCo's own renderer, which needs it.
          render_size: width and height of a picture in pixels.
        """
        _check_render(render_mode, renderer)
        SENTENCES.sentences(level)  # raises for an unknown one
        self.level, self.render_mode, self.renderer, self.render_size = level, render_mode, renderer, render_size
        self.observation_space = _observation_space()
        self.action_space = gymnasium.spaces.Discrete(NUM_ACTIONS)
        self._simulator = ClevrSimulator(threads=1)
        self._camera: TableCamera | None = None
        self._episode: Episode | None = None
        self._state = np.zeros(STATE_DIM)

    def get_state(self) -> np.ndarray:
        """A copy of the full state (69,), velocities included."""
        self._started()
        return self._state.copy()

    def set_state(self, state: np.ndarray) -> None:
        """Continues from the full state (69,); goal and step count are unchanged."""
        self._started()
        self._state = checked_state(state)

    def _started(self) -> Episode:
        if self._episode is None:
            raise gymnasium.error.ResetNeeded("the environment has no state yet: call reset() first")
        return self._episode

    def _info(self, is_success: bool) -> dict:
        episode = self._started()
        return {
            "instruction": episode.instruction,
            "family": episode.family,
            "goal": episode.goal.copy(),
            "is_success": bool(is_success),
        }

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode; see the module docstring for `options`."""
        super().reset(seed=seed)
        self._episode = draw_episode(self.np_random, self.level, options)
        self._state = self._episode.state
        return observation_of(self._state), self._info(False)

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One push, 0.4 s."""
        episode, before = self._started(), observation_of(self._state)
        if not self.action_space.contains(action):
            raise ValueError(f"action {action!r}: use an integer in 0..{NUM_ACTIONS - 1}")
        self._state = self._simulator.push(self._state[None], np.array([action], np.int64))[0]
        after = observation_of(self._state)
        outcome = (episode.family, episode.goal, before, action, after)
        reached = bool(clevr_goals.success(*outcome))
        return after, float(clevr_rewards.reward(*outcome)), reached, False, self._info(reached)

    def render(self) -> np.ndarray | None:
        """(render_size, render_size, 3) uint8, or None without a render mode."""
        if self.render_mode is None:
            return None
        self._started()
        if self.renderer == "top_view":
            return top_view(observation_of(self._state), self.render_size)
        if self._camera is None:
            self._camera = TableCamera(self._simulator.model, self.render_size)
        return self._camera.state_picture(self._state)

    def close(self) -> None:
        """Frees the simulator and the renderer."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None
        self._simulator.close()


class ClevrRobotVectorEnv(gymnasium.vector.VectorEnv):
    """Many tables stepped as one batch on all cores; `gymnasium.make_vec("kalm/ClevrRobot-v0", num_envs=512)`.

    With the same seed it plays the same episodes as `gymnasium.make_vec(..., vectorization_mode="sync")`.
    `states` (N, 69) can be read and set between steps.
    """

    def __init__(
        self,
        num_envs: int = 1,
        level: str = "offline",
        render_mode: str | None = None,
        renderer: str = "top_view",
        render_size: int = 128,
        max_episode_steps: int = HORIZON,
        autoreset_mode: AutoresetMode = AutoresetMode.NEXT_STEP,
        threads: int | None = None,
    ) -> None:
        """As `ClevrRobotEnv`; further:

        Args:
          num_envs: number of tables N, at least 1.
          max_episode_steps: pushes before truncation.
          autoreset_mode: of Gymnasium. A finished table restarts with the next step (NEXT_STEP, the default), in the
            same step (SAME_STEP, with the last observations in info["final_obs"]), or by `reset` (DISABLED).
          threads: of the simulator; None for one per core.
        """
        _check_render(render_mode, renderer)
        if renderer == "mujoco":
            raise ValueError("renderer 'mujoco' is for single environments; the batch draws with 'top_view'")
        if num_envs < 1 or max_episode_steps < 1:
            raise ValueError(f"num_envs {num_envs} and max_episode_steps {max_episode_steps}: use at least 1 of each")
        SENTENCES.sentences(level)  # raises for an unknown one
        self.num_envs, self.level, self.render_mode, self.render_size = num_envs, level, render_mode, render_size
        self.max_episode_steps, self.autoreset_mode = max_episode_steps, AutoresetMode(autoreset_mode)
        self.metadata = {**ClevrRobotEnv.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = _observation_space()
        self.single_action_space = gymnasium.spaces.Discrete(NUM_ACTIONS)
        self.observation_space = gymnasium.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)
        self._simulator = ClevrSimulator(threads)
        self._rngs: list[np.random.Generator] = []
        self.states = np.zeros((num_envs, STATE_DIM))
        self._instruction = np.full(num_envs, "", object)
        self._family = np.zeros(num_envs, np.int32)
        self._goal = np.full((num_envs, clevr_goals.GOAL_SIZE), -1, np.int32)
        self._steps = np.zeros(num_envs, np.int32)
        self._finished = np.zeros(num_envs, bool)

    def _start(self, which: np.ndarray, options: dict[str, Any] | None = None) -> None:
        """Draws new episodes for the tables at the indices `which`."""
        for i in which:
            episode = draw_episode(self._rngs[i], self.level, options)
            self._instruction[i], self._family[i] = episode.instruction, episode.family
            self._goal[i], self.states[i] = episode.goal, episode.state
        self._steps[which] = 0
        self._finished[which] = False

    def _info(self, is_success: np.ndarray) -> dict:
        every = np.ones(self.num_envs, bool)
        fields = {
            "instruction": self._instruction.copy(),
            "family": self._family.copy(),
            "goal": self._goal.copy(),
            "is_success": is_success.copy(),
        }
        return fields | {f"_{name}": every.copy() for name in fields}

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts every table, or those of options["reset_mask"] (N,) bool. An int seed gives seed, seed + 1, ..."""
        options = dict(options or {})
        mask = np.asarray(options.pop("reset_mask", np.ones(self.num_envs, bool)))
        if mask.shape != (self.num_envs,) or mask.dtype != bool or not mask.any():
            raise ValueError(f'"reset_mask" is {mask.dtype} {mask.shape}: pass ({self.num_envs},) bool with some True')
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int | np.integer) else seed
        seeds = [None] * self.num_envs if seeds is None else list(seeds)
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} environments; pass one for each, or one integer")
        if not self._rngs:
            self._rngs = [gymnasium.utils.seeding.np_random(s)[0] for s in seeds]
        else:
            for i in np.flatnonzero(mask):
                self._rngs[i] = self._rngs[i] if seeds[i] is None else gymnasium.utils.seeding.np_random(seeds[i])[0]
        self._start(np.flatnonzero(mask), options)
        return observation_of(self.states), self._info(np.zeros(self.num_envs, bool))

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One push on every table; see `autoreset_mode` for those that have finished."""
        if not self._rngs:
            raise gymnasium.error.ResetNeeded("the environments have no state yet: call reset() first")
        actions = np.asarray(actions)
        if actions.shape != (self.num_envs,):
            raise ValueError(f"actions have shape {actions.shape}: pass shape ({self.num_envs},)")
        if self.autoreset_mode == AutoresetMode.DISABLED and self._finished.any():
            table = int(np.flatnonzero(self._finished)[0])
            raise gymnasium.error.ResetNeeded(f'environment {table} has finished: reset it with options["reset_mask"]')
        renewed = self._finished.copy()
        live = np.flatnonzero(~renewed)
        before = observation_of(self.states)
        self.states[live] = self._simulator.push(self.states[live], actions[live])
        self._steps[live] += 1
        after = observation_of(self.states)
        outcome = (self._family, self._goal, before, actions, after)
        reached = clevr_goals.success(*outcome) & ~renewed
        rewards = np.where(renewed, 0.0, clevr_rewards.reward(*outcome)).astype(np.float64)
        truncated = (self._steps >= self.max_episode_steps) & ~renewed
        self._start(np.flatnonzero(renewed))
        info = self._info(reached)
        self._finished = reached | truncated
        if self.autoreset_mode == AutoresetMode.SAME_STEP and self._finished.any():
            info = self._restart_finished(after, info)
        return observation_of(self.states), rewards, reached, truncated, info

    def _restart_finished(self, observations: np.ndarray, info: dict[str, Any]) -> dict:
        """Restarts finished tables; their last observations and infos go to "final_obs" and "final_info"."""
        finished = self._finished.copy()
        last = np.full(self.num_envs, None, object)
        for i in np.flatnonzero(finished):
            last[i] = observations[i]
        final = {
            name: finished & value
            if name.startswith("_")
            else np.where(self._rows(finished, value), value, _empty(value))
            for name, value in info.items()
        }
        self._start(np.flatnonzero(finished))
        info = self._info(info["is_success"] & ~finished)
        return info | {"final_obs": last, "_final_obs": finished, "final_info": final, "_final_info": finished.copy()}

    @staticmethod
    def _rows(mask: np.ndarray, value: np.ndarray) -> np.ndarray:
        return mask.reshape((-1,) + (1,) * (value.ndim - 1))

    def render(self) -> tuple[np.ndarray, ...] | None:
        """A tuple of N pictures, or None without a render mode."""
        if self.render_mode is None:
            return None
        return tuple(top_view(observation, self.render_size) for observation in observation_of(self.states))

    def close_extras(self, **_: Any) -> None:
        """Ends the simulator's threads."""
        self._simulator.close()


def _empty(value: np.ndarray) -> Any:
    return None if value.dtype == object else np.zeros((), value.dtype)
