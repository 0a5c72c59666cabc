"""Evaluates the prompts of a user's file."""

from __future__ import annotations

import pathlib
import shutil

import numpy as np

from kalm_jax.distributed import is_main_process
from kalm_jax.evaluation import evaluate, learner_policy
from kalm_jax.files import write_csv
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.pipeline.artifacts import encoded_goals, encoding, file_mark
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.imagining import imagine_from, plans_of
from kalm_jax.pipeline.learners import action_choices, configured_learner, load_policies
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.types import Episodes
from kalm_jax.worlds.base import get_world

PROMPT_SAMPLES = 8
"""Imagined rollouts of each prompt from its first state, for the match rate."""


def run_prompts(run: RunFolder, config: PipelineConfig) -> None:
    """Writes match rates and success on the user's prompts, from the given first states, to `prompts.csv`."""
    pairs = [(algorithm, condition) for algorithm in config.learn.learners for condition in config.learn.conditions]

    read_prompts = get_world(config.world).read_prompts
    if read_prompts is None:
        raise ValueError(f"the world {config.world} reads no prompt files")

    def work(folder: pathlib.Path) -> None:
        world = get_world(config.world)
        goals, (_, first, starts) = encoded_goals(run, config, "prompts"), read_prompts(config.prompts)
        goal = np.tile(np.arange(len(goals), dtype=np.int32), PROMPT_SAMPLES)
        grounded = load_grounded(run.path / "ground" / "model")
        plans = plans_of(config, grounded, goals)
        first_states = np.tile(first, (PROMPT_SAMPLES, 1))
        rollouts = imagine_from(config, grounded, goals, goal, first_states, plans, "imagine from prompts")
        if not is_main_process():
            return
        solved = world.satisfied(goals.family, goals.array, first)
        table = {}
        for f in [None, *np.unique(goals.family)]:
            mine = np.ones(len(goals), bool) if f is None else goals.family == f
            table[f] = {
                "family": "all" if f is None else world.families[f],
                "prompts": int(mine.sum()),
                "solved_at_start": int(solved[mine].sum()),
                "imagined": int(mine[goal].sum()),
                "match_rate": round(float(rollouts.terminated[mine[goal]].mean()), 4),
            }
        episodes = Episodes(starts, np.arange(len(goals), dtype=np.int32), goals)
        with world.simulator() as simulator:
            for algorithm, condition in pairs:
                learner = configured_learner(config, algorithm)
                states, stats = load_policies(run, config, algorithm, condition)
                for choice in action_choices(world, algorithm):
                    policies = [
                        learner_policy(
                            learner,
                            state,
                            stats,
                            choice == "greedy",
                            config.seed + i,
                            world.observe,
                            world.label_rewards,
                        )
                        for i, state in enumerate(states)
                    ]
                    results = evaluate(policies, [episodes] * len(policies), simulator)
                    success = np.mean([r.success for r in results], axis=0)
                    for f, row in table.items():
                        mine = np.ones(len(goals), bool) if f is None else goals.family == f
                        row[f"success_{algorithm}_{condition}_{choice}"] = round(float(success[mine].mean()), 4)
        write_csv(folder / "prompts.csv", list(table[None]), table.values())
        shutil.copyfile(folder / "prompts.csv", run.path / "prompts.csv")

    settings = {"prompts": file_mark(config.prompts), "seed": config.seed, "samples": PROMPT_SAMPLES}
    learned = [f"learn/{algorithm}-{condition}" for algorithm, condition in pairs]
    needs = [*encoding(config, ["prompts"]), "ground", *learned]
    run.stage("prompts", settings, needs, work, together=True)
