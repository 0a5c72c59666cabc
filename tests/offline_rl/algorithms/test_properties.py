"""What every learner must keep, whatever it learns: what an update may depend on, and what it must not."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.offline_rl import LEARNERS, make_learner, sample, state_of
from kalm_jax.offline_rl.trainer import train
from tests.offline_rl.data import SMALL, differs, first_states, random_buffer, raw

CASES = [(name, discrete) for name in sorted(LEARNERS) for discrete in (True, False) if name != "decision_transformer"]
"""Learners of single transitions; test_decision_transformer.py has the one of windows."""
ORDER = np.array([3, 1, 7, 0, 6, 2, 5, 4])
QUIET = {"td3bc": {"policy_noise": 0.0}}
"""Settings under which an update draws no noise of its own, where a learner does not take it as an argument."""


@functools.partial(jax.jit, static_argnames="learner")
def step(learner, state, stats, batch, order):
    """One update whose noise belongs to the transitions: `order` says which noise each place of the batch gets."""
    module, size = learner.algorithm(stats), batch.reward.shape[0]
    if not hasattr(module, "draw"):
        return learner.update(state, stats, batch, jax.random.key(0))
    noise = module.draw(learner.config, stats, jax.random.key(0), size)
    return module.learn(learner.config, state, stats, batch, jax.tree.map(lambda x: x[order], noise))


@functools.cache
def case(name, discrete):
    """(learner, a state away from the start and before a delayed step, statistics, a batch)."""
    learner = make_learner(name, **SMALL[name], **QUIET.get(name, {}))
    buffer = random_buffer(continuous=not discrete)
    state, stats = state_of(first_states(learner, buffer, [0]), 0), learner.stats(buffer)
    for i in range(3):
        state, _ = step(learner, state, stats, sample(buffer, jax.random.key(i), 8), np.arange(8))
    return learner, state, stats, sample(buffer, jax.random.key(9), 8)


def networks(state):
    """The learned numbers alone."""
    if hasattr(state, "agent"):
        return {"agent": networks(state.agent), "models": state.dynamics.models}
    leaves = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
    return {k: v for k, v in leaves.items() if k not in ("step", "key") and "optimizer" not in k}


# COMBO with continuous actions draws the noise of its agent itself; that agent is CQL's, which is here.
@pytest.mark.parametrize("name, discrete", [case for case in CASES if case != ("combo", False)])
def test_the_order_of_a_batch_is_irrelevant(name, discrete):
    learner, state, stats, batch = case(name, discrete)
    permuted = jax.tree.map(lambda x: x[ORDER], batch)
    after, metrics = step(learner, state, stats, batch, np.arange(8))
    same, same_metrics = step(learner, state, stats, permuted, ORDER)
    for metric, value in metrics.items():
        np.testing.assert_allclose(value, same_metrics[metric], rtol=1e-4, atol=1e-5, err_msg=metric)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=5e-5), networks(after), networks(same))


@pytest.mark.parametrize("name, discrete", CASES)
def test_every_part_of_a_transition_matters_together_with_the_others(name, discrete):
    """One field permuted against the others: a (B,) against (B, 1) broadcast would leave the critics as they are."""
    learner, state, stats, batch = case(name, discrete)
    after, _ = step(learner, state, stats, batch, np.arange(8))
    for field in dataclasses.fields(batch):
        values = getattr(batch, field.name)
        if field.name == "is_original_goal":
            continue  # all 1 here: see test_relabeling.py
        mixed = dataclasses.replace(batch, **{field.name: values[ORDER]})
        changed = differs(step(learner, state, stats, mixed, np.arange(8))[0], after)
        ignored = name == "bc" and field.name in ("reward", "next_observation", "terminal")
        assert changed != ignored, field.name


@pytest.mark.parametrize("name, discrete", CASES)
def test_a_terminal_hides_the_next_state(name, discrete):
    """But for continuous CQL, whose penalty also weighs the policy's actions at the next state."""
    learner, state, stats, batch = case(name, discrete)
    other = dataclasses.replace(batch, next_observation=batch.next_observation + 3.0)
    for terminal in (1.0, 0.0):
        ends = jnp.full(8, terminal)
        ended = [dataclasses.replace(b, terminal=ends) for b in (batch, other)]
        after = [step(learner, state, stats, b, np.arange(8))[0] for b in ended]
        sees = name != "bc" and (terminal == 0.0 or (name == "cql" and not discrete))
        assert differs(*after) == sees


@pytest.mark.parametrize("name, discrete", CASES)
def test_actions_have_the_form_of_the_data_and_greedy_ones_draw_nothing(name, discrete):
    learner, state, stats, batch = case(name, discrete)
    inputs = (stats, batch.observation, batch.goal)
    for greedy in (True, False):
        action = np.asarray(learner.act(state, *inputs, jax.random.key(0), greedy))
        assert action.shape == batch.action.shape and action.dtype == batch.action.dtype
        if discrete:
            assert action.min() >= 0 and action.max() < stats.action_dim
        else:
            assert np.abs(action).max() <= 1
    first, second = (learner.act(state, *inputs, jax.random.key(i), True) for i in range(2))
    np.testing.assert_array_equal(first, second)


def test_continuous_seeds_together_equal_seeds_alone():
    """Of CQL, whose continuous form is another file; the others are in test_offline_rl.py."""
    learner, buffer = make_learner("cql", **SMALL["cql"]), random_buffer(continuous=True)
    alone = [state_of(train(learner, buffer, [seed], 6, seed_parallelism="threads")[0], 0) for seed in (5, 6)]
    batched, _ = train(learner, buffer, [5, 6], 6, seed_parallelism="vmap")
    for i, state in enumerate(alone):
        jax.tree.map(
            lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4), raw(state_of(batched, i)), raw(state)
        )
