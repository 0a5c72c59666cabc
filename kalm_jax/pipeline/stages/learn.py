"""Trains one learner under one condition."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from kalm_jax import dashboard
from kalm_jax.datasets import read_rollouts
from kalm_jax.distributed import broadcast_from_main, is_main_process
from kalm_jax.files import write_json
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.imagination.judges import reward_at_end
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
    IMAGINED,
    PRIVILEGED,
    SUBGOALS,
    encoded_goals,
    encoding,
    imagined_levels,
    imagined_parts,
    learned_goals,
    plan_meanings,
    real_rollouts,
)
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.imagining import UNKNOWN, planned_goals, success_reward, untold, written_plans
from kalm_jax.pipeline.learners import configured_learner, policy_points, relabel_share, view_of
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.translation import first_sentences, goal_key
from kalm_jax.progress import Progress
from kalm_jax.sharding import gather
from kalm_jax.types import GoalTable, Rollouts, concatenate_goals
from kalm_jax.types.transforms import ObservationTransform
from kalm_jax.worlds.base import World, get_world

OF_SUBGOALS = ("relabel+translate", "kalm+translate")
"""Conditions whose policies learn single subgoals from the file subgoals.h5 of their stages."""


def run_learn(run: PipelineRun, algorithm: str, condition: str) -> None:
    """Trains all seeds of one learner and condition; writes `curve.json` and the `policies` at all `policy_points`."""
    config, learner = run.config, configured_learner(run.config, algorithm)
    parts = learned_parts(config, condition)
    updates, relabel = config.learn.updates_of(algorithm), relabel_share(config, algorithm)
    seeds = [config.seed + i for i in range(config.learn.seeds)]

    def work(folder: pathlib.Path) -> None:
        buffer = learning_data(run, condition, relabel)
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
    sentences = [SUBGOALS] if condition in OF_SUBGOALS else parts
    needs = ["collect", *encoding(config, ["data", *sentences]), *parts.values()]
    run.stage(f"learn/{algorithm}-{condition}", settings, needs, work, together=True, modules=[algorithm])


def learned_parts(config: PipelineConfig, condition: str) -> dict[str, str]:
    """Part -> the stage with its rollouts, of what a condition learns from beside the real data."""
    levels, parts = imagined_levels(config), imagined_parts(config)
    return {
        "offline": {},
        "relabel": {level: f"relabel/{level}" for level in levels},
        "relabel+translate": {level: f"relabel+translate/{level}" for level in levels},
        "kalm": {part: f"{IMAGINED}/{part}" for part in parts},
        "kalm+translate": {part: f"{IMAGINED}/{part}" for part in parts},
        "kalm-privileged": {part: f"{PRIVILEGED}/{part}" for part in parts},
        "oracle": {level: f"oracle/{level}" for level in levels},
    }[condition]


def learning_data(run: PipelineRun, condition: str, relabel: float) -> Buffer:
    """The real rollouts and those of the condition's stages; half of each batch comes from either.

    All conditions reward a novel goal that is reached alike, as the data's are on average, whoever says that it is.
    Only "kalm-privileged" has the world's own rewards.
    """
    config, (real, data) = run.config, real_rollouts(run)
    known, numbers = learned_goals(run, "data")
    real = dataclasses.replace(real, goal=numbers[real.goal])
    read = _subgoals if condition in OF_SUBGOALS else _planned if condition == "kalm" else _true
    reward = None if condition == "kalm-privileged" else success_reward(real)
    tables, novel, plans = [known], {}, len(run.world.families)
    for part, stage in learned_parts(config, condition).items():
        file = run.path / stage / ("subgoals.h5" if condition in OF_SUBGOALS else "rollouts.h5")
        if not file.exists():
            if condition == "kalm+translate":
                print(f"{stage}: no subgoal is read as reached, so the policies of {condition} learn from none of it")
            continue
        table, rollouts = read(run, part, file, real)
        novel[part] = rollouts if reward is None else reward_at_end(rollouts, reward)
        if read is _planned:  # plans of several subgoals are families of their own, in each part others
            family, own = np.asarray(table.family), len(run.world.families)
            family = np.where(family >= own, family - own + plans, family).astype(np.int32)
            table, plans = dataclasses.replace(table, family=family), max(plans, int(family.max(initial=0)) + 1)
        tables.append(table)
    goals, offsets = concatenate_goals(tables)
    for part, first in zip(novel, offsets[1:], strict=True):
        novel[part] = dataclasses.replace(novel[part], goal=novel[part].goal + first)
    # What else a step would have reached, and its reward, is told for goals of the data alone.
    families = None if reward is None else tuple(np.unique(data.family).tolist())
    return mixed_buffer(config, goals, real, novel, relabel, families)


def _true(run: PipelineRun, part: str, file: pathlib.Path, real: Rollouts) -> tuple[GoalTable, Rollouts]:
    """Sentences of a part and rollouts for them, by the true goals."""
    rollouts, _ = read_rollouts(file)
    table, numbers = learned_goals(run, part)
    rollouts = dataclasses.replace(rollouts, goal=numbers[rollouts.goal])
    imagined = rollouts.imagined.any() and not run.config.imagine.keep_all
    return table, filter_realistic(run.world, part, rollouts, table, real) if imagined else rollouts


def _planned(run: PipelineRun, part: str, file: pathlib.Path, real: Rollouts) -> tuple[GoalTable, Rollouts]:
    """Imagined sentences of a part and rollouts for them, by what their plans say: so are sentences of one goal found.

    A plan of a single subgoal asks for that. One of several is a goal that no test is known of, a family of its own.
    """
    world, (rollouts, goals) = run.world, read_rollouts(file)
    plans = untold(world, goals, written_plans(file.parent, goals, world.language.read_plan))
    meanings = plan_meanings(file.parent, goals)
    asked = np.flatnonzero(meanings >= 0)  # of some there may be no rollout, as there was nothing to do
    if not run.config.imagine.keep_all:
        rollouts = filter_realistic(world, part, rollouts, planned_goals(world, goals, plans, asked), real)
    family, array = np.full(len(goals), UNKNOWN, np.int32), np.zeros_like(goals.array)
    for g in asked:
        one = plans[g][0] if len(plans[g]) == 1 and plans[g][0].family != UNKNOWN else None
        family[g] = len(world.families) + meanings[g] if one is None else one.family
        array[g] = 0 if one is None else one.array
    table, numbers = learned_goals(run, part, meanings, dataclasses.replace(goals, family=family, array=array))
    rollouts = rollouts.take(numbers[rollouts.goal] >= 0)
    return table, dataclasses.replace(rollouts, goal=numbers[rollouts.goal])


def _subgoals(run: PipelineRun, part: str, file: pathlib.Path, real: Rollouts) -> tuple[GoalTable, Rollouts]:
    """Subgoals, in the data's words where they have them, and the parts of rollouts that reach them."""
    rollouts, _ = read_rollouts(file)
    table, (data, _) = encoded_goals(run, SUBGOALS), learned_goals(run, "data")
    if rollouts.imagined.any() and not run.config.imagine.keep_all:
        rollouts = filter_realistic(run.world, part, rollouts, table, real)
    both, _ = concatenate_goals([data, table])
    known = first_sentences(both)
    told = np.array([known[goal_key(family, array)] for family, array in zip(table.family, table.array, strict=True)])
    used, place = np.unique(told, return_inverse=True)
    return both.take(used), dataclasses.replace(rollouts, goal=place[rollouts.goal].astype(np.int32))


