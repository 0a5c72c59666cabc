"""Evaluates the grounded language model as a policy."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np

from kalm_jax.distributed import is_main_process
from kalm_jax.evaluation import evaluate, result_rows, write_results_csv
from kalm_jax.evaluation.llm_policy import PlanPolicy, WordsPolicy
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.pipeline.config import LLM_POLICY, PipelineConfig
from kalm_jax.pipeline.imagining import plans_of
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.progress import Progress
from kalm_jax.types import Policy
from kalm_jax.worlds.base import get_world


def run_llm_policy(run: RunFolder, config: PipelineConfig, level: str) -> None:
    """Writes the success of the grounded language model itself at a level to `results.csv`.

    Condition "words": by the goal's own words. Condition "plan", in a run that imagines by plans: by the model's plan.
    """
    world, e = get_world(config.world), config.evaluate
    window = min(config.ground.window or world.spaces.horizon, world.spaces.horizon)
    goals = world.goals(level)

    def work(folder: pathlib.Path) -> None:
        grounded = load_grounded(run.path / "ground" / "model")
        spec = grounded[0].spec
        choices = {"greedy": 0.0}
        if spec.num_actions or spec.gaussian_actions:
            choices["sampled"] = config.imagine.temperature
        seeds = [config.seed + i for i in range(config.learn.seeds)]
        tests = {seed: world.make_episodes(level, e.episodes, seed) for seed in seeds}
        asked = np.concatenate([episodes.goal for episodes in tests.values()])
        plans = plans_of(config, grounded, goals, asked) if config.imagine.plan else None
        found, played = [], 0
        with (
            world.simulator() as simulator,
            Progress(f"{LLM_POLICY} {level}", len(seeds) * len(choices) * (2 if plans else 1)) as progress,
        ):
            for seed, episodes in tests.items():
                for choice, heat in choices.items():
                    conditions: dict[str, Policy] = {}
                    conditions["words"] = WordsPolicy(grounded, seed, heat, window, world.observe)
                    if plans:
                        conditions["plan"] = PlanPolicy(
                            grounded,
                            plans,
                            world.satisfied,
                            seed,
                            heat,
                            config.imagine.max_steps_per_subgoal,
                            world.observe,
                        )
                    for condition, policy in conditions.items():
                        (result,) = evaluate([policy], [episodes], simulator)
                        found += result_rows(world, result, episodes, LLM_POLICY, condition, seed, choice)
                        played += 1
                        progress.update(played)
        if is_main_process():
            write_results_csv(folder / "results.csv", found)

    settings = dataclasses.asdict(e) | {"seed": config.seed, "seeds": config.learn.seeds, "window": window}
    settings |= {name: getattr(config.imagine, name) for name in ("temperature", "plan", "max_steps_per_subgoal")}
    run.stage(f"evaluate/{LLM_POLICY}-{level}", settings, ["ground"], work, together=True)
