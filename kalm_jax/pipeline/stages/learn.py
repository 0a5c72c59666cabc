"""Trains one learner under one condition."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Mapping

from kalm_jax import dashboard
from kalm_jax.datasets import read_rollouts
from kalm_jax.distributed import broadcast_from_main, is_main_process
from kalm_jax.files import write_json
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.offline_rl import (
    Buffer,
    Relabel,
    drop_checkpoints,
    every_end_terminal,
    make_buffer,
    one_to_one,
    save_policies,
    saved_policies,
)
from kalm_jax.offline_rl.algorithms.decision_transformer import with_backbone
from kalm_jax.offline_rl.registry import plain_config
from kalm_jax.offline_rl.trainer import train
from kalm_jax.pipeline.artifacts import (
    encoded_goals,
    encoded_numbers,
    encoding,
    imagined_levels,
    imagined_parts,
    real_rollouts,
)
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.learners import configured_learner, policy_points, relabel_share, view_of
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.progress import Progress
from kalm_jax.sharding import gather
from kalm_jax.types import GoalTable, Rollouts, concatenate_goals
from kalm_jax.types.transforms import ObservationTransform
from kalm_jax.worlds.base import World, get_world


def run_learn(run: PipelineRun, algorithm: str, condition: str) -> None:
    """Trains all seeds of one learner and condition; writes `curve.json` and the `policies` at all `policy_points`."""
    config, learner = run.config, configured_learner(run.config, algorithm)
    # Part -> the stage with its rollouts, of what the condition learns from beside the real data.
    parts = {
        "offline": {},
        "relabel": {level: f"relabel/{level}" for level in imagined_levels(config)},
        "kalm": {part: f"imagine/{part}" for part in imagined_parts(config)},
        "oracle": {part: f"oracle/{part}" for part in imagined_levels(config)},
    }[condition]
    updates, relabel = config.learn.updates_of(algorithm), relabel_share(config, algorithm)
    seeds = [config.seed + i for i in range(config.learn.seeds)]

    def work(folder: pathlib.Path) -> None:
        buffer = learning_data(run, parts, relabel)
        start = None
        if learner.name == "decision_transformer" and learner.config.backbone:
            backbone = gather(load_grounded(run.path / "ground" / "model").params["llm"])
            start = functools.partial(with_backbone, params=backbone)
        with Progress(f"learn {algorithm} {condition}", updates * len(seeds), unit="update") as progress:
            stats, kept = learner.stats(buffer), saved_policies(folder / "policies")
            watch = functools.partial(dashboard.add_curve, f"learn/{algorithm}-{condition}")
            fit = functools.partial(train, learner, buffer, seeds, stats=stats, start=start, progress=progress.update)
            for point in policy_points(config, algorithm):
                if broadcast_from_main(point in kept):
                    continue
                drop_checkpoints(folder / "checkpoints", point)
                state, curve = fit(point, checkpoint_dir=folder / "checkpoints", watch=watch)
                if is_main_process():
                    rows = [{"algorithm": algorithm, "condition": condition, **row} for row in curve]
                    write_json(folder / "curve.json", rows)
                    save_policies(folder / "policies", point, state, stats)

    settings = {
        "learner": plain_config(learner.config),
        "seed": config.seed,
        "seeds": config.learn.seeds,
        "updates": updates,
        "draw": config.learn.draw,
        "relabel": relabel,
        "compat": config.learn.compat,
        "keep_all": config.imagine.keep_all,
        "shares": [run.world.learning.imagined_shares.get(part, 1.0) for part in parts],
    }
    if config.learn.checkpoints > 1:
        settings["checkpoints"] = config.learn.checkpoints
    if (view := view_of(config)) != ObservationTransform():
        settings["view"] = dataclasses.asdict(view)
    needs = ["collect", *encoding(config, ["data", *parts]), *parts.values()]
    run.stage(f"learn/{algorithm}-{condition}", settings, needs, work, together=True, modules=[algorithm])


def learning_data(run: PipelineRun, parts: dict[str, str], relabel: float) -> Buffer:
    """The real rollouts and those of the stages that `parts` name; half of each batch comes from either."""
    world, config, (real, _) = run.world, run.config, real_rollouts(run)
    parts = {part: stage for part, stage in parts.items() if (run.path / stage / "rollouts.h5").exists()}
    tables = [encoded_goals(run, part) for part in ("data", *parts)]
    goals, offsets = concatenate_goals(tables)
    novel = [read_rollouts(run.path / stage / "rollouts.h5")[0] for stage in parts.values()]
    real, *novel = (
        dataclasses.replace(r, goal=encoded_numbers(run, part)[r.goal])
        for part, r in zip(("data", *parts), (real, *novel), strict=True)
    )
    if not config.imagine.keep_all:
        judged = zip(parts, novel, tables[1:], strict=True)
        novel = [filter_realistic(world, part, r, table, real) if r.imagined.any() else r for part, r, table in judged]
    novel = [dataclasses.replace(r, goal=r.goal + first) for r, first in zip(novel, offsets[1:], strict=True)]
    return mixed_buffer(config, goals, real, dict(zip(parts, novel, strict=True)), relabel)


def mixed_buffer(
    config: PipelineConfig, goals: GoalTable, real: Rollouts, imagined: Mapping[str, Rollouts], relabel: float
) -> Buffer:
    """What learners learn from: half of each batch is real, half is of the imagined parts that have rollouts.

    `goals` have vectors, and those of all rollouts are among them; `relabel` is a share of goals, see `Relabel`.
    """
    world = get_world(config.world)
    parts, novel = list(imagined), list(imagined.values())
    shares = [world.learning.imagined_shares.get(part, 1.0) for part, rollouts in zip(parts, novel) if len(rollouts)]
    novel = [rollouts for rollouts in novel if len(rollouts)]
    if config.learn.compat == "kalm":
        real, novel = every_end_terminal(real), [every_end_terminal(r) for r in novel]
    sources = one_to_one(real, novel, shares)
    other_goals = Relabel(relabel, world.learning.relabel) if relabel and world.learning.relabel else None
    return make_buffer(
        sources, goals, world.spaces.num_actions or None, config.learn.draw, other_goals, view_of(config)
    )


def filter_realistic(world: World, part: str, rollouts: Rollouts, goals: GoalTable, real: Rollouts) -> Rollouts:
    """The rollouts that reach their goal realistically; prints a line where there is none."""
    good = world.filter_realistic(rollouts, goals, real)
    if not good.any() and is_main_process():
        print(f"imagine/{part}: no rollout reaches its goal realistically, so the policies learn from none of them")
    return rollouts.take(good)
