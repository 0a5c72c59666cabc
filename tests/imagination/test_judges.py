"""Rollouts that are told no goal: where their rounds end, what they are rewarded for, and what they may not know."""

import numpy as np
import pytest

from kalm_jax.imagination.judges import ByReading, Continuations, Round
from kalm_jax.imagination.subgoals import Subgoal
from kalm_jax.imagination.verification import MIN_LOG_PROB
from kalm_jax.types import make_rollouts

FAR, PUSH = Subgoal("far", 0, (3.0,)), Subgoal("push", 1, (1.0,))
"""Subgoals of a state (its first number reaches 3) and of a step (its second number rises by 1)."""


def read(plans, before, after):
    """Reads without a mistake; of several subgoals the sum."""
    found = []
    for plan, old, new in zip(plans, before, after, strict=True):
        reached = [new[0] >= 3 if s.text == "far" else new[1] - old[1] >= 1 for s in plan]
        found.append(sum(-0.1 if one else MIN_LOG_PROB for one in reached))
    return np.array(found)


def judge(plans, reward=7.0):
    return ByReading(plans, read, lambda subgoal, state: subgoal.text == "far", reward)


def continuations(rows, states):
    states = np.asarray(states, np.float32)
    n, steps = states.shape[0], states.shape[1] - 1
    unread = np.zeros(n, bool), np.full(n, np.nan)
    return Continuations(np.asarray(rows), states, np.zeros((n, steps), np.int32), np.full(n, steps), *unread)


def test_a_round_is_cut_at_the_first_state_that_is_read_as_reached():
    by_reading = judge([[FAR], [FAR], [PUSH]])
    assert by_reading.begin(np.zeros((3, 2), np.float32)).tolist() == [False] * 3
    up = [[0, 0], [1, 0], [3, 0], [4, 0]]
    never = [[0, 0], [1, 0], [2, 0], [2, 0]]
    pushed = [[0, 0], [0, 0.5], [0, 1.5], [0, 0]]
    found = by_reading.cut(continuations([0, 1, 2], [up, never, pushed]), [FAR, FAR, PUSH])
    assert found.lengths.tolist() == [2, 3, 2] and found.reached.tolist() == [True, False, True]
    np.testing.assert_array_equal(found.ends, [[3, 0], [2, 0], [0, 1.5]])
    np.testing.assert_array_equal(found.read, [-0.1, MIN_LOG_PROB, -0.1])


def test_a_rollout_with_nothing_to_do_is_over_at_once():
    states = np.array([[3, 0], [3, 0], [0, 0]], np.float32)
    assert judge([[FAR], [FAR, PUSH], [FAR]]).begin(states).tolist() == [True, False, False]


def test_states_must_still_show_what_was_reached_and_steps_are_remembered():
    """Far, then a push; the push is kept when it is done, the place is not."""
    by_reading = judge([[FAR, PUSH]])
    by_reading.begin(np.zeros((1, 2), np.float32))
    rollouts = make_rollouts(np.zeros((1, 4, 2), np.float32), np.zeros((1, 3), np.int32), np.zeros(1, np.int32))

    def append(states):
        found = by_reading.cut(continuations([0], [states]), by_reading.next_subgoals(np.array([0]), None, 0))
        at, steps = int(rollouts.length[0]), int(found.lengths[0])
        rollouts.observations[0, at : at + steps + 1] = found.states[0, : steps + 1]
        rollouts.length[0] += steps
        return by_reading.reached(rollouts, found).tolist()

    assert append([[0, 0], [3, 0]]) == [False]
    assert by_reading.next_subgoals(np.array([0]), None, 1) == [PUSH]
    assert append([[3, 0], [1, 1]]) == [False]  # pushed, but no longer far
    assert by_reading.next_subgoals(np.array([0]), None, 2) == [FAR]
    assert append([[1, 1], [3, 1]]) == [True]
    assert by_reading.rounds == [Round(0, 0, 1, 0, True), Round(0, 1, 2, 1, True), Round(0, 2, 3, 0, True)]


def test_only_the_last_step_of_a_rollout_that_reaches_its_goal_is_rewarded():
    rollouts = make_rollouts(
        np.zeros((3, 4, 2), np.float32),
        np.zeros((3, 3), np.int32),
        np.array([2, 3, 0]),
        rewards=5.0,
        terminated=np.array([True, False, True]),
    )
    np.testing.assert_array_equal(judge([[FAR]] * 3).label(rollouts).rewards, [[0, 7, 0], [0, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_what_is_read_of_a_rollout_does_not_depend_on_the_others(order):
    plans, states = [[FAR], [PUSH], [FAR, PUSH]], np.array([[3, 0], [0, 0], [3, 0]], np.float32)
    together = judge([plans[i] for i in order]).begin(states[order])
    alone = [judge([plans[i]]).begin(states[i : i + 1])[0] for i in order]
    assert together.tolist() == alone
