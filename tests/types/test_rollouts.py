"""Rollouts: errors name the field, parts join and split without loss, and JAX sees pytrees."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.types import concatenate, last_steps, stack_episodes, validate
from tests.fixtures import assert_tree_equal, numbered_rollouts, random_rollouts


def rollouts(lengths, horizon, action_dim=None, seed=0):
    return random_rollouts(seed, horizon=horizon, action_dim=action_dim, num_actions=40, num_goals=4, length=lengths)


@pytest.mark.parametrize("action_dim", [None, 2])
def test_good_rollouts_pass_unchanged(action_dim):
    good = rollouts([1, 4, 2], 4, action_dim)
    assert validate(good, num_goals=4, num_actions=40) is good
    assert good.horizon == 4 and len(good) == 3 and good.num_transitions() == 7
    np.testing.assert_array_equal(good.valid().sum(1), good.length)


@pytest.mark.parametrize("action_dim", [None, 2])
@pytest.mark.parametrize("behind", [99, np.nan, np.inf])
def test_numbers_behind_the_end_do_not_matter(action_dim, behind):
    good, padded = rollouts([1, 4, 2], 4, action_dim), rollouts([1, 4, 2], 4, action_dim)
    padded.observations[0, 2:], padded.rewards[0, 1:] = behind, behind
    padded.actions[0, 1:] = 99 if action_dim is None else behind
    assert_tree_equal(validate(padded, num_actions=40), good)
    np.testing.assert_array_equal(padded.returns(), good.rewards.astype(np.float64).sum(1))
    np.testing.assert_array_equal(padded.returns(1), good.rewards[:, 0])


@pytest.mark.parametrize(
    ("field", "change", "words"),
    [
        ("observations", lambda x: x[0], "want .N, T.1, D."),
        ("observations", lambda x: x[:, 1:], "actions have shape"),
        ("actions", lambda x: x[:2], "actions have shape"),
        ("rewards", lambda x: x[..., None], r"rewards has shape \(3, 4, 1\), want \(3, 4\)"),
        ("length", lambda x: x[:2], "length has shape"),
        ("length", lambda x: x * [1, 0, 1], r"length \[1\] is 0, want 1..4"),
        ("length", lambda x: x + 1, r"length \[1\] is 5"),
        ("terminated", lambda x: x[:, None], "terminated has shape"),
        ("goal", lambda x: x - 5, r"goal \[0\] is -\d, but the goal table has 4 goals"),
        ("imagined", lambda x: x[1:], "imagined has shape"),
        ("actions", lambda x: x + 40 * (np.arange(4) == 1), r"actions \[1, 1\] is \d+, want 0..39"),
        ("actions", lambda x: x - 40, r"actions \[0, 0\] is -"),
        (
            "observations",
            lambda x: np.where(np.arange(5)[:, None] == 2, np.nan, x),
            r"observations \[1, 2\] is not finite",
        ),
        ("rewards", lambda x: np.where(np.arange(4) == 1, -np.inf, x), r"rewards \[1, 1\] is not finite"),
        (
            "rewards",
            lambda x: x.astype(float) + 1e300,
            r"rewards \[0, 0\] is not finite as float32 \(1e\+300 is beyond 3.4e38\)",
        ),
        (
            "observations",
            lambda x: x.astype(float) + 1e300,
            r"observations \[0, 0\] is not finite as float32 \(1e\+300",
        ),
        ("observations", lambda x: x[..., :0], r"observations have shape \(3, 5, 0\), want at least one number"),
        ("actions", lambda x: np.zeros((*x.shape, 0)), r"actions have shape \(3, 4, 0\), want at least one number"),
    ],
)
def test_each_fault_is_named(field, change, words):
    good = rollouts([1, 4, 2], 4)
    bad = dataclasses.replace(good, **{field: change(getattr(good, field))})
    with pytest.raises(ValueError, match="file x: .*" + words):
        validate(bad, num_goals=4, num_actions=40, name="file x")


@pytest.mark.parametrize("largest", [65_536, 10**9, 2**40])
def test_a_policy_has_no_output_for_each_of_a_billion_actions(largest):
    good = rollouts([1, 4, 2], 4)
    with pytest.raises(ValueError, match=rf"actions \[0, 0\] is {largest}, want 0..65535, as a policy has an output"):
        validate(dataclasses.replace(good, actions=np.full(good.actions.shape, largest)))
    with pytest.raises(ValueError, match="actions are of 1000000000 kinds, want 1 to 65536"):
        validate(good, num_actions=10**9)


def test_continuous_actions_must_be_finite():
    bad = rollouts([3], 3, action_dim=2)
    bad.actions[0, 1, 1] = np.nan
    with pytest.raises(ValueError, match=r"actions \[0, 1\] is not finite"):
        validate(bad)


def test_concatenate_pads_and_take_gets_the_parts_back():
    a, b = rollouts([1, 3], 3), rollouts([5, 2, 4], 5, seed=1)
    both = concatenate([a, b.take(np.zeros(3, bool)), b])
    validate(both, num_goals=4, num_actions=40)
    assert len(both) == 5 and both.horizon == 5 and both.num_transitions() == a.num_transitions() + b.num_transitions()
    assert_tree_equal(both.take(slice(2, None)), b)
    first = both.take(np.array([True, True, False, False, False]))
    np.testing.assert_array_equal(first.observations[:, :4], a.observations)
    np.testing.assert_array_equal(first.actions[:, :3], a.actions)
    assert not first.observations[:, 4:].any() and not first.actions[:, 3:].any() and not first.rewards[:, 3:].any()
    assert_tree_equal(b.take([2, 0]).take([1, 0]), b.take([0, 2]))
    with pytest.raises(ValueError, match="nothing to concatenate"):
        concatenate([b.take(slice(0, 0))])


def test_pytree_round_trip_through_jit():
    good = rollouts([1, 4, 2], 4)
    assert_tree_equal(jax.jit(lambda r: r)(good), good)
    total = jax.jit(lambda r: jnp.where(jnp.arange(r.horizon) < r.length[:, None], r.rewards, 0).sum())(good)
    np.testing.assert_allclose(total, good.rewards[good.valid()].sum(), rtol=1e-6)
    leaves, structure = jax.tree.flatten(good)
    assert len(leaves) == 7
    assert_tree_equal(jax.tree.unflatten(structure, leaves), good)


@pytest.mark.parametrize("action_dim", [None, 2])
def test_episodes_stack_to_the_rollouts_that_they_came_from(action_dim):
    whole = rollouts([1, 4, 2], 4, action_dim)
    episodes = [
        (whole.observations[i, : n + 1], whole.actions[i, :n], whole.rewards[i, :n], whole.terminated[i])
        for i, n in enumerate(whole.length)
    ]
    plain = dataclasses.replace(whole, goal=np.zeros(3, np.int32), imagined=np.zeros(3, bool))
    assert_tree_equal(stack_episodes(episodes), plain)
    with pytest.raises(ValueError, match="no episodes"):
        stack_episodes([])


def test_the_last_steps_of_rollouts():
    whole = numbered_rollouts(3, 6)
    length = np.array([6, 2, 4], np.int32)
    blank = np.arange(7) > length[:, None]
    whole = whole.__class__(
        np.where(blank[..., None], 0, whole.observations),
        *(whole.actions, whole.rewards, length, whole.terminated),
        *(whole.goal, whole.imagined),
    )
    cut = last_steps(whole, 3)
    assert cut.length.tolist() == [3, 2, 3] and cut.horizon == 3
    np.testing.assert_array_equal(cut.observations[..., 0], [[3, 4, 5, 6], [100, 101, 102, 0], [201, 202, 203, 204]])
    np.testing.assert_array_equal(cut.rewards, [[3, 4, 5], [0, 1, 0], [1, 2, 3]])
    np.testing.assert_array_equal(cut.actions[2], whole.actions[2, 1:4])
    assert last_steps(whole, 0) is whole and last_steps(whole, 6) is whole


@pytest.mark.parametrize(
    "change, said",
    [
        ({0: np.zeros(3)}, r"episode 1: observations have shape \(3,\), want \(3, 2\)"),
        ({0: np.zeros((2, 2))}, r"episode 1: observations have shape \(2, 2\), want \(3, 2\)"),
        ({0: np.zeros((3, 4))}, r"episode 1: observations have shape \(3, 4\), want \(3, 2\)"),
        ({1: np.zeros((2, 1))}, r"episode 1: actions have shape \(2, 1\), want \(2,\)"),
        ({1: np.zeros(5)}, r"episode 1: actions have shape \(5,\), want \(2,\)"),
        ({1: np.array([0.5, 1.7])}, r"episode 1: actions \(n,\) are discrete, want whole numbers"),
    ],
)
def test_episodes_that_do_not_belong_together_are_named(change, said):
    good = np.zeros((3, 2)), np.zeros(2), np.zeros(2), True
    wrong = tuple(change.get(i, x) for i, x in enumerate(good))
    with pytest.raises(ValueError, match=said):
        stack_episodes([good, wrong])
    with pytest.raises(ValueError, match=r"episode 0: observations have shape \(3,\), want \(3, D\)"):
        stack_episodes([(np.zeros(3), *good[1:])])
