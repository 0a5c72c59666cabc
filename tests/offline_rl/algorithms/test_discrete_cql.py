"""Discrete CQL on bandits with closed forms."""

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.offline_rl import make_learner
from tests.offline_rl.algorithms.toy_problems import FAST, FREQUENCY, REWARD, discrete_bandit, fit, q_of


def test_discrete_cql_is_where_its_gradient_vanishes():
    """min over Q of sum_a p_a huber(Q_a - r_a) + w (log sum exp Q - sum_a p_a Q_a)."""
    stats, batch = discrete_bandit()
    for weight in (0.3, 3.0):
        learner = make_learner("cql", **FAST, conservative_weight=weight)
        q = q_of(learner, fit(learner, stats, batch, 600), stats, np.ones((3, 1)), np.arange(3)).astype(np.float64)
        softmax = np.exp(q) / np.exp(q).sum()
        residual = FREQUENCY * np.clip(q - REWARD, -1, 1) + weight * (softmax - FREQUENCY)
        np.testing.assert_allclose(residual, 0, atol=2e-3)


def test_discrete_cql_samples_from_the_softmax_of_its_values():
    stats, batch = discrete_bandit()
    learner = make_learner("cql", **FAST, conservative_weight=1.0)
    state = fit(learner, stats, batch, 100)
    q = q_of(learner, state, stats, np.ones((3, 1)), np.arange(3)).astype(np.float64)
    many = (jnp.ones((4000, 1)), jnp.zeros((4000, 1)), jax.random.key(0))
    drawn = np.bincount(learner.act(state, stats, *many, False), minlength=3) / 4000
    np.testing.assert_allclose(drawn, np.exp(q) / np.exp(q).sum(), atol=0.03)
    assert (np.asarray(learner.act(state, stats, *many, True)) == q.argmax()).all()
