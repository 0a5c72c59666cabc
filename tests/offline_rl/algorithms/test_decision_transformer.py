"""Decision Transformer: windows against their rollouts, what an action may see, and toys that only it can learn."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.evaluation import learner_policy
from kalm_jax.evaluation.returns import greedy_policy
from kalm_jax.llm.transformer import Llama, LlamaConfig
from kalm_jax.offline_rl import make_buffer, make_learner, sample_windows, state_of, write_stream
from kalm_jax.offline_rl.algorithms import decision_transformer as dt
from kalm_jax.offline_rl.trainer import train
from kalm_jax.types import Episodes, Rollouts, unnamed_goal
from tests.offline_rl.data import (
    SMALL,
    advance,
    differs,
    first_states,
    goal_table,
    random_buffer,
    random_rollouts,
    update,
)

LLAMA = Llama(LlamaConfig(vocab_size=11, width=8, layers=2, heads=2, kv_heads=1, head_dim=4, ffn_dim=12))
KINDS = {"discrete": {}, "continuous": {}, "llama": {"backbone": LLAMA}}


def case(kind, context=4):
    """(learner, state, statistics, windows) with actions of a kind, or with a language model's transformer."""
    settings = SMALL["decision_transformer"] | KINDS[kind] | {"context": context}
    learner, buffer = make_learner("decision_transformer", **settings), random_buffer(continuous=kind == "continuous")
    state, _ = advance(first_states(learner, buffer, [0]), buffer, 3, learner)
    return learner, state_of(state, 0), learner.stats(buffer), sample_windows(buffer, jax.random.key(4), 16, context)


@functools.partial(jax.jit, static_argnames="learner")
def outputs(learner, state, stats, w):
    return dt.policy_outputs(learner.config, state.policy, stats, w)


@functools.partial(jax.jit, static_argnames="learner")
def loss_and_gradients(learner, state, stats, w):
    return jax.value_and_grad(lambda policy: dt.policy_loss(learner.config, policy, stats, w))(state.policy)


@functools.partial(jax.jit, static_argnames="learner")
def act(learner, state, stats, history, goal):
    return learner.act(state, stats, history, goal, jax.random.key(0), True)


@functools.partial(jax.jit, static_argnames="learner")
def first_action(learner, state, stats, observation, goal):
    return learner.act(state, stats, learner.init_carry(stats, observation), goal, jax.random.key(0), True)


update_carry = jax.jit(dt.update_carry)


# --------------------------------------------------------------------------------------------------------- windows


