"""Meta-world for Gymnasium: `gymnasium.make("kalm/Metaworld-v0", task="push", level="offline")`.

The observation is a Box (91,) float32 (`tasks`), the action a Box (4,) in [-1, 1]. Reward and success are as in KALM:
increments of the package's dense reward, and 10 on success, which ends the episode. `gymnasium.make` truncates it after
100 steps. `info` has "instruction", a sentence of the level, "task", its "family" (index), "goal" (12,), "is_success".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium
import numpy as np

from kalm_jax.arguments import checked
from kalm_jax.types.text import Sentence
from kalm_jax.worlds.camera import PICTURE_SIZE
from kalm_jax.worlds.metaworld.distractors import MODES, Distractor
from kalm_jax.worlds.metaworld.goals import FAMILIES, SUCCESS_REWARD, make_goal
from kalm_jax.worlds.metaworld.instructions import SENTENCES
from kalm_jax.worlds.metaworld.render import CAMERAS
from kalm_jax.worlds.metaworld.simulator import TaskSimulator, check_actions
from kalm_jax.worlds.metaworld.tasks import ACTION_DIM, OBSERVATION_DIM
from kalm_jax.worlds.registration import checked_options

_OPTIONS = ("instruction", "task")
_BOUND = 5.0
"""Meters; observations are clipped here, even when an object has been thrown off the bench."""


class _Play(NamedTuple):
    """The episode that is being played."""

    sentence: Sentence
    simulator: TaskSimulator
    distractor: Distractor


class MetaworldEnv(gymnasium.Env):
    """The Sawyer arm with one task, or with all tasks of a level in turn, drawn at each reset."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 80}  # noqa: RUF012 (Gymnasium's convention)

    @checked(render_size=PICTURE_SIZE)
    def __init__(
        self,
        task: str | None = None,
        level: str = "offline",
        distractor: str = "episode",
        render_mode: str | None = None,
        render_size: int = 256,
        camera: str = "corner2",
    ) -> None:
        """An arm with goals of `level`.

        Args:
          task: name of a task of the level; None draws one of the level's tasks at each reset.
          level: "offline", "rephrase", "unseen_easy" or "unseen_hard" ("validation" for tuning only).
          distractor: "none", "episode" or "step" (as KALM's authors), see `distractors`.
          render_mode: None or "rgb_array". camera: one of Meta-world's; render_size: pixels. Drawing needs OpenGL.
        """
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode {render_mode!r}: use None or 'rgb_array'")
        if camera not in CAMERAS:
            raise ValueError(f"camera {camera!r}: use one of {', '.join(CAMERAS)}")
        if distractor not in MODES:
            raise ValueError(f"distractor {distractor!r}: use one of {', '.join(MODES)}")
        entries = SENTENCES.sentences(level)
        names = tuple(dict.fromkeys(entry.family for entry in entries))
        if task is not None and task not in names:
            raise ValueError(f"task {task!r} is not in the level {level!r}: use one of {', '.join(names)}")
        self.level, self.task, self.distractor, self.render_mode = level, task, distractor, render_mode
        self._names = names if task is None else (task,)
        self._sentences = {name: [entry for entry in entries if entry.family == name] for name in self._names}
        self._drawing: dict[str, Any] = {"camera": camera, "size": render_size}
        self._simulators: dict[str, TaskSimulator] = {}
        self._play: _Play | None = None
        self._native = 0.0
        self.observation_space = gymnasium.spaces.Box(-_BOUND, _BOUND, (OBSERVATION_DIM,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACTION_DIM,), np.float32)

    def _choose(self, options: dict | None) -> Sentence:
        options = checked_options(options, _OPTIONS)
        if "instruction" in options:
            return SENTENCES.find(options["instruction"])
        name = options.get("task", self._names[self.np_random.integers(len(self._names))])
        if not isinstance(name, str) or name not in self._sentences:
            raise ValueError(f"task {name!r} is not available here: use one of {', '.join(self._sentences)}")
        entries = self._sentences[name]
        return entries[self.np_random.integers(len(entries))]

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode; the same seed gives the same episode, whatever was played before.

        `options`, all optional: "instruction", one of the library's sentences of any level; "task", a name.
        """
        super().reset(seed=seed)
        sentence = self._choose(options)
        if sentence.family not in self._simulators:
            self._simulators[sentence.family] = TaskSimulator(sentence.family)
        simulator = self._simulators[sentence.family]
        observation = simulator.reset(self.np_random)
        self._play = _Play(sentence, simulator, Distractor(self.distractor, self.np_random, observation))
        self._native = 0.0
        return self._shown(observation), self._info(False)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One action of 4 numbers in [-1, 1]: 1 cm of the hand at most along each axis, 0.0125 s."""
        check_actions(action, (ACTION_DIM,), "action")
        result = self._started().simulator.step(action)
        reward = SUCCESS_REWARD if result.success else result.native_reward - self._native
        self._native = result.native_reward
        return self._shown(result.observation), float(reward), result.success, False, self._info(result.success)

    def _started(self) -> _Play:
        if self._play is None:
            raise gymnasium.error.ResetNeeded("the environment has no state yet: call reset() first")
        return self._play

    def _shown(self, observation: np.ndarray) -> np.ndarray:
        return np.clip(self._started().distractor.show(observation), -_BOUND, _BOUND)

    def _info(self, is_success: bool) -> dict:
        sentence = self._started().sentence
        return {
            "instruction": sentence.text,
            "task": sentence.family,
            "family": FAMILIES.index(sentence.family),
            "goal": make_goal(sentence.family),
            "is_success": bool(is_success),
        }

    def render(self) -> np.ndarray | None:
        """(render_size, render_size, 3) uint8, or None without a render mode; RuntimeError without OpenGL."""
        return None if self.render_mode is None else self._started().simulator.picture(**self._drawing)

    def close(self) -> None:
        """Frees the simulators and their renderers."""
        for simulator in self._simulators.values():
            simulator.close()
        self._simulators = {}
