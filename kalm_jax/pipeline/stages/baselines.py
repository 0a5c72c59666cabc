"""Evaluates the random and the expert baseline."""

from __future__ import annotations

import pathlib

from kalm_jax.evaluation import episode_rows, evaluate, write_results
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.progress import Progress


def run_baselines(run: PipelineRun, level: str) -> None:
    """Writes the success of random actions and of the expert at a level to `results.csv`."""
    world, first, e = run.world, run.config.seed, run.config.evaluate

    def work(folder: pathlib.Path) -> None:
        with world.simulator() as simulator, Progress(f"baselines {level}", 2, unit="part") as progress:
            episodes = world.make_episodes(level, e.episodes, first)
            result = evaluate(world.random_policy(first), episodes, simulator)
            found = episode_rows(world, result, episodes, "random", "random", first, "sampled")
            progress.update(1)
            episodes = world.make_episodes(level, e.expert_episodes, first)
            result = evaluate(world.expert_policy(simulator, first), episodes, simulator)
            found += episode_rows(world, result, episodes, world.expert_name, world.expert_name, first, "greedy")
            progress.update(2)
        write_results(folder, world, found)

    settings = {"seed": first, "world": run.config.world}
    settings |= {"episodes": e.episodes, "expert_episodes": e.expert_episodes}
    run.stage(f"evaluate/baselines-{level}", settings, [], work)
