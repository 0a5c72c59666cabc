"""A finished run, opened again: its policies, its language model, its results.

    run = kalm_jax.load_run("runs/clevr")
    policy = run.policy("td3bc", condition="kalm")
    action = policy.act(observation, "put the red ball left of the blue one")

Dimension letters: B batch, N rollouts, D observation, A action, E goal vector.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kalm_jax.arguments import COUNT, SEED, checked, text_list
from kalm_jax.evaluation import read_results_csv
from kalm_jax.evaluation.gymnasium import spaces_of
from kalm_jax.files import read_csv
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.grounding.decoding import encode_goals
from kalm_jax.grounding.explanation import explain
from kalm_jax.grounding.model import Grounded
from kalm_jax.imagination.subgoals import direct_plans
from kalm_jax.pipeline import offline
from kalm_jax.pipeline.artifacts import encoder_stage, planner_stage, told_sentences, whitened
from kalm_jax.pipeline.config import TRANSLATED, PipelineConfig, policies_of
from kalm_jax.pipeline.imagining import (
    Request,
    allowed_answers,
    draws_of,
    imagine_rollouts,
    planning_model,
    reader,
    sentence_encoder,
)
from kalm_jax.pipeline.learners import configured_learner, load_policies
from kalm_jax.pipeline.offline_config import OfflineConfig
from kalm_jax.pipeline.plans import Plan, Planner, check_length
from kalm_jax.pipeline.policies import ActingPolicy, TranslatedGoal, TranslatingPolicy, only_vector
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.run_records import check_stage, other_code, read_run, results_file
from kalm_jax.pipeline.source import code_version, version_text
from kalm_jax.pipeline.translation import Key, first_sentences, goal_key
from kalm_jax.progress import note, say_notes
from kalm_jax.types import LEVELS, GoalTable, Rollouts, last_steps, make_goal_table
from kalm_jax.types.text import normalize_sentence
from kalm_jax.worlds.data import check_rollouts

CACHED_SENTENCES = 1024
"""Sentences whose goal vectors and subgoals a loaded run keeps."""
MIN_REFERENCES = 32
"""Validation sentences that are enough to say what a sentence of a goal is like; otherwise the data's count too."""


