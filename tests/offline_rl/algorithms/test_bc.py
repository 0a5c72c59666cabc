"""Behavior cloning against closed forms."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.offline_rl import make_buffer, make_learner, state_of
from kalm_jax.offline_rl.networks import MLP
from kalm_jax.offline_rl.normalization import policy_input
from kalm_jax.offline_rl.trainer import train
from tests.offline_rl.data import (
    goal_table,
    one_step_rollouts,
    random_rollouts,
)


def test_bc_recovers_action_frequencies():
    actions = np.repeat([0, 1, 2, 3], [50, 25, 20, 5])
    buffer = make_buffer([(one_step_rollouts(actions, np.zeros(100)), 1.0)], goal_table(1))
    learner = make_learner("bc", hidden=(16,), batch_size=512, learning_rate=3e-3)
    state, stats = state_of(train(learner, buffer, [0], 600)[0], 0), buffer.stats()
    inputs = (jnp.zeros((4000, 2)), jnp.broadcast_to(buffer.goal_vectors[0], (4000, 4)))
    drawn = learner.act(state, stats, *inputs, jax.random.key(1), False)
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 4000, [0.5, 0.25, 0.2, 0.05], atol=0.03)
    assert (np.asarray(learner.act(state, stats, *inputs, jax.random.key(1), True)) == 0).all()


def test_logit_penalty_has_the_closed_form_of_a_bandit():
    """Minimum of -log softmax(z)_0 + beta mean z^2 over z: softmax(z) - e_0 + 2 beta z / A = 0."""
    buffer = make_buffer([(one_step_rollouts([0] * 8, np.zeros(8)), 1.0)], goal_table(1), num_actions=4)
    learner = make_learner("bc", hidden=(16,), batch_size=8, learning_rate=1e-2, logit_penalty=0.5)
    state = state_of(train(learner, buffer, [0], 800)[0], 0)
    inputs = policy_input(buffer.stats(), jnp.zeros((1, 2)), buffer.goal_vectors[:1])
    z = np.asarray(MLP(4, (16,)).apply(state.policy, inputs))[0].astype(np.float64)
    residual = np.exp(z) / np.exp(z).sum() - np.eye(4)[0] + 2 * 0.5 * z / 4
    np.testing.assert_allclose(residual, 0, atol=2e-3)


def test_continuous_bc_recovers_the_mean_action():
    rollouts = random_rollouts(0, n=64, horizon=1, continuous=True)
    rollouts = dataclasses.replace(
        rollouts, observations=np.zeros_like(rollouts.observations), goal=np.zeros_like(rollouts.goal)
    )
    buffer = make_buffer([(rollouts, 1.0)], goal_table(1))
    learner = make_learner("bc", hidden=(16,), batch_size=256, learning_rate=3e-3)
    state = state_of(train(learner, buffer, [0], 500)[0], 0)
    action = learner.act(state, buffer.stats(), jnp.zeros((1, 3)), buffer.goal_vectors[:1], jax.random.key(0), True)
    np.testing.assert_allclose(action[0], rollouts.actions[:, 0].mean(0), atol=0.03)
