"""Rewards of CLEVR-Robot as pure array functions, those of KALM's released code; arguments as in `goals`."""

from __future__ import annotations

import numpy as np

from kalm_jax.worlds.clevr.goals import (
    MOVE,
    RELATION,
    Array,
    completed_parts,
    namespace,
    relation_parts,
    satisfied,
    success,
)

SUCCESS_REWARD, REWARD_SCALE = 100.0, 10.0


def reward(family: Array, goal: Array, observation: Array, action: Array, next_observation: Array) -> Array:
    """(N,) float32 reward of one step, the same for real and imagined rollouts.

    relation: 100 on success, else 10 * (d - d'), d the distance in meters of the source ball to the point 0.195 m from
    the reference ball in the wanted direction. move: 1 on success, else 0. All other families: 100 on success, else 10
    * the change in completed parts (ImagineBench).
    """
    xp = namespace(family, goal, observation, action, next_observation)
    family, goal = xp.asarray(family), xp.asarray(goal)
    reached = success(family, goal, observation, action, next_observation)
    before = relation_parts(xp, goal, xp.asarray(observation))[1][..., 0]
    after = relation_parts(xp, goal, xp.asarray(next_observation))[1][..., 0]
    parts = completed_parts(family, goal, next_observation) - completed_parts(family, goal, observation)
    progress = REWARD_SCALE * xp.where(family == RELATION, before - after, parts)
    bonus = xp.where(family == MOVE, 1.0, SUCCESS_REWARD)
    return xp.where(reached, bonus, xp.where(family == MOVE, 0.0, progress)).astype(np.float32)


def relabel_outcome(
    family: Array, goal: Array, observation: Array, action: Array, next_observation: Array
) -> tuple[Array, Array, Array]:
    """Reward (N,), success (N,) bool, and whether a rollout for the goal could contain this step (N,) bool.

    It could where the goal is not satisfied before the step: a rollout ends at its first success.
    """
    step = (family, goal, observation, action, next_observation)
    return reward(*step), success(*step), ~satisfied(family, goal, observation)
