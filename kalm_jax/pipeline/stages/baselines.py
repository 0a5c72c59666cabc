"""Evaluates the random and the expert baseline."""

from __future__ import annotations

import dataclasses
import pathlib

from kalm_jax.evaluation import evaluate, result_rows, write_results_csv
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.progress import Progress
from kalm_jax.worlds.base import get_world


def run_baselines(run: RunFolder, config: PipelineConfig, level: str) -> None:
    """Writes the success of random actions and of the expert at a level to `results.csv`."""
    e, world = config.evaluate, get_world(config.world)

    def work(folder: pathlib.Path) -> None:
        with world.simulator() as simulator, Progress(f"baselines {level}", 2) as progress:
            found = []
            for i in range(config.learn.seeds):
                seed = config.seed + i
                episodes = world.make_episodes(level, e.episodes, seed)
                (result,) = evaluate([world.random_policy(seed)], [episodes], simulator)
                found += result_rows(world, result, episodes, "random", "random", seed, "sampled")
            progress.update(1)
            episodes = world.make_episodes(level, e.expert_episodes, config.seed)
            (result,) = evaluate([world.expert_policy(simulator, config.seed)], [episodes], simulator)
            found += result_rows(world, result, episodes, world.expert_name, world.expert_name, config.seed, "greedy")
            progress.update(2)
        write_results_csv(folder / "results.csv", found)

    settings = dataclasses.asdict(e) | {"seed": config.seed, "seeds": config.learn.seeds, "world": config.world}
    run.stage(f"evaluate/baselines-{level}", settings, [], work)