class LoadedRun:
    """What `load_run` returns for a run of the main job.

    Attributes:
      path, config, world: the run's folder, its whole configuration, and its world.
    """

    def __init__(self, path: str | pathlib.Path, config: PipelineConfig) -> None:
        """See `load_run`."""
        self._run = PipelineRun(path, config, command=None)
        self.path, self.config, self.world = self._run.path, config, self._run.world
        self._vector = functools.lru_cache(CACHED_SENTENCES)(self._encode)
        self._translated = functools.lru_cache(CACHED_SENTENCES)(self._translate)

    def __repr__(self) -> str:
        learn = self.config.learn
        return (
            f"<LoadedRun {self.path}: world {self.config.world}, learners {', '.join(learn.algorithms)}, conditions "
            f"{', '.join(learn.conditions)}>"
        )

    @functools.cached_property
    def grounded(self) -> Grounded:
        """The grounded language model.

        Raises:
          FileNotFoundError: the run has not grounded it yet.
          ValueError: one of its files is damaged.
        """
        check_stage(self.path, "ground")
        return load_grounded(self.path / "ground" / "model")

    @property
    def results(self) -> list[dict[str, Any]]:
        """The rows of `results.csv`: environment, algorithm, condition, level, family, seed, action_choice and more.

        Raises:
          FileNotFoundError: the run is not finished.
          ValueError: the file is damaged.
        """
        return read_results_csv(results_file(self.path))

    @checked()
    def policy(self, algorithm: str, condition: str | None = None, seed: int | None = None) -> ActingPolicy:
        """A trained policy, as it was after the last update.

        `condition` is one of `--conditions`; None is "kalm", or "kalm-privileged" in a run without it. Policies of
        "translate", which every run with "offline" has, of "relabel+translate" and of "kalm+translate" are
        `TranslatingPolicy`s: they take a goal's own sentence, too, and are given its subgoals one after the other.
        `seed` None is the first of training.

        Raises:
          ValueError: the run has no such policy, and the message lists those that there are; or a file is damaged.
          FileNotFoundError: the run has not trained it yet.
        """
        learn = self.config.learn
        if condition is None:
            condition = (
                "kalm-privileged" if {"kalm", "kalm-privileged"} & {*learn.learned} == {"kalm-privileged"} else "kalm"
            )
        learned = policies_of(condition)
        if condition in TRANSLATED and not self.config.imagine.plan:
            raise ValueError(f"the condition {condition} gives policies subgoals, and this run has none (--noplan)")
        name = f"{algorithm}-{learned}"
        known = {f"{learner}-{learned}" for learner in learn.learners for learned in learn.learned}
        known |= {done.parent.name for done in self.path.glob("learn/*/done.json")}  # by other settings before
        i = _seed_index(
            self.path, name, f"{algorithm!r} of condition {condition!r}", known, seed, self.config.seed, learn.seeds
        )
        states, stats = load_policies(self._run, algorithm, learned)
        environment = getattr(self.world, "environment", None)
        spaces = None if environment is None else spaces_of(environment)
        learner = configured_learner(self.config, algorithm)
        about = learner, states[i], stats, self._vectors, spaces, self.config.seed + i
        if condition not in TRANSLATED:
            return ActingPolicy(*about)
        return TranslatingPolicy(self._translated, reader(self.grounded, self.world)[0], *about)

    @checked()
    def plan(self, sentence: str) -> Plan:
        """The subgoals that the language model writes for a sentence, and how well it understands the sentence.

        Raises:
          ValueError: the sentence is too long; the message says how long it may be.
          TypeError: it is not a string.
        """
        return self.planner.plans([sentence])[0]

    @checked()
    def translate(self, sentence: str) -> tuple[str, ...]:
        """The subgoals that the language model writes for a sentence, in the data's words, as "translate" tells them.

        A subgoal that the data have no words for is in the words of plans; without subgoals it is the sentence itself.

        Raises:
          FileNotFoundError: the run has not collected its data yet.
          ValueError, TypeError: as `plan`.
        """
        return self._translated(sentence).told

    def _translate(self, sentence: str) -> TranslatedGoal:
        """The subgoals of a sentence and what is said of them."""
        steps, (data, known) = self.plan(sentence).steps, self._data_words
        if not steps:
            own = make_goal_table([sentence], 1, 0, np.zeros_like(self._tables[0].array[:1]))
            return TranslatedGoal(direct_plans(own)[0], (sentence,))
        told = ((known.get(goal_key(step.family, step.array)), step.text) for step in steps)
        return TranslatedGoal(list(steps), tuple(text if i is None else data[i] for i, text in told))

    @functools.cached_property
    def _data_words(self) -> tuple[list[str], dict[Key, int]]:
        """The sentences that policies of the data know, and what they ask for -> the number of the first one."""
        data = told_sentences(self._run)
        return list(data.text), first_sentences(data)

    @functools.cached_property
    def planner(self) -> Planner:
        """What writes plans."""
        read_plan = self.world.language.read_plan if self.config.imagine.plan else None
        references = list(self.world.validation_goals().text)
        if len(references) < MIN_REFERENCES:
            references += self.world.goals(LEVELS[0]).text
        for stage in planner_stage(self.config):
            check_stage(self.path, stage)
        planner = planning_model(self.config, self.grounded, self.path)
        row_length, objection = self.config.ground.row_length, self.world.language.objection
        allowed = allowed_answers(self.config, planner)
        return Planner(planner, read_plan, references, row_length, objection, allowed)

    @checked(count=COUNT, seed=SEED)
    def imagine(self, sentence: str, count: int = 8, *, seed: int = 0, force: bool = False) -> Rollouts:
        """`count` imagined rollouts for a sentence, each from a random first state that does not satisfy the goal yet.

        Their only goal, number 0, is the sentence; `terminated` are those that reach it. With `force` also the subgoals
        are imagined that the model wrote for a sentence that it does not understand.

        Raises:
          ValueError: the sentence is too long; or it is none of the world's and the model does not understand it, or
            nothing says when its goal is reached; or `count` or `seed` is out of its range.
          TypeError: an argument of another type.
        """
        plan, known = self.plan(sentence), self._own_goal(sentence)
        if known is None and not plan.understood and not (force and plan.steps):
            wrote = [step.text for step in plan.steps]
            raise ValueError(
                f"the language model does not understand {sentence!r} as a goal of the world {self.world.name} "
                f"(confidence {plan.confidence:.2f}): the sentence {plan.reason}; say it in other words"
                + f"; force=True imagines what it wrote anyway: {wrote}"
                * bool(wrote)
            )
        goals, simulated = (known, known) if known is not None else self._new_goal(sentence, plan)
        goal, rng = np.zeros(count, np.int32), np.random.default_rng(seed)
        states, _ = self.world.first_states(rng, simulated, goal)
        steps = list(plan.steps) or direct_plans(goals)[0]
        request = Request(goals, goal, states, [steps], draws=draws_of(self.config), seed=seed)
        return imagine_rollouts(self.config, self.grounded, request)[0]

    @checked()
    def explain(self, rollouts: Rollouts, prompt: str | None = None) -> list[str]:
        """A sentence for each rollout that says what it did, by the grounded language model.

        `prompt` stands before each rollout; None is the first one of training.

        Raises:
          TypeError: an argument of another type.
          ValueError: rollouts that are none of the world's, or a prompt that is too long.
        """
        rollouts = check_rollouts(rollouts, self.world)
        prompt = self.world.language.explanation_prompts[0] if prompt is None else prompt
        check_length(self.grounded.tokenizer, prompt, self.config.ground.row_length)
        shown = last_steps(rollouts, self.config.ground.window)
        return explain(self.grounded, shown, prompt, self.world.language)

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        """Goal vectors (K, E) of sentences as the run's policies see them; TypeError where one is not a string."""
        return np.stack([self._vector(sentence) for sentence in text_list("sentences", sentences)])

    def _vectors(self, sentences: Sequence[str] | None) -> np.ndarray:
        if sentences is None:
            raise ValueError(f"policies of the world {self.world.name} need a sentence: act(observation, sentence)")
        return self.encode(sentences)

    def _encode(self, sentence: str) -> np.ndarray:
        """The goal vector (E,) of a sentence."""
        room = min(self.config.ground.row_length, self._encoder.model.config.max_positions)
        check_length(self._encoder.tokenizer, sentence, room)
        return whitened(self._whitening, encode_goals(self._encoder, [sentence], batch=1))[0]

    @functools.cached_property
    def _encoder(self) -> Grounded:
        """The language model of goal vectors."""
        if not self.config.learn.encoder:
            return self.grounded
        check_stage(self.path, encoder_stage(self.config))
        return sentence_encoder(self.config, self.path)

    @functools.cached_property
    def _whitening(self) -> PipelineRun:
        """The run, once the stage that whitens goal vectors is checked."""
        if self.config.learn.whitening:
            check_stage(self.path, "encode/whitening")
        return self._run

    @property
    def _tables(self) -> list[GoalTable]:
        """All sentences of the world."""
        return [*map(self.world.goals, LEVELS), self.world.validation_goals()]

    def _own_goal(self, sentence: str) -> GoalTable | None:
        """The world's own goal with this sentence as a table of one, or None."""
        wanted = normalize_sentence(sentence)
        for table in self._tables:
            texts = [normalize_sentence(text) for text in table.text]
            if wanted in texts:
                return table.take([texts.index(wanted)])
        return None

    def _new_goal(self, sentence: str, plan: Plan) -> tuple[GoalTable, GoalTable]:
        """The sentence as a table of one goal, and the same goal in words that the simulator knows, if there are any.

        Raises:
          ValueError: nothing says when the goal is reached.
        """
        if not plan.steps:
            raise ValueError(
                f"{sentence!r} is no sentence of the world {self.world.name}, and without subgoals nothing says when "
                "its goal is reached; use one of its own sentences"
            )
        family, numbers = self.world.goal_of_subgoals([(s.text, s.family, s.array) for s in plan.steps])
        array = np.asarray(numbers, self._tables[0].array.dtype)
        goals = make_goal_table([sentence], 1, family, array[None])
        for table in self._tables:
            same = np.flatnonzero((table.family == family) & (table.array == array).all(1))
            if len(same):
                return goals, table.take(same[:1])
        return goals, goals


