"""Evaluates trained policies."""

from __future__ import annotations

import pathlib

import numpy as np

from kalm_jax.distributed import is_main_process
from kalm_jax.evaluation import episode_rows, evaluate, write_results
from kalm_jax.files import write_json
from kalm_jax.pipeline.artifacts import SUBGOALS, encoding, evaluation_sets, goal_vectors, planner_stage
from kalm_jax.pipeline.config import TRANSLATED, policies_of
from kalm_jax.pipeline.learners import action_choices, played_policies, policy_points
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.translation import Translator
from kalm_jax.types import EpisodeResults


def run_evaluate(run: PipelineRun, algorithm: str, condition: str, level: str) -> None:
    """Writes the success of every seed of one learner and condition at a level to `results.csv`.

    Where several checkpoints are kept each plays an even share of the episodes: the rate is the mean over them.
    """
    world, config = run.world, run.config

    def work(folder: pathlib.Path) -> None:
        vectors = goal_vectors(run, level)
        tests = [(name, seed, e.with_vectors(vectors)) for name, seed, e in evaluation_sets(run, level)]
        learned = policies_of(condition)
        kept = [played_policies(run, algorithm, learned, n) for n in policy_points(config, algorithm)]
        translate = None
        if condition in TRANSLATED:
            asked, goals = np.unique(np.concatenate([episodes.goal for *_, episodes in tests])), tests[0][-1].goals
            translate = Translator(run, goals, asked)
            if is_main_process():
                write_json(folder / "told.json", {goals.text[g]: translate.texts(g) for g in asked})
        found = []
        with world.simulator() as simulator:
            for sentences, seed, episodes in tests:
                for choice in kept[0]:
                    count = len(episodes)
                    result = EpisodeResults(
                        np.zeros(count, bool), np.zeros(count, np.int32), np.full(count, -1, np.int8)
                    )
                    for k, policies in enumerate(kept):
                        share = slice(k, None, len(kept))
                        policy = policies[choice][seed - config.seed]
                        policy = policy if translate is None else translate(policy)
                        part = evaluate(policy, episodes.take(share), simulator)
                        result.success[share], result.steps[share] = part.success, part.steps
                        if part.by_tool is not None and result.by_tool is not None:
                            result.by_tool[share] = part.by_tool
                    found += episode_rows(world, result, episodes, algorithm, condition, seed, choice, sentences)
        if is_main_process():
            write_results(folder, world, found)

    settings = {"episodes": config.evaluate.episodes, "seed": config.seed, "actions": action_choices(config, algorithm)}
    needs = [f"learn/{algorithm}-{policies_of(condition)}", *encoding(config, [level])]
    if condition in TRANSLATED:
        needs += ["ground", *planner_stage(config), *encoding(config, ["data", SUBGOALS])]
    together = condition in TRANSLATED  # all processes read states with the language model
    run.stage(f"evaluate/{algorithm}-{condition}-{level}", settings, needs, work, together=together)
