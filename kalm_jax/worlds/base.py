"""What an environment must offer to be used with KALM: the abstract class `World`, its parts, and `get_world`.

A world is an environment with goals in natural language. The pipeline uses an environment through its `World` alone.
Dimension letters: N rollouts, transitions or goals, T time steps, D observation, S simulator state, A action, G goal
array, K goals of a table.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import hashlib
import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import numpy as np

from kalm_jax.arguments import checked
from kalm_jax.settings import Setting
from kalm_jax.types import LEVELS, Episodes, GoalTable, Policy, Rollouts, Simulator, fractional, rows_by_family
from kalm_jax.types.pictures import Illustrations
from kalm_jax.types.text import normalize_sentence
from kalm_jax.worlds.labels import ReportLabels
from kalm_jax.worlds.learner_defaults import LearnerDefaults

BUILTIN_WORLDS = ("clevr", "metaworld")
"""Names of the worlds that the package contains."""

Subgoals = list[tuple[str, int, tuple[float, ...]]]
"""Subgoals: (text, family code, goal array) of each."""
Query = tuple[np.ndarray, str, str]
"""What is asked about a state: (state, question, answer), in the words of `GoalLanguage.describe`."""


@dataclasses.dataclass(frozen=True)
class Spaces:
    """Sizes of an environment; a ValueError says which do not fit each other.

    Attributes:
      observation_dim: D.
      num_actions: number of discrete actions, 0 for continuous ones.
      action_dim: A of continuous actions in [-1, 1], 0 for discrete ones.
      horizon: maximum number of steps of an episode.
      early_steps: the stricter limit of steps for which success is reported as well, 1 <= early_steps < horizon.
    """

    observation_dim: int
    num_actions: int
    action_dim: int
    horizon: int
    early_steps: int

    def __post_init__(self) -> None:
        if (self.num_actions > 0) == (self.action_dim > 0):
            raise ValueError(
                f"num_actions is {self.num_actions} and action_dim {self.action_dim}: exactly one must be positive"
            )
        if not 1 <= self.early_steps < self.horizon:
            raise ValueError(
                f"early_steps is {self.early_steps} and horizon {self.horizon}: want 1 <= early_steps < horizon"
            )


@dataclasses.dataclass(frozen=True)
class GoalLanguage:
    """What can be said about a world's goals and states. A part that is None leaves out the tasks that need it.

    Attributes:
      document: rng -> a line of plain text.
      describe: (rng, state (D,), previous state or None) -> [(question, answer), ...] about a state and its last step.
      goal_summary: (family code, goal array) -> the goal in a few words, which begin an explanation.
      plan: (family code, goal array) -> the goal's subgoals, joined by " and ".
      sample_plan: rng -> (a wording of a random goal, its plan), from text alone.
      read_plan: text -> the subgoals in it, [] where the text is no plan.
      subgoals: () -> the texts of all subgoals that the world can test, of which plans are made.
      subgoal_of_summary: goal summary -> the same goal in the words of `plan`, None for any other text.
      summary_of_plan: plan -> the goal summary of its only subgoal, "" for other texts and for several subgoals.
      summary_question: goal summary -> (question, answer) of `describe` that state whether the goal is satisfied.
      renamings: count -> so many renamings of the world's objects under which nothing else changes; the first one keeps
        all names.
      objection: (sentence, subgoals that a model wrote for it, maybe none) -> why these cannot be what the sentence
        asks for, in words that follow "the sentence ..."; "" where nothing is against them. None: the world does not
        tell, and how likely the model finds the sentence decides alone.
      state_queries: (text of a subgoal, state (D,) before, after) -> lists of `Query`. The first list's answers hold if
        the subgoal is reached. Further lists are what else may hold in its place, where one of them all does. None
        where nothing can be asked.
      explanation_prompts: stand before a rollout that is to be explained; one is drawn for each training sequence.
      unseen_prompt: never trained on; tests whether explanations depend on the prompt's wording (KALM, figure 7).
      builtin_plans: whether the built-in language model was pretrained on this world's plans.
    """

    document: Callable | None = None
    describe: Callable | None = None
    goal_summary: Callable | None = None
    plan: Callable | None = None
    sample_plan: Callable | None = None
    read_plan: Callable[[str], Subgoals] = lambda text: []
    subgoals: Callable[[], Sequence[str]] = tuple
    subgoal_of_summary: Callable | None = None
    summary_of_plan: Callable | None = None
    summary_question: Callable | None = None
    renamings: Callable | None = None
    objection: Callable[[str, Subgoals], str] | None = None
    state_queries: Callable[[str, np.ndarray, np.ndarray], list[list[Query]] | None] | None = None
    explanation_prompts: tuple[str, ...] = ("start :", "this happened :", "look :", "what was the goal ? start :")
    unseen_prompt: str = "somebody acts in a room . explain briefly . trajectory :"
    builtin_plans: bool = False


class World(abc.ABC):
    """An environment with goals in natural language.

    A subclass sets the attributes without a default, implements the abstract methods, and overrides whichever of the
    other methods it needs. `kalm_jax.worlds.gymnasium.GymnasiumWorld` implements most of them for any Gymnasium
    environment.

    Attributes:
      name: identifies the world in results.
      families: names of the success tests; a goal's family code is an index into them.
      spaces, language, learning, labels: see their classes.
      title: heading of reports.
      behaviors: names of the policies that can collect data; the first is the default.
      expert_name: name of `expert_policy` in results.
      presets: name of a preset -> nested mappings of the fields of `PipelineConfig` that are not those of
        `worlds.default_presets`.
      numeric_options: how the language model reads states, fields of `grounding.model.NumericSpec`.
      augment: (rng, states (T+1, D), actions (T[, A]), family code) -> states, actions, and None where the rollout's
        sentences still describe it, otherwise the subgoal that does; None for no augmentation.
      augmentations: names of the parts of `augment` that can be used alone; it then has an argument `using`, the names
        of those that are wanted.
      project: imagined states (..., D) -> the nearest possible ones; None leaves them unchanged.
      show_stage: (family (N,), observations (N, D)) -> these with the target of the stage that each is in; None where
        goals have a single stage.
      read_prompts: path -> the goals (N) of a user's prompts, their observations (N, D), and the states (N, S) in which
        the simulator starts; None where no such files exist.
    """

    name: str
    families: tuple[str, ...]
    spaces: Spaces
    language: GoalLanguage = GoalLanguage()
    learning: LearnerDefaults = LearnerDefaults()
    behaviors: tuple[str, ...] = ("expert",)
    expert_name: str = "expert"
    presets: Mapping[str, Mapping[str, Any]] = {}
    numeric_options: Mapping[str, Any] = {}
    augment: Callable | None = None
    augmentations: tuple[str, ...] = ()
    project: Callable[[np.ndarray], np.ndarray] | None = None
    show_stage: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    read_prompts: Callable[[str], tuple[GoalTable, np.ndarray, np.ndarray]] | None = None

    @property
    def title(self) -> str:
        """Heading of reports."""
        return f"KALM on {self.name}"

    @property
    def labels(self) -> ReportLabels:
        """What a report calls things."""
        return ReportLabels(self.spaces.horizon, self.spaces.early_steps)

    def augmenting(self, names: Sequence[str]) -> Callable | None:
        """`augment` with the parts that are named: ("all",), ("none",), or some of `augmentations`; None for none.

        Raises:
          ValueError: other names, or one of them twice.
        """
        names = tuple(names)
        if names == ("none",) or (names == ("all",) and self.augment is None):
            return None
        if names == ("all",):
            return self.augment
        if not names or len({*names}) < len(names) or not {*names} <= {*self.augmentations}:
            parts = f"all, none, or some of {', '.join(self.augmentations)}" if self.augmentations else "all or none"
            raise ValueError(f"--augment={','.join(map(str, names))}: the world {self.name} has {parts}")
        return functools.partial(cast(Callable, self.augment), using=names)

    # Goals

    @abc.abstractmethod
    def goals(self, level: str) -> GoalTable:
        """Every sentence of a level as a goal, without goal vectors."""

    def validation_goals(self) -> GoalTable:
        """Sentences of no level, rephrased goals of the data, on which metrics are measured during training."""
        return self.goals("validation")

    def templates(self, level: str) -> list[tuple[str, str]]:
        """(group, name) of the template of each sentence of a level (K); templates are held out within their group.

        By default every sentence is a template of its own, and those that ask for the same are a group.
        """
        goals = self.goals(level)
        return [
            (f"{int(family)} {np.asarray(array).tolist()}", text)
            for family, array, text in zip(goals.family, goals.array, goals.text, strict=True)
        ]

    def new_sentences(self, level: str) -> np.ndarray:
        """(K,) bool, the sentences of a level that only tests use: nothing is imagined for them, no policy learns them.

        On levels of novel goals they are those of half of each group of `templates`, in an order that the names alone
        decide; a group with a single template has none. The level of the data has none.
        """
        templates = self.templates(level)
        if level == LEVELS[0]:
            return np.zeros(len(templates), bool)
        groups: dict[str, set[str]] = {}
        for group, name in templates:
            groups.setdefault(group, set()).add(name)
        held = {
            (group, name)
            for group, names in groups.items()
            for name in sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[(len(names) + 1) // 2 :]
        }
        return np.array([template in held for template in templates])

    @abc.abstractmethod
    def success(self, family: Any, goal: Any, observation: Any, action: Any, next_observation: Any, /) -> Any:
        """(N,) bool, whether a step reaches the goal; arguments with leading axis N are arrays of NumPy or JAX."""

    @abc.abstractmethod
    def satisfied(self, family: Any, goal: Any, observation: Any, /) -> np.ndarray:
        """(N,) bool, whether observations (N, D) need nothing more to be done for their goals or subgoals."""

    def goal_of_subgoals(self, subgoals: Subgoals) -> tuple[int, tuple[float, ...]]:
        """Family code and goal array of the goal that subgoals add up to; imagined rollouts of new sentences end there.

        By default the world's own goal with these subgoals, and otherwise the last subgoal.

        Raises:
          ValueError: there are no subgoals.
        """
        if not subgoals:
            raise ValueError("subgoals: there are none, want at least one")
        written = " and ".join(text for text, _, _ in subgoals)
        if self.language.plan is not None:
            for table in map(self.goals, LEVELS):
                for family, array in {(int(f), tuple(a)) for f, a in zip(table.family, table.array.tolist())}:
                    if self.language.plan(family, np.asarray(array, table.array.dtype)) == written:
                        return family, array
        _, family, array = subgoals[-1]
        return family, tuple(array)

    # Real rollouts

    @abc.abstractmethod
    def collect(
        self, seed: int, count: int, behavior: str, progress: Callable[[int, int], None]
    ) -> tuple[Rollouts, GoalTable]:
        """`count` successful real rollouts and their goals; calls progress(done, count)."""

    @abc.abstractmethod
    def label_rewards(self, rollouts: Rollouts, goals: GoalTable) -> Rollouts:
        """The same rollouts with rewards of the environment's own reward function."""

    @abc.abstractmethod
    def read_data(self, path: str) -> tuple[Rollouts, GoalTable]:
        """Real rollouts from a user's file, and their goals; see `worlds.data.read_data`, also for errors."""

    def statistics(self, rollouts: Rollouts, goals: GoalTable) -> Mapping[str, Any]:
        """Numbers that describe a collection of rollouts; `ReportLabels.statistics` says what they are."""
        length = np.asarray(rollouts.length)
        return {
            "rollouts": len(length),
            "sentences": len(np.unique(rollouts.goal)),
            **{f"length_{how}": float(getattr(length, how)()) for how in ("mean", "min", "max")},
            "return_mean": float(np.asarray(rollouts.rewards).sum(1).mean()),
        }

    def check_sizes(self, what: str, observation_dim: int, discrete: bool, actions: int | None) -> None:
        """Refuses observations or actions of other sizes than the environment's by a ValueError about `what`.

        `actions` is the number of discrete actions (None: any) or of the numbers of a continuous one.
        """
        had, spaces = (observation_dim, discrete, actions), self.spaces
        wanted = spaces.observation_dim, bool(spaces.num_actions), spaces.num_actions or spaces.action_dim
        if had[:2] == wanted[:2] and actions in (None, wanted[2]):
            return
        said = [
            f"observations of {size} numbers and "
            + (f"{count or ''} discrete actions".strip() if kind else f"actions of {count} numbers")
            for size, kind, count in (had, wanted)
        ]
        raise ValueError(f"{what} has {said[0]}, and the world {self.name} has {said[1]}; use what is of this world")

    def check_goals(self, goals: GoalTable) -> None:
        """Refuses goals that cannot be the environment's by a ValueError: other families, or arrays of another kind.

        A world whose goal arrays are integers wants whole numbers.
        """
        families, own = np.unique(goals.family).tolist(), np.asarray(self.goals(LEVELS[0]).array)
        if not 0 <= min(families) <= max(families) < len(self.families):
            raise ValueError(
                f"goals are of the families {families}; the world {self.name} has {len(self.families)}, 0 to "
                f"{len(self.families) - 1}"
            )
        array = np.asarray(goals.array)
        whole = own.dtype.kind in "iu"
        if array.shape[1:] != own.shape[1:] or (whole and fractional(array).any()):
            kind = "whole numbers" if whole else "numbers"
            raise ValueError(
                f"goals have arrays {array.shape} of {array.dtype}; those of the world {self.name} are "
                f"{own.shape[1]} {kind}: write them as this world's `goals` have them"
            )

    def try_goals(self, rollouts: Rollouts, goals: GoalTable) -> None:
        """Uses goals from a file as the job will; raises what goals of another world lead to, such as an IndexError."""
        used = np.unique(rollouts.goal)
        self.satisfied(goals.family[used], goals.array[used], rollouts.observations[:1, 0].repeat(len(used), 0))
        self.statistics(rollouts, goals)

    # The simulator and policies in it

    @abc.abstractmethod
    def simulator(self) -> AbstractContextManager[Simulator]:
        """A context manager that opens the simulator in which policies are evaluated."""

    @abc.abstractmethod
    def first_states(
        self, rng: np.random.Generator, goals: GoalTable, goal: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """First observations (N, D) that do not satisfy goal number `goal` (N,), and the simulator's states (N, S).

        Raises:
          TypeError, ValueError: `goal` are no numbers of goals of the table.
        """

    @abc.abstractmethod
    def make_episodes(self, level: str, count: int, seed: int) -> Episodes:
        """`count` evaluation episodes of a level, a function of (level, count, seed) alone."""

    def test_episodes(self, level: str, count: int, seed: int, new: bool) -> Episodes:
        """`count` episodes of `make_episodes` whose sentences are new (see `new_sentences`), or of which none is.

        Families have equal numbers, as far as they have such sentences.

        Raises:
          ValueError: the level has no such sentence.
        """
        goals, wanted = self.goals(level), self.new_sentences(level) == new
        families = np.unique(np.asarray(goals.family)[wanted])
        if not len(families):
            raise ValueError(f"the level {level} of the world {self.name} has no {'new' if new else 'met'} sentence")
        sizes = count // len(families) + (np.arange(len(families)) < count % len(families))
        drawn = 2 * count
        while True:
            episodes = self.make_episodes(level, drawn, seed)
            fits = wanted[episodes.goal]
            places = [np.flatnonzero(fits & (episodes.family == f))[:size] for f, size in zip(families, sizes)]
            if all(len(place) == size for place, size in zip(places, sizes)):
                return episodes.take(np.concatenate(places))
            drawn *= 2

    def scenes(self, rng: np.random.Generator, goals: GoalTable, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First observations (N, D) in which sentence number `goal` (N,) is said, and the simulator's states (N, S).

        Imagination that is told no goals begins in them, so a world whose `first_states` test goals overrides this. By
        default they are those of `first_states`.
        """
        return self.first_states(rng, goals, goal)

    @abc.abstractmethod
    def expert_policy(self, simulator: Simulator, seed: int) -> Policy:
        """A policy that shows what is attainable."""

    def behavior_policy(self, simulator: Simulator, seed: int) -> Policy:
        """A policy that reaches goals of every level as the data's does; it records rollouts of the novel goals."""
        return self.expert_policy(simulator, seed)

    def random_policy(self, seed: int) -> Policy:
        """Uniformly random actions."""
        spaces = self.spaces

        def act(episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int) -> np.ndarray:
            rng = np.random.default_rng([seed, step])
            if spaces.num_actions:
                return rng.integers(spaces.num_actions, size=len(states))
            return rng.uniform(-1.0, 1.0, (len(states), spaces.action_dim))

        return act

    def observe(self, states: np.ndarray) -> np.ndarray:
        """Observations (N, D) of the simulator's states (N, S)."""
        return np.asarray(states)

    # Imagined rollouts

    def imagined_steps(self, family: np.ndarray) -> np.ndarray:
        """(N,) maximum number of steps of imagined rollouts for goals of families (N,)."""
        return np.full(np.shape(family), self.spaces.horizon)

    @abc.abstractmethod
    def unrealistic_steps(self, rollouts: Rollouts, goals: GoalTable, real: Rollouts) -> Mapping[str, np.ndarray]:
        """Kind of unrealistic transition -> (N, T) bool, for the kinds in `labels`; `real` shows what is realistic."""

    def filter_realistic(self, rollouts: Rollouts, goals: GoalTable, real: Rollouts) -> np.ndarray:
        """(N,) bool, rollouts that reach their goal without an unrealistic transition."""
        return _realistic(rollouts, self.unrealistic_steps(rollouts, goals, real))

    def quality_rows(self, rollouts: Rollouts, goals: GoalTable, real: Rollouts) -> list[dict[str, Any]]:
        """A row for each level and family: rollouts, matched, kept, transitions, and `<kind>_transitions`."""
        marks = self.unrealistic_steps(rollouts, goals, real)
        counts = {"matched": rollouts.terminated, "kept": _realistic(rollouts, marks), "transitions": rollouts.valid()}
        counts |= {f"{kind}_transitions": mark for kind, mark in marks.items()}
        return rows_by_family(goals, rollouts.goal, self.families, counts)

    def floors(
        self, rng: np.random.Generator, family: np.ndarray, array: np.ndarray
    ) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
        """Goals by which the floor of a match rate is measured, beside goals of families (N,) and arrays (N, G).

        Name of a floor -> (whether goal n has one (N,) bool, the other goals' arrays (N, G)). By default there is none.
        """
        return {}

    def explanation_row(
        self, texts: Sequence[str], rollouts: Rollouts, goals: GoalTable, prompt: str
    ) -> dict[str, Any]:
        """Counts of explanations that are a sentence of the goal: `correct` of any level, `exact` of the data."""
        meanings = self.sentence_meanings()
        keys = [(int(goals.family[g]), *map(float, goals.array[g])) for g in rollouts.goal]
        said = [meanings.get(normalize_sentence(text), (None, None)) for text in texts]
        correct = [key == goal for key, (goal, _) in zip(keys, said, strict=True)]
        exact = [right and level == 0 for right, (_, level) in zip(correct, said, strict=True)]
        return {"prompt": prompt, "rollouts": len(texts), "correct": sum(correct), "exact": sum(exact)}

    def sentence_meanings(self) -> Mapping[str, tuple[tuple[float, ...], int]]:
        """Normalized sentence of any level -> ((family, *goal array), level)."""
        return {
            normalize_sentence(text): ((int(f), *map(float, array)), code)
            for code, level in enumerate(LEVELS)
            for text, f, array in zip(
                *(getattr(self.goals(level), x) for x in ("text", "family", "array")), strict=True
            )
        }

    def illustrate(
        self, real: tuple[Rollouts, GoalTable], imagined: tuple[Rollouts, GoalTable, np.ndarray]
    ) -> Illustrations:
        """Rollouts in pictures for the report; imagined ones are of level "rephrase", with starts (N, S)."""
        return Illustrations()


def _realistic(rollouts: Rollouts, marks: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.asarray(rollouts.terminated) & ~np.logical_or.reduce(list(marks.values())).any(1)


_KNOWN = f"one of {', '.join(BUILTIN_WORLDS)}, or the import path of a module with a WORLD"


@checked(name=Setting(_KNOWN))
def get_world(name: str) -> World:
    """One of `BUILTIN_WORLDS`, or the `WORLD` of the module whose import path `name` is.

    A module's `WORLD` is an instance of `World`, or a subclass that is called without arguments.

    Raises:
      ValueError: there is no such module, or it has no `WORLD`.
      TypeError: `name` is no text.
    """
    return _load_world(name)


@functools.cache
def _load_world(name: str) -> World:
    known = f"use {_KNOWN}"
    if not all(name.split(".")):
        raise ValueError(f"unknown world {name!r}: {known}")
    module = f"kalm_jax.worlds.{name}.world" if name in BUILTIN_WORLDS else name
    try:
        world = getattr(importlib.import_module(module), "WORLD", None)
    except ImportError as error:
        if name in BUILTIN_WORLDS:
            raise
        raise ValueError(f"unknown world {name!r} ({error}): {known}") from error
    if isinstance(world, type) and issubclass(world, World):
        world = world()
    if not isinstance(world, World):
        raise ValueError(f"{name} has no WORLD that is a kalm_jax.worlds.base.World: {known}")
    return world
