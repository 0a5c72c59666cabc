"""A trained learner plays what it would act."""

import jax
import numpy as np
import pytest

from kalm_jax.evaluation import evaluate, learner_policy
from kalm_jax.offline_rl import make_buffer, make_learner
from kalm_jax.types import Rollouts
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr.episodes import make_episodes
from kalm_jax.worlds.clevr.simulator import NUM_ACTIONS, ClevrSimulator, observation_of


@pytest.fixture(scope="module")
def simulator():
    with ClevrSimulator(threads=1) as simulator:
        yield simulator


def tiny_learner(goal_dim=3):
    goals = make_episodes("unseen_easy", 1, seed=0).goals.with_vector
    table = goals(np.random.default_rng(0).normal(size=(len(make_episodes("unseen_easy", 1, 0).goals), goal_dim)))
    one = Rollouts(
        *(np.zeros((1, 2, 10), np.float32), np.zeros((1, 1), np.int32), np.zeros((1, 1), np.float32)),
        *(np.ones(1, np.int32), np.ones(1, bool), np.zeros(1, np.int32), np.zeros(1, bool)),
    )
    learner = make_learner("bc", hidden=(8,))
    stats = make_buffer([(one, 1.0)], table, NUM_ACTIONS).stats()
    return learner, learner.init(jax.random.key(0), stats), stats, table


def test_a_learner_plays_what_it_would_act(simulator):
    learner, state, stats, table = tiny_learner()
    episodes = make_episodes("unseen_easy", 30, seed=0).with_vectors(table.vector)
    policy = learner_policy(learner, state, stats, True, 0, observation_of)
    result = evaluate(policy, episodes, simulator)
    vectors = table.vector[episodes.goal]
    actions = np.asarray(learner.act(state, stats, observation_of(episodes.states), vectors, jax.random.key(0), True))
    np.testing.assert_array_equal(result.success, clevr_goals.move_by_action(episodes.array, actions))
    with pytest.raises(ValueError, match="with_vectors"):
        evaluate(policy, make_episodes("unseen_easy", 3, 0), simulator)
