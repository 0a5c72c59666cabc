"""Grounds the language model in the collected rollouts."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable

import numpy as np

from kalm_jax.datasets import read_rollouts
from kalm_jax.distributed import is_main_process
from kalm_jax.evaluation.llm_metrics import metric_rows, write_metrics
from kalm_jax.grounding.checkpoint import save_grounded
from kalm_jax.grounding.explanation import explain
from kalm_jax.grounding.model import GroundedModel, change_llms, init_params, numeric_spec
from kalm_jax.grounding.tasks import Batches, augmented
from kalm_jax.grounding.trainer import TrainConfig, fit
from kalm_jax.llm.hf.folder import BUILTIN, load_model
from kalm_jax.llm.hf.weights import weight_files
from kalm_jax.llm.lora import LoraConfig, merge
from kalm_jax.llm.lora import init as init_lora
from kalm_jax.llm.transformer import unstack_layers
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.imagining import balanced_goals, imagine_from, plans_of
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.progress import Progress
from kalm_jax.sharding import default_mesh, gather, weight_sharding
from kalm_jax.types import Rollouts, last_steps
from kalm_jax.worlds.base import get_world


def run_ground(run: RunFolder, config: PipelineConfig) -> None:
    """The grounded language model in `model/`, its training curve in `curve.jsonl`."""
    world = get_world(config.world)

    def work(folder: pathlib.Path):
        import jax

        g = config.ground
        rollouts, goals = read_rollouts(run.path / "collect" / "rollouts.h5")
        lora = LoraConfig(g.lora_rank) if g.lora_rank else None
        # Frozen weights stay in the type of their file, half the size of float32; a large model wants stacked layers.
        dtype = None if lora else "float32"
        sharding = weight_sharding(default_mesh())
        llm_config, llm_params, tokenizer = load_model(g.llm or BUILTIN, dtype, sharding, scan_layers=bool(g.llm))
        options = {n: getattr(g, n) for n in ("predict_change", "gaussian_states", "hidden", "two_models")}
        options |= {} if world.spaces.num_actions else {"gaussian_actions": g.gaussian_actions}
        shown = augmented(rollouts, goals, world.augment, config.seed) if world.augment else rollouts
        spec = numeric_spec(shown, world.spaces.num_actions, **world.numeric_options, **options)
        llm_config = dataclasses.replace(llm_config, attention=g.attention, recompute=g.recompute)
        model = GroundedModel(llm_config, spec)
        params = init_params(model, jax.random.key(config.seed), llm_params)
        size = (g.rows, g.row_length, config.seed, g.window, g.reading)
        batches = Batches(rollouts, goals, tokenizer, g.shares, world.language, spec, *size, world.augment)
        # A user's own by AdamW, as the authors do; Muon, which works on copies of all matrices, is untried there.
        options = {"muon": 0.0 if g.llm else TrainConfig.muon, "accumulate": g.accumulate, "compute": g.compute}
        options |= {"measure_every": config.metrics.every}
        train = TrainConfig(g.steps, g.learning_rate, g.warmup, lora=lora, **options)
        if lora:
            params = change_llms(params, lambda llm: init_lora(jax.random.key(config.seed), llm, lora))
        elif g.two_models:  # what is used up once (`donate`) cannot be both
            params["states"] = jax.tree.map(jax.numpy.copy, params["states"])
        frozen = llm_params if lora else None

        def whole(params):
            if not lora:
                return params
            base = gather(frozen)
            return change_llms(params, lambda adapters: merge(base, adapters, lora, "float32"))

        metrics = training_metrics(run, config, model, tokenizer, rollouts) if config.metrics.every else None

        def measure(step, params):
            rows = metrics(step, whole(params))
            if is_main_process():
                write_metrics(folder / "metrics.csv", rows)

        with Progress("ground", g.steps) as progress:
            params, _ = fit(
                model, params, batches, train, folder, progress.update, frozen, donate=True, measure=measure
            )
        params = whole(params)
        if is_main_process():
            save_grounded(folder / "model", model, params, tokenizer)

    settings = dataclasses.asdict(config.ground) | {
        "seed": config.seed,
        "weights": _folder_mark(config.ground.llm or BUILTIN),
    }
    for name in ("attention", "recompute"):  # as with another mesh: other orders of the same sums
        del settings[name]
    if not config.ground.two_models:
        del settings["two_models"]  # runs from before there was a choice stay done
    settings |= world.numeric_options
    if world.augment is not None:
        settings["augment"] = world.augment.__name__
        settings["short_goals"] = sorted(filter(None, map(world.language.plan, range(len(world.families)))))
    run.stage("ground", settings, ["collect"], work, together=True)


def training_metrics(
    run: RunFolder, config: PipelineConfig, model: GroundedModel, tokenizer, real: Rollouts
) -> Callable[[int, dict], list[dict]]:
    """(step, parameters on the host) -> rows of `evaluation.metrics` for a model that is being grounded.

    Rollouts are imagined for validation sentences as `run_imagine` does for a level, and the last held-out rollouts are
    explained, at the first answer. `real` are the rollouts of training, for what is realistic.
    """
    m, world = config.metrics, get_world(config.world)
    rng = np.random.default_rng([config.seed, 4])
    every = world.validation_goals()
    used, goal = np.unique(balanced_goals(rng, every, m.rollouts), return_inverse=True)
    goals = every.take(used)
    states, _ = world.first_states(rng, goals, goal)
    shown, shown_goals = read_rollouts(run.path / "collect" / "held_out.h5")
    shown = last_steps(shown.take(slice(-m.explained, None)), config.ground.window)
    prompts = {"seen": world.language.explanation_prompts[0], "unseen": world.language.unseen_prompt}
    stacked = model.config.scan_layers
    model = GroundedModel(dataclasses.replace(model.config, scan_layers=False, attention="plain"), model.spec)

    def measure(step: int, params: dict) -> list[dict]:
        grounded = (model, change_llms(params, unstack_layers) if stacked else params, tokenizer)
        plans = plans_of(config, grounded, goals)
        rollouts = imagine_from(config, grounded, goals, goal, states, plans, f"metrics at {step}")
        said = [
            world.explanation_row(explain(*grounded, shown, prompt), shown, shown_goals, name)
            for name, prompt in prompts.items()
        ]
        return metric_rows(step, world.quality_rows(rollouts, goals, real), said, world.labels.unrealistic)

    return measure


def _folder_mark(folder) -> list[str]:
    files = weight_files(folder)
    return [f"{f.name}-{f.stat().st_size}-{hashlib.sha256(f.open('rb').read(1 << 20)).hexdigest()[:12]}" for f in files]
