"""Evaluates the prompts of a user's file."""

from __future__ import annotations

import pathlib

import numpy as np

from kalm_jax.distributed import is_main_process
from kalm_jax.evaluation import evaluate
from kalm_jax.files import write_csv
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.pipeline.artifacts import SUBGOALS, encoded_goals, encoding, file_mark, planner_stage, read_prompts
from kalm_jax.pipeline.config import TRANSLATED, policies_of
from kalm_jax.pipeline.imagining import Request, imagine_rollouts, plans_of
from kalm_jax.pipeline.learners import played_policies
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.translation import Translator
from kalm_jax.types import Episodes

PROMPT_SAMPLES = 8
"""Imagined rollouts of each prompt from its first state, for the match rate."""


def run_prompts(run: PipelineRun) -> None:
    """Writes match rates and success on the user's prompts, from the given first states, to `prompts.csv`."""
    world, config = run.world, run.config
    pairs = [(algorithm, condition) for algorithm in config.learn.learners for condition in config.learn.conditions]
    translated = any(condition in TRANSLATED for _, condition in pairs)

    def work(folder: pathlib.Path) -> None:
        goals, (_, first, starts) = encoded_goals(run, "prompts"), read_prompts(config)
        each = np.arange(len(goals), dtype=np.int32)
        goal = np.tile(each, PROMPT_SAMPLES)
        grounded = load_grounded(run.path / "ground" / "model")
        plans = plans_of(config, grounded, goals, run=run.path)
        first_states = np.tile(first, (PROMPT_SAMPLES, 1))
        request = Request(goals, goal, first_states, plans, "imagine from prompts")
        rollouts, _ = imagine_rollouts(config, grounded, request)
        if not is_main_process():
            return
        solved = world.satisfied(goals.family, goals.array, first)
        parts = {"all": np.ones(len(goals), bool)}
        parts |= {world.families[f]: goals.family == f for f in np.unique(goals.family)}
        rows = [
            {
                "family": name,
                "prompts": int(mine.sum()),
                "solved_at_start": int(solved[mine].sum()),
                "imagined": int(mine[goal].sum()),
                "match_rate": round(float(rollouts.terminated[mine[goal]].mean()), 4),
            }
            for name, mine in parts.items()
        ]
        episodes = Episodes(starts, each, goals)
        translate = Translator(run, goals, each) if translated else None
        with world.simulator() as simulator:
            for algorithm, condition in pairs:
                for choice, policies in played_policies(run, algorithm, policies_of(condition)).items():
                    if translate is not None and condition in TRANSLATED:
                        policies = [translate(policy) for policy in policies]
                    success = np.mean([evaluate(policy, episodes, simulator).success for policy in policies], axis=0)
                    for row, mine in zip(rows, parts.values(), strict=True):
                        row[f"success_{algorithm}_{condition}_{choice}"] = round(float(success[mine].mean()), 4)
        write_csv(folder / "prompts.csv", list(rows[0]), rows)

    settings = {"prompts": file_mark(config.prompts), "seed": config.seed, "samples": PROMPT_SAMPLES}
    learned = list(dict.fromkeys(f"learn/{algorithm}-{policies_of(condition)}" for algorithm, condition in pairs))
    needs = [
        *encoding(config, ["data", SUBGOALS] * translated + ["prompts"]),
        "ground",
        *planner_stage(config),
        *learned,
    ]
    run.stage("prompts", settings, needs, work, together=True)
