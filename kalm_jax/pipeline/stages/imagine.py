"""Imagines rollouts of novel goals with the grounded language model."""

from __future__ import annotations

import pathlib

import numpy as np

from kalm_jax.datasets import write_rollouts
from kalm_jax.distributed import is_main_process
from kalm_jax.files import write_json, write_npy
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.pipeline.artifacts import goals_mark, goals_of, planner_stage, real_rollouts
from kalm_jax.pipeline.imagining import draws_of, imagine_from, imagined_goals, plans_of
from kalm_jax.pipeline.run_folder import PipelineRun


def run_imagine(run: PipelineRun, part: str) -> None:
    """Imagines rollouts for a novel level or the user's prompts: `rollouts.h5`, and their quality in `quality.json`."""
    world, config = run.world, run.config
    count = config.imagine.rephrase if part == "prompts" else getattr(config.imagine, part)
    goals = goals_of(run, part)
    draws = 1 if part == "rephrase" else draws_of(config)

    def work(folder: pathlib.Path) -> None:
        rng, goal = imagined_goals(config, goals, part)
        grounded = load_grounded(run.path / "ground" / "model")
        plans = plans_of(config, grounded, goals, goal, run.path)
        states, starts = world.first_states(rng, goals, goal)
        rollouts = imagine_from(config, grounded, goals, goal, states, plans, f"imagine {part}", draws)
        if not is_main_process():
            return
        write_npy(folder / "starts.npy", starts)
        write_json(folder / "plans.json", {goals.text[g]: [s.text for s in plans[g]] for g in np.unique(goal).tolist()})
        write_rollouts(folder / "rollouts.h5", rollouts, goals)
        write_json(folder / "quality.json", world.quality_rows(rollouts, goals, real_rollouts(run)[0]))

    settings = {"count": count, "seed": config.seed}
    settings |= {name: getattr(config.imagine, name) for name in ("temperature", "plan", "max_steps_per_subgoal")}
    if draws > 1:
        settings["draws"] = draws
    if world.project is not None:
        settings["project"] = world.project.__name__
    run.stage(
        f"imagine/{part}",
        settings | {"goals": goals_mark(goals)},
        ["ground", *planner_stage(config)],
        work,
        together=True,
    )
