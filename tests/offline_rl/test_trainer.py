"""Offline RL against closed forms, an independent NumPy TD3+BC, and the promises of the training loop."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.offline_rl import LEARNERS, Batch, make_buffer, make_learner, sample, state_of
from kalm_jax.offline_rl.algorithms import td3bc
from kalm_jax.offline_rl.critics import JointMLP
from kalm_jax.offline_rl.networks import MLP
from kalm_jax.offline_rl.seed_sharding import SeedDevices
from kalm_jax.offline_rl.trainer import init_states, train, update_many
from kalm_jax.types import Rollouts
from tests.offline_rl.data import (
    SMALL,
    advance,
    assert_same,
    differs,
    goal_table,
    one_step_rollouts,
    random_buffer,
    random_rollouts,
    raw,
    update,
)

PLAIN = {"critic_norm": False}
"""TD3+BC as in its paper; the LayerNorm that we add has a test of its own."""


def test_unknown_names_are_told():
    with pytest.raises(ValueError, match=r"td4.*awac, bc, combo, cql, decision_transformer, iql, td3bc"):
        make_learner("td4")
    with pytest.raises(ValueError, match="alpha_bc"):
        make_learner("td3bc", alpha_bc=1.0)


# ------------------------------------------------------------------------------------------------------ algorithms


def test_bc_recovers_action_frequencies():
    actions = np.repeat([0, 1, 2, 3], [50, 25, 20, 5])
    buffer = make_buffer([(one_step_rollouts(actions, np.zeros(100)), 1.0)], goal_table(1))
    learner = make_learner("bc", hidden=(16,), batch_size=512, learning_rate=3e-3)
    state, _ = train(learner, buffer, [0], 600)
    inputs = (jnp.zeros((4000, 2)), jnp.broadcast_to(buffer.goal_vectors[0], (4000, 4)))
    drawn = learner.act(state_of(state, 0), *inputs, jax.random.key(1), False)
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 4000, [0.5, 0.25, 0.2, 0.05], atol=0.03)
    assert (np.asarray(learner.act(state_of(state, 0), *inputs, jax.random.key(1), True)) == 0).all()


def test_logit_penalty_has_the_closed_form_of_a_bandit():
    """Minimum of -log softmax(z)_0 + beta mean z^2 over z: softmax(z) - e_0 + 2 beta z / A = 0."""
    buffer = make_buffer([(one_step_rollouts([0] * 8, np.zeros(8)), 1.0)], goal_table(1), num_actions=4)
    learner = make_learner("bc", hidden=(16,), batch_size=8, learning_rate=1e-2, logit_penalty=0.5)
    state = state_of(train(learner, buffer, [0], 800)[0], 0)
    inputs = td3bc.policy_input(state.spec, jnp.zeros((1, 2)), buffer.goal_vectors[:1])
    z = np.asarray(td3bc.MLP(4, (16,)).apply(state.policy, inputs))[0].astype(np.float64)
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
    action = learner.act(state, jnp.zeros((1, 3)), buffer.goal_vectors[:1], jax.random.key(0), True)
    np.testing.assert_allclose(action[0], rollouts.actions[:, 0].mean(0), atol=0.03)


def q_values(learner, state, buffer, observation, actions):
    config, spec = learner.config, state.spec
    goal = jnp.broadcast_to(buffer.goal_vectors[0], (len(actions), 4))
    inputs = td3bc.policy_input(spec, jnp.broadcast_to(jnp.asarray(observation), (len(actions), 2)), goal)
    vectors = td3bc.encode_action(spec, jnp.asarray(actions))
    return np.asarray(td3bc.TwinCritic(config.hidden).apply(state.critic, inputs, vectors)[0])


def test_td3bc_critic_and_policy_of_a_bandit():
    """A terminal bandit: Q(a) is the scaled reward of a, and with a weak pull to the data the best arm is taken."""
    actions = np.repeat([0, 1, 2], [70, 20, 10])
    rewards = np.array([0.0, 5.0, 10.0])[actions]
    buffer = make_buffer([(one_step_rollouts(actions, rewards), 1.0)], goal_table(1))
    bandit = {"hidden": (32,), "batch_size": 64, "learning_rate": 3e-3, "reward_scale": 0.1}
    learner = make_learner("td3bc", **bandit, alpha=20.0)
    state = state_of(train(learner, buffer, [0], 1000)[0], 0)
    np.testing.assert_allclose(q_values(learner, state, buffer, [0.0, 0.0], [0, 1, 2]), [0, 0.5, 1.0], atol=0.03)
    one = (jnp.zeros((1, 2)), buffer.goal_vectors[:1], jax.random.key(0), True)
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
    state = state_of(init_states(learner, buffer, [0]), 0)
    for i in range(3):
        state, _ = update(learner, state, sample(buffer, jax.random.key(i), 8), jax.random.key(100 + i))
    return learner, state, sample(buffer, jax.random.key(9), 8)


def test_a_terminal_hides_the_next_state(td3):
    learner, state, batch = td3
    other = dataclasses.replace(batch, next_observation=batch.next_observation + 3.0)
    for terminal, hidden in ((1.0, True), (0.0, False)):
        ends = jnp.full(8, terminal)
        after = [
            update(learner, state, dataclasses.replace(b, terminal=ends), jax.random.key(0))[0] for b in (batch, other)
        ]
        assert differs(*after) != hidden


def test_order_of_the_batch_is_irrelevant_and_rewards_are_not(td3):
    """Catches a (B,) against (B, 1) broadcast, under which permuted rewards change nothing."""
    learner, state, batch = td3
    order = jnp.array([3, 1, 7, 0, 6, 2, 5, 4])
    permuted = jax.tree.map(lambda x: x[order], batch)
    mixed = dataclasses.replace(batch, reward=batch.reward[order])
    (after, loss), (same, same_loss), (_, other_loss) = (
        update(learner, state, b, jax.random.key(0)) for b in (batch, permuted, mixed)
    )
    np.testing.assert_allclose(loss["critic_loss"], same_loss["critic_loss"], rtol=1e-5)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=2e-5), raw(after).policy, raw(same).policy)
    assert abs(float(loss["critic_loss"] - other_loss["critic_loss"])) > 1e-3


def test_layers_begin_uniform_between_the_roots_of_their_inputs():
    """torch's `nn.Linear`: weights and biases uniform in +-1/sqrt(inputs), of variance 1/(3 inputs)."""
    plain = MLP(3, (400, 100)).init(jax.random.key(0), jnp.zeros((1, 250)))["params"]
    joint = JointMLP((400, 100)).init(jax.random.key(0), jnp.zeros((1, 240)), jnp.zeros((1, 1, 10)))["params"]
    joint = {"own": {"kernel": joint["kernel"], "bias": joint["bias"]}, "Dense_0": joint["Dense_0"]}
    for layer, inputs in zip([*plain.values(), *joint.values()], (250, 400, 100, 250, 400), strict=True):
        bound, (kernel, bias) = inputs**-0.5, (layer["kernel"], layer["bias"])
        assert kernel.shape[0] == inputs and 0.95 * bound < np.abs(kernel).max() <= bound
        assert np.isclose(np.std(kernel), bound / 3**0.5, rtol=0.05) and abs(np.mean(kernel)) < 0.1 * bound
        assert np.abs(bias).max() <= bound and len(np.unique(bias)) == bias.size


