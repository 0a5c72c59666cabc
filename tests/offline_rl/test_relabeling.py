"""Relabeled goals: what a batch says of another goal is what the environment's own tests say."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax import offline_rl
from kalm_jax.offline_rl import Relabel, make_buffer, make_learner, one_to_one
from kalm_jax.offline_rl.algorithms import td3bc
from kalm_jax.offline_rl.normalization import policy_input
from kalm_jax.offline_rl.updates import masked_mean
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import rewards as clevr_rewards
from kalm_jax.worlds.clevr import simulator as clevr
from kalm_jax.worlds.clevr.collect import collect

sample = jax.jit(offline_rl.sample, static_argnums=2)


@pytest.fixture(scope="module")
def data():
    rollouts, goals = collect(0, 48)
    rng = np.random.default_rng(0)
    return rollouts, goals.with_vector(rng.normal(size=(len(goals), 6)).astype(np.float32))


def goal_of(goals, vectors):
    """Index of the first goal whose vector stands in each row."""
    return np.array([np.flatnonzero((np.asarray(goals.vector) == v).all(1))[0] for v in np.asarray(vectors)])


def test_relabeled_steps_are_judged_by_the_environments_own_tests(data):
    rollouts, goals = data
    buffer = make_buffer(
        [(rollouts, 1.0)], goals, clevr.NUM_ACTIONS, relabel=Relabel(0.7, clevr_rewards.relabel_outcome)
    )
    batch = sample(buffer, jax.random.key(0), 2000)
    goal, own = goal_of(goals, batch.goal), np.asarray(batch.is_original_goal)
    step = (
        *(np.asarray(goals.family)[goal], np.asarray(goals.array)[goal]),
        *(np.asarray(batch.observation), np.asarray(batch.action), np.asarray(batch.next_observation)),
    )
    np.testing.assert_allclose(batch.reward, clevr_rewards.reward(*step), atol=1e-4)
    np.testing.assert_array_equal(batch.terminal, clevr_goals.success(*step))
    assert not clevr_goals.satisfied(*step[:3]).any()
    # A share of 0.7, less those that would have begun at the goal or drew their own goal again.
    assert 0.5 < 1 - own.mean() < 0.7
    assert np.asarray(batch.terminal)[own == 0].any()


def test_without_relabeling_every_action_is_for_its_goal(data):
    rollouts, goals = data
    batch = sample(make_buffer([(rollouts, 1.0)], goals, clevr.NUM_ACTIONS), jax.random.key(0), 500)
    assert batch.is_original_goal is None
    wanted = {tuple(a) for a in np.asarray(goals.array)[rollouts.goal]}
    assert {tuple(a) for a in np.asarray(goals.array)[goal_of(goals, batch.goal)]} <= wanted


def test_goals_stay_within_their_source(data):
    """A real push never gets a goal of the imagined rollouts: novel goals are met in imagination alone."""
    rollouts, goals = data
    half = np.arange(len(rollouts)) % 2 == 0
    first, second = rollouts.take(half), rollouts.take(~half)
    buffer = make_buffer(
        one_to_one(first, [second], [1.0]),
        goals,
        clevr.NUM_ACTIONS,
        relabel=Relabel(0.9, clevr_rewards.relabel_outcome),
    )
    batch = sample(buffer, jax.random.key(1), 2000)
    arrays = np.asarray(goals.array)
    drawn = arrays[goal_of(goals, batch.goal)]
    for part, place in ((first, slice(0, 1000)), (second, slice(1000, 2000))):
        assert {tuple(a) for a in drawn[place]} <= {tuple(a) for a in arrays[part.goal]}


def test_goals_that_nothing_can_judge_are_refused(data):
    rollouts, goals = data
    with pytest.raises(ValueError, match="share of relabeled goals is 1"):
        Relabel(1.0, clevr_rewards.relabel_outcome)
    unknown = dataclasses.replace(goals, family=np.full(len(goals), -1, np.int32))
    with pytest.raises(ValueError, match="unknown family"):
        make_buffer([(rollouts, 1.0)], unknown, clevr.NUM_ACTIONS, relabel=Relabel(0.5, clevr_rewards.relabel_outcome))


def test_the_policy_imitates_only_what_was_done_for_the_goal(data):
    rollouts, goals = data
    buffer = make_buffer(
        [(rollouts, 1.0)], goals, clevr.NUM_ACTIONS, relabel=Relabel(0.5, clevr_rewards.relabel_outcome)
    )
    batch = sample(buffer, jax.random.key(2), 64)
    learner = make_learner("td3bc", hidden=(16,), alpha=0.0)
    stats = buffer.stats()
    state = jax.jit(learner.init)(jax.random.key(0), stats)
    inputs = policy_input(stats, batch.observation, batch.goal)
    action = td3bc.encode_action(stats, batch.action)
    mine = np.asarray(batch.is_original_goal) == 1
    assert 0 < mine.sum() < 64
    args = (learner.config, state.policy, state.critic, stats)
    masked, _ = td3bc.policy_loss(*args, inputs, action, batch.is_original_goal)
    alone, _ = td3bc.policy_loss(*args, inputs[mine], action[mine])
    np.testing.assert_allclose(masked, alone, rtol=1e-5)


def test_masked_mean():
    x = jnp.array([1.0, 2.0, 6.0])
    assert masked_mean(None, x) == 3.0
    assert masked_mean(jnp.array([1.0, 0.0, 1.0]), x) == 3.5
    assert masked_mean(jnp.zeros(3), x) == 0.0
