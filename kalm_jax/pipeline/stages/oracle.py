"""Records real rollouts of the novel goals, which only the condition "oracle" learns from."""

from __future__ import annotations

import pathlib

import numpy as np

from kalm_jax.datasets import write_rollouts
from kalm_jax.evaluation import record
from kalm_jax.pipeline.imagining import goals_to_imagine
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.progress import Progress
from kalm_jax.types import LEVELS, Episodes, concatenate

ROUNDS = 8
"""Attempts at a goal, each from another state, before the condition "oracle" does without it."""


def run_oracle(run: PipelineRun, level: str) -> None:
    """Real, successful rollouts of a novel level's goals in `rollouts.h5`, as many as are imagined.

    Only policies of the condition "oracle" learn from them; the language model never sees them.

    Raises:
      ValueError: not one goal was reached.
    """
    world, seed = run.world, run.config.seed
    count, goals = getattr(run.config.imagine, level), world.goals(level)

    def work(folder: pathlib.Path) -> None:
        rng, met = np.random.default_rng([seed, 3, LEVELS.index(level)]), np.flatnonzero(~world.new_sentences(level))
        goal, parts = met[goals_to_imagine(rng, goals.take(met), count)], []
        with world.simulator() as simulator, Progress(f"oracle {level}", count, unit="rollout") as progress:
            for _ in range(ROUNDS):
                _, starts = world.first_states(rng, goals, goal)
                policy = world.behavior_policy(simulator, int(rng.integers(2**31)))
                rollouts = record(policy, Episodes(starts, goal, goals), simulator, world.observe)
                parts.append(rollouts.take(rollouts.terminated))
                goal = goal[~rollouts.terminated]
                progress.update(count - len(goal))
                if not len(goal):
                    break
        if len(goal) == count:
            raise ValueError(f"oracle: no goal of {level} was reached in {ROUNDS} tries of {count} rollouts")
        write_rollouts(folder / "rollouts.h5", world.label_rewards(concatenate(parts), goals), goals)

    run.stage(f"oracle/{level}", {"count": count, "seed": seed, "world": run.config.world}, [], work)
