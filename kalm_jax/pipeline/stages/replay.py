"""Plays the actions of imagined rollouts in the simulator, see `evaluation.replay`."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import numpy as np

from kalm_jax.datasets import read_rollouts
from kalm_jax.distributed import is_main_process
from kalm_jax.evaluation.replay import replay, rows
from kalm_jax.files import read_json, read_npy, write_json
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.imagination.subgoals import Subgoal, direct_plans
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.types import Episodes, GoalTable
from kalm_jax.worlds.base import Subgoals


def run_replay(run: PipelineRun, level: str) -> None:
    """Writes how a level's imagined rollouts end in the simulator, by family, to `replayed.json`."""
    world, seed, i = run.world, run.config.seed, run.config.imagine

    def work(folder: pathlib.Path) -> None:
        imagined = run.path / "imagine" / level
        rollouts, goals = read_rollouts(imagined / "rollouts.h5")
        plans = written_plans(imagined, goals, world.language.read_plan)
        chosen = first_of_each(np.asarray(goals.family)[rollouts.goal], i.replayed)
        rollouts = rollouts.take(chosen)
        episodes = Episodes(read_npy(imagined / "starts.npy")[chosen], np.asarray(rollouts.goal), goals)
        grounded = load_grounded(run.path / "ground" / "model")
        with world.simulator() as simulator:
            results = replay(rollouts, episodes, simulator, grounded, plans, world, i.temperature, seed)
        if is_main_process():
            write_json(folder / "replayed.json", rows(results, rollouts, episodes, world.families))

    settings = {"count": i.replayed, "seed": seed, "temperature": i.temperature}
    run.stage(f"replayed/{level}", settings, ["ground", f"imagine/{level}"], work, together=True)


def written_plans(folder: pathlib.Path, goals: GoalTable, read_plan: Callable[[str], Subgoals]) -> list[list[Subgoal]]:
    """The subgoals by which the rollouts in `folder` were imagined, from its `plans.json`."""
    texts = read_json(folder / "plans.json", dict)
    direct = direct_plans(goals)
    said = [[] if texts.get(text, [text]) == [text] else read_plan(" and ".join(texts[text])) for text in goals.text]
    return [[Subgoal(*s) for s in plan] or alone for plan, alone in zip(said, direct, strict=True)]


def first_of_each(family: np.ndarray, count: int) -> np.ndarray:
    """Sorted indices of `count` rollouts, the first ones of each family in equal numbers, or all of it if fewer."""
    families = np.unique(family)
    sizes = count // len(families) + (np.arange(len(families)) < count % len(families))
    return np.sort(np.concatenate([np.flatnonzero(family == f)[:n] for f, n in zip(families, sizes)]))
