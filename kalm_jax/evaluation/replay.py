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
from kalm_jax.types import LEVELS, EpisodeResults, Episodes, Policy, Rollouts, Simulator
from kalm_jax.worlds.base import World


def actions_policy(rollouts: Rollouts) -> Policy:
    """Acts as rollout i did in episode i, whatever the states are."""
    actions = np.asarray(rollouts.actions)

    def act(episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int) -> np.ndarray:
        return actions[:, step]

    return act


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
    """Results of imagined rollouts in the simulator, each from its own first state: "open", "closed" and "random".

    Args:
      rollouts: (N) imagined ones.
      episodes: (N) their first states and goals.
      plans: those with which the rollouts were imagined.
      temperature, seed: of the actions in the closed loop; `seed` is also that of the random actions.
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
    """A row of counts for every (level, family) of the episodes; `families` are the world's names.

    Columns besides level, family and rollouts:
      matched: rollouts that reach their goal as imagined.
      open, open_matched: whose actions reach it in the simulator, of all and of the matched ones.
      closed, random: reached in closed loop and by random actions within the world's limit of steps.
      closed_in_time, random_in_time: the same in no more steps than were imagined.
    """
    level, family = np.asarray(episodes.goals.level)[episodes.goal], episodes.family
    matched, length = np.asarray(rollouts.terminated), np.asarray(rollouts.length)
    marks = {"matched": matched, "open": results["open"].success, "open_matched": results["open"].success & matched}
    for name in ("closed", "random"):
        marks[name] = results[name].success
        marks[f"{name}_in_time"] = results[name].success & (results[name].steps <= length)
    found = []
    for lv, f in sorted({(int(a), int(b)) for a, b in zip(level, family)}):
        mine = (level == lv) & (family == f)
        counts = {name: int(mark[mine].sum()) for name, mark in marks.items()}
        found.append({"level": LEVELS[lv], "family": families[f], "rollouts": int(mine.sum()), **counts})
    return found
