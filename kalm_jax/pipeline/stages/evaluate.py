"""Evaluates trained policies."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from kalm_jax.evaluation import evaluate, learner_policy, result_rows, write_results_csv
from kalm_jax.pipeline.artifacts import encoded_goals, encoding
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.learners import action_choices, configured_learner, load_policies, policy_points
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.types import EpisodeResults, Episodes
from kalm_jax.worlds.base import get_world


def run_evaluate(run: RunFolder, config: PipelineConfig, algorithm: str, condition: str, level: str) -> None:
    """Writes the success of every seed of one learner and condition at a level to `results.csv`.

    Where several checkpoints are kept each plays an even share of the episodes: the rate is the mean over them.
    """
    world = get_world(config.world)
    choices, learner = action_choices(world, algorithm), configured_learner(config, algorithm)

    def work(folder: pathlib.Path) -> None:
        vectors = encoded_goals(run, config, level).vector
        kept = [load_policies(run, config, algorithm, condition, n) for n in policy_points(config, algorithm)]
        played, policies, keys = [], [], []
        for i in range(config.learn.seeds):
            seed = config.seed + i
            episodes = world.make_episodes(level, config.evaluate.episodes, seed).with_vectors(vectors)
            for choice in choices:
                for k, (states, stats) in enumerate(kept):
                    act = learner_policy(
                        learner, states[i], stats, choice == "greedy", seed, world.observe, world.label_rewards
                    )
                    policies.append(act)
                    played.append(episodes.take(slice(k, None, len(kept))))
                    keys.append((seed, choice))
        with world.simulator() as simulator:
            results = evaluate(policies, played, simulator)
        found = []
        for i in range(0, len(keys), len(kept)):
            seed, choice = keys[i]
            result, episodes = joined(results[i : i + len(kept)], played[i : i + len(kept)])
            found += result_rows(world, result, episodes, algorithm, condition, seed, choice)
        write_results_csv(folder / "results.csv", found)

    settings = {"episodes": config.evaluate.episodes, "seed": config.seed}
    needs = [f"learn/{algorithm}-{condition}", *encoding(config, [level])]
    run.stage(f"evaluate/{algorithm}-{condition}-{level}", settings, needs, work)


def joined(results: Sequence[EpisodeResults], played: Sequence[Episodes]) -> tuple[EpisodeResults, Episodes]:
    """Results, and episodes of one level, one after the other."""
    result = EpisodeResults(np.concatenate([r.success for r in results]), np.concatenate([r.steps for r in results]))
    states, goal = np.concatenate([e.states for e in played]), np.concatenate([e.goal for e in played])
    return result, dataclasses.replace(played[0], states=states, goal=goal)
