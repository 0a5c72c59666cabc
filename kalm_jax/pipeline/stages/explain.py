"""Explains held-out real rollouts with the grounded language model."""

from __future__ import annotations

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
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.progress import Progress
from kalm_jax.types import last_steps


def run_explain(run: PipelineRun) -> None:
    """Writes how well held-out real rollouts are explained, after two prompts, one unseen, to `explanation.json`."""
    world, seed, window = run.world, run.config.seed, run.config.ground.window
    count, draws = run.config.imagine.explained, run.config.imagine.explanation_draws

    def work(folder: pathlib.Path) -> None:
        grounded, language = load_grounded(run.path / "ground" / "model"), world.language
        rollouts, goals = read_rollouts(run.path / "collect" / "held_out.h5")
        rollouts = last_steps(rollouts.take(slice(0, count)), window)
        prompts = {"seen": language.explanation_prompts[0], "unseen": language.unseen_prompt}
        rows, done = [], 0
        with Progress("explain", len(prompts) * (1 + draws), unit="round") as progress:

            def advance(drawn: int) -> None:
                progress.update(done + drawn)

            for name, prompt in prompts.items():
                texts = explain(grounded, rollouts, prompt, language)
                rows.append(world.explanation_row(texts, rollouts, goals, name))
                if draws:
                    summaries = likeliest_goal_summaries(
                        grounded, rollouts, prompt, language, draws, seed, progress=advance
                    )
                    texts = generate_explanations(grounded, rollouts, prompt, summaries, language, seed)
                    rows.append(world.explanation_row(texts, rollouts, goals, f"{name}, likeliest of {draws}"))
                done += 1 + draws
                progress.update(done)
        if is_main_process():
            write_json(folder / "explanation.json", rows)

    weighing = [ACTION_WEIGHT, STATE_WEIGHT, NUM_AUGMENTATIONS, MAX_ATTEMPTS]
    run.stage("explain", {"rollouts": count, "draws": draws, "weighing": weighing}, ["ground"], work, together=True)
