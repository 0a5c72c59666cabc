"""Encodes sentences as goal vectors, and measures how policies whiten them."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import numpy as np

from kalm_jax.distributed import is_main_process
from kalm_jax.files import read_npy, write_npy, write_npz
from kalm_jax.grounding.checkpoint import save_grounded
from kalm_jax.grounding.decoding import encode_goals
from kalm_jax.llm.hf.folder import find_folder
from kalm_jax.offline_rl.normalization import whitening
from kalm_jax.pipeline.artifacts import (
    IMAGINED,
    NOVEL_LEVELS,
    content_mark,
    encoder_stage,
    goals_of,
    imagined_levels,
    imagining_stages,
    met_vectors,
    model_files,
    plan_meanings,
    sentences_to_encode,
    text_mark,
    true_meanings,
)
from kalm_jax.pipeline.imagining import imagined_goals, sentence_encoder
from kalm_jax.pipeline.planner import text_model
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.run_records import check_stage
from kalm_jax.progress import Progress
from kalm_jax.types import GoalTable

WHITENED = ("data", *NOVEL_LEVELS)
"""Parts whose goal vectors determine the whitening, those of new sentences aside."""


def run_encoder(run: PipelineRun) -> None:
    """Puts the language model whose sentence vectors tell policies of goals into the run, to `model/`."""
    encoder = run.config.learn.encoder

    def work(folder: pathlib.Path) -> None:
        if is_main_process():
            save_grounded(folder / "model", text_model(encoder))

    weights = [content_mark(file) for file in model_files(find_folder(encoder))]
    run.stage("encoder", {"weights": weights}, [], work, together=True)


def run_encode(run: PipelineRun, part: str) -> None:
    """Writes the goal vectors of a part's sentences to `vectors.npy`; the data's level has those of the data."""
    goals, place = goals_of(run, part), run.path / "encode"
    by_plans = (
        run.config.learn.wordings and part in imagined_levels(run.config) and IMAGINED in imagining_stages(run.config)
    )
    index = sentences_to_encode(run, goals, part, _meanings(run, goals, part) if run.config.learn.wordings else None)
    settings: dict[str, Any] = {"sentences": text_mark(goals)}
    if len(index) < len(goals):
        settings["encoded"] = text_mark(goals.take(index))
    known = part != "data" and check_stage(run.path, "encode/data")["settings"] == settings

    def work(folder: pathlib.Path) -> None:
        if known:
            vectors = read_npy(place / "data" / "vectors.npy")
        else:
            with Progress(f"encode {part}", len(index), unit="sentence") as progress:
                model = sentence_encoder(run.config, run.path)
                # The built-in model's positions cost less than further programs would.
                by_length = bool(run.config.learn.encoder or run.config.ground.llm)
                texts = [goals.text[i] for i in index]
                found = encode_goals(model, texts, by_length=by_length, progress=progress.update)
            vectors = np.zeros((len(goals), found.shape[1]), found.dtype)
            vectors[index] = found
        if is_main_process():
            write_npy(folder / "vectors.npy", vectors)
            write_npy(folder / "encoded.npy", index)

    needs = [encoder_stage(run.config)] + ["encode/data"] * known + [f"{IMAGINED}/{part}"] * by_plans
    run.stage(f"encode/{part}", settings, needs, work, together=True)


def _meanings(run: PipelineRun, goals: GoalTable, part: str) -> list[np.ndarray] | None:
    """By what the sentences of a part are learned in the run's conditions, see `sentences_to_encode`."""
    config = run.config
    if part not in NOVEL_LEVELS:
        return None
    if part not in imagined_levels(config):
        return []
    stages, found = imagining_stages(config), []
    if IMAGINED in stages:
        found.append(plan_meanings(run.path / IMAGINED / part, goals))
    learned = config.learn.learned
    if IMAGINED not in stages or {"relabel", "kalm-privileged", "oracle"} & set(learned):
        numbers = true_meanings(run, goals, part)
        if "oracle" not in learned:  # whose rollouts may be of any goal
            drawn = numbers[imagined_goals(config, goals, part)[1]]
            numbers = np.where(np.isin(numbers, drawn), numbers, -1)
        found.append(numbers)
    return found


def run_whiten(run: PipelineRun) -> None:
    """Writes how goal vectors are whitened for policies to `whitening.npz`; it is the same for every condition."""
    ridge = run.config.learn.whitening

    def work(folder: pathlib.Path) -> None:
        if is_main_process():
            vectors = np.concatenate([met_vectors(run, part) for part in WHITENED])
            write_npz(folder / "whitening.npz", **dataclasses.asdict(whitening(vectors, ridge)))

    run.stage("encode/whitening", {"ridge": ridge}, [f"encode/{part}" for part in WHITENED], work, together=True)
