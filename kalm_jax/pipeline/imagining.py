"""Imagining with the grounded language model of a run: subgoal decompositions and rollouts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.imagination.rollouts import Step, direct, imagine, reader, write_plans
from kalm_jax.llm.hf.folder import BUILTIN, load_model
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.progress import Progress
from kalm_jax.types import GoalTable, Rollouts, concatenate
from kalm_jax.worlds.base import get_world


def balanced_goals(rng: np.random.Generator, goals: GoalTable, count: int) -> np.ndarray:
    """(count,) goal indices: families equally often, then sentences equally often within each."""
    families = np.unique(goals.family)
    share = np.diff(np.round(np.linspace(0, count, len(families) + 1)).astype(int))
    chosen = []
    for family, n in zip(families, share):
        members = np.flatnonzero(goals.family == family)
        rounds = [rng.permutation(members) for _ in range(-(-n // len(members)))]
        chosen.append(np.concatenate(rounds)[:n])
    return rng.permutation(np.concatenate(chosen))


def plans_of(
    run: RunFolder,
    config: PipelineConfig,
    goals: GoalTable,
    asked: Sequence[int] | np.ndarray | None = None,
    grounded: tuple | None = None,
) -> list[list[Step]]:
    """How each goal is to be imagined: by the language model's own plan, or in the goal's own words.

    Args:
      run, config: of the run.
      goals: all goals.
      asked: indices of goals, repeated or not, that a plan is written for, the others keep their own words; None: all.
      grounded: (model, parameters, tokenizer) in the place of the run's grounded model.

    The built-in model plans as it was before grounding, which costs it some of the words that its text taught it. A
    user's own model plans after grounding, which alone taught it what a plan is.
    """
    world, plans = get_world(config.world), direct(goals)
    if not config.imagine.plan:
        return plans
    model, params, tokenizer = grounded or load_grounded(run.path / "ground" / "model")
    if world.language.builtin_plans and not config.ground.llm:
        params = {**params, "llm": load_model(BUILTIN)[1]}
    asked = np.arange(len(goals)) if asked is None else np.unique(asked)
    written = write_plans(model, params, tokenizer, goals.take(asked), world.language.read_plan)
    for goal, plan in zip(asked, written, strict=True):
        plans[goal] = plan
    return plans


def draws_of(config: PipelineConfig) -> int:
    """Continuations that are drawn for goals beyond those of the data; one where a world's states cannot be read."""
    return config.imagine.draws if config.imagine.plan and get_world(config.world).language.state_queries else 1


def imagine_from(
    run: RunFolder,
    config: PipelineConfig,
    goals,
    goal,
    states,
    plans,
    label: str,
    grounded: tuple | None = None,
    draws: int = 1,
) -> Rollouts:
    """Imagined rollouts for goals `goal` (N,) from first states (N, D), in that order; `grounded` as in `plans_of`."""
    world = get_world(config.world)
    model, params, tokenizer = grounded or load_grounded(run.path / "ground" / "model")
    judge = reader(model, params, tokenizer, world.language.state_queries) if draws > 1 else None
    steps = world.imagined_steps(np.asarray(goals.family)[goal])
    # An imagined subgoal ends after so many steps; without subgoals the model sees no more steps than in training.
    patience = config.imagine.max_steps_per_subgoal if config.imagine.plan else config.ground.window
    parts, places = [], []
    with Progress(label, len(goal)) as progress:
        for horizon in sorted(set(steps.tolist()), reverse=True):
            place = np.flatnonzero(steps == horizon)
            rollouts = imagine(
                *(model, params, tokenizer, goals, goal[place], states[place], plans),
                stop=world.success,
                satisfied=world.satisfied,
                label=world.label_rewards,
                project=world.project,
                show=world.show_stage,
                judge=judge,
                draws=draws,
                horizon=horizon,
                patience=patience or horizon,
                temperature=config.imagine.temperature,
                seed=config.seed,
                progress=progress.update,
            )
            parts.append(rollouts)
            places.append(place)
    return concatenate(parts).take(np.argsort(np.concatenate(places)))
