"""Explains held-out real rollouts with the grounded language model."""

from __future__ import annotations

import functools
import pathlib

from kalm_jax.datasets import read_rollouts
from kalm_jax.distributed import is_main_process
from kalm_jax.files import write_json
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.grounding.explanation import (
    ACTION_WEIGHT,
    MAX_ATTEMPTS,
    NUM_AUGMENTATIONS,
    STATE_WEIGHT,
    explain,
    generate_explanations,
    likeliest_goal_summaries,
)
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.progress import Progress
from kalm_jax.types import last_steps
from kalm_jax.worlds.base import get_world


def run_explain(run: RunFolder, config: PipelineConfig) -> None:
    """Writes how well held-out real rollouts are explained, after two prompts, one unseen, to `explanation.json`."""
    draws = config.imagine.explanation_draws

    def work(folder: pathlib.Path) -> None:
        world = get_world(config.world)
        grounded = load_grounded(run.path / "ground" / "model")
        rollouts, goals = read_rollouts(run.path / "collect" / "held_out.h5")
        rollouts = last_steps(rollouts.take(slice(0, config.imagine.explained)), config.ground.window)
        prompts = {"seen": world.language.explanation_prompts[0], "unseen": world.language.unseen_prompt}
        rows = []
        with Progress("explain", len(prompts) * (1 + draws)) as progress:
            for i, (name, prompt) in enumerate(prompts.items()):
                done = i * (1 + draws)
                texts = explain(*grounded, rollouts, prompt)
                rows.append(world.explanation_row(texts, rollouts, goals, name))
                if draws:
                    summaries = likeliest_goal_summaries(
                        *grounded,
                        rollouts,
                        prompt,
                        world.language,
                        draws,
                        config.seed,
                        progress=functools.partial(_advance, progress, done),
                    )
                    texts = generate_explanations(*grounded, rollouts, prompt, summaries, world.language, config.seed)
                    rows.append(world.explanation_row(texts, rollouts, goals, f"{name}, likeliest of {draws}"))
                progress.update(done + 1 + draws)
        if is_main_process():
            write_json(folder / "explanation.json", rows)

    weighing = [ACTION_WEIGHT, STATE_WEIGHT, NUM_AUGMENTATIONS, MAX_ATTEMPTS]
    settings = {"rollouts": config.imagine.explained, "draws": draws, "weighing": weighing}
    run.stage("explain", settings, ["ground"], work, together=True)


def _advance(progress: Progress, before: int, done: int) -> None:
    progress.update(before + done)