class LoadedOfflineRun:
    """What `load_run` returns for a run of `kalm offline`.

    Attributes:
      path, config: the run's folder and its whole configuration.
    """

    def __init__(self, path: str | pathlib.Path, config: OfflineConfig) -> None:
        """See `load_run`."""
        self.path, self.config = pathlib.Path(path), config

    def __repr__(self) -> str:
        return (
            f"<LoadedOfflineRun {self.path}: {self.config.environment}, learners {', '.join(self.config.algorithms)}>"
        )

    @property
    def results(self) -> list[dict[str, str]]:
        """The rows of `results.csv`: environment, algorithm, update, seed, return_mean and more.

        Raises:
          FileNotFoundError: the run is not finished.
          ValueError: the file is damaged.
        """
        return read_csv(results_file(self.path))

    @checked()
    def policy(self, algorithm: str, seed: int | None = None, *, condition: str | None = None) -> ActingPolicy:
        """A trained policy, as it was after the last update; `seed` None is the first.

        Raises:
          ValueError: the run has no such policy, or `condition` is given, which is for runs with goals; or a file is
            damaged.
          FileNotFoundError: the run has not trained it yet.
        """
        if condition is not None:
            raise ValueError(f"{self.path} is a run of kalm offline, which has no conditions: leave condition out")
        config = self.config
        i = _seed_index(self.path, algorithm, repr(algorithm), config.algorithms, seed, config.seed, config.seeds)
        learner, state, stats, vector = offline.load_policy(self.path, config, algorithm, i)
        spaces = spaces_of(config.environment)
        return ActingPolicy(learner, state, stats, functools.partial(only_vector, vector), spaces, config.seed + i)


