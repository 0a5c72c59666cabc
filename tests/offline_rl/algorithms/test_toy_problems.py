"""CQL, AWAC and IQL on problems with known answers: bandits, a state that repeats, a grid; densities by quadrature."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.offline_rl import Batch, Spec, make_learner
from kalm_jax.offline_rl import distributions as policies
from kalm_jax.offline_rl.algorithms import awac, cql, iql
from kalm_jax.offline_rl.critics import JointMLP, make_critics, value_of
from kalm_jax.offline_rl.networks import policy_input

VALUE_LEARNERS = ("cql", "awac", "iql")
FAST = {"hidden": (), "learning_rate": 2e-2, "tau": 0.1, "reward_scale": 1.0, "discount": 0.8}
"""Linear networks: with one-hot states they are tables, and small problems take few updates."""


def make_spec(observation_dim, action_dim, discrete):
    """Inputs that are left as they are, under one goal (a vector of one zero)."""
    ones = (jnp.zeros(observation_dim), jnp.ones(observation_dim), jnp.zeros(1), jnp.ones(1))
    return Spec(*ones, action_dim, discrete)


def make_batch(observation, action, reward, next_observation=None, terminal=1.0):
    observation = np.asarray(observation, np.float32)
    after = observation if next_observation is None else np.asarray(next_observation, np.float32)
    n = len(observation)
    action = np.asarray(action)
    action = action.astype(np.int32 if action.dtype.kind == "i" else np.float32)
    reward, terminal = (np.broadcast_to(np.float32(x), n) for x in (reward, terminal))
    return Batch(*map(jnp.asarray, (observation, np.zeros((n, 1), np.float32), action, reward, after, terminal)))


@functools.partial(jax.jit, static_argnames=("learner", "steps", "change"))
def fit(learner, spec, batch, steps, change=lambda state: state):
    """The state after `steps` updates, each on the whole of the data; the first begins at what `change` makes of it."""
    state = change(learner.init(jax.random.key(0), spec))
    return jax.lax.fori_loop(
        0, steps, lambda i, s: learner.update(s, batch, jax.random.fold_in(jax.random.key(1), i))[0], state
    )


def inputs_of(spec, observation):
    return policy_input(spec, jnp.asarray(observation, jnp.float32), jnp.zeros((len(observation), 1)))


def q_of(learner, state, observation, action):
    """Q1 of one action per observation, discrete or continuous."""
    inputs, action = inputs_of(state.spec, observation), jnp.asarray(action)
    if learner.name == "cql" and state.spec.discrete:
        critic = make_critics(learner.config, state.spec, 1)
        return np.asarray(value_of(critic, {"params": {"critics_0": state.critic["params"]}}, inputs, action)[0])
    return np.asarray(value_of(make_critics(learner.config, state.spec), state.critic, inputs, action)[0])


# ---------------------------------------------------------------------------------------------------------- bandits

FREQUENCY = np.array([0.5, 0.3, 0.2])
REWARD = np.array([0.0, 0.6, 1.0])


def discrete_bandit():
    action = np.repeat([0, 1, 2], (20 * FREQUENCY).astype(int))
    return make_spec(1, 3, True), make_batch(np.ones((20, 1)), action, REWARD[action])


def continuous_bandit():
    """Rewards that rise with the first action and do not depend on the second."""
    action = np.random.default_rng(0).uniform(-0.9, 0.9, (64, 2))
    return make_spec(1, 2, False), make_batch(np.ones((64, 1)), action, 0.5 * action[:, 0])


def test_discrete_cql_is_where_its_gradient_vanishes():
    """min over Q of sum_a p_a huber(Q_a - r_a) + w (log sum exp Q - sum_a p_a Q_a)."""
    spec, batch = discrete_bandit()
    for weight in (0.3, 3.0):
        learner = make_learner("cql", **FAST, conservative_weight=weight)
        q = q_of(learner, fit(learner, spec, batch, 600), np.ones((3, 1)), np.arange(3)).astype(np.float64)
        softmax = np.exp(q) / np.exp(q).sum()
        residual = FREQUENCY * np.clip(q - REWARD, -1, 1) + weight * (softmax - FREQUENCY)
        np.testing.assert_allclose(residual, 0, atol=2e-3)


def test_discrete_cql_samples_from_the_softmax_of_its_values():
    spec, batch = discrete_bandit()
    learner = make_learner("cql", **FAST, conservative_weight=1.0)
    state = fit(learner, spec, batch, 100)
    q = q_of(learner, state, np.ones((3, 1)), np.arange(3)).astype(np.float64)
    many = (jnp.ones((4000, 1)), jnp.zeros((4000, 1)), jax.random.key(0))
    drawn = np.bincount(learner.act(state, *many, False), minlength=3) / 4000
    np.testing.assert_allclose(drawn, np.exp(q) / np.exp(q).sum(), atol=0.03)
    assert (np.asarray(learner.act(state, *many, True)) == q.argmax()).all()


def test_awac_and_iql_policies_of_a_discrete_bandit():
    """Both clone the data with weights exp(advantage), so pi_a ~ p_a exp(r_a / lambda) and p_a exp(beta r_a)."""
    spec, batch = discrete_bandit()
    many = (jnp.ones((4000, 1)), jnp.zeros((4000, 1)), jax.random.key(0), False)
    for learner in (
        make_learner("awac", **FAST, temperature=0.5),
        make_learner("awac", **FAST, temperature=0.5, weights="exp"),
        make_learner("iql", **FAST, beta=2.0),
    ):
        state = fit(learner, spec, batch, 600)
        np.testing.assert_allclose(q_of(learner, state, np.ones((3, 1)), np.arange(3)), REWARD, atol=0.02)
        want = FREQUENCY * np.exp(2.0 * REWARD)
        drawn = np.bincount(learner.act(state, *many), minlength=3) / 4000
        np.testing.assert_allclose(drawn, want / want.sum(), atol=0.03)


def test_awac_and_iql_policies_of_a_continuous_bandit():
    """The weighted Gaussian of greatest likelihood has the weighted mean and standard deviation of the actions."""
    spec, batch = continuous_bandit()
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
        state = fit(learner, spec, batch, 1000, begin_wide)
        policy = {"awac": awac, "iql": iql}[learner.name]._policy(learner.config, spec)
        got_mean, got_log_std = policy.apply(state.policy, inputs_of(spec, np.ones((1, 1))))
        np.testing.assert_allclose(got_mean[0], mean, atol=0.03)
        np.testing.assert_allclose(np.exp(got_log_std[0]), std, atol=0.03)
        greedy = learner.act(state, jnp.ones((1, 1)), jnp.zeros((1, 1)), jax.random.key(0), True)
        np.testing.assert_allclose(greedy[0], mean, atol=0.03)


@pytest.mark.parametrize("expectile", [0.5, 0.9])
def test_iql_value_is_the_expectile_of_the_data(expectile):
    spec, batch = discrete_bandit()
    learner = make_learner("iql", **FAST, expectile=expectile)
    state = fit(learner, spec, batch, 600)
    low, high = 0.0, 1.0
    for _ in range(50):  # bisection of sum_a p_a |tau - 1(r_a < m)| (r_a - m) = 0
        m = (low + high) / 2
        above = (FREQUENCY * np.where(m > REWARD, 1 - expectile, expectile) * (REWARD - m)).sum() > 0
        low, high = (m, high) if above else (low, m)
    v = iql._value(learner.config).apply(state.value, inputs_of(spec, np.ones((1, 1))))
    np.testing.assert_allclose(v[0, 0], low, atol=0.02)


def test_cql_policy_of_a_continuous_bandit_has_the_target_entropy():
    """Without penalty CQL is SAC: pi ~ exp(Q / temperature), and the temperature pulls its mean log pi to A."""
    action = np.random.default_rng(0).uniform(-1, 1, (128, 1))
    spec, batch = make_spec(1, 1, False), make_batch(np.ones((128, 1)), action, -4 * (action[:, 0] - 0.3) ** 2)
    rates = {"learning_rate": 1e-2, "policy_learning_rate": 1e-2, "temperature_learning_rate": 1e-2}
    rates |= {"hidden": (32,), "action_samples": 1}
    learner = make_learner("cql", **FAST | rates, conservative_weight=0.0)
    state = fit(learner, spec, batch, 1000)
    np.testing.assert_allclose(q_of(learner, state, np.ones((128, 1)), batch.action), batch.reward, atol=0.15)
    greedy = learner.act(state, jnp.ones((1, 1)), jnp.zeros((1, 1)), jax.random.key(0), True)
    np.testing.assert_allclose(greedy, 0.3, atol=0.1)
    outputs = cql._gaussian(learner.config, spec, state.policy, inputs_of(spec, np.ones((4000, 1))))
    log_prob = policies.squashed(outputs, jax.random.normal(jax.random.key(2), (4000, 1)))[1]
    np.testing.assert_allclose(log_prob.mean(), 1.0, atol=0.3)  # it begins at -0.6


# -------------------------------------------------------------------------------------- bootstrapping and planning


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
    state = fit(learner, make_spec(2, 2 if discrete else 1, discrete), batch, 800)
    np.testing.assert_allclose(q_of(learner, state, observation[:16], action[:16]), 1 / (1 - 0.8), rtol=0.05)
    np.testing.assert_allclose(q_of(learner, state, observation[16:], action[16:]), 1.0, rtol=0.05)


SIZE, MOVES = 3, np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])


def grid():
    """Every transition of a 3 x 3 grid whose far corner pays 1 and ends; and Q* by value iteration."""
    cells = np.array([(x, y) for x in range(SIZE) for y in range(SIZE)][:-1])
    after = np.clip(cells[:, None] + MOVES, 0, SIZE - 1)
    reached = (after == SIZE - 1).all(-1)
    index = after @ [SIZE, 1]
    q = np.zeros((len(cells), 4))
    for _ in range(100):
        v = np.append(q.max(1), 0.0)
        q = reached + 0.8 * (1 - reached) * v[index]
    eye = np.eye(SIZE * SIZE)
    observation = eye[(cells @ [SIZE, 1]).repeat(4)]
    batch = make_batch(
        observation, np.tile(np.arange(4), len(cells)), reached.ravel() * 1.0, eye[index.ravel()], reached.ravel() * 1.0
    )
    return make_spec(SIZE * SIZE, 4, True), batch, q


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
    spec, batch, q_star = grid()
    learner = make_learner(name, **FAST, **settings)
    state = fit(learner, spec, batch, 800)
    q = q_of(learner, state, batch.observation, batch.action).reshape(-1, 4)
    if is_q_star:
        np.testing.assert_allclose(q, q_star, atol=0.06)
    best = np.asarray(learner.act(state, batch.observation[::4], batch.goal[::4], jax.random.key(0), True))
    assert (q_star[np.arange(len(best)), best] > q_star.max(1) - 1e-6).all()


# ------------------------------------------------------------------------------------------- formulas, piece by piece


def test_joint_layers_equal_concatenated_inputs():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 4, 2))
    for norm in (False, True):
        net = JointMLP((8, 6), norm)
        params = jax.jit(net.init)(jax.random.key(0), x, y)["params"]
        h = np.concatenate([np.repeat(x[:, None], 4, 1), y], -1) @ params["kernel"] + params["bias"]
        for i in range(2):
            if norm:
                h = (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + 1e-6)
            h = np.maximum(h, 0) @ params[f"Dense_{i}"]["kernel"] + params[f"Dense_{i}"]["bias"]
        np.testing.assert_allclose(net.apply({"params": params}, x, y), h[..., 0], atol=1e-5)


def test_densities_of_policies_integrate_to_one():
    """A squashed Gaussian on a fine grid of its noise; actions and log-probabilities from the library."""
    outputs = (jnp.array([[0.4]]), jnp.array([[-0.3]]))
    noise = jnp.linspace(-7, 7, 20001)[None, :, None]
    action, log_prob = (np.asarray(x, np.float64)[0] for x in policies.squashed(outputs, noise))
    density, a = np.exp(log_prob), action[:, 0]
    np.testing.assert_allclose(np.trapezoid(density, a), 1.0, atol=1e-3)
    policy = policies.Policy(1, False)
    a = np.linspace(-6, 6, 4001)
    wide = (jnp.full((4001, 1), 0.4), jnp.full((4001, 1), -0.3))
    density = np.exp(policies.log_prob(policy, wide, jnp.asarray(a[:, None], jnp.float32)))
    np.testing.assert_allclose(np.trapezoid(density, a), 1.0, atol=1e-4)


def test_cql_gap_estimates_the_integral_over_actions():
    """log of the mean of exp(Q) / p over many samples is log of the integral of exp(Q), so the densities are right."""
    spec = make_spec(2, 1, False)
    learner = make_learner("cql", hidden=(8,), action_samples=20_000)
    state = jax.jit(learner.init)(jax.random.key(3), spec)
    critic = jax.tree.map(lambda x: 2 * x, state.critic)
    # tanh of a standard normal is nearly uniform: a narrow policy would leave the estimate to rare, heavy samples.
    state = dataclasses.replace(state, policy=jax.tree.map(jnp.zeros_like, state.policy))
    observation = np.array([[0.5, -1.0]])
    batch = make_batch(observation, np.array([[0.25]]), 0.0, next_observation=[[2.0, 2.0]])
    noise = cql.draw(learner.config, spec, jax.random.key(0), 1)
    inputs = inputs_of(spec, observation)
    rival = cql.rivals(learner.config, state, inputs, inputs_of(spec, batch.next_observation), noise)
    td = (inputs, batch.action, jnp.zeros(1))
    _, (gap, _) = cql.critic_loss(learner.config, critic, spec, 1.0, td, rival, 1)
    a = np.linspace(-1, 1, 2001)[None, :, None]
    q = np.asarray(make_critics(learner.config, spec).apply(critic, inputs, jnp.asarray(a, jnp.float32)), np.float64)
    q, a = q[:, 0], a[0, :, 0]
    want = np.log(np.trapezoid(np.exp(q), a)) - np.array([np.interp(0.25, a, x) for x in q])
    np.testing.assert_allclose(gap - np.log(3 * 20_000), want, atol=0.02)


def test_cql_multiplier_follows_the_threshold():
    spec, batch = continuous_bandit()
    for threshold, grows in ((-50.0, True), (50.0, False)):
        learner = make_learner("cql", **FAST, threshold=threshold, multiplier_learning_rate=1e-2, action_samples=2)
        state = fit(learner, spec, batch, 30)
        assert (float(state.log_multiplier) > 0.1) == grows and (float(state.log_multiplier) < -0.1) != grows


def test_cql_penalty_has_a_gradient_and_lowers_what_the_data_lack():
    """Catches a penalty whose gradient is stopped: the values of absent actions must fall below the data's."""
    rng = np.random.default_rng(0)
    action = rng.uniform(0.5, 1.0, (64, 1))
    spec, batch = make_spec(1, 1, False), make_batch(np.ones((64, 1)), action, 0.0)
    learner = make_learner("cql", **FAST, conservative_weight=2.0)
    state = fit(learner, spec, batch, 200)
    absent = q_of(learner, state, np.ones((3, 1)), np.array([[-0.9], [-0.5], [0.0]], np.float32))
    present = q_of(learner, state, np.ones((64, 1)), batch.action)
    assert absent.max() < present.min() - 1.0
    assert float(state.log_multiplier) == 0.0


