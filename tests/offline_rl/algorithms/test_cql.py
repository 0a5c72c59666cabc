"""Continuous CQL: its entropy, gap, multiplier and penalty."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.offline_rl import distributions as policies
from kalm_jax.offline_rl import make_learner
from kalm_jax.offline_rl.algorithms import cql
from kalm_jax.offline_rl.critics import make_critics
from tests.offline_rl.algorithms.toy_problems import (
    FAST,
    continuous_bandit,
    fit,
    inputs_of,
    make_batch,
    make_stats,
    q_of,
)


def test_cql_policy_of_a_continuous_bandit_has_the_target_entropy():
    """Without penalty CQL is SAC: pi ~ exp(Q / temperature), and the temperature pulls its mean log pi to A."""
    action = np.random.default_rng(0).uniform(-1, 1, (128, 1))
    stats, batch = make_stats(1, 1, False), make_batch(np.ones((128, 1)), action, -4 * (action[:, 0] - 0.3) ** 2)
    rates = {"learning_rate": 1e-2, "policy_learning_rate": 1e-2, "temperature_learning_rate": 1e-2}
    rates |= {"hidden": (32,), "action_samples": 1}
    learner = make_learner("cql", **FAST | rates, conservative_weight=0.0)
    state = fit(learner, stats, batch, 1000)
    np.testing.assert_allclose(q_of(learner, state, stats, np.ones((128, 1)), batch.action), batch.reward, atol=0.15)
    greedy = learner.act(state, stats, jnp.ones((1, 1)), jnp.zeros((1, 1)), jax.random.key(0), True)
    np.testing.assert_allclose(greedy, 0.3, atol=0.1)
    outputs = cql.policy_outputs(learner.config, stats, state.policy, inputs_of(stats, np.ones((4000, 1))))
    log_prob = policies.tanh_sample_and_log_prob(outputs, jax.random.normal(jax.random.key(2), (4000, 1)))[1]
    np.testing.assert_allclose(log_prob.mean(), 1.0, atol=0.3)  # it begins at -0.6


def test_cql_gap_estimates_the_integral_over_actions():
    """log of the mean of exp(Q) / p over many samples is log of the integral of exp(Q), so the densities are right."""
    stats = make_stats(2, 1, False)
    learner = make_learner("cql", hidden=(8,), action_samples=20_000)
    state = jax.jit(learner.init)(jax.random.key(3), stats)
    critic = jax.tree.map(lambda x: 2 * x, state.critic)
    # tanh of a standard normal is nearly uniform: a narrow policy would leave the estimate to rare, heavy samples.
    state = dataclasses.replace(state, policy=jax.tree.map(jnp.zeros_like, state.policy))
    observation = np.array([[0.5, -1.0]])
    batch = make_batch(observation, np.array([[0.25]]), 0.0, next_observation=[[2.0, 2.0]])
    noise = cql.draw(learner.config, stats, jax.random.key(0), 1)
    inputs = inputs_of(stats, observation)
    _, (gap, _) = cql.critic_loss(
        learner.config,
        critic,
        stats,
        1.0,
        inputs=inputs,
        action=batch.action,
        target=jnp.zeros(1),
        penalty=cql.penalty_actions(learner.config, state, stats, batch, noise),
        data_size=1,
    )
    a = np.linspace(-1, 1, 2001)[None, :, None]
    q = np.asarray(make_critics(learner.config, stats).apply(critic, inputs, jnp.asarray(a, jnp.float32)), np.float64)
    q, a = q[:, 0], a[0, :, 0]
    want = np.log(np.trapezoid(np.exp(q), a)) - np.array([np.interp(0.25, a, x) for x in q])
    np.testing.assert_allclose(gap - np.log(3 * 20_000), want, atol=0.02)


def test_cql_multiplier_follows_the_threshold():
    stats, batch = continuous_bandit()
    for threshold, grows in ((-50.0, True), (50.0, False)):
        learner = make_learner("cql", **FAST, threshold=threshold, multiplier_learning_rate=1e-2, action_samples=2)
        state = fit(learner, stats, batch, 30)
        assert (float(state.log_multiplier) > 0.1) == grows and (float(state.log_multiplier) < -0.1) != grows


def test_cql_penalty_has_a_gradient_and_lowers_what_the_data_lack():
    """Catches a penalty whose gradient is stopped: the values of absent actions must fall below the data's."""
    rng = np.random.default_rng(0)
    action = rng.uniform(0.5, 1.0, (64, 1))
    stats, batch = make_stats(1, 1, False), make_batch(np.ones((64, 1)), action, 0.0)
    learner = make_learner("cql", **FAST, conservative_weight=2.0)
    state = fit(learner, stats, batch, 200)
    absent = q_of(learner, state, stats, np.ones((3, 1)), np.array([[-0.9], [-0.5], [0.0]], np.float32))
    present = q_of(learner, state, stats, np.ones((64, 1)), batch.action)
    assert absent.max() < present.min() - 1.0
    assert float(state.log_multiplier) == 0.0
