"""Evaluates trained policies."""

from __future__ import annotations

import pathlib

import numpy as np

from kalm_jax.evaluation import evaluate, result_rows, write_results_csv
from kalm_jax.pipeline.artifacts import encoding, goal_vectors
from kalm_jax.pipeline.learners import played_policies, policy_points
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.types import EpisodeResults


def run_evaluate(run: PipelineRun, algorithm: str, condition: str, level: str) -> None:
    """Writes the success of every seed of one learner and condition at a level to `results.csv`.

    Where several checkpoints are kept each plays an even share of the episodes: the rate is the mean over them.
    """
    world, config = run.world, run.config

    def work(folder: pathlib.Path) -> None:
        vectors = goal_vectors(run, level)
        kept = [played_policies(run, algorithm, condition, n) for n in policy_points(config, algorithm)]
        found = []
        with world.simulator() as simulator:
            for i in range(config.learn.seeds):
                seed = config.seed + i
                episodes = world.make_episodes(level, config.evaluate.episodes, seed).with_vectors(vectors)
                for choice in kept[0]:
                    result = EpisodeResults(np.zeros(len(episodes), bool), np.zeros(len(episodes), np.int32))
                    for k, policies in enumerate(kept):
                        share = slice(k, None, len(kept))
                        part = evaluate(policies[choice][i], episodes.take(share), simulator)
                        result.success[share], result.steps[share] = part.success, part.steps
                    found += result_rows(world, result, episodes, algorithm, condition, seed, choice)
        write_results_csv(folder / "results.csv", found)

    settings = {"episodes": config.evaluate.episodes, "seed": config.seed, "actions": config.evaluate.actions}
    needs = [f"learn/{algorithm}-{condition}", *encoding(config, [level])]
    run.stage(f"evaluate/{algorithm}-{condition}-{level}", settings, needs, work)
