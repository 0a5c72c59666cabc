"""CQL, AWAC and IQL on problems with known answers: bandits, a state that repeats, a grid."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.offline_rl import make_learner
from kalm_jax.offline_rl.algorithms import awac, iql
from tests.offline_rl.algorithms.toy_problems import (
    FAST,
    FREQUENCY,
    REWARD,
    VALUE_LEARNERS,
    continuous_bandit,
    discrete_bandit,
    fit,
    grid,
    inputs_of,
    make_batch,
    make_stats,
    q_of,
)


def test_awac_and_iql_policies_of_a_discrete_bandit():
    """Both clone the data with weights exp(advantage), so pi_a ~ p_a exp(r_a / lambda) and p_a exp(beta r_a)."""
    stats, batch = discrete_bandit()
    many = (jnp.ones((4000, 1)), jnp.zeros((4000, 1)), jax.random.key(0), False)
    for learner in (
        make_learner("awac", **FAST, temperature=0.5),
        make_learner("awac", **FAST, temperature=0.5, weights="exp"),
        make_learner("iql", **FAST, beta=2.0),
    ):
        state = fit(learner, stats, batch, 600)
        np.testing.assert_allclose(q_of(learner, state, stats, np.ones((3, 1)), np.arange(3)), REWARD, atol=0.02)
        want = FREQUENCY * np.exp(2.0 * REWARD)
        drawn = np.bincount(learner.act(state, stats, *many), minlength=3) / 4000
        np.testing.assert_allclose(drawn, want / want.sum(), atol=0.03)


def test_awac_and_iql_policies_of_a_continuous_bandit():
    """The weighted Gaussian of greatest likelihood has the weighted mean and standard deviation of the actions."""
    stats, batch = continuous_bandit()
    action = np.asarray(batch.action, np.float64)
    weight = np.exp(2.0 * 0.5 * action[:, :1])
    mean = (weight * action).sum(0) / weight.sum()
    std = np.sqrt((weight * (action - mean) ** 2).sum(0) / weight.sum())
    settings = FAST | {"learning_rate": 1e-2}

    def begin_wide(state):
        """AWAC's own first spread, 0.05, makes gradients that Adam remembers for thousands of updates."""
        policy = state.policy["params"] | {"log_std": jnp.ones(2, jnp.float32)}
        return dataclasses.replace(state, policy={"params": policy})

    for learner in (
        make_learner("awac", **settings, temperature=0.5, action_samples=32),
        make_learner("iql", **settings, beta=2.0),
    ):
        state = fit(learner, stats, batch, 1000, begin_wide)
        policy = {"awac": awac, "iql": iql}[learner.name].policy_network(learner.config, stats)
        got_mean, got_log_std = policy.apply(state.policy, inputs_of(stats, np.ones((1, 1))))
        np.testing.assert_allclose(got_mean[0], mean, atol=0.03)
        np.testing.assert_allclose(np.exp(got_log_std[0]), std, atol=0.03)
        greedy = learner.act(state, stats, jnp.ones((1, 1)), jnp.zeros((1, 1)), jax.random.key(0), True)
        np.testing.assert_allclose(greedy[0], mean, atol=0.03)


@pytest.mark.parametrize("discrete", [True, False])
@pytest.mark.parametrize("name", VALUE_LEARNERS)
def test_a_time_out_bootstraps_and_a_terminal_does_not(name, discrete):
    """A state that repeats itself: Q = r / (1 - gamma), and Q = r where the step is terminal."""
    rng = np.random.default_rng(0)
    observation = np.repeat(np.eye(2), 16, axis=0)
    action = rng.integers(0, 2, 32) if discrete else rng.uniform(-1, 1, (32, 1))
    terminal = observation[:, 1]  # state 1 ends, state 0 repeats
    batch = make_batch(observation, action, 1.0, terminal=terminal)
    learner = make_learner(name, **FAST, **({"conservative_weight": 0.0, "action_samples": 1} if name == "cql" else {}))
    stats = make_stats(2, 2 if discrete else 1, discrete)
    state = fit(learner, stats, batch, 800)
    np.testing.assert_allclose(q_of(learner, state, stats, observation[:16], action[:16]), 1 / (1 - 0.8), rtol=0.05)
    np.testing.assert_allclose(q_of(learner, state, stats, observation[16:], action[16:]), 1.0, rtol=0.05)


@pytest.mark.parametrize(
    "name, settings, is_q_star",
    [
        ("cql", {"conservative_weight": 0.0}, True),
        ("cql", {"conservative_weight": 0.02, "target_period": 50}, False),
        ("iql", {"expectile": 0.98, "beta": 20.0}, True),
        ("awac", {"temperature": 0.05}, True),
    ],
)
def test_the_best_way_through_a_grid(name, settings, is_q_star):
    """Data of a uniformly random policy: cloning them would walk in circles."""
    stats, batch, q_star = grid()
    learner = make_learner(name, **FAST, **settings)
    state = fit(learner, stats, batch, 800)
    q = q_of(learner, state, stats, batch.observation, batch.action).reshape(-1, 4)
    if is_q_star:
        np.testing.assert_allclose(q, q_star, atol=0.06)
    best = np.asarray(learner.act(state, stats, batch.observation[::4], batch.goal[::4], jax.random.key(0), True))
    assert (q_star[np.arange(len(best)), best] > q_star.max(1) - 1e-6).all()


@pytest.mark.parametrize(
    "name, settings, discrete, message",
    [
        ("cql", {"threshold": 5.0}, True, "threshold"),
        ("cql", {"soft_backup": True}, True, "soft_backup"),
        ("cql", {"target_period": 100}, False, "target_period=100"),
        ("combo", {"threshold": 5.0}, True, "threshold"),
        ("iql", {"expectile": 1.0}, True, "iql.expectile is 1"),
        ("awac", {"weights": "linear"}, True, "awac.weights is 'linear', want one of softmax, exp"),
        ("awac", {"temperature": 0.0}, True, "awac.temperature is 0, want a finite number above 0"),
    ],
)
def test_settings_without_meaning_are_refused(name, settings, discrete, message):
    with pytest.raises(ValueError, match=message):
        make_learner(name, **settings).init(jax.random.key(0), make_stats(2, 2, discrete))
    with pytest.raises(ValueError, match=message):  # and by those who know the actions before there are data
        make_learner(name, **settings).check(discrete)
