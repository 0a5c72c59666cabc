"""Goals of recorded CLEVR-Robot rollouts that come without them (the authors' HDF5 layout), read off their rewards.

A step's reward is ten times how much nearer the source ball came to a point beside the reference ball (`clevr_goals`),
so a rollout's rewards single out one of the 80 configurations; any offline sentence of it then describes the rollout.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from kalm_jax.data.collect import goals_of_level
from kalm_jax.data.rollouts import GoalTable, Rollouts
from kalm_jax.envs import clevr, clevr_goals

TOLERANCE = 1e-3
"""Largest difference between a recorded reward and the formula's; rewards reach 3, recorded ones agree to 1e-6."""


def recover_goals(rollouts: Rollouts, name: str) -> tuple[Rollouts, GoalTable]:
    """The same rollouts with offline goals, found from their rewards, and with final states.

    The layout does not hold final states. Each is filled in by simulating the last push from rest, which is right to
    about 1.6 cm (the balls' velocities are not recorded either).

    Raises:
      ValueError: rewards of a rollout fit no configuration, or several: the message names the rollout.
    """
    goals = goals_of_level("offline")
    arrays, first = np.unique(goals.array, axis=0, return_index=True)
    chosen = np.zeros(len(rollouts), np.int32)
    for i in range(len(rollouts)):
        shaped = int(rollouts.length[i]) - 1  # the last reward is the bonus
        states, rewards = rollouts.observations[i, : shaped + 1], rollouts.rewards[i, :shaped]
        fits = np.ones(len(arrays), bool)
        for t in range(shaped):
            before, after = (np.broadcast_to(states[k], (len(arrays), clevr.OBSERVATION_DIM)) for k in (t, t + 1))
            expected = clevr_goals.reward(clevr_goals.RELATION, arrays, before, np.zeros(len(arrays), int), after)
            fits &= np.abs(expected - rewards[t]) < TOLERANCE
        if fits.sum() != 1:
            raise ValueError(
                f"{name}: the rewards of rollout {i} fit {int(fits.sum())} of the {len(arrays)} goals of the offline "
                "level, want one; drop that rollout, or bring a file with goals (.npy)"
            )
        chosen[i] = first[np.argmax(fits)]
    last = np.asarray(rollouts.length) - 1
    rows = np.arange(len(rollouts))
    observations = np.array(rollouts.observations)
    with clevr.ClevrSimulator() as simulator:
        before = clevr.states_of(observations[rows, last])
        observations[rows, last + 1] = clevr.observation_of(
            simulator.push(before, np.asarray(rollouts.actions)[rows, last])
        )
    return dataclasses.replace(rollouts, observations=observations, goal=chosen), goals
