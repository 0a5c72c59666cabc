"""Goals that come back from rewards alone."""

import dataclasses

import numpy as np
import pytest

from kalm_jax.worlds.clevr.collect import collect
from kalm_jax.worlds.clevr.recover import recover_goals


def test_goals_and_final_states_come_back_from_rewards():
    rollouts, goals = collect(3, 40)
    end = rollouts.observations[np.arange(40), rollouts.length].copy()
    stripped = rollouts.observations.copy()
    stripped[np.arange(40), rollouts.length] = stripped[np.arange(40), rollouts.length - 1]
    without = dataclasses.replace(rollouts, observations=stripped, goal=np.zeros(40, np.int32))
    found, table = recover_goals(without, "test")
    assert len(found) >= 30  # the rest fits several goals
    kept = [int(np.flatnonzero((rollouts.observations[:, 0] == o).all(1))[0]) for o in found.observations[:, 0]]
    for got, want in zip(
        np.asarray(table.array)[found.goal], np.asarray(goals.array)[rollouts.goal[kept]], strict=True
    ):
        source, reference, direction = want[:3]
        assert tuple(got[:3]) in ((source, reference, direction), (reference, source, (direction + 2) % 4))
    error = np.abs(found.observations[np.arange(len(found)), found.length] - end[kept]).max(1)
    assert np.median(error) < 0.03
    rewards = rollouts.rewards.copy()
    rewards[7, 0] += 0.5
    with pytest.raises(ValueError, match="rollout 7 fit none"):
        recover_goals(dataclasses.replace(without, rewards=rewards), "test")