def test_windows_are_the_steps_of_one_rollout_and_end_with_it():
    rollouts, goals = random_rollouts(3, n=9, horizon=6), goal_table()
    goals = dataclasses.replace(goals, array=np.arange(3)[:, None])  # no two say the same
    rollouts = dataclasses.replace(rollouts, rewards=np.where(rollouts.valid(), rollouts.rewards, 99.0))
    buffer = make_buffer([(rollouts, 1.0)], goals)
    windows, seen = jax.tree.map(np.asarray, sample_windows(buffer, jax.random.key(0), 300, 4)), set()
    for b in range(300):
        first, n = int(windows.time[b, 0]), int(windows.valid[b].sum())
        assert windows.valid[b, :n].all()
        (i,) = np.flatnonzero((rollouts.observations[:, first] == windows.observation[b, 0]).all(1))
        seen.add((int(i), first))
        assert n == min(4, rollouts.length[i] - first)
        steps = slice(first, first + n)
        np.testing.assert_array_equal(windows.observation[b, :n], rollouts.observations[i, steps])
        np.testing.assert_array_equal(windows.action[b, :n], rollouts.actions[i, steps])
        np.testing.assert_array_equal(windows.time[b, :n], np.arange(first, first + n))
        returns_to_go = [rollouts.rewards[i, t : rollouts.length[i]].sum() for t in range(first, first + n)]
        np.testing.assert_allclose(windows.returns_to_go[b, :n], returns_to_go, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(windows.goal[b], goals.vector[rollouts.goal[i]])
    assert len(seen) == len(buffer)  # every step can be the first


def test_the_best_return_of_the_data_is_asked_for_and_rewards_are_taken_off():
    rollouts = random_rollouts(1)
    learner = make_learner("decision_transformer", **SMALL["decision_transformer"])
    stats = learner.stats(make_buffer([(rollouts, 1.0)], goal_table(), 4))
    best = rollouts.rewards.sum(1).max()
    for target, config in ((best, learner.config), (7.0, dataclasses.replace(learner.config, target_return=7.0))):
        history = dt.init_carry(config, stats, jnp.zeros((2, 3)))
        np.testing.assert_allclose(history.returns_to_go[:, 0], target, rtol=1e-6)
        history = update_carry(history, jnp.array([1, 2]), jnp.array([0.5, 2.0]), jnp.ones((2, 3)))
        np.testing.assert_allclose(history.returns_to_go[:, 1], [target - 0.5, target - 2.0], rtol=1e-5)


def test_a_stream_has_no_windows(tmp_path):
    stream = write_stream(tmp_path, [([random_rollouts(0)], 1.0)], goal_table(), 4)
    with pytest.raises(ValueError, match="stream"):
        train(make_learner("decision_transformer"), stream, [0], 2)


# --------------------------------------------------------------------------------------- what an action may depend on


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_action_sees_its_past_and_nothing_else(kind):
    learner, state, stats, w = case(kind)
    at, before = 2, np.asarray(outputs(learner, state, stats, w))

    def change(field, step):
        x = np.array(getattr(w, field))
        x[:, step] = (x[:, step] + 1) % 4 if field == "action" and kind != "continuous" else x[:, step] + 1
        return np.asarray(outputs(learner, state, stats, dataclasses.replace(w, **{field: x})))[:, at]

    for field in ("observation", "action", "returns_to_go", "time"):
        hidden = (at, at + 1) if field == "action" else (at + 1,)
        for step in hidden:
            np.testing.assert_allclose(change(field, step), before[:, at], atol=1e-6, err_msg=field)
        for step in set(range(at + 1)) - set(hidden):
            assert np.abs(change(field, step) - before[:, at]).max() > 1e-4, (field, step)
    moved = outputs(learner, state, stats, dataclasses.replace(w, goal=w.goal + 1))
    assert np.abs(np.asarray(moved)[:, 0] - before[:, 0]).max() > 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_behind_a_rollout_teaches_nothing(kind):
    learner, state, stats, w = case(kind)
    assert not w.valid.all()
    behind = ~np.asarray(w.valid)
    other = dataclasses.replace(
        w,
        observation=jnp.where(behind[..., None], 9.0, w.observation),
        returns_to_go=jnp.where(behind, -9.0, w.returns_to_go),
        action=jnp.where(behind.reshape(behind.shape + (1,) * (w.action.ndim - 2)), 1, w.action).astype(w.action.dtype),
    )
    (a, grads), (b, same) = (
        loss_and_gradients(learner, state, stats, w),
        loss_and_gradients(learner, state, stats, other),
    )
    np.testing.assert_allclose(a, b, rtol=1e-6)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-6), grads, same)
    # The mean is over the valid steps: padding a window with more that is not valid leaves the loss.
    per_step = outputs(learner, state, stats, w)
    if stats.discrete:
        error = -np.take_along_axis(np.asarray(jax.nn.log_softmax(per_step)), np.asarray(w.action)[..., None], 2)[
            ..., 0
        ]
    else:
        error = ((np.tanh(per_step) - w.action) ** 2).mean(-1)
    np.testing.assert_allclose(a, np.asarray(error)[np.asarray(w.valid)].mean(), rtol=1e-5)


def test_the_order_of_a_batch_is_irrelevant():
    learner, state, stats, w = case("discrete")
    learner = make_learner("decision_transformer", **SMALL["decision_transformer"] | {"context": 4, "dropout": 0.0})
    after, loss = update(learner, state, stats, w, jax.random.key(0))
    order = np.random.default_rng(0).permutation(16)
    same, same_loss = update(learner, state, stats, jax.tree.map(lambda x: x[order], w), jax.random.key(0))
    np.testing.assert_allclose(loss["policy_loss"], same_loss["policy_loss"], rtol=1e-5)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-4), after.policy, same.policy)
    for field in ("action", "returns_to_go", "observation", "goal"):
        mixed = dataclasses.replace(w, **{field: getattr(w, field)[order]})
        assert (
            abs(float(update(learner, state, stats, mixed, jax.random.key(0))[1]["policy_loss"] - loss["policy_loss"]))
            > 1e-5
        )


