"""Plays the actions of imagined rollouts in the simulator, see `evaluation.replay`."""

from __future__ import annotations

import pathlib

import numpy as np

from kalm_jax.datasets import read_rollouts
from kalm_jax.distributed import is_main_process
from kalm_jax.evaluation.replay import replay, rows
from kalm_jax.files import read_npy, write_json
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.pipeline.artifacts import imagining_stages
from kalm_jax.pipeline.imagining import written_plans
from kalm_jax.pipeline.quality import truly_ended
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.types import Episodes


def run_replay(run: PipelineRun, level: str) -> None:
    """Writes how a level's imagined rollouts end in the simulator, by family, to `replayed.json`."""
    world, seed, i = run.world, run.config.seed, run.config.imagine
    stage = imagining_stages(run.config)[0]

    def work(folder: pathlib.Path) -> None:
        imagined = run.path / stage / level
        rollouts, goals = read_rollouts(imagined / "rollouts.h5")
        rollouts = truly_ended(world, rollouts, goals)
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
    run.stage(f"replayed/{level}", settings, ["ground", f"{stage}/{level}"], work, together=True)


def first_of_each(family: np.ndarray, count: int) -> np.ndarray:
    """Sorted indices of `count` rollouts, the first ones of each family in equal numbers, or all of it if fewer."""
    families = np.unique(family)
    sizes = count // len(families) + (np.arange(len(families)) < count % len(families))
    return np.sort(np.concatenate([np.flatnonzero(family == f)[:n] for f, n in zip(families, sizes)]))
