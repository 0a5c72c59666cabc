"""The buffer: every transition once, batches drawn in the shares asked for, errors that name the fault."""

import dataclasses

import jax
import numpy as np
import pytest

from kalm_jax.offline_rl import Batch, make_buffer, one_to_one, sample
from kalm_jax.offline_rl.buffer import DRAWS, source_of_rows
from kalm_jax.types import make_goal_table
from tests.offline_rl.data import goal_table, one_step_rollouts, random_buffer, random_rollouts


def test_buffer_holds_every_transition_once():
    rollouts, goals = random_rollouts(3), goal_table()
    buffer = make_buffer([(rollouts, 1.0)], goals)
    assert len(buffer) == rollouts.num_transitions()
    at = 0
    for i in range(len(rollouts)):
        for t in range(rollouts.length[i]):
            row = int(buffer.row[at])
            np.testing.assert_array_equal(buffer.observations[row], rollouts.observations[i, t])
            np.testing.assert_array_equal(buffer.observations[row + 1], rollouts.observations[i, t + 1])
            assert int(buffer.action[at]) == rollouts.actions[i, t]
            assert float(buffer.reward[at]) == rollouts.rewards[i, t]
            assert int(buffer.goal[at]) == rollouts.goal[i]
            assert bool(buffer.terminal[at]) == (t == rollouts.length[i] - 1 and rollouts.terminated[i])
            at += 1


def test_each_source_fills_its_share_of_every_batch():
    real = one_step_rollouts([0] * 50, [0.0] * 50)
    parts = [one_step_rollouts([1 + i], [0.0]) for i in range(3)]
    buffer = make_buffer(one_to_one(real, parts, [1.0] * len(parts)), goal_table(1))
    np.testing.assert_array_equal(np.bincount(source_of_rows(buffer.share_end, 256)), [128, 43, 42, 43])
    for seed in range(3):
        batch = sample(buffer, jax.random.key(seed), 60)
        np.testing.assert_array_equal(np.bincount(batch.action), [30, 10, 10, 10])


@pytest.mark.parametrize("draw", DRAWS)
def test_sampling_is_uniform_over_the_transitions_or_the_rollouts_of_a_source(draw):
    rollouts = random_rollouts(5)
    numbered = dataclasses.replace(rollouts, rewards=np.arange(60.0).reshape(12, 5))
    buffer = make_buffer([(numbered, 1.0)], goal_table(), draw=draw)
    rewards = np.asarray(sample(buffer, jax.random.key(0), 20_000).reward)
    counts = np.array([(rewards == r).sum() for r in np.asarray(buffer.reward)])
    rollout = np.asarray(buffer.reward).astype(int) // 5
    each = 1.0 / (len(rollouts) * np.bincount(rollout)[rollout]) if draw == "rollouts" else 1.0 / len(buffer)
    expected = 20_000 * each
    assert counts.sum() == 20_000
    assert ((counts - expected) ** 2 / expected).sum() < len(buffer) + 5 * np.sqrt(2 * len(buffer))  # chi squared


def test_constant_entries_are_guarded():
    goals = goal_table(3).with_vector(np.stack([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]))
    rollouts = random_rollouts(0)
    rollouts.observations[:, :, 0] = 7.0
    stats = make_buffer([(rollouts, 1.0)], goals).stats()
    assert (
        np.isfinite(1 / np.asarray(stats.goal_std)).all() and np.isfinite(1 / np.asarray(stats.observation_std)).all()
    )
    np.testing.assert_allclose(stats.goal_mean, [2.0, 5.0])


@pytest.mark.parametrize(
    ("sources", "goals", "message"),
    [
        ([], goal_table(), "no source"),
        ([(random_rollouts(0), 0.0)], goal_table(), "shares"),
        ([(random_rollouts(0).take(slice(0, 0)), 1.0)], goal_table(), "no rollouts"),
        ([(random_rollouts(0), 1.0)], goal_table(size=0), "no goal vectors"),
        ([(random_rollouts(0), 1.0)], goal_table(1), "goal table has 1"),
    ],
)
def test_buffer_errors_name_the_fault(sources, goals, message):
    with pytest.raises(ValueError, match=message):
        make_buffer(sources, goals)


def test_a_goal_is_put_in_every_wording_of_its_level_and_in_no_other():
    array = np.array([[0, 1], [0, 1], [2, 3], [0, 1]])
    level = [0, 0, 0, 1]  # the last goal wants the same as the first two, on another level
    goals = make_goal_table(["a", "b", "c", "d"], level, 0, array, np.eye(4))
    rollouts = one_step_rollouts([0] * 6, np.zeros(6))
    rollouts = dataclasses.replace(rollouts, goal=np.array([0, 0, 0, 2, 2, 3], np.int32))
    batch = sample(make_buffer([(rollouts, 1.0)], goals), jax.random.key(0), 4000)
    drawn = np.asarray(batch.goal).mean(0)
    np.testing.assert_allclose(drawn, [1 / 4, 1 / 4, 1 / 3, 1 / 6], atol=0.03)


def test_batch_is_a_pytree_of_the_documented_shapes():
    batch = sample(random_buffer(), jax.random.key(0), 8)
    assert isinstance(batch, Batch) and batch.goal.shape == (8, 4) and batch.next_observation.shape == (8, 3)
