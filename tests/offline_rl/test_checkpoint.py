"""Trained policies: what is saved acts like what was trained, with nothing but the folder and the learner."""

import dataclasses

import jax
import numpy as np
import pytest

from kalm_jax.offline_rl import load_policies, make_buffer, make_learner, save_policies, saved_policies, state_of, train
from kalm_jax.types.transforms import ObservationTransform
from tests.offline_rl.data import SMALL, assert_same, goal_table, random_rollouts

TRANSFORM = ObservationTransform(differences=((1, 0),), offset=0.05, limit=2.0)


@pytest.mark.slow
@pytest.mark.parametrize("name, transform", [("bc", TRANSFORM), ("decision_transformer", ObservationTransform())])
def test_saved_policies_act_like_trained_ones(tmp_path, name, transform):
    buffer = make_buffer([(random_rollouts(0, continuous=True), 1.0)], goal_table(), transform=transform)
    learner = make_learner(name, **SMALL[name])
    stats = learner.stats(buffer)
    for updates in (2, 4):
        states, _ = train(learner, buffer, [0, 1], updates, stats=stats)
        save_policies(tmp_path / "policies", updates, states, stats)
    assert saved_policies(tmp_path / "policies") == [2, 4]
    found, found_stats = load_policies(tmp_path / "policies", learner, 4)
    assert_same(found, states)
    for field in dataclasses.fields(stats):
        np.testing.assert_array_equal(getattr(found_stats, field.name), getattr(stats, field.name))
    inputs = (buffer.observations[:5], buffer.goal_vectors[np.zeros(5, int)], jax.random.key(0), True)
    for i in range(2):
        actions = [
            learner.act(state_of(s, i), t, learner.init_carry(t, inputs[0]), *inputs[1:])
            for s, t in ((states, stats), (found, found_stats))
        ]
        np.testing.assert_array_equal(*actions)


def test_the_newest_policies_are_kept(tmp_path):
    buffer = make_buffer([(random_rollouts(0), 1.0)], goal_table(), 4)
    learner = make_learner("bc", **SMALL["bc"])
    states, _ = train(learner, buffer, [0], 2)
    for updates in (1, 2):
        save_policies(tmp_path, updates, states, buffer.stats(), keep=1)
    assert saved_policies(tmp_path) == [2]
