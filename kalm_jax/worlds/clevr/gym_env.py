"""CLEVR-Robot for Gymnasium: one environment, and many stepped as one batch.

The observation is a Box (10,) float32, the action Discrete(40). The goal is a sentence of the level, in `info`, not in
the observation: "instruction", its "family" (index in `goals.FAMILIES`), "goal" (9,) int32; besides, "is_success". An
episode terminates in its goal; `gymnasium.make` and `make_vec` truncate it after 50 pushes (`max_episode_steps`).
"""

from __future__ import annotations

import contextlib
import reprlib
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from kalm_jax.arguments import COUNT, checked, plain_array
from kalm_jax.settings import Setting
from kalm_jax.types.text import Sentence
from kalm_jax.worlds.camera import PICTURE_SIZE
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
    check_state,
    observation_of,
    sample_states,
)
from kalm_jax.worlds.registration import checked_options

_OPTIONS = ("instruction", "goal", "state")
_BOUND = 2.0  # meters; the walls keep the balls within 0.6

_Outcome: TypeAlias = tuple[np.ndarray, float, bool]
"""State (69,) after a push, its reward, and whether it reached the goal."""


class Episode(NamedTuple):
    """The result of a reset: the sentence, its family and goal array, and the state (69,) to start from."""

    instruction: str
    family: int
    goal: np.ndarray
    state: np.ndarray


def _goal_of(sentence: Sentence, text: str = "") -> tuple[str, int, np.ndarray]:
    """The text, which is the sentence's own by default, family and goal array (9,)."""
    return text or sentence.text, clevr_goals.FAMILIES.index(sentence.family), np.asarray(sentence.goal, np.int32)


def _given_goal(options: dict) -> tuple[str, int, np.ndarray] | None:
    """The goal that the options determine, or None."""
    if "goal" in options and "instruction" in options:
        raise ValueError('reset options have both "goal" and "instruction"; pass one of them')
    if "instruction" in options:
        return _goal_of(SENTENCES.find(options["instruction"]), str(options["instruction"]))
    if "goal" not in options:
        return None
    reason = ""
    with contextlib.suppress(TypeError, ValueError, OverflowError):  # no pair, or no array
        family, goal = map(np.asarray, options["goal"])
        whole = all(x.dtype.kind in "iuf" and (x == np.floor(x)).all() for x in (family, goal))
        if whole and family in range(len(clevr_goals.FAMILIES)) and goal.shape == (clevr_goals.GOAL_SIZE,):
            try:
                clevr_goals.check_goal(int(family), goal.tolist())
            except ValueError as error:
                reason = f" ({error})"
            else:
                return "", int(family), goal.astype(np.int32)
    raise ValueError(
        f'reset option "goal" is {reprlib.repr(options["goal"])}{reason}; want (family code 0..'
        f"{len(clevr_goals.FAMILIES) - 1}, goal array ({clevr_goals.GOAL_SIZE},) of integers), see goals.make_goal"
    )


def checked_state(state: np.ndarray) -> np.ndarray:
    """`state` as a new (69,) float64 array; ValueError where the simulator has no such state."""
    try:
        array = np.asarray(state)
    except ValueError:  # rows of several lengths
        array = np.zeros(0)
    if array.dtype.kind not in "iuf" or array.shape != (STATE_DIM,) or not np.isfinite(array).all():
        raise ValueError(
            f"state of type {array.dtype} and shape {array.shape}: pass {STATE_DIM} finite numbers, see "
            "simulator.states_of"
        )
    array = array.astype(np.float64)
    check_state(array)
    return array


def draw_episode(rng: np.random.Generator, level: str, options: dict | None = None) -> Episode:
    """A goal of the level and a start that does not satisfy it, except for what `options` determine."""
    options = checked_options(options, _OPTIONS)
    entries, given = SENTENCES.sentences(level), _given_goal(options)
    fixed = checked_state(options["state"]) if "state" in options else None
    while True:
        instruction, family, goal = given or _goal_of(entries[rng.integers(len(entries))])
        state = sample_states(rng, 1)[0] if fixed is None else fixed
        determined = given is not None and fixed is not None
        if determined or not clevr_goals.satisfied(family, goal, observation_of(state)):
            return Episode(instruction, family, goal.copy(), state)


def _push(simulator: ClevrSimulator, tables: Sequence[ClevrRobotEnv], actions: np.ndarray) -> list[_Outcome]:
    """What a push on each table does, simulated as one batch."""
    episodes = [table.started() for table in tables]
    family, goal = np.array([e.family for e in episodes]), np.stack([e.goal for e in episodes])
    before = np.stack([table.get_state() for table in tables])
    after = simulator.push(before, actions)
    step = (family, goal, observation_of(before), actions, observation_of(after))
    return list(zip(after, clevr_rewards.reward(*step).tolist(), clevr_goals.success(*step).tolist(), strict=True))


