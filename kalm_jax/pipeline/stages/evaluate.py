"""Evaluates trained policies."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from kalm_jax.evaluation import evaluate, result_rows, write_results_csv
from kalm_jax.pipeline.artifacts import encoded_goals, encoding
from kalm_jax.pipeline.learners import played_policies, policy_points
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.types import EpisodeResults, Episodes


def run_evaluate(run: PipelineRun, algorithm: str, condition: str, level: str) -> None:
    """Writes the success of every seed of one learner and condition at a level to `results.csv`.

    Where several checkpoints are kept each plays an even share of the episodes: the rate is the mean over them.
    """
    world, config = run.world, run.config

    def work(folder: pathlib.Path) -> None:
        vectors = encoded_goals(run, level).vector
        kept = [played_policies(run, algorithm, condition, n) for n in policy_points(config, algorithm)]
        found = []
        with world.simulator() as simulator:
            for i in range(config.learn.seeds):
                seed = config.seed + i
                episodes = world.make_episodes(level, config.evaluate.episodes, seed).with_vectors(vectors)
                shares = [episodes.take(slice(k, None, len(kept))) for k in range(len(kept))]
                for choice in kept[0]:
                    results = [
                        evaluate(of[choice][i], share, simulator) for of, share in zip(kept, shares, strict=True)
                    ]
                    found += result_rows(world, *joined(results, shares), algorithm, condition, seed, choice)
        write_results_csv(folder / "results.csv", found)

    settings = {"episodes": config.evaluate.episodes, "seed": config.seed}
    needs = [f"learn/{algorithm}-{condition}", *encoding(config, [level])]
    run.stage(f"evaluate/{algorithm}-{condition}-{level}", settings, needs, work)


def joined(results: Sequence[EpisodeResults], played: Sequence[Episodes]) -> tuple[EpisodeResults, Episodes]:
    """Results, and episodes of one level, one after the other."""
    result = EpisodeResults(np.concatenate([r.success for r in results]), np.concatenate([r.steps for r in results]))
    states, goal = np.concatenate([e.states for e in played]), np.concatenate([e.goal for e in played])
    return result, dataclasses.replace(played[0], states=states, goal=goal)
