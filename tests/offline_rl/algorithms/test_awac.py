"""AWAC's weights."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.offline_rl import make_learner
from kalm_jax.offline_rl.algorithms import awac
from kalm_jax.offline_rl.critics import make_critics
from tests.offline_rl.algorithms.toy_problems import inputs_of, make_stats


def test_awac_weights_are_the_softmax_of_advantages():
    """Against NumPy with exact values of the policy; a (B,) against (B, 1) broadcast would give one weight to all."""
    stats, rng = make_stats(2, 3, True), np.random.default_rng(0)
    observation, action = rng.normal(size=(6, 2)), rng.integers(0, 3, 6)
    learner = make_learner("awac", hidden=(8,), temperature=0.3)
    state = jax.jit(learner.init)(jax.random.key(0), stats)
    inputs = inputs_of(stats, observation)
    q = np.asarray(make_critics(learner.config, stats).apply(state.critic, inputs), np.float64).min(0)
    logits = np.asarray(awac.policy_network(learner.config, stats).apply(state.policy, inputs), np.float64)
    pi = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    advantage = q[np.arange(6), action] - (pi * q).sum(1)
    want = np.exp(advantage / 0.3)
    args = (state.policy, state.critic, stats, inputs, jnp.asarray(action), None)
    np.testing.assert_allclose(awac.advantage_weight(learner.config, *args), 6 * want / want.sum(), rtol=1e-4)
    clipped = dataclasses.replace(learner.config, weights="exp", max_weight=1.0)
    np.testing.assert_allclose(awac.advantage_weight(clipped, *args), np.minimum(want, 1.0), rtol=1e-4)
