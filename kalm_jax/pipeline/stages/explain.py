"""Explains held-out real rollouts with the grounded language model."""

from __future__ import annotations

import pathlib

from kalm_jax.datasets import read_rollouts
from kalm_jax.distributed import is_main_process
from kalm_jax.files import write_json
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.grounding.explanation import ACTING_WEIGHT, READING_WEIGHT, SAYINGS, VIEWS, explain, likeliest_gists, tell
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.progress import Progress
from kalm_jax.types import last_steps
from kalm_jax.worlds.base import get_world


def run_explain(run: RunFolder, config: PipelineConfig) -> None:
    """Explanations of held-out real rollouts, with the seen and an unseen prompt, in `explanation.json`."""
    draws = config.imagine.explanation_draws

    def work(folder: pathlib.Path):
        world = get_world(config.world)
        model, params, tokenizer = load_grounded(run.path / "ground" / "model")
        rollouts, goals = read_rollouts(run.path / "collect" / "held_out.h5")
        rollouts = last_steps(rollouts.take(slice(0, config.imagine.explained)), config.ground.window)
        prompts = {"seen": world.language.explanation_prompts[0], "unseen": world.language.unseen_prompt}
        rows = []
        with Progress("explain", len(prompts) * (1 + draws)) as progress:
            for i, (name, prompt) in enumerate(prompts.items()):
                done = i * (1 + draws)
                asked = (model, params, tokenizer, rollouts, prompt)
                rows.append(world.explanation_row(explain(*asked), rollouts, goals, name))
                if draws:
                    gists = likeliest_gists(
                        *(*asked, world.language, draws, config.seed),
                        progress=lambda k, done=done: progress.update(done + k),
                    )
                    texts = tell(*asked, gists, world.language, config.seed)
                    rows.append(world.explanation_row(texts, rollouts, goals, f"{name}, likeliest of {draws}"))
                progress.update(done + 1 + draws)
        if is_main_process():
            write_json(folder / "explanation.json", rows)

    settings = {"rollouts": config.imagine.explained, "draws": draws}
    settings["weighing"] = [ACTING_WEIGHT, READING_WEIGHT, VIEWS, SAYINGS]
    run.stage("explain", settings, ["ground"], work, together=True)
