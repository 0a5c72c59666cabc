"""Replays imagined rollouts in the simulator, in open and in closed loop.

Open loop: the imagined actions are taken from the rollout's first state, whatever states the simulator reaches. Closed
loop: at every step the model is given the simulator's state and its next action is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kalm_jax.evaluation.llm_policy import PlanPolicy
from kalm_jax.evaluation.rollout import evaluate
from kalm_jax.grounding.model import Grounded
from kalm_jax.imagination.subgoals import Subgoal
from kalm_jax.types import EpisodeResults, Episodes, Policy, Rollouts, Simulator, rows_by_family
from kalm_jax.worlds.base import World


def actions_policy(rollouts: Rollouts) -> Policy:
    """Acts as rollout i did in episode i, whatever the states are."""
    return lambda episodes, states, active, step: np.asarray(rollouts.actions)[:, step]


def replay(
    rollouts: Rollouts,
    episodes: Episodes,
    simulator: Simulator,
    grounded: Grounded,
    plans: Sequence[list[Subgoal]],
    world: World,
    temperature: float,
    seed: int,
) -> dict[str, EpisodeResults]:
    """Results of imagined rollouts (N) in the simulator, each from its own first state: "open", "closed" and "random".

    `episodes` (N) are their first states and goals, and `plans` those with which they were imagined; `temperature` and
    `seed` are of the actions in the closed loop, and `seed` also of the random actions.
    """
    closed = PlanPolicy(grounded, plans, world.satisfied, seed, temperature, 1, world.observe)
    return {
        "open": evaluate(actions_policy(rollouts), episodes, simulator, np.asarray(rollouts.length)),
        "closed": evaluate(closed, episodes, simulator),
        "random": evaluate(world.random_policy(seed), episodes, simulator),
    }


def rows(
    results: dict[str, EpisodeResults], rollouts: Rollouts, episodes: Episodes, families: Sequence[str]
) -> list[dict]:
    """A row of counts for every level and family of the episodes, see `rows_by_family`.

    Further columns:
      matched: rollouts that reach their goal as imagined.
      open, open_matched: whose actions reach it in the simulator, of all and of the matched ones.
      closed, random: reached in closed loop and by random actions within the world's limit of steps.
      closed_in_time, random_in_time: the same in no more steps than were imagined.
    """
    matched, length = np.asarray(rollouts.terminated), np.asarray(rollouts.length)
    marks = {"matched": matched, "open": results["open"].success, "open_matched": results["open"].success & matched}
    for name in ("closed", "random"):
        marks[name] = results[name].success
        marks[f"{name}_in_time"] = results[name].success & (results[name].steps <= length)
    return rows_by_family(episodes.goals, episodes.goal, families, marks)