def _seed_index(
    path: pathlib.Path, name: str, said: str, known: Iterable[str], seed: int | None, first: int, count: int
) -> int:
    """Which of the `count` seeds from `first` on is `seed` (None: the first) of the trained policy `name`."""
    i = 0 if seed is None else seed - first
    if name not in known or not 0 <= i < count:
        has = f"{', '.join(sorted(known))}, each of seeds {first} to {first + count - 1}"
        raise ValueError(f"{path} has no policy {said} and seed {first + i}: it has {has}")
    settings = check_stage(path, f"learn/{name}")["settings"]
    if any(settings.get(k, v) != v for k, v in (("seed", first), ("seeds", count))):
        raise FileNotFoundError(
            f"{path}: the run is not finished (stage learn/{name} is of other seeds); run the same command again"
        )
    return i


@checked()
def load_run(folder: str | pathlib.Path) -> LoadedRun | LoadedOfflineRun:
    """Opens the folder of a run of `kalm clevr`, `metaworld`, `world` or `offline`.

    Everything needed is in the folder. The module of a custom world or learner must be importable. A note on stderr
    says where other code than the present one made the run, because its conditions may mean something else.

    Raises:
      FileNotFoundError: the folder is missing, or no run's.
      ValueError: the run was made with another schema of settings.
      TypeError: `folder` is no path.
    """
    config = read_run(folder)
    if code := other_code(pathlib.Path(folder)):
        present = version_text(code_version())
        conditions = (
            "; the condition kalm of a run from before commit 66cb595 is what is kalm-privileged today"
            if isinstance(config, PipelineConfig) and "kalm" in config.learn.conditions
            else ""
        )
        _say_once(f"note: {folder} was made by {code} (this is {present}){conditions}")
    if isinstance(config, OfflineConfig):
        return LoadedOfflineRun(folder, config)
    return LoadedRun(folder, config)


@functools.cache
def _say_once(line: str) -> None:
    note(line)
    say_notes()
