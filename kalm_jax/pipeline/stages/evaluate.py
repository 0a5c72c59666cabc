"""Evaluates trained policies."""

from __future__ import annotations

import pathlib

import numpy as np

from kalm_jax.distributed import is_main_process
from kalm_jax.evaluation import evaluate, result_rows, write_results_csv
from kalm_jax.files import write_json
from kalm_jax.pipeline.artifacts import encoding, goal_vectors, planner_stage
from kalm_jax.pipeline.config import TRANSLATED, policies_of
from kalm_jax.pipeline.learners import played_policies, policy_points
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.translation import Translator
from kalm_jax.types import EpisodeResults


def run_evaluate(run: PipelineRun, algorithm: str, condition: str, level: str) -> None:
    """Writes the success of every seed of one learner and condition at a level to `results.csv`.

    Where several checkpoints are kept each plays an even share of the episodes: the rate is the mean over them.
    """
    world, config = run.world, run.config

    def work(folder: pathlib.Path) -> None:
        vectors, seeds = goal_vectors(run, level), [config.seed + i for i in range(config.learn.seeds)]
        tests = [world.make_episodes(level, config.evaluate.episodes, seed).with_vectors(vectors) for seed in seeds]
        learned = policies_of(condition)
        kept = [played_policies(run, algorithm, learned, n) for n in policy_points(config, algorithm)]
        translate = None
        if condition in TRANSLATED:
            asked = np.unique(np.concatenate([episodes.goal for episodes in tests]))
            translate = Translator(run, tests[0].goals, asked)
            if is_main_process():
                write_json(folder / "told.json", {tests[0].goals.text[g]: translate.texts(g) for g in asked})
        found = []
        with world.simulator() as simulator:
            for i, (seed, episodes) in enumerate(zip(seeds, tests, strict=True)):
                for choice in kept[0]:
                    result = EpisodeResults(np.zeros(len(episodes), bool), np.zeros(len(episodes), np.int32))
                    for k, policies in enumerate(kept):
                        share = slice(k, None, len(kept))
                        policy = policies[choice][i]
                        policy = policy if translate is None else translate(policy)
                        part = evaluate(policy, episodes.take(share), simulator)
                        result.success[share], result.steps[share] = part.success, part.steps
                    found += result_rows(world, result, episodes, algorithm, condition, seed, choice)
        if is_main_process():
            write_results_csv(folder / "results.csv", found)

    settings = {"episodes": config.evaluate.episodes, "seed": config.seed, "actions": config.evaluate.actions}
    needs = [f"learn/{algorithm}-{policies_of(condition)}", *encoding(config, [level])]
    if condition in TRANSLATED:
        needs += ["ground", *planner_stage(config), *encoding(config, ["data"])]
    together = condition in TRANSLATED  # all processes read states with the language model
    run.stage(f"evaluate/{algorithm}-{condition}-{level}", settings, needs, work, together=together)