@pytest.mark.parametrize("kind", KINDS)
def test_playing_step_by_step_equals_reading_the_windows(kind):
    """Also beyond the context, where the oldest step leaves."""
    learner, state, stats, _ = case(kind, context=3)
    rng = np.random.default_rng(0)
    observation = rng.normal(size=(5, 6, 3)).astype(np.float32)
    reward, goal = rng.normal(size=(5, 6)).astype(np.float32), rng.normal(size=(5, 4)).astype(np.float32)
    action = rng.integers(0, 4, (5, 6)) if kind != "continuous" else rng.uniform(-1, 1, (5, 6, 2)).astype(np.float32)
    returns_to_go = float(stats.returns[2]) - np.cumsum(np.pad(reward, ((0, 0), (1, 0)))[:, :-1], 1)
    history = dt.init_carry(learner.config, stats, jnp.asarray(observation[:, 0]))
    for t in range(6):
        got = act(learner, state, stats, history, goal)
        past = slice(max(0, t - 2), t + 1)
        pad = [(0, 0), (0, 2 - t + past.start)]
        w = dt.Windows(
            *(np.pad(observation[:, past], [*pad, (0, 0)]), goal),
            np.pad(action[:, past], pad + [(0, 0)] * (action.ndim - 2)),
            *(np.pad(x[:, past], pad) for x in (returns_to_go, np.broadcast_to(np.arange(6), (5, 6)))),
            valid=None,
        )
        want = np.asarray(outputs(learner, state, stats, w))[:, t - past.start]
        want = np.tanh(want) if kind == "continuous" else want.argmax(-1)
        np.testing.assert_allclose(got, want, atol=1e-5)
        history = update_carry(history, action[:, t], reward[:, t], observation[:, min(t + 1, 5)])


# ------------------------------------------------------------------------------------------------------------- toys

TOY = {"width": 32, "layers": 1, "heads": 2, "batch_size": 64, "learning_rate": 3e-3, "warmup": 20, "dropout": 0.0}


def rollouts_of(observations, actions, rewards):
    n, t = rewards.shape
    return Rollouts(
        observations=observations.astype(np.float32),
        actions=actions,
        rewards=rewards.astype(np.float32),
        length=np.full(n, t, np.int32),
        terminated=np.ones(n, bool),
        goal=np.zeros(n, np.int32),
        imagined=np.zeros(n, bool),
    )


@pytest.mark.slow
def test_the_action_is_the_one_that_gives_the_return_asked_for():
    """One state; action a gives a. BC would clone the mixture; asked for r, the transformer takes action r."""
    actions = np.repeat([0, 1, 2], [60, 30, 10]).astype(np.int32)[:, None]
    buffer = make_buffer([(rollouts_of(np.zeros((100, 2, 2)), actions, actions), 1.0)], goal_table(1))
    learner = make_learner("decision_transformer", **TOY, context=2)
    state = state_of(train(learner, buffer, [0], 150)[0], 0)
    stats = learner.stats(buffer)
    one = (stats, jnp.zeros((1, 2)), buffer.goal_vectors[:1])
    for wanted in (0, 1, 2):
        asked = make_learner("decision_transformer", **TOY, context=2, target_return=float(wanted))
        assert int(first_action(asked, state, *one)[0]) == wanted
    assert int(first_action(learner, state, *one)[0]) == 2  # the best of the data, which a tenth of it has


@pytest.mark.slow
@pytest.mark.parametrize("continuous", [False, True])
def test_what_was_seen_before_decides_the_action_now(continuous):
    """The first observation shows a cue, all others are alike; at the third step the right action is the cue."""
    rng = np.random.default_rng(0)
    cue = rng.integers(0, 2, 200)
    observations = np.zeros((200, 4, 2))
    observations[:, 0, 0] = 2 * cue - 1
    actions = np.stack([np.zeros(200, int), np.zeros(200, int), cue], 1).astype(np.int32)
    if continuous:
        actions = (0.8 * (2 * actions - 1)[..., None]).astype(np.float32)
    rewards = np.tile([0.0, 0.0, 1.0], (200, 1))
    buffer = make_buffer([(rollouts_of(observations, actions, rewards), 1.0)], goal_table(1))
    learner = make_learner("decision_transformer", **TOY, context=3)
    state, stats = state_of(train(learner, buffer, [0], 200)[0], 0), learner.stats(buffer)
    goal = jnp.broadcast_to(buffer.goal_vectors[0], (2, 4))
    history = dt.init_carry(learner.config, stats, jnp.array([[-1.0, 0.0], [1.0, 0.0]]))
    for _ in range(2):
        action = act(learner, state, stats, history, goal)
        np.testing.assert_allclose(action, np.full_like(action, -0.8 if continuous else 0), atol=0.1)
        history = update_carry(history, action, jnp.zeros(2), jnp.zeros((2, 2)))
    action = np.asarray(act(learner, state, stats, history, goal)).reshape(2)
    np.testing.assert_allclose(action, [-0.8, 0.8] if continuous else [0, 1], atol=0.1)


