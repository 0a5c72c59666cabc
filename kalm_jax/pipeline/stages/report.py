"""Writes `results.csv`, the figures and the report of a run."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable
from typing import Any

from kalm_jax.datasets import read_rollouts
from kalm_jax.evaluation import read_episodes_csv, result_rows, write_results
from kalm_jax.evaluation.llm_metrics import read_metrics
from kalm_jax.files import read_csv, read_json, read_json_lines, read_npy, write_bytes
from kalm_jax.pipeline.artifacts import (
    IMAGINED,
    PRIVILEGED,
    imagined_levels,
    imagined_parts,
    imagining_stages,
    real_rollouts,
)
from kalm_jax.pipeline.config import LLM_POLICY, PipelineConfig
from kalm_jax.pipeline.run_folder import PipelineRun, make_manifest, write_manifest
from kalm_jax.report import ReportData, build_report
from kalm_jax.report.measures import grounding_measures
from kalm_jax.report.sentences import real_alone, unimagined
from kalm_jax.types import LEVELS


def write_report(run: PipelineRun, command: str) -> tuple[list[dict], str]:
    """`results.csv`, `episodes.csv`, `figures/`, `report.html`; returns the results and what readers should know."""
    world, config = run.world, run.config
    learners, trained = (
        [f"{algorithm}-{condition}" for algorithm in config.learn.learners for condition in conditions]
        for conditions in (config.learn.conditions, config.learn.learned)
    )
    players = ["baselines", *((LLM_POLICY,) if LLM_POLICY in config.learn.algorithms else ()), *learners]
    folders = [run.path / "evaluate" / f"{player}-{level}" for player in players for level in LEVELS]
    played = [row for folder in folders for row in read_episodes_csv(folder / "episodes.csv")]
    write_results(run.path, world, played)
    results = result_rows(played, world.spaces.early_steps)
    parts = imagined_parts(config)
    real, goals = real_rollouts(run)
    stage = run.path / imagining_stages(config)[0]
    imagined = read_rollouts(stage / "rephrase" / "rollouts.h5")
    starts = read_npy(stage / "rephrase" / "starts.npy")
    prompts = run.path / "prompts" / "prompts.csv"
    if config.prompts:
        write_bytes(run.path / "prompts.csv", prompts.read_bytes())
    manifest = make_manifest(config, command)
    write_manifest(run.path, manifest)
    alone = learned_from_real_alone(run.path, config)
    data = ReportData(
        labels=world.labels,
        results=results,
        imagination=imagination_rows(stage, parts),
        replayed=[
            row
            for level in imagined_levels(config)
            for row in read_json(run.path / "replayed" / level / "replayed.json", list)
        ],
        explanation=read_json(run.path / "explain" / "explanation.json", list),
        grounding_curve=read_json_lines(run.path / "ground" / "curve.jsonl"),
        losses=grounding_measures(
            bool(world.spaces.num_actions),
            config.ground.gaussian_states,
            config.ground.gaussian_actions,
            config.ground.predict_change,
        ),
        grounding_metrics=read_metrics(run.path / "ground" / "metrics.csv"),
        learning_curves=[row for name in trained for row in read_json(run.path / "learn" / name / "curve.json", list)],
        collection=read_json(run.path / "collect" / "statistics.json", dict),
        stage_seconds=run.seconds,
        manifest=manifest,
        lengths={"recorded": real.length.tolist(), "imagined (rephrase)": imagined[0].length.tolist()},
        real_alone=alone,
        prompts=read_csv(prompts) if config.prompts else (),
        model=config.ground.llm or "the built-in model",
        title=world.title,
        illustrations=world.illustrate((real, goals), (*imagined, starts)),
    )
    build_report(run.path, data)
    remarks = data.noise(), unimagined(results, dataclasses.asdict(config.imagine)), real_alone(alone)
    return results, " ".join(filter(None, remarks))


def learned_from_real_alone(folder: pathlib.Path, config: PipelineConfig) -> list[str]:
    """The conditions of the run in a folder of whose imagined rollouts none was kept."""
    stages = {"kalm": IMAGINED, "kalm+translate": IMAGINED, "kalm-privileged": PRIVILEGED}
    found = []
    for condition in config.learn.learned if config.learn.learners else ():
        if condition in stages:
            parts = [folder / stages[condition] / part for part in imagined_parts(config)]
            if condition == "kalm+translate":  # whose rollouts are parts for single subgoals
                kept = any((part / "subgoals.h5").exists() for part in parts)
            else:
                kept = any(row.get("learned", 1) for part in parts for row in read_json(part / "quality.json", list))
            found += [] if kept else [condition]
    return found


def imagination_rows(stage: pathlib.Path, parts: Iterable[str]) -> list[dict[str, Any]]:
    """What `quality_rows` says of the imagined rollouts in a stage's parts, counted under the part they were for.

    A user's prompts have the level of the sentences that they resemble; here they are "prompts".
    """
    return [{**row, "level": part} for part in parts for row in read_json(stage / part / "quality.json", list)]