def mixed_buffer(
    config: PipelineConfig,
    goals: GoalTable,
    real: Rollouts,
    imagined: Mapping[str, Rollouts],
    relabel: float,
    families: tuple[int, ...] | None = None,
) -> Buffer:
    """What learners learn from: half of each batch is real, half is of the imagined parts that have rollouts.

    `goals` have vectors, and those of all rollouts are among them; `relabel` is a share of goals, see `Relabel`, that
    are exchanged for goals of `families`, None for any.
    """
    world = get_world(config.world)
    parts, novel = list(imagined), list(imagined.values())
    shares = [world.learning.imagined_shares.get(part, 1.0) for part, rollouts in zip(parts, novel) if len(rollouts)]
    novel = [rollouts for rollouts in novel if len(rollouts)]
    if config.learn.compat == "kalm":
        real, novel = every_end_terminal(real), [every_end_terminal(r) for r in novel]
    sources = one_to_one(real, novel, shares)
    other_goals = None
    if relabel and world.learning.relabel:
        other_goals = Relabel(relabel, _among(world.learning.relabel, families))
    return make_buffer(
        sources, goals, world.spaces.num_actions or None, config.learn.draw, other_goals, view_of(config)
    )


@functools.cache
def _among(judge: Callable, families: tuple[int, ...] | None) -> Callable:
    """`judge` (see `Relabel`), to which goals of other families are impossible."""
    if families is None:
        return judge

    def known(family: Any, array: Any, *step: Any) -> tuple[Any, Any, Any]:
        own = jnp.isin(family, jnp.asarray(families))
        reward, reached, possible = judge(jnp.where(own, family, families[0]), array, *step)
        return reward, reached, possible & own

    return known


def filter_realistic(world: World, part: str, rollouts: Rollouts, goals: GoalTable, real: Rollouts) -> Rollouts:
    """The rollouts that reach their goal realistically; prints a line where there is none."""
    good = world.filter_realistic(rollouts, goals, real)
    if not good.any() and is_main_process():
        print(f"imagine/{part}: no rollout ends as done and is realistic, so the policies learn from none of them")
    return rollouts.take(good)
