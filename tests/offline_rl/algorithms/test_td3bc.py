"""TD3+BC against closed forms and an independent implementation in NumPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.offline_rl import make_buffer, make_learner, sample, state_of
from kalm_jax.offline_rl.algorithms import td3bc
from kalm_jax.offline_rl.networks import TwinCritic
from kalm_jax.offline_rl.normalization import policy_input
from kalm_jax.offline_rl.trainer import train
from kalm_jax.types import Rollouts
from tests.offline_rl.data import (
    SMALL,
    differs,
    first_states,
    goal_table,
    one_step_rollouts,
    random_buffer,
    raw,
    update,
)

PLAIN = {"critic_norm": False}
"""TD3+BC as in its paper; the LayerNorm that we add has a test of its own."""


def q_values(learner, state, buffer, observation, actions):
    config, stats = learner.config, buffer.stats()
    goal = jnp.broadcast_to(buffer.goal_vectors[0], (len(actions), 4))
    inputs = policy_input(stats, jnp.broadcast_to(jnp.asarray(observation), (len(actions), 2)), goal)
    vectors = td3bc.encode_action(stats, jnp.asarray(actions))
    return np.asarray(TwinCritic(config.hidden).apply(state.critic, inputs, vectors)[0])


def test_td3bc_critic_and_policy_of_a_bandit():
    """A terminal bandit: Q(a) is the scaled reward of a, and with a weak pull to the data the best arm is taken."""
    actions = np.repeat([0, 1, 2], [70, 20, 10])
    rewards = np.array([0.0, 5.0, 10.0])[actions]
    buffer = make_buffer([(one_step_rollouts(actions, rewards), 1.0)], goal_table(1))
    bandit = {"hidden": (32,), "batch_size": 64, "learning_rate": 3e-3, "reward_scale": 0.1}
    learner = make_learner("td3bc", **bandit, alpha=20.0)
    state = state_of(train(learner, buffer, [0], 1000)[0], 0)
    np.testing.assert_allclose(q_values(learner, state, buffer, [0.0, 0.0], [0, 1, 2]), [0, 0.5, 1.0], atol=0.03)
    one = (buffer.stats(), jnp.zeros((1, 2)), buffer.goal_vectors[:1], jax.random.key(0), True)
    assert learner.act(state, *one)[0] == 2
    cloned = make_learner("td3bc", **bandit, alpha=0.0)
    assert cloned.act(state_of(train(cloned, buffer, [0], 500)[0], 0), *one)[0] == 0


def test_td3bc_critic_of_a_chain():
    """Two states, one action: Q(s1) = r1 at the terminal, Q(s0) = r0 + gamma r1."""
    observations = np.array([[[0.0, 0.0], [1.0, 1.0], [5.0, -5.0]]], np.float32).repeat(4, 0)
    chain = Rollouts(
        observations,
        np.zeros((4, 2), np.int32),
        np.array([[2.0, 10.0]], np.float32).repeat(4, 0),
        np.full(4, 2, np.int32),
        np.ones(4, bool),
        np.zeros(4, np.int32),
        np.zeros(4, bool),
    )
    buffer = make_buffer([(chain, 1.0)], goal_table(1))
    learner = make_learner(
        "td3bc",
        reward_scale=0.1,
        hidden=(32, 32),
        batch_size=32,
        learning_rate=1e-3,
        discount=0.9,
        tau=0.05,
        alpha=0.0,
        policy_noise=0.0,
    )
    state = state_of(train(learner, buffer, [0], 2500)[0], 0)
    np.testing.assert_allclose(q_values(learner, state, buffer, [1.0, 1.0], [0]), 1.0, atol=0.03)
    np.testing.assert_allclose(q_values(learner, state, buffer, [0.0, 0.0], [0]), 0.2 + 0.9 * 1.0, atol=0.04)


@pytest.fixture(scope="module")
def td3():
    """A learner without noise on target actions, a state away from the start and before a delayed step, a batch."""
    learner, buffer = make_learner("td3bc", **SMALL["td3bc"] | PLAIN, policy_noise=0.0), random_buffer()
    state, stats = state_of(first_states(learner, buffer, [0]), 0), buffer.stats()
    for i in range(3):
        state, _ = update(learner, state, stats, sample(buffer, jax.random.key(i), 8), jax.random.key(100 + i))
    return learner, state, stats, sample(buffer, jax.random.key(9), 8)


def test_a_terminal_hides_the_next_state(td3):
    learner, state, stats, batch = td3
    other = dataclasses.replace(batch, next_observation=batch.next_observation + 3.0)
    for terminal, hidden in ((1.0, True), (0.0, False)):
        ends = jnp.full(8, terminal)
        after = [
            update(learner, state, stats, dataclasses.replace(b, terminal=ends), jax.random.key(0))[0]
            for b in (batch, other)
        ]
        assert differs(*after) != hidden


def test_order_of_the_batch_is_irrelevant_and_rewards_are_not(td3):
    """Catches a (B,) against (B, 1) broadcast, under which permuted rewards change nothing."""
    learner, state, stats, batch = td3
    order = jnp.array([3, 1, 7, 0, 6, 2, 5, 4])
    permuted = jax.tree.map(lambda x: x[order], batch)
    mixed = dataclasses.replace(batch, reward=batch.reward[order])
    (after, loss), (same, same_loss), (_, other_loss) = (
        update(learner, state, stats, b, jax.random.key(0)) for b in (batch, permuted, mixed)
    )
    np.testing.assert_allclose(loss["critic_loss"], same_loss["critic_loss"], rtol=1e-5)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=2e-5), raw(after).policy, raw(same).policy)
    assert abs(float(loss["critic_loss"] - other_loss["critic_loss"])) > 1e-3


class NumpyTD3BC:
    """TD3+BC from the paper's equations in float64, gradients of ReLU networks by hand; the oracle of the next test."""

    def __init__(self, state):
        self.policy, self.target_policy = self.layers(state.policy), self.layers(state.target_policy)
        self.critics = [self.layers(state.critic, q) for q in ("q1", "q2")]
        self.targets = [self.layers(state.target_critic, q) for q in ("q1", "q2")]

    @staticmethod
    def layers(params, name=None):
        params = params["params"][name] if name else params["params"]
        return [
            tuple(np.asarray(params[f"Dense_{i}"][k], np.float64) for k in ("kernel", "bias"))
            for i in range(len(params))
        ]

    @staticmethod
    def softmax(x):
        x = np.exp(x - x.max(1, keepdims=True))
        return x / x.sum(1, keepdims=True)

    @staticmethod
    def forward(layers, x):
        kept = [x]
        for i, (w, b) in enumerate(layers):
            x = x @ w + b
            x = np.maximum(x, 0) if i < len(layers) - 1 else x
            kept.append(x)
        return x, kept

    @staticmethod
    def backward(layers, kept, grad):
        """Gradients of the layers (w, b) and of the input."""
        grads = []
        for i in range(len(layers) - 1, -1, -1):
            if i < len(layers) - 1:
                grad = grad * (kept[i + 1] > 0)
            grads.insert(0, (kept[i].T @ grad, grad.sum(0)))
            grad = grad @ layers[i][0].T
        return grads, grad

    def critic_loss(self, config, x, a, y):
        loss, grads = 0.0, []
        for layers in self.critics:
            q, kept = self.forward(layers, np.concatenate([x, a], 1))
            loss += np.mean((q[:, 0] - y) ** 2)
            grads.append(self.backward(layers, kept, 2 * (q - y[:, None]) / len(y))[0])
        return loss, grads

    def target(self, config, x2, reward, terminal, noise):
        noise = np.clip(noise, -config.noise_clip, config.noise_clip)
        xa = np.concatenate([x2, self.softmax(self.forward(self.target_policy, x2)[0] + noise)], 1)
        q = np.minimum(*(self.forward(layers, xa)[0][:, 0] for layers in self.targets))
        return config.reward_scale * reward + config.discount * (1 - terminal) * q

    def policy_loss(self, config, x, a):
        out, kept = self.forward(self.policy, x)
        pi = self.softmax(out)
        q, q_kept = self.forward(self.critics[0], np.concatenate([x, pi], 1))
        weight = config.alpha / np.abs(q).mean()
        to_input = self.backward(self.critics[0], q_kept, np.full_like(q, -weight / len(q)))[1][:, x.shape[1] :]
        to_pi = to_input + 2 * (pi - a) / len(a)
        grad = pi * (to_pi - (to_pi * pi).sum(1, keepdims=True))  # through the softmax
        return -weight * q.mean() + np.mean(((pi - a) ** 2).sum(1)), self.backward(self.policy, kept, grad)[0]