def test_layer_norm_stands_before_each_relu_and_bounds_the_output():
    net, x = MLP(2, (8, 8), norm=True), np.random.default_rng(0).normal(size=(5, 3))
    params = net.init(jax.random.key(0), x)
    h = x
    for i in range(2):
        dense, norm = params["params"][f"Dense_{i}"], params["params"][f"LayerNorm_{i}"]
        h = h @ dense["kernel"] + dense["bias"]
        h = (h - h.mean(1, keepdims=True)) / np.sqrt(h.var(1, keepdims=True) + 1e-6) * norm["scale"] + norm["bias"]
        h = np.maximum(h, 0)
    last = params["params"]["Dense_2"]
    np.testing.assert_allclose(net.apply(params, x), h @ last["kernel"] + last["bias"], atol=1e-5)
    far = np.abs(net.apply(params, 1e6 * x)).max()
    assert far <= np.sqrt(8) * np.linalg.norm(last["kernel"], axis=0).max() + 1e-3


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
    learner, state, batch = td3
    config, oracle = learner.config, NumpyTD3BC(state)
    spec = jax.tree.map(lambda x: np.asarray(x, np.float64), state.spec)

    def inputs(observation):
        goal = (np.asarray(batch.goal) - spec.goal_mean) / spec.goal_std
        return np.concatenate([(np.asarray(observation) - spec.observation_mean) / spec.observation_std, goal], 1)

    x, x2 = inputs(batch.observation), inputs(batch.next_observation)
    a = np.eye(4)[np.asarray(batch.action)]
    noise = np.random.default_rng(0).normal(size=a.shape)
    y = oracle.target(config, x2, np.asarray(batch.reward), np.asarray(batch.terminal), noise)
    ours = td3bc.critic_target(config, state, jnp.asarray(x2, jnp.float32), batch.reward, batch.terminal, noise)
    np.testing.assert_allclose(ours, y, rtol=1e-4, atol=1e-5)

    xj, aj = jnp.asarray(x, jnp.float32), td3bc.encode_action(state.spec, batch.action)
    (loss, _), grads = jax.value_and_grad(td3bc.critic_loss, 1, has_aux=True)(config, state.critic, xj, aj, ours)
    want, want_grads = oracle.critic_loss(config, x, a, y)
    np.testing.assert_allclose(loss, want, rtol=1e-4)
    for name, layers in zip(("q1", "q2"), want_grads):
        for (w, b), (gw, gb) in zip(NumpyTD3BC.layers(grads, name), layers):
            np.testing.assert_allclose(w, gw, rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(b, gb, rtol=1e-3, atol=1e-5)

    args = (config, state.policy, state.critic, state.spec, xj, aj)
    (loss, _), grads = jax.value_and_grad(td3bc.policy_loss, 1, has_aux=True)(*args)
    want, want_grads = oracle.policy_loss(config, x, a)
    np.testing.assert_allclose(loss, want, rtol=1e-4)
    for (w, b), (gw, gb) in zip(NumpyTD3BC.layers(grads), want_grads):
        np.testing.assert_allclose(w, gw, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(b, gb, rtol=1e-3, atol=1e-5)


def test_policy_and_targets_move_only_at_delayed_steps(td3):
    learner, _, batch = td3
    state = state_of(init_states(learner, random_buffer(), [0]), 0)
    first, _ = update(learner, state, batch, jax.random.key(0))
    second, metrics = update(learner, first, batch, jax.random.key(1))
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
    action = learner.act(state, jnp.zeros((5, 3)), jnp.zeros((5, 4)), jax.random.key(0), True)
    assert action.shape == (5, 2) and np.abs(action).max() <= 1


# --------------------------------------------------------------------------------------------------- training loop


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_a_loop_of_n_equals_n_single_updates(name):
    learner, buffer = make_learner(name, **SMALL[name]), random_buffer()
    looped, _ = advance(init_states(learner, buffer, [3]), buffer, 7, learner)
    single = init_states(learner, buffer, [3])
    for _ in range(7):
        single, _ = advance(single, buffer, 1, learner)
    assert_same(looped, single)


def assert_close(a, b):
    """Equal but for rounding, which Adam magnifies where a gradient is nearly 0: its steps have the learning rate."""
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=3e-4), raw(a), raw(b))


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_seeds_together_equal_seeds_alone(name):
    learner, buffer = make_learner(name, **SMALL[name]), random_buffer()
    alone = [state_of(train(learner, buffer, [seed], 11, updates_per_call=4)[0], 0) for seed in (5, 6, 7)]
    ways = [("threads", 2)]  # the others do not know of learners
    if name == "td3bc":
        ways += [("threads", 1), ("map", None)]
    for way, workers in ways:
        together, _ = train(learner, buffer, [5, 6, 7], 11, updates_per_call=4, way=way, workers=workers)
        for i, state in enumerate(alone):
            assert_same(state_of(together, i), state)
    batched, _ = train(learner, buffer, [5, 6, 7], 11, way="vmap")
    for i, state in enumerate(alone):
        assert_close(state_of(batched, i), state)
    assert differs(alone[0], alone[1])