class ClevrRobotEnv(gymnasium.Env):
    """One CLEVR-Robot table; `gymnasium.make("kalm/ClevrRobot-v0", level=...)`."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012 (Gymnasium's convention)

    @checked(render_size=PICTURE_SIZE)
    def __init__(
        self,
        level: str = "offline",
        render_mode: str | None = None,
        renderer: str = "top_view",
        render_size: int = 256,
        simulator: ClevrSimulator | None = None,
    ) -> None:
        """A table with goals of `level`.

        Args:
          level: "offline", "rephrase", "unseen_easy" or "unseen_hard" ("validation" for tuning only).
          render_mode: None or "rgb_array".
          renderer: "top_view" draws without OpenGL; "mujoco" uses MuJoCo's own renderer, which needs it.
          render_size: width and height of a picture in pixels.
          simulator: shared with other tables; None makes one, which `close` ends.
        """
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode {render_mode!r}: use None or 'rgb_array'")
        if renderer not in ("top_view", "mujoco"):
            raise ValueError(f"renderer {renderer!r}: use 'top_view' (no OpenGL) or 'mujoco'")
        SENTENCES.sentences(level)  # raises for an unknown one
        self.level, self.render_mode, self.renderer, self.render_size = level, render_mode, renderer, render_size
        self.observation_space = gymnasium.spaces.Box(-_BOUND, _BOUND, (OBSERVATION_DIM,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(NUM_ACTIONS)
        self._simulator = simulator or ClevrSimulator(threads=1)
        self._camera: TableCamera | None = None
        self._episode: Episode | None = None
        self._state = np.zeros(STATE_DIM)
        self.pushed: _Outcome | None = None  # of the next step, where it is known already

    def get_state(self) -> np.ndarray:
        """A copy of the full state (69,), velocities included."""
        self.started()
        return self._state.copy()

    def set_state(self, state: np.ndarray) -> None:
        """Continues from the full state (69,); goal and step count are unchanged."""
        self.started()
        self._state = checked_state(state)

    def started(self) -> Episode:
        """The episode that is being played; `ResetNeeded` where none is."""
        if self._episode is None:
            raise gymnasium.error.ResetNeeded("the environment has no state yet: call reset() first")
        return self._episode

    def _info(self, is_success: bool) -> dict:
        instruction, family, goal, _ = self.started()
        return {"instruction": instruction, "family": family, "goal": goal.copy(), "is_success": is_success}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode. A random start never satisfies its goal.

        Args:
          seed: of the episode.
          options: all optional: "instruction", one of the library's sentences, of any level; or "goal", (family, goal
            array (9,)), whose instruction is ""; "state", the full state (69,) to start from, velocities included.
        """
        super().reset(seed=seed)
        self.pushed = None
        self._episode = draw_episode(self.np_random, self.level, options)
        self._state = self._episode.state
        return observation_of(self._state), self._info(False)

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One push, 0.4 s."""
        if self.pushed is None:
            if not self.action_space.contains(action):
                raise ValueError(f"action {action!r}: use an integer in 0..{NUM_ACTIONS - 1}")
            (self.pushed,) = _push(self._simulator, [self], np.array([action], np.int64))
        (self._state, reward, reached), self.pushed = self.pushed, None
        return observation_of(self._state), reward, reached, False, self._info(reached)

    def render(self) -> np.ndarray | None:
        """(render_size, render_size, 3) uint8, or None without a render mode."""
        if self.render_mode is None:
            return None
        self.started()
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


class ClevrRobotVectorEnv(gymnasium.vector.SyncVectorEnv):
    """Many tables whose pushes are simulated as one batch; `gymnasium.make_vec("kalm/ClevrRobot-v0", num_envs=512)`.

    With the same seed it plays the same episodes as `gymnasium.make_vec(..., vectorization_mode="sync")`.
    """

    @checked(num_envs=COUNT, render_size=PICTURE_SIZE, max_episode_steps=COUNT, threads=Setting("", low=1, high=1024))
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
        """As `ClevrRobotEnv`, for `num_envs` tables that are truncated after `max_episode_steps` pushes.

        The simulator's `threads` are one per core by default; `autoreset_mode` is Gymnasium's.
        """
        if renderer == "mujoco":
            raise ValueError("renderer 'mujoco' is for single environments; the batch draws with 'top_view'")
        self._simulator = ClevrSimulator(threads)

        def table() -> gymnasium.Env:
            env = ClevrRobotEnv(level, render_mode, renderer, render_size, self._simulator)
            return gymnasium.wrappers.TimeLimit(env, max_episode_steps)

        super().__init__([table] * num_envs, autoreset_mode=autoreset_mode)
        self._tables: list[ClevrRobotEnv] = [env.unwrapped for env in self.envs]  # type: ignore[misc]

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One push on every table; see Gymnasium's `autoreset_mode` for those that have finished."""
        actions = plain_array("actions", actions)
        if actions.shape != (self.num_envs,):
            raise ValueError(f"actions have shape {actions.shape}: pass shape ({self.num_envs},)")
        for table, outcome in zip(self._tables, _push(self._simulator, self._tables, actions), strict=True):
            table.pushed = outcome
        return super().step(actions)
