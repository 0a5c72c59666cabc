"""Evaluates the grounded language model as a policy."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib

import numpy as np

from kalm_jax.distributed import is_main_process
from kalm_jax.evaluation import episode_rows, evaluate, write_results
from kalm_jax.evaluation.llm_policy import PlanPolicy, WordsPolicy
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.pipeline.artifacts import evaluation_sets, planner_stage
from kalm_jax.pipeline.config import LLM_POLICY
from kalm_jax.pipeline.imagining import plans_of
from kalm_jax.pipeline.learners import action_choices
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.progress import Progress
from kalm_jax.types import Policy


def run_llm_policy(run: PipelineRun, level: str) -> None:
    """Writes the success of the grounded language model itself at a level to `results.csv`.

    Condition "words": by the goal's own words. Condition "plan", in a run that imagines by plans: by the model's plan.
    """
    world, config, e = run.world, run.config, run.config.evaluate
    window = min(config.ground.window or world.spaces.horizon, world.spaces.horizon)
    max_steps = config.imagine.max_steps_per_subgoal

    def work(folder: pathlib.Path) -> None:
        grounded = load_grounded(run.path / "ground" / "model")
        spec = grounded.model.spec
        draws = spec.num_actions or spec.gaussian_actions
        heats = {"greedy": 0.0, "sampled": config.imagine.temperature}
        heats = {choice: heats[choice] for choice in (action_choices(config, LLM_POLICY) if draws else ("greedy",))}
        tests = evaluation_sets(run, level)
        asked = np.concatenate([episodes.goal for *_, episodes in tests])
        plans = plans_of(config, grounded, world.goals(level), asked, run.path)
        cases = list(itertools.product(tests, heats, ("words", "plan") if config.imagine.plan else ("words",)))
        found = []
        with world.simulator() as simulator, Progress(f"{LLM_POLICY} {level}", len(cases), unit="test") as progress:
            for done, ((sentences, seed, episodes), choice, condition) in enumerate(cases, 1):
                policy: Policy
                if condition == "words":
                    policy = WordsPolicy(grounded, seed, heats[choice], window, world.observe)
                else:
                    policy = PlanPolicy(grounded, plans, world.satisfied, seed, heats[choice], max_steps, world.observe)
                result = evaluate(policy, episodes, simulator)
                found += episode_rows(world, result, episodes, LLM_POLICY, condition, seed, choice, sentences)
                progress.update(done)
        if is_main_process():
            write_results(folder, world, found)

    settings = dataclasses.asdict(e) | {"seed": config.seed, "seeds": config.learn.seeds, "window": window}
    settings |= {name: getattr(config.imagine, name) for name in ("temperature", "plan", "max_steps_per_subgoal")}
    run.stage(f"evaluate/{LLM_POLICY}-{level}", settings, ["ground", *planner_stage(config)], work, together=True)