@pytest.mark.parametrize("way", ["map", "vmap"])
def test_seeds_on_several_devices_are_those_of_one(way, tmp_path):
    """Three seeds on two devices: the fourth place is filled up. A checkpoint does not know of devices."""
    learner, buffer = make_learner("td3bc", **SMALL["td3bc"]), random_buffer()
    on_one, want = train(learner, buffer, [5, 6, 7], 8, updates_per_call=4, way=way)
    train(learner, buffer, [5, 6, 7], 4, updates_per_call=4, way=way, spread=True, checkpoint_dir=tmp_path)
    spread, curve = train(
        learner, buffer, [5, 6, 7], 8, updates_per_call=4, way=way, spread=True, checkpoint_dir=tmp_path
    )
    assert_close(spread, on_one)
    assert [row["seed"] for row in curve] == [row["seed"] for row in want]
    np.testing.assert_allclose([row["value"] for row in curve], [row["value"] for row in want], rtol=1e-3, atol=1e-4)
    alone, _ = train(learner, buffer, [5, 6, 7], 8, updates_per_call=4, checkpoint_dir=tmp_path)
    assert_same(alone, spread)
    with pytest.raises(ValueError, match="map or vmap"):
        train(learner, buffer, [5], 8, way="threads", spread=True)


def test_few_devices_are_used_where_more_would_not_be_faster():
    found = [(s.count, s.size) for s in map(SeedDevices, (1, 2, 3, 4))]
    assert found == [(1, 1), (2, 2), (2, 4), (2, 4)]