def test_td3bc_losses_and_gradients_match_the_paper_in_numpy(td3):
    learner, state, stats, batch = td3
    config, oracle = learner.config, NumpyTD3BC(state)
    exact = jax.tree.map(lambda x: np.asarray(x, np.float64), stats)

    def inputs(observation):
        goal = (np.asarray(batch.goal) - exact.goal_mean) / exact.goal_std
        return np.concatenate([(np.asarray(observation) - exact.observation_mean) / exact.observation_std, goal], 1)

    x, x2 = inputs(batch.observation), inputs(batch.next_observation)
    a = np.eye(4)[np.asarray(batch.action)]
    noise = np.random.default_rng(0).normal(size=a.shape)
    y = oracle.target(config, x2, np.asarray(batch.reward), np.asarray(batch.terminal), noise)
    x2j, noise = (jnp.asarray(x, jnp.float32) for x in (x2, noise))
    ours = td3bc.critic_target(config, state, stats, x2j, batch, noise)
    np.testing.assert_allclose(ours, y, rtol=1e-4, atol=1e-5)

    xj, aj = jnp.asarray(x, jnp.float32), td3bc.encode_action(stats, batch.action)
    (loss, _), grads = jax.value_and_grad(td3bc.critic_loss, 1, has_aux=True)(config, state.critic, xj, aj, ours)
    want, want_grads = oracle.critic_loss(config, x, a, y)
    np.testing.assert_allclose(loss, want, rtol=1e-4)
    for name, layers in zip(("q1", "q2"), want_grads):
        for (w, b), (gw, gb) in zip(NumpyTD3BC.layers(grads, name), layers):
            np.testing.assert_allclose(w, gw, rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(b, gb, rtol=1e-3, atol=1e-5)

    args = (config, state.policy, state.critic, stats, xj, aj)
    (loss, _), grads = jax.value_and_grad(td3bc.policy_loss, 1, has_aux=True)(*args)
    want, want_grads = oracle.policy_loss(config, x, a)
    np.testing.assert_allclose(loss, want, rtol=1e-4)
    for (w, b), (gw, gb) in zip(NumpyTD3BC.layers(grads), want_grads):
        np.testing.assert_allclose(w, gw, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(b, gb, rtol=1e-3, atol=1e-5)


def test_policy_and_targets_move_only_at_delayed_steps(td3):
    learner, _, stats, batch = td3
    state = state_of(first_states(learner, random_buffer(), [0]), 0)
    first, _ = update(learner, state, stats, batch, jax.random.key(0))
    second, metrics = update(learner, first, stats, batch, jax.random.key(1))
    for name in ("policy", "target_policy", "target_critic"):
        before, middle, after = (jax.tree.leaves(getattr(s, name)) for s in (state, first, second))
        assert all(np.array_equal(x, y) for x, y in zip(before, middle))
        assert any(not np.array_equal(x, y) for x, y in zip(middle, after))
    online, old, new = (jax.tree.leaves(x) for x in (second.critic, first.target_critic, second.target_critic))
    for o, t, n in zip(online, old, new):
        np.testing.assert_allclose(n, 0.005 * o + 0.995 * t, atol=1e-6)
    assert float(metrics["bc_loss"]) > 0


def test_continuous_actions_share_the_algorithm():
    buffer = random_buffer(continuous=True)
    learner = make_learner("td3bc", **SMALL["td3bc"])
    state = state_of(train(learner, buffer, [0], 6)[0], 0)
    action = learner.act(state, buffer.stats(), jnp.zeros((5, 3)), jnp.zeros((5, 4)), jax.random.key(0), True)
    assert action.shape == (5, 2) and np.abs(action).max() <= 1