def test_awac_weights_are_the_softmax_of_advantages():
    """Against NumPy with exact values of the policy; a (B,) against (B, 1) broadcast would give one weight to all."""
    spec, rng = make_spec(2, 3, True), np.random.default_rng(0)
    observation, action = rng.normal(size=(6, 2)), rng.integers(0, 3, 6)
    learner = make_learner("awac", hidden=(8,), temperature=0.3)
    state = jax.jit(learner.init)(jax.random.key(0), spec)
    inputs = inputs_of(spec, observation)
    q = np.asarray(make_critics(learner.config, spec).apply(state.critic, inputs), np.float64).min(0)
    logits = np.asarray(awac._policy(learner.config, spec).apply(state.policy, inputs), np.float64)
    pi = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    advantage = q[np.arange(6), action] - (pi * q).sum(1)
    want = np.exp(advantage / 0.3)
    args = (state.policy, state.critic, spec, inputs, jnp.asarray(action), None)
    np.testing.assert_allclose(awac.advantage_weight(learner.config, *args), 6 * want / want.sum(), rtol=1e-4)
    clipped = dataclasses.replace(learner.config, weights="exp", max_weight=1.0)
    np.testing.assert_allclose(awac.advantage_weight(clipped, *args), np.minimum(want, 1.0), rtol=1e-4)


@pytest.mark.parametrize(
    "name, settings, discrete, message",
    [
        ("cql", {"threshold": 5.0}, True, "threshold"),
        ("cql", {"soft_backup": True}, True, "soft_backup"),
        ("cql", {"target_period": 100}, False, "target_period=100"),
        ("iql", {"expectile": 1.0}, True, "expectile of IQL is 1.0"),
        ("awac", {"weights": "linear"}, True, "'linear'.*softmax, exp"),
        ("awac", {"temperature": 0.0}, True, "temperature of AWAC is 0.0"),
    ],
)
def test_settings_without_meaning_are_refused(name, settings, discrete, message):
    with pytest.raises(ValueError, match=message):
        make_learner(name, **settings).init(jax.random.key(0), make_spec(2, 2, discrete))
