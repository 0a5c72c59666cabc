"""Goals of recorded CLEVR-Robot rollouts without goals (the authors' HDF5 layout), recovered from their rewards.

A rollout's rewards identify a relation (`rewards.reward`), and any offline sentence for it describes the rollout. "Red
behind blue" and "blue in front of red" have the same rewards and states; the ball that is pushed more often is taken
for the reference, as two of three pushes are of the reference in the authors' data.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from kalm_jax.types import GoalTable, Rollouts
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import rewards as clevr_rewards
from kalm_jax.worlds.clevr import simulator as clevr
from kalm_jax.worlds.clevr.instructions import goals_of_level

TOLERANCE = 1e-3
"""Largest difference between a recorded reward and the formula's; rewards reach 3, recorded ones agree to 1e-6."""


def recover_goals(rollouts: Rollouts, name: str) -> tuple[Rollouts, GoalTable]:
    """The rollouts with offline goals, found from their rewards, and with final states.

    The layout has no final states. Each is filled in by simulating the last push from rest, which is accurate to about
    1.6 cm. Where rewards fit several goals (nothing that matters moved before the last push), the final state decides;
    rollouts that remain ambiguous are left out, and their number is printed. A ValueError names a rollout that fits
    none.
    """
    goals = goals_of_level("offline")
    arrays, first = np.unique(goals.array, axis=0, return_index=True)
    rows, last = np.arange(len(rollouts)), np.asarray(rollouts.length) - 1
    observations = np.array(rollouts.observations)
    with clevr.ClevrSimulator() as simulator:
        before = clevr.states_of(observations[rows, last])
        end = clevr.observation_of(simulator.push(before, np.asarray(rollouts.actions)[rows, last]))
    observations[rows, last + 1] = end
    chosen = np.full(len(rollouts), -1, np.int32)
    for i in rows:
        fits = _fitting(arrays, observations[i, : last[i] + 1], rollouts.rewards[i, : last[i]])
        if not fits.any():
            raise ValueError(
                f"{name}: the rewards of rollout {i} fit none of the {len(arrays)} goals of the offline level; drop "
                "that rollout, or bring a file with goals (.npy)"
            )
        pushes = np.bincount(rollouts.actions[i, : last[i] + 1] // 8, minlength=len(clevr_goals.BALLS))
        fits &= _upright(arrays, pushes)
        if fits.sum() > 1:
            fits &= clevr_goals.satisfied(clevr_goals.RELATION, arrays, np.broadcast_to(end[i], (len(arrays), 10)))
        if fits.sum() == 1:
            chosen[i] = first[np.argmax(fits)]
    known = chosen >= 0
    if not known.all():
        print(f"{name}: {int((~known).sum())} of {len(rollouts)} rollouts fit several goals and are left out")
    return dataclasses.replace(rollouts, observations=observations, goal=chosen).take(known), goals


def _fitting(arrays: np.ndarray, states: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    """(80,) bool: the goals whose reward formula gives `rewards` (n,) for the steps between `states` (n+1, 10)."""
    no_action = np.zeros(len(rewards), int)
    expected = clevr_rewards.reward(clevr_goals.RELATION, arrays[:, None], states[:-1], no_action, states[1:])
    return np.asarray((np.abs(expected - rewards) < TOLERANCE).all(1))


def _upright(arrays: np.ndarray, pushes: np.ndarray) -> np.ndarray:
    """(80,) bool: of each goal and its mirror image, the one whose reference is pushed more often."""
    source, reference = arrays[:, 0], arrays[:, 1]
    return (pushes[reference] > pushes[source]) | ((pushes[reference] == pushes[source]) & (reference < source))
