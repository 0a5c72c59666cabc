"""COMBO and its learned world: predictions against a known world, rollouts, the conservative term, a grid."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kalm_jax.offline_rl import make_buffer, make_learner
from kalm_jax.offline_rl.algorithms import combo, discrete_cql, dynamics_model
from kalm_jax.offline_rl.trainer import train
from kalm_jax.types import unnamed_goal
from tests.offline_rl.algorithms.toy_problems import FAST, fit, grid, inputs_of, make_batch, make_stats, q_of
from tests.offline_rl.data import SMALL, random_buffer, random_rollouts

HIDDEN = (32,)


@functools.partial(jax.jit, static_argnames="steps")
def fit_models(stats, batch, steps):
    models = dynamics_model.init_models(HIDDEN, 3, jax.random.key(0), stats)
    adam = optax.adam(1e-2)

    def step(_, carry):
        models, optimizer = carry
        grads = jax.grad(dynamics_model.model_loss, argnums=1)(HIDDEN, models, stats, batch, 0.5)
        updates, optimizer = adam.update(grads, optimizer)
        return optax.apply_updates(models, updates), optimizer

    return jax.lax.fori_loop(0, steps, step, (models, adam.init(models)))[0]


@pytest.fixture(scope="module")
def world():
    """A point that is pushed, s' = s + a / 2 + noise of 0.1, beside a wall at 7 and a clock.

    It ends where s' > 0.5; then r = 30, else 3 s - 1.
    """
    rng = np.random.default_rng(0)
    s, a, clock = rng.uniform(-1, 1, (512, 1)), rng.uniform(-1, 1, (512, 1)), rng.integers(0, 50, (512, 1))
    after = s + a / 2 + 0.1 * rng.normal(size=s.shape)
    ends = after[:, 0] > 0.5
    before, after = (np.hstack([x, np.full_like(s, 7), t]) for x, t in ((s, clock), (after, clock + 1)))
    rollouts = dataclasses.replace(
        random_rollouts(0, n=512, horizon=1, observation_dim=3, continuous=True),
        observations=np.stack([before, after], 1).astype(np.float32),
        actions=a[:, None].astype(np.float32),
        rewards=np.where(ends, 30, 3 * s[:, 0] - 1)[:, None].astype(np.float32),
        terminated=ends,
        goal=np.zeros(512, np.int32),
    )
    buffer = make_buffer([(rollouts, 1.0)], unnamed_goal([0.0]))
    stats = dynamics_model.dynamics_stats(buffer)
    change = np.array([[(after - before)[:, 0].mean(), 0, 1], [(after - before)[:, 0].std(), 0, 0]])
    np.testing.assert_allclose(stats.change[:, :3], change, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(stats.change[:, 3], [rollouts.rewards.mean(), rollouts.rewards.std()], rtol=1e-5)
    batch = make_batch(before, a, rollouts.rewards[:, 0], after, ends)
    return stats, fit_models(stats, batch, 600)


def at(position):
    """Observations (B, 3) of the world with the point at (B,)."""
    return jnp.stack([position, jnp.full_like(position, 7), jnp.full_like(position, 3)], 1).astype(jnp.float32)


def test_the_world_predicts_change_reward_noise_and_end(world):
    stats, models = world
    s, a = np.random.default_rng(1).uniform(-0.8, 0.8, (2, 64)).astype(np.float32)
    mean, log_variance, logit = dynamics_model.predict(
        HIDDEN, models, stats, inputs_of(stats, at(s)), jnp.asarray(a[:, None])
    )
    assert mean.shape == (3, 64, 5) and logit.shape == (3, 64)
    center, spread = np.asarray(stats.change)
    change, goes_on, ends = (center[i] + spread[i] * np.asarray(mean)[..., j] for i, j in ((0, 0), (3, 3), (3, 4)))
    np.testing.assert_allclose(change, np.broadcast_to(a / 2, (3, 64)), atol=0.1)
    np.testing.assert_allclose(np.exp(log_variance[..., 0].mean() / 2) * spread[0], 0.1, rtol=0.25)
    expected = s + a / 2
    # Each reward where data show it: the other one is anybody's guess.
    np.testing.assert_allclose(goes_on[:, expected < 0.4], np.tile(3 * s - 1, (3, 1))[:, expected < 0.4], atol=1.0)
    np.testing.assert_allclose(ends[:, expected > 0.6], 30, atol=1.5)
    assert (np.asarray(logit)[:, expected > 0.75] > 0).all() and (np.asarray(logit)[:, expected < 0.25] < 0).all()


def test_rollouts_follow_the_policy_and_stop_at_their_end(world):
    stats, models = world
    start = at(jnp.full(400, -0.5))
    settings = {"horizon": 4}

    def push(observation, goal, key):
        return jnp.full((len(observation), 1), 0.6)

    args = (HIDDEN, models, stats, start, jnp.zeros((400, 1)), jax.random.key(0))
    rolled = jax.jit(lambda: dynamics_model.rollout(*args, policy=push, **settings))()
    assert rolled.observation.shape == (400, 5, 3) and rolled.action.shape == (400, 4, 1)
    place = np.asarray(rolled.observation[..., 0])
    steps = np.diff(place, axis=1)
    np.testing.assert_allclose(steps.mean(0), 0.3, atol=0.06)
    np.testing.assert_allclose(steps.std(0), 0.1, rtol=0.4)
    ends = np.asarray(rolled.terminal).astype(bool)
    sure = place[:, :-1] < 0.2  # beyond it the data hardly show an episode that goes on
    np.testing.assert_allclose(rolled.reward[~ends & sure], (3 * place[:, :-1] - 1)[~ends & sure], atol=2)
    np.testing.assert_allclose(np.median(rolled.reward[ends]), 30, atol=1)
    np.testing.assert_array_equal(rolled.observation[..., 1], 7)
    np.testing.assert_array_equal(rolled.observation[..., 2], np.broadcast_to(3 + np.arange(5), (400, 5)))
    np.testing.assert_array_equal(rolled.length, np.where(ends.any(1), ends.argmax(1) + 1, 4))
    assert 3 <= np.median(rolled.length) <= 4  # -0.5 + 4 * 0.3 is past 0.5
    settings["terminal"] = lambda s, g: s[:, 0] > -0.3
    told = jax.jit(lambda: dynamics_model.rollout(*args, policy=push, **settings))()
    assert np.median(told.length) == 1


def test_memory_gives_steps_before_the_end_and_nothing_unfilled():
    stats = make_stats(1, 2, True)
    memory = dynamics_model.empty_memory(stats, 6, 3)
    steps = jnp.arange(24.0).reshape(6, 4, 1)
    length = jnp.array([1, 3, 2, 3, 3, 3], jnp.int32)
    memory = dataclasses.replace(memory, observation=steps, reward=steps[:, :3, 0], length=length)
    batch = dynamics_model.sample_memory(memory, 3, jax.random.key(0), 600)
    np.testing.assert_array_equal(batch.observation[:, 0], batch.reward)
    np.testing.assert_array_equal(batch.next_observation, batch.observation + 1)
    seen, counts = np.unique(np.asarray(batch.reward), return_counts=True)
    np.testing.assert_array_equal(seen, [0, 4, 5, 6, 8, 9])
    np.testing.assert_allclose(counts, 600 * np.array([1 / 3, 1 / 9, 1 / 9, 1 / 9, 1 / 6, 1 / 6]), atol=40)


def test_the_penalty_lifts_data_and_lowers_imagined_states():
    """Discrete: mean log sum exp Q over imagined states minus mean Q over the data, against NumPy."""
    stats, rng = make_stats(3, 2, True), np.random.default_rng(0)
    learner = make_learner("combo", **SMALL["combo"])
    state = jax.jit(learner.init)(jax.random.key(0), stats)
    data, model = (make_batch(rng.normal(size=(n, 3)), rng.integers(0, 2, n), 0.0) for n in (5, 7))
    critic = discrete_cql.critic_network(learner.config, stats)
    q = [critic.apply(state.agent.critic, inputs_of(stats, b.observation)) for b in (data, model)]
    q = [np.asarray(x, np.float64) for x in q]
    want = np.log(np.exp(q[1]).sum(1)).mean() - q[0][np.arange(5), data.action].mean()
    learn = jax.jit(functools.partial(discrete_cql.learn, learner.config))
    _, metrics = learn(combo.agent_state(state), stats, data, imagined=model)
    np.testing.assert_allclose(metrics["gap"], want, rtol=1e-4)


def test_the_world_is_learned_first_and_the_policy_after_it():
    buffer = random_buffer()
    learner = make_learner("combo", **SMALL["combo"])
    _, curve = train(learner, buffer, [0], 5, updates_per_call=1)
    values = {(row["update"], row["metric"]): row["value"] for row in curve}
    for update in range(1, 6):
        assert (values[update, "model_loss"] != 0) == (update <= 2)
        assert (values[update, "critic_loss"] != 0) == (update > 2)
    with pytest.raises(ValueError, match="first 2 updates"):
        train(learner, buffer, [0], 2)


def test_rollouts_come_at_their_time_and_replace_the_oldest():
    config = make_learner("combo", batch_size=4, dynamics_updates=3, rollout_every=2, memory=2).config
    plan = [tuple(int(x) for x in jax.tree.leaves(combo.schedule(config, jnp.int32(step)))) for step in range(9)]
    assert [p[0] for p in plan] == [1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert [p[1] for p in plan] == [0, 0, 0, 1, 0, 1, 0, 1, 0]
    assert [p[2] for p in plan if p[1]] == [0, 4, 0]
    assert [p[3] for p in plan[3:]] == [4, 4, 8, 8, 8, 8]


def test_the_best_way_through_a_grid():
    stats, batch, q_star = grid()
    steps = np.append(batch.next_observation - batch.observation, np.asarray(batch.reward)[:, None], axis=1)
    stats = dataclasses.replace(stats, change=jnp.stack([steps.mean(0), steps.std(0)]))
    size = len(batch.reward)
    settings = {"batch_size": size, "conservative_weight": 0.02, "dynamics_updates": 600, "model_learning_rate": 1e-2}
    settings |= {"models": 2, "model_hidden": (32,), "horizon": 2, "rollout_every": 20, "memory": 4}
    learner = make_learner("combo", **FAST | settings)  # twelve seeds of twelve find the best way
    state = fit(learner, stats, batch, 1200)
    best = np.asarray(learner.act(state, stats, batch.observation[::4], batch.goal[::4], jax.random.key(0), True))
    assert (q_star[np.arange(len(best)), best] > q_star.max(1) - 1e-6).all()
    agent = dataclasses.replace(learner, name="cql")
    np.testing.assert_allclose(
        q_of(agent, combo.agent_state(state), stats, batch.observation, batch.action).reshape(-1, 4), q_star, atol=0.15
    )
    assert np.asarray(state.dynamics.memory.length).max() == 2


@pytest.mark.parametrize(
    "settings, message", [({"imagined_share": 1.0}, "combo.imagined_share is 1, want"), ({"horizon": 0}, "horizon")]
)
def test_settings_without_meaning_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_learner("combo", **settings)
