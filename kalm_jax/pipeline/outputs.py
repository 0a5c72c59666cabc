"""What a run hands to its user: the table of the user's prompts, `results.csv`, the figures and the report."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil

import numpy as np

import kalm_jax
from kalm_jax import sharding as parallel
from kalm_jax.datasets.formats import read_rollouts
from kalm_jax.evaluation import evaluate, learner_policy, read_results_csv, write_results_csv
from kalm_jax.evaluation.metrics import read_metrics
from kalm_jax.files import read_csv, read_json, read_json_lines, write_csv, write_json
from kalm_jax.pipeline.config import LLM_POLICY, PipelineConfig
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.pipeline.stages.first import (
    NOVEL_LEVELS,
    encoded_goals,
    encoding,
    file_mark,
    imagine_from,
    plans_of,
    real_rollouts,
)
from kalm_jax.pipeline.stages.policies import action_choices, configured_learner, imagined_parts, load_policies
from kalm_jax.report import ReportData, build_report
from kalm_jax.types import LEVELS, Episodes
from kalm_jax.worlds.base import get_world

PROMPT_SAMPLES = 8
"""Imagined rollouts per user's prompt from its own first state, for the match rate."""


def run_prompts(run: RunFolder, config: PipelineConfig) -> None:
    """The user's prompts: match rate per family, and success of every learner and arm from the given first states."""
    pairs = [(algorithm, arm) for algorithm in config.learn.learners for arm in config.learn.arms]

    def work(folder: pathlib.Path):
        world = get_world(config.world)
        goals, first = encoded_goals(run, config, "prompts"), world.read_prompts(config.prompts)[1]
        goal = np.tile(np.arange(len(goals), dtype=np.int32), PROMPT_SAMPLES)
        plans = plans_of(run, config, goals)
        states = np.tile(first, (PROMPT_SAMPLES, 1))
        rollouts = imagine_from(run, config, goals, goal, states, plans, "imagine from prompts")
        if not parallel.is_writer():
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
        episodes = Episodes(world.states_of(first), np.arange(len(goals), dtype=np.int32), goals)
        with world.simulator() as simulator:
            for algorithm, arm in pairs:
                policies, learner = load_policies(run, config, algorithm, arm), configured_learner(config, algorithm)
                for choice in action_choices(world, algorithm):
                    players = [
                        learner_policy(learner, policy, choice == "greedy", config.seed + i, world.observe, world.label)
                        for i, policy in enumerate(policies)
                    ]
                    results = evaluate(players, [episodes] * len(players), simulator)
                    success = np.mean([r.success for r in results], axis=0)
                    for f, row in table.items():
                        mine = np.ones(len(goals), bool) if f is None else goals.family == f
                        row[f"success_{algorithm}_{arm}_{choice}"] = round(float(success[mine].mean()), 4)
        write_csv(folder / "prompts.csv", list(table[None]), table.values())
        shutil.copyfile(folder / "prompts.csv", run.path / "prompts.csv")

    settings = {"prompts": file_mark(config.prompts), "seed": config.seed, "samples": PROMPT_SAMPLES}
    needs = [*encoding(config, ["prompts"]), "ground", *(f"learn/{algorithm}-{arm}" for algorithm, arm in pairs)]
    run.stage("prompts", settings, needs, work, together=True)


def write_report(run: RunFolder, config: PipelineConfig, command: str) -> list[dict]:
    """`results.csv`, `figures/` and `report.html` in the run's folder; returns the rows of results."""
    world = get_world(config.world)
    learners = [(algorithm, arm) for algorithm in config.learn.learners for arm in config.learn.arms]
    players = ["baselines", *((LLM_POLICY,) if LLM_POLICY in config.learn.algorithms else ())]
    players += [f"{algorithm}-{arm}" for algorithm, arm in learners]
    results = []
    for name in [f"{player}-{level}" for player in players for level in LEVELS]:
        results += read_results_csv(run.path / "evaluate" / name / "results.csv")
    write_results_csv(run.path / "results.csv", results)
    parts = imagined_parts(config)
    real, goals = read_rollouts(real_rollouts(run))
    imagined = read_rollouts(run.path / "imagine" / "rephrase" / "rollouts.h5")
    starts = np.load(run.path / "imagine" / "rephrase" / "starts.npy")
    manifest = make_manifest(config, command)
    write_json(run.path / "manifest.json", manifest)
    data = ReportData(
        results=results,
        imagination=[row for part in parts for row in read_json(run.path / "imagine" / part / "quality.json")],
        replayed=[row for level in NOVEL_LEVELS for row in read_json(run.path / "replayed" / level / "replayed.json")],
        explanation=read_json(run.path / "explain" / "explanation.json"),
        grounding_curve=read_json_lines(run.path / "ground" / "curve.jsonl"),
        grounding_metrics=read_metrics(run.path / "ground" / "metrics.csv"),
        learning_curves=[
            row for a, arm in learners for row in read_json(run.path / "learn" / f"{a}-{arm}" / "curve.json")
        ],
        collection=read_json(run.path / "collect" / "statistics.json"),
        stage_seconds=run.seconds,
        manifest=manifest,
        lengths={"recorded": real.length, "imagined (rephrase)": imagined[0].length},
        prompts=read_csv(run.path / "prompts.csv") if config.prompts else (),
        model=config.ground.llm or "the built-in model",
        title=world.title,
        terms=world.terms,
        **world.show((real, goals), (*imagined, starts)),
    )
    build_report(run.path, data)
    return results


def make_manifest(config: PipelineConfig, command: str) -> dict:
    """What somebody needs to make the run again: command, configuration, versions, hardware."""
    import importlib.metadata
    import platform

    import jax

    packages = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "transformers", "gymnasium", "mujoco", "numpy")
    return {
        "command": command,
        "configuration": dataclasses.asdict(config),
        "versions": {"kalm_jax": kalm_jax.__version__, "python": platform.python_version()}
        | {p: importlib.metadata.version(p) for p in packages},
        "hardware": {
            "platform": platform.platform(),
            "cores": os.cpu_count(),
            "devices": [str(d) for d in jax.devices()],
        },
    }
