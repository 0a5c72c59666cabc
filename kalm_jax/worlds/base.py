"""The record that a world is to the main job, and how one is found by its name.

Letters: N rollouts or goals, D numbers of an observation, S of a simulator's state, A of an action.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import numpy as np

from kalm_jax.grounding.decoding import Stop
from kalm_jax.grounding.tasks import Words
from kalm_jax.offline_rl.networks import View
from kalm_jax.report.contents import Terms
from kalm_jax.types import Episodes, GoalTable, Policy, Rollouts, Simulator

WORLDS = ("clevr", "metaworld")
"""Modules of this package, each with its record `WORLD`."""

LEARNER_SETTINGS: Mapping[str, Mapping] = {
    # The same time buys twice the updates with half the paper's batch, and there is time for few.
    "td3bc": {"learning_rate": 1e-3, "batch_size": 128, "critic_norm": True, "reward_scale": 0.1},
    **{name: {"reward_scale": 0.1} for name in ("awac", "combo", "cql", "iql")},
}
"""Learner -> settings other than the papers' that suit both worlds: rewards of 10 to 100 for success, goal vectors of
hundreds of numbers. A critic that starts at 0 learns values near 10 sooner than values near 100."""


@dataclasses.dataclass(frozen=True)
class World:
    """Everything that the stages ask of an environment.

    Attributes:
      name: its own, in results. title: heading of its reports.
      families: names of the success tests, by a goal's family code.
      observation_dim: D. num_actions: of discrete actions, 0 for continuous ones in [-1, 1]. action_dim: A of
        continuous actions, 0 for discrete ones.
      horizon: most steps of an episode. early: the stricter limit that is reported beside it.
      words: what its language can say, for grounding. read_plan: text -> [(text, family, array), ...], [] where it is
        no plan; see `imagination.write_plans`.
      augment: see `grounding.tasks.Batches`; None changes nothing.
      numbers: how the language model reads states, fields of `grounding.model.NumericSpec`. view: how policies do.
      builtin_plans: whether the built-in language model learned from text to plan in this world.
      goals_of_level: every sentence of a level as a goal, without goal vectors.
      validation_goals: sentences of no level, rephrased goals of the data, for what is measured in training.
      collect: (seed, number, behaviour, progress) -> successful real rollouts and their goals.
      behaviours: names of the policies that can collect; the first is the default.
      statistics: (rollouts, goals) -> numbers that describe a collection.
      read_data: path -> a user's real rollouts and their goals; ValueError where they do not fit the world.
      read_prompts: path -> a user's goals (K) and initial observations (K, D), or None where no such files exist.
      states_of: observations (N, D) -> what the simulator starts from, for prompts; None beside no `read_prompts`.
      first_states: (rng, goals, goal (N,)) -> initial observations (N, D) in which goal n is not yet satisfied, and the
        starts (N, ...): what the simulator is given to be there.
      imagined_steps: family (N,) -> (N,) most steps of an imagined rollout.
      readings: (text of a short goal, state (D,) before, after) -> what a model must read off states for it to be
        reached, see `generate.reader`; None where states cannot be asked about.
      stop, satisfied: end imagined rollouts, and tell which steps of a plan are done; see `imagination.imagine`.
      project: (..., D) imagined states -> the nearest ones that can be; None leaves them.
      show_stage: (family (N,), observations (N, D)) -> these with the target of the task's stage that they are in; None
        where goals have one stage.
      label: (rollouts, goals) -> the same rollouts with rewards by the environment's own reward function.
      believable: (rollouts, goals, real rollouts) -> (N,) bool, those that reach their goal realistically.
      quality: (rollouts, goals, real rollouts) -> rows by level and family: rollouts, matched, kept, transitions, and
        `<kind>_transitions` for each kind of unrealistic ones.
      explanation: (texts, rollouts, goals, prompt) -> a row of counts: prompt, rollouts, correct, exact.
      judge: for relabelled goals, see `offline_rl.buffer.Relabel`; None where a single step cannot be judged.
      settings: learner -> settings of its configuration that suit the world better than the default.
      shares: part -> relative share of the imagined half of a batch.
      samples: learners whose policy here is a distribution, so that it can be sampled as well as greedy.
      simulator: opens what plays episodes; a context manager.
      make_episodes: (level, number, seed) -> test episodes.
      observe: the simulator's states (N, S) -> observations (N, D).
      behaviour_policy: (simulator, seed) -> a policy that reaches goals of every level as the real data do; it records
        real rollouts of the novel goals for the condition "oracle".
      random_policy: seed -> the floor. ceiling_policy: (simulator, seed) -> the ceiling. ceiling: its name.
      terms: how the report speaks of the world. show: (real, imagined) -> fields of `ReportData` with rollouts in
        pictures; both are (rollouts, goals), `imagined` those of the level "rephrase" with their starts (N, ...) third.
    """

    name: str
    title: str
    families: tuple[str, ...]
    observation_dim: int
    num_actions: int
    action_dim: int
    horizon: int
    early: int
    words: Words
    read_plan: Callable[[str], list[tuple]]
    augment: Callable | None
    numbers: Mapping[str, object]
    view: View
    builtin_plans: bool
    goals_of_level: Callable[[str], GoalTable]
    validation_goals: Callable[[], GoalTable]
    collect: Callable[[int, int, str, Callable[[int, int], None]], tuple[Rollouts, GoalTable]]
    behaviours: tuple[str, ...]
    statistics: Callable[[Rollouts, GoalTable], Mapping]
    read_data: Callable[[str], tuple[Rollouts, GoalTable]]
    read_prompts: Callable[[str], tuple[GoalTable, np.ndarray]] | None
    states_of: Callable[[np.ndarray], np.ndarray] | None
    first_states: Callable[[np.random.Generator, GoalTable, np.ndarray], tuple[np.ndarray, np.ndarray]]
    imagined_steps: Callable[[np.ndarray], np.ndarray]
    readings: Callable | None
    stop: Stop
    satisfied: Callable
    project: Callable[[np.ndarray], np.ndarray] | None
    show_stage: Callable[[np.ndarray, np.ndarray], np.ndarray] | None
    label: Callable[[Rollouts, GoalTable], Rollouts]
    believable: Callable[[Rollouts, GoalTable, Rollouts], np.ndarray]
    quality: Callable[[Rollouts, GoalTable, Rollouts], list[dict]]
    explanation: Callable[..., dict]
    judge: Callable | None
    settings: Mapping[str, Mapping]
    shares: Mapping[str, float]
    samples: tuple[str, ...]
    simulator: Callable[[], AbstractContextManager[Simulator]]
    make_episodes: Callable[[str, int, int], Episodes]
    observe: Callable[[np.ndarray], np.ndarray]
    behaviour_policy: Callable[[Simulator, int], Policy]
    random_policy: Callable[[int], Policy]
    ceiling_policy: Callable[[Simulator, int], Policy]
    ceiling: str
    terms: Terms
    show: Callable[[tuple, tuple], dict]


@functools.cache
def get_world(name: str) -> World:
    """The record of one of `WORLDS`, or the `WORLD` of the user's own module that `name` imports (`worlds/own.py`).

    Raises:
      ValueError: there is no such module, or no record in it.
    """
    if name in WORLDS:
        return importlib.import_module(f"kalm_jax.worlds.{name}.world").WORLD
    known = f"use one of {', '.join(WORLDS)}, or the import path of a module of your own with a WORLD"
    try:
        world = getattr(importlib.import_module(name), "WORLD", None)
    except ImportError as error:
        raise ValueError(f"unknown world {name!r} ({error}): {known}") from error
    if not isinstance(world, World):
        raise ValueError(f"{name} has no WORLD that is a kalm_jax.worlds.World: {known}")
    return world