def test_curve_has_the_means_of_each_call():
    learner, buffer = make_learner("bc", **SMALL["bc"]), random_buffer()
    _, curve = train(learner, buffer, [0, 1], 10, updates_per_call=4)
    assert [(r["update"], r["seed"]) for r in curve] == [(u, s) for u in (4, 8, 10) for s in (0, 1)]
    state, losses = init_states(learner, buffer, [0]), []
    for _ in range(4):
        state, metrics = advance(state, buffer, 1, learner)
        losses.append(float(metrics["policy_loss"][0]))
    np.testing.assert_allclose(curve[0]["value"], np.mean(losses), rtol=1e-5)


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_a_resumed_run_equals_an_uninterrupted_one(name, tmp_path):
    learner, buffer = make_learner(name, **SMALL[name]), random_buffer()
    settings = {"updates_per_call": 4, "checkpoint_every": 6}
    whole, curve = train(learner, buffer, [0, 1], 20, **settings)

    def kill(done, total, **metrics):
        if done >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(learner, buffer, [0, 1], 20, checkpoint_dir=tmp_path / "run", progress=kill, **settings)
    resumed, resumed_curve = train(learner, buffer, [0, 1], 20, checkpoint_dir=tmp_path / "run", **settings)
    assert_same(whole, resumed)
    last = {(r["seed"], r["metric"]): r["value"] for r in curve if r["update"] == 20}
    assert last == {(r["seed"], r["metric"]): r["value"] for r in resumed_curve if r["update"] == 20}
    again, again_curve = train(learner, buffer, [0, 1], 20, checkpoint_dir=tmp_path / "run", **settings)
    assert_same(whole, again)
    assert again_curve == resumed_curve
    with pytest.raises(ValueError, match="seeds"):
        train(learner, buffer, [0, 2], 20, checkpoint_dir=tmp_path / "run", **settings)


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_nothing_is_compiled_after_the_first_call(name):
    learner, buffer = make_learner(name, **SMALL[name]), random_buffer()
    compiled = []

    def progress(done, total, **metrics):
        compiled.append(update_many._cache_size())

    train(learner, buffer, [0, 1], 11, updates_per_call=3, way="threads", workers=1, progress=progress)
    assert len(compiled) == 8 and len(set(compiled)) == 1


def test_a_new_state_holds_no_buffer_twice():
    for name in LEARNERS:
        learner, buffer = make_learner(name, **SMALL[name]), random_buffer()
        state = init_states(learner, buffer, [0])
        leaves = [x for x in jax.tree.leaves(raw_device(state)) if x.size > 1]
        assert len({x.unsafe_buffer_pointer() for x in leaves}) == len(leaves)
        after, _ = advance(state, buffer, 1, learner)
        assert jax.tree.leaves(state)[0].is_deleted()
        assert not buffer.observations.is_deleted() and not jax.tree.leaves(after)[0].is_deleted()


def raw_device(state):
    return dataclasses.replace(state, key=jax.random.key_data(state.key))


def test_a_loss_that_is_not_finite_stops_the_run():
    buffer = random_buffer()
    buffer = dataclasses.replace(buffer, reward=jnp.full(len(buffer), 3e37))
    with pytest.raises(FloatingPointError, match="critic_loss"):
        train(make_learner("td3bc", **SMALL["td3bc"]), buffer, [0], 4)


def test_batch_is_a_pytree_of_the_documented_shapes():
    batch = sample(random_buffer(), jax.random.key(0), 8)
    assert isinstance(batch, Batch) and batch.goal.shape == (8, 4) and batch.next_observation.shape == (8, 3)
