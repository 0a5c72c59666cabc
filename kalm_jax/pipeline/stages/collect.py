"""Collects the real rollouts, or reads them from a file."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np

from kalm_jax.datasets import write_rollouts
from kalm_jax.files import write_json
from kalm_jax.pipeline.artifacts import file_mark
from kalm_jax.pipeline.grounding import check_sentences
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.progress import Progress


def run_collect(run: PipelineRun) -> None:
    """Writes real rollouts: `rollouts.h5` for training, `held_out.h5` for explanations, and `statistics.json`."""
    world, seed, c = run.world, run.config.seed, run.config.collect

    def work(folder: pathlib.Path) -> None:
        if c.file:
            rollouts, goals = world.read_data(c.file)
            check_sentences(run.config, goals, c.file)
        else:
            with Progress("collect", c.rollouts, unit="rollout") as progress:
                behavior = c.behavior or world.behaviors[0]
                rollouts, goals = world.collect(seed, c.rollouts, behavior, progress.update)
        order = np.random.default_rng([seed, 1]).permutation(len(rollouts))
        held_out = min(max(1, round(c.held_out * len(rollouts))), len(rollouts) - 1)
        write_rollouts(folder / "held_out.h5", rollouts.take(order[:held_out]), goals)
        write_rollouts(folder / "rollouts.h5", rollouts.take(order[held_out:]), goals)
        write_json(folder / "statistics.json", world.statistics(rollouts, goals))

    settings = dataclasses.asdict(c) | {"seed": seed, "content": file_mark(c.file), "world": run.config.world}
    run.stage("collect", settings, [], work)