# --------------------------------------------------------------------------------------------- a backbone with weights


def test_a_language_model_gives_its_weights_and_is_trained_on():
    learner = make_learner("decision_transformer", **SMALL["decision_transformer"], backbone=LLAMA)
    buffer = random_buffer()
    tokens = jnp.zeros((1, 3), jnp.int32)
    params = LLAMA.init(jax.random.key(7), tokens, tokens, jnp.ones((1, 3, 3), bool))["params"]
    states = dt.with_backbone(first_states(learner, buffer, [0, 1]), params)
    for i in (0, 1):
        got = state_of(states, i).policy["params"]["backbone"]
        jax.tree.map(np.testing.assert_array_equal, got["layer_1"], params["layer_1"])
        jax.tree.map(np.testing.assert_array_equal, got["norm"], params["norm"])
    plain, _ = train(learner, buffer, [0], 4)
    started, _ = train(learner, buffer, [0], 4, start=lambda states: dt.with_backbone(states, params))
    trained = state_of(started, 0).policy["params"]["backbone"]["layer_1"]
    assert differs(state_of(plain, 0), state_of(started, 0))
    assert all(not np.array_equal(x, y) for x, y in zip(jax.tree.leaves(trained), jax.tree.leaves(params["layer_1"])))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=0.01), trained, params["layer_1"])
    with pytest.raises(ValueError, match=r"backbone weights .*layer_1.*is missing"):
        dt.with_backbone(states, {k: v for k, v in params.items() if k != "layer_1"})
    wrong = jax.tree.map(lambda x: x[..., :3], params)
    with pytest.raises(ValueError, match=r"has shape"):
        dt.with_backbone(states, wrong)


# ---------------------------------------------------------------------------------------------------- in environments


def test_a_played_policy_remembers_its_own_actions_and_rewards():
    """`greedy_policy` for two seeds and `learner_policy` for one say what the history of the episode asks for."""
    learner, buffer = make_learner("decision_transformer", **SMALL["decision_transformer"]), random_buffer()
    states, _ = train(learner, buffer, [0, 1], 20)
    rng = np.random.default_rng(0)
    observation = rng.normal(size=(2, 5, 6, 3)).astype(np.float32)  # [seeds, episodes, steps, numbers]
    reward = rng.normal(size=(2, 5, 6)).astype(np.float32)
    one_goal = unnamed_goal(buffer.goal_vectors[0])
    stats = learner.stats(buffer)
    policy, goal = greedy_policy(learner, states, stats, one_goal), jnp.broadcast_to(buffer.goal_vectors[0], (5, 4))
    episodes = Episodes(np.zeros((5, 1)), np.zeros(5, np.int32), one_goal)

    def label(rollouts, goals):
        np.testing.assert_array_equal(rollouts.actions, np.stack(taken, 1))
        assert goals is one_goal and rollouts.horizon == len(taken)
        return dataclasses.replace(rollouts, rewards=reward[1, :, : rollouts.horizon])

    player = learner_policy(learner, state_of(states, 1), stats, True, 0, lambda states: states, label)
    for _ in range(2):  # the second time starts again
        history, before, taken = [None, None], None, []
        for t in range(6):
            rewards = reward[:, :, t - 1] if t else None
            got, alone = policy(observation[:, :, t], t, rewards), player(episodes, observation[1, :, t], None, t)
            for i in (0, 1):
                state = state_of(states, i)
                if t == 0:
                    history[i] = learner.init_carry(stats, jnp.asarray(observation[i, :, 0]))
                else:
                    history[i] = update_carry(history[i], before[i], reward[i, :, t - 1], observation[i, :, t])
                np.testing.assert_array_equal(got[i], act(learner, state, stats, history[i], goal))
            np.testing.assert_array_equal(got[1], alone)
            taken.append(alone)
            before = got
