"""Collects the real rollouts, or reads them from a file."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np

from kalm_jax.datasets import write_rollouts
from kalm_jax.files import write_json
from kalm_jax.pipeline.artifacts import file_mark
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.progress import Progress
from kalm_jax.worlds.base import get_world


def run_collect(run: RunFolder, config: PipelineConfig) -> None:
    """Writes real rollouts: `rollouts.h5` for training, `held_out.h5` for explanations, and `statistics.json`."""

    def work(folder: pathlib.Path) -> None:
        c, world = config.collect, get_world(config.world)
        if c.file:
            rollouts, goals = world.read_data(c.file)
        else:
            with Progress("collect", c.rollouts) as progress:
                behavior = c.behavior or world.behaviors[0]
                rollouts, goals = world.collect(
                    config.seed, c.rollouts, behavior, lambda done, total: progress.update(done)
                )
        order = np.random.default_rng([config.seed, 1]).permutation(len(rollouts))
        held_out = max(1, round(c.held_out * len(rollouts)))
        write_rollouts(folder / "held_out.h5", rollouts.take(order[:held_out]), goals)
        write_rollouts(folder / "rollouts.h5", rollouts.take(order[held_out:]), goals)
        write_json(folder / "statistics.json", world.statistics(rollouts, goals))

    settings = dataclasses.asdict(config.collect) | {"seed": config.seed, "content": file_mark(config.collect.file)}
    settings["world"] = config.world
    run.stage("collect", settings, [], work)
