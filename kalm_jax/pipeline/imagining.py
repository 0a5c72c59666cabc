"""Imagining with a grounded language model as a run is configured: subgoal decompositions and rollouts."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np

from kalm_jax.evaluation.episodes import balanced_goals
from kalm_jax.grounding.automaton import Automaton
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.grounding.model import Grounded, GroundedModel
from kalm_jax.imagination.rollouts import imagine
from kalm_jax.imagination.subgoals import Subgoal, direct_plans, write_plans
from kalm_jax.imagination.verification import make_verifier
from kalm_jax.pipeline.artifacts import encoder_stage, planner_stage
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.planner import subgoal_automaton, text_model
from kalm_jax.progress import Progress
from kalm_jax.types import LEVELS, GoalTable, Rollouts, concatenate
from kalm_jax.worlds.base import get_world


def goals_to_imagine(rng: np.random.Generator, goals: GoalTable, count: int) -> np.ndarray:
    """(count,) goal indices in random order: families equally often, then sentences equally often within each."""
    families = np.unique(goals.family)
    sizes = np.diff(np.round(np.linspace(0, count, len(families) + 1)).astype(int))
    return rng.permutation(balanced_goals(rng, goals.family, families, sizes))


def imagined_goals(config: PipelineConfig, goals: GoalTable, part: str) -> tuple[np.random.Generator, np.ndarray]:
    """The goals of a part, repeated or not, for which a run imagines rollouts, and the generator of what comes next."""
    count = config.imagine.rephrase if part == "prompts" else getattr(config.imagine, part)
    rng = np.random.default_rng([config.seed, 2, (*LEVELS, "prompts").index(part)])
    return rng, goals_to_imagine(rng, goals, count) if count else np.zeros(0, int)


def planning_model(config: PipelineConfig, grounded: Grounded, run: pathlib.Path | None = None) -> Grounded:
    """The language model that writes subgoals.

    It is that of the stage "planner" of the run in the folder `run`. The built-in model writes them as it was before
    grounding, which costs it some of the words that its text taught it. Any other model that was not given by
    `config.planner` writes them after grounding, which alone taught it what subgoals are.
    """
    if not planner_stage(config):
        return grounded
    if run is None:
        if config.planner.llm:
            raise ValueError("a planner is trained in a run (kalm clevr --planner=...); leave it out here")
        planner = text_model("")
    else:
        planner = load_grounded(run / "planner" / "model")
    if planner.model.config == grounded.model.config and isinstance(grounded.model, GroundedModel):
        return grounded._replace(params={**grounded.params, "llm": planner.params["llm"]})  # one compiled program
    return planner


def sentence_encoder(config: PipelineConfig, run: pathlib.Path) -> Grounded:
    """The language model whose sentence vectors tell policies of goals, of the run in the folder `run`."""
    return load_grounded(run / encoder_stage(config) / "model")


def plans_of(
    config: PipelineConfig,
    grounded: Grounded,
    goals: GoalTable,
    asked: Sequence[int] | np.ndarray | None = None,
    run: pathlib.Path | None = None,
) -> list[list[Subgoal]]:
    """The subgoals by which each goal is imagined: those that the language model writes, or the goal in its own words.

    `asked` are indices, repeated or not, of the goals that are decomposed; None are all. `run` is the folder of the run
    whose planner writes them.
    """
    plans = direct_plans(goals)
    if config.imagine.plan:
        asked = np.arange(len(goals)) if asked is None else np.unique(asked)
        language, planner = get_world(config.world).language, planning_model(config, grounded, run)
        written = write_plans(planner, goals.take(asked), language.read_plan, allowed_answers(config, planner))
        for goal, plan in zip(asked, written, strict=True):
            plans[goal] = plan
    return plans


def allowed_answers(config: PipelineConfig, planner: Grounded) -> Automaton | None:
    """What a planner that a run has trained may answer; None lets the others write anything."""
    language = get_world(config.world).language
    return subgoal_automaton(planner.tokenizer, language.subgoals()) if config.planner.llm else None


def draws_of(config: PipelineConfig) -> int:
    """Continuations that are drawn for goals beyond those of the data; one where a world's states cannot be read."""
    return config.imagine.draws if config.imagine.plan and get_world(config.world).language.state_queries else 1


def imagine_from(
    config: PipelineConfig,
    grounded: Grounded,
    goals: GoalTable,
    goal: np.ndarray,
    states: np.ndarray,
    plans: list[list[Subgoal]],
    label: str,
    draws: int = 1,
    seed: int | None = None,
) -> Rollouts:
    """Imagined rollouts for goals number `goal` (N,) from first states (N, D), in that order.

    Args:
      plans: subgoals of every goal in `goals`.
      label: what the progress bar is called.
      draws: continuations of which the best is kept.
      seed: of everything drawn; None is the run's.
    """
    world = get_world(config.world)
    queries = world.language.state_queries
    score_fn = make_verifier(grounded, queries) if draws > 1 and queries is not None else None
    steps = world.imagined_steps(np.asarray(goals.family)[goal])
    # An imagined subgoal ends after so many steps; without subgoals the model sees no more steps than in training.
    max_steps = config.imagine.max_steps_per_subgoal if config.imagine.plan else config.ground.window
    parts, places = [], []
    with Progress(label, len(goal), unit="rollout") as progress:

        def show(done: int, matched: float) -> None:
            progress.update(done, matched=f"{matched:.0%}")

        for horizon in sorted(set(steps.tolist()), reverse=True):
            place = np.flatnonzero(steps == horizon)
            rollouts = imagine(
                grounded,
                goals,
                goal[place],
                states[place],
                plans,
                world,
                horizon=horizon,
                max_steps_per_subgoal=max_steps or horizon,
                score_fn=score_fn,
                draws=draws,
                temperature=config.imagine.temperature,
                seed=config.seed if seed is None else seed,
                progress=show,
            )
            parts.append(rollouts)
            places.append(place)
    return concatenate(parts).take(np.argsort(np.concatenate(places)))
