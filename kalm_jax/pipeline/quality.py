"""How good imagined rollouts are, by the true goals, of which imagination itself may know nothing.

Dimension letters: N rollouts, T time steps, D observation, G goal array.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.types import GoalTable, Rollouts, rows_by_family
from kalm_jax.worlds.base import World


def first_success(world: World, rollouts: Rollouts, family: np.ndarray, array: np.ndarray) -> np.ndarray:
    """(N,) the number of steps after which goals of families (N,) and arrays (N, G) are first reached, 0 for never."""
    row, step = np.nonzero(rollouts.valid())
    states, actions = np.asarray(rollouts.observations), np.asarray(rollouts.actions)
    reached = np.zeros(rollouts.valid().shape, bool)
    if len(row):
        seen = states[row, step], actions[row, step], states[row, step + 1]
        reached[row, step] = np.asarray(world.success(family[row], array[row], *seen))
    return np.where(reached.any(1), reached.argmax(1) + 1, 0)


def truly_ended(world: World, rollouts: Rollouts, goals: GoalTable) -> Rollouts:
    """The same rollouts, `terminated` where they reach their true goal at any step."""
    family, array = (np.asarray(x)[rollouts.goal] for x in (goals.family, goals.array))
    return dataclasses.replace(rollouts, terminated=first_success(world, rollouts, family, array) > 0)


def quality_rows(
    world: World, rollouts: Rollouts, goals: GoalTable, judged: GoalTable, real: Rollouts, config: PipelineConfig
) -> list[dict[str, Any]]:
    """Rows of `World.quality_rows` by the true goals, with further counts.

    `judged` are the goals by which rollouts were imagined: the true ones, or what plans say.

    Further columns:
      matched_early: rollouts that reach their goal within `early_steps`.
      ended: that end as if they had, by whatever judged them in imagination.
      learned: those from which policies learn: of the ended ones those without an unrealistic transition, or, with
        `keep_all`, all.
      <floor>_rollouts, <floor>_matched, <floor>_early: of each of `World.floors`, how often a goal that the rollouts
        were not imagined for is reached by them: what a match rate is worth must lie above.
    """
    early = world.spaces.early_steps
    family, array = (np.asarray(x)[rollouts.goal] for x in (goals.family, goals.array))
    steps = first_success(world, rollouts, family, array)
    matched = dataclasses.replace(rollouts, terminated=steps > 0)
    counts = {
        "matched_early": (steps > 0) & (steps <= early),
        "ended": rollouts.terminated,
        "learned": world.filter_realistic(rollouts, judged, real) | config.imagine.keep_all,
    }
    for name, (has, other) in world.floors(np.random.default_rng(config.seed), family, array).items():
        floor = np.where(has, first_success(world, rollouts, family, other), 0)
        counts |= {
            f"{name}_rollouts": has,
            f"{name}_matched": floor > 0,
            f"{name}_early": (floor > 0) & (floor <= early),
        }
    further = rows_by_family(goals, rollouts.goal, world.families, counts)
    rows = world.quality_rows(matched, goals, real)
    return [row | more for row, more in zip(rows, further, strict=True)]
