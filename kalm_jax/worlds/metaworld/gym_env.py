"""Meta-world for Gymnasium: `gymnasium.make("kalm/Metaworld-v0", task="push", level="offline")`.

Observation Box (91,) float32 (`metaworld_tasks`), action Box (4,) in [-1, 1], reward and success as in KALM: increments
of the package's dense reward, 10 on success, which ends the episode. `gymnasium.make` truncates it after 100 steps. The
instruction is one of the level's sentences for the task; it is in `info`, not in the observation.

info: "instruction" the sentence, "task" its name, "family" its index, "goal" (12,) float32, "is_success".

Options of `reset`, all optional: "instruction", one of the library's sentences of any level; "task", a name.
"""

from __future__ import annotations

from typing import NamedTuple

import gymnasium
import numpy as np

from kalm_jax.types.text import Sentence, normalize_sentence
from kalm_jax.worlds.metaworld import instructions as language
from kalm_jax.worlds.metaworld.distractors import MODES, Distractor
from kalm_jax.worlds.metaworld.goals import FAMILIES, SUCCESS_REWARD, make_goal
from kalm_jax.worlds.metaworld.render import CAMERAS
from kalm_jax.worlds.metaworld.simulator import TaskSimulator
from kalm_jax.worlds.metaworld.tasks import ACTION_DIM, OBSERVATION_DIM

_OPTIONS = ("instruction", "task")
_BOUND = 5.0
"""Metres; nothing is observed beyond, also when an object has been thrown off the bench."""


class _Play(NamedTuple):
    """The episode that is being played."""

    sentence: Sentence
    simulator: TaskSimulator
    distractor: Distractor


class MetaworldEnv(gymnasium.Env):
    """The Sawyer arm with one task, or with all tasks of a level in turn, drawn at each reset."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 80}  # noqa: RUF012 (Gymnasium's convention)

    def __init__(
        self, task=None, level="offline", distractor="episode", render_mode=None, render_size=256, camera="corner2"
    ):
        """An arm with goals of `level`.

        Args:
          task: name of a task of the level; None draws one of the level's tasks at each reset.
          level: "offline", "rephrase", "unseen_easy" or "unseen_hard" ("validation" for tuning only).
          distractor: an absent entity is shown in its slot: "episode" at one place for the whole episode, "step" at
            another place at each step (as KALM's authors do), "none" not at all.
          render_mode: None or "rgb_array". camera: one of Meta-world's; render_size: pixels. Drawing needs OpenGL.
        """
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode {render_mode!r}: want None or 'rgb_array'")
        if camera not in CAMERAS:
            raise ValueError(f"camera {camera!r}: want one of {', '.join(CAMERAS)}")
        if distractor not in MODES:
            raise ValueError(f"distractor {distractor!r}: want one of {', '.join(MODES)}")
        entries = language.validation_sentences() if level == "validation" else language.sentences(level)
        names = tuple(dict.fromkeys(entry.family for entry in entries))
        if task is not None and task not in names:
            raise ValueError(f"task {task!r} is none of the level {level!r}: want one of {', '.join(names)}")
        self.level, self.task, self.distractor, self.render_mode = level, task, distractor, render_mode
        self._names = names if task is None else (task,)
        self._sentences = {name: [entry for entry in entries if entry.family == name] for name in self._names}
        self._drawing = {"camera": camera, "size": render_size}
        self._simulators: dict[str, TaskSimulator] = {}
        self._play: _Play | None = None
        self._native = 0.0
        self.observation_space = gymnasium.spaces.Box(-_BOUND, _BOUND, (OBSERVATION_DIM,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACTION_DIM,), np.float32)

    def _choose(self, options: dict) -> Sentence:
        unknown = sorted(set(options) - set(_OPTIONS))
        if unknown:
            raise ValueError(f"unknown reset options {unknown}; known are {_OPTIONS}")
        if "instruction" in options:
            return find_sentence(options["instruction"])
        name = options.get("task", self._names[self.np_random.integers(len(self._names))])
        if name not in self._sentences:
            raise ValueError(f"task {name!r} is none of {', '.join(self._sentences)}")
        entries = self._sentences[name]
        return entries[self.np_random.integers(len(entries))]

    def reset(self, *, seed=None, options=None):
        """Starts an episode; the same seed gives the same one, whatever was played before."""
        super().reset(seed=seed)
        sentence = self._choose(options or {})
        if sentence.family not in self._simulators:
            self._simulators[sentence.family] = TaskSimulator(sentence.family)
        simulator = self._simulators[sentence.family]
        observation = simulator.reset(self.np_random)
        self._play = _Play(sentence, simulator, Distractor(self.distractor, self.np_random, observation))
        self._native = 0.0
        return self._shown(observation), self._info(False)

    def step(self, action):
        """One action: 1 cm of the hand at most along each axis, 0.0125 s."""
        result = self._started().simulator.step(action)
        reward = SUCCESS_REWARD if result.success else result.native_reward - self._native
        self._native = result.native_reward
        return self._shown(result.observation), float(reward), result.success, False, self._info(result.success)

    def _started(self) -> _Play:
        if self._play is None:
            raise gymnasium.error.ResetNeeded("the environment has no state yet: call reset() first")
        return self._play

    def _shown(self, observation) -> np.ndarray:
        return np.clip(self._play.distractor.show(observation), -_BOUND, _BOUND)

    def _info(self, is_success: bool) -> dict:
        sentence = self._play.sentence
        return {
            "instruction": sentence.text,
            "task": sentence.family,
            "family": FAMILIES.index(sentence.family),
            "goal": make_goal(sentence.family),
            "is_success": bool(is_success),
        }

    def render(self):
        """(render_size, render_size, 3) uint8, or None without a render mode; RuntimeError without OpenGL."""
        return None if self.render_mode is None else self._started().simulator.picture(**self._drawing)

    def close(self):
        """Frees the simulators and their renderers."""
        for simulator in self._simulators.values():
            simulator.close()
        self._simulators = {}


def find_sentence(instruction: str) -> Sentence:
    """The library's sentence with this text, in any case and spacing; ValueError where there is none."""
    text = normalize_sentence(str(instruction))
    level = language.split_of(text)
    if level is None:
        raise ValueError(f"instruction {instruction!r} is none of the library's Meta-world sentences")
    entries = language.validation_sentences() if level == "validation" else language.sentences(level)
    return next(entry for entry in entries if entry.text == text)
