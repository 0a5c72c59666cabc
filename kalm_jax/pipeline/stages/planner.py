"""Puts the language model that writes subgoals into the run: the built-in one, or another one that is trained to."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from kalm_jax.distributed import is_main_process
from kalm_jax.grounding.checkpoint import save_grounded
from kalm_jax.llm.hf.folder import find_folder
from kalm_jax.pipeline.artifacts import content_mark, model_files
from kalm_jax.pipeline.planner import fit_planner, text_model, training_pairs
from kalm_jax.pipeline.run_folder import PipelineRun


def run_planner(run: PipelineRun) -> None:
    """Writes the planner as a grounded model without numbers to `model/`; where it is trained, its curve too."""
    world, config, p = run.world, run.config, run.config.planner

    def work(folder: pathlib.Path) -> None:
        if p.llm:
            planner = fit_planner(p.llm, training_pairs(world, p.text), p, seed=config.seed, folder=folder)
        else:
            planner = text_model("")
        if is_main_process():
            save_grounded(folder / "model", planner)

    settings: dict[str, Any] = {"weights": [content_mark(file) for file in model_files(find_folder(p.llm))]}
    if p.llm:
        settings |= {"seed": config.seed, **dataclasses.asdict(p)}
    run.stage("planner", settings, [], work, together=True)
