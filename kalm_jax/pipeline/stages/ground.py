"""Grounds the language model in the collected rollouts."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np

from kalm_jax import dashboard
from kalm_jax.datasets import read_rollouts
from kalm_jax.distributed import is_main_process
from kalm_jax.evaluation.llm_metrics import metric_rows, write_metrics
from kalm_jax.grounding.checkpoint import save_grounded
from kalm_jax.grounding.explanation import explain
from kalm_jax.grounding.model import Grounded, GroundedModel
from kalm_jax.llm.hf.folder import find_folder
from kalm_jax.llm.tokenizer import Tokenizer
from kalm_jax.pipeline.artifacts import content_mark, model_files, planner_stage, real_rollouts
from kalm_jax.pipeline.grounding import METRICS, Measure, fit_language_model, for_decoding
from kalm_jax.pipeline.imagining import Request, goals_to_imagine, imagine_rollouts, plans_of
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.types import Rollouts, last_steps


def run_ground(run: PipelineRun) -> None:
    """The grounded language model in `model/`, its training curve in `curve.jsonl`."""
    world, config = run.world, run.config

    def work(folder: pathlib.Path) -> None:
        rollouts, goals = real_rollouts(run)

        def make_measure(model: GroundedModel, tokenizer: Tokenizer) -> Measure:
            metrics = training_metrics(run, model, tokenizer, rollouts)

            def measure(step: int, params: dict) -> list[dict]:
                rows = metrics(step, params)
                dashboard.add("ground", step, {f"measured/{row['metric']}": row["rate"] for row in rows})
                if is_main_process():
                    write_metrics(folder / METRICS, rows)
                return rows

            return measure

        grounded = fit_language_model(config, rollouts, goals, folder, make_measure)
        if is_main_process():
            save_grounded(folder / "model", grounded)

    weights = [content_mark(file) for file in model_files(find_folder(config.ground.llm))]
    settings = dataclasses.asdict(config.ground) | {"seed": config.seed, "weights": weights}
    for name in ("attention", "recompute"):  # they change the order of sums alone, as another mesh does
        del settings[name]
    settings |= world.numeric_options
    if world.augment is not None:
        settings["augment"] = world.augment.__name__
        if (plan := world.language.plan) is not None:
            settings["short_goals"] = sorted(filter(None, map(plan, range(len(world.families)))))
    needs = planner_stage(config) if config.metrics.every else []
    run.stage("ground", settings, ["collect", *needs], work, together=True)


def training_metrics(
    run: PipelineRun, model: GroundedModel, tokenizer: Tokenizer, real: Rollouts
) -> Callable[[int, dict], list[dict]]:
    """(step, parameters on the host) -> rows of `evaluation.llm_metrics` for a model that is being grounded.

    Rollouts are imagined for validation sentences as `run_imagine` does for a level, and the last held-out rollouts are
    explained, at the first answer. `real` are the rollouts of training, for what is realistic.
    """
    world, config, m = run.world, run.config, run.config.metrics
    rng = np.random.default_rng([config.seed, 4])
    every = world.validation_goals()
    used, goal = np.unique(goals_to_imagine(rng, every, m.rollouts), return_inverse=True)
    goals = every.take(used)
    states, _ = world.first_states(rng, goals, goal)
    shown, shown_goals = read_rollouts(run.path / "collect" / "held_out.h5")
    shown = last_steps(shown.take(slice(-m.explained, None)), config.ground.window)
    prompts = {"seen": world.language.explanation_prompts[0], "unseen": world.language.unseen_prompt}

    def measure(step: int, params: dict) -> list[dict]:
        grounded = for_decoding(Grounded(model, params, tokenizer))
        plans = plans_of(config, grounded, goals, run=run.path)
        request = Request(goals, goal, states, plans, f"metrics at {step}")
        rollouts, _ = imagine_rollouts(config, grounded, request)
        said = [
            world.explanation_row(explain(grounded, shown, prompt, world.language), shown, shown_goals, name)
            for name, prompt in prompts.items()
        ]
        return metric_rows(step, world.quality_rows(rollouts, goals, real), said, world.labels.unrealistic)

    return measure
