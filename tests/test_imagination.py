"""Imagined rollouts: the quality measures against cases worked out by hand, and the labels against the real rewards."""

import dataclasses

import numpy as np

from kalm_jax.data import Rollouts, make_goal_table
from kalm_jax.data.collect import collect
from kalm_jax.envs import clevr_goals
from kalm_jax.imagination.generate import label_rewards
from kalm_jax.imagination.quality import explanation_row, furthest_move, read_relation, rollout_rows

RELATION, MOVE = clevr_goals.RELATION, clevr_goals.MOVE


def test_labels_of_real_rollouts_are_their_rewards():
    rollouts, goals = collect(5, 24)
    blank = dataclasses.replace(rollouts, rewards=np.zeros_like(rollouts.rewards))
    np.testing.assert_allclose(label_rewards(blank, goals, clevr_goals.reward).rewards, rollouts.rewards, atol=1e-5)


def _one(observations, actions, terminated):
    observations = np.asarray(observations, np.float32)[None]
    actions = np.asarray(actions, np.int32)[None]
    n = np.array([actions.shape[1]], np.int32)
    zeros = np.zeros(actions.shape, np.float32)
    return Rollouts(observations, actions, zeros, n, np.array([terminated]), np.zeros(1, np.int32), np.array([True]))


def test_unrealistic_transitions_are_counted():
    still = np.tile([-0.4, 0.0, -0.2, 0.3, 0.0, 0.0, 0.2, 0.3, 0.4, 0.0], (4, 1))
    still[2:, 8] = 0.65  # cyan leaves the bench and stays outside: two transitions off
    still[3, 0] = 0.2  # red jumps 0.6 m: one transition beyond the dynamics
    goals = make_goal_table(["x"], 1, RELATION, np.array([clevr_goals.make_goal(RELATION, (0, 1, 1))]))
    (row,) = rollout_rows(_one(still, [0, 0, 0], True), goals, limit=0.3)
    assert row["level"] == "rephrase" and row["family"] == "relation"
    assert (row["rollouts"], row["matched"], row["transitions"]) == (1, 1, 3)
    assert (row["off_bench_transitions"], row["beyond_dynamics_transitions"]) == (2, 1)
    assert np.isclose(furthest_move(_one(still, [0, 0, 0], True)), 0.6)


def test_single_moves_are_judged_by_action_and_by_state():
    start = np.array([-0.4, 0.0, -0.2, 0.3, 0.0, 0.0, 0.2, 0.3, 0.4, 0.0])
    end = start.copy()
    end[1] += 0.2
    goals = make_goal_table(["x"], 2, MOVE, np.array([clevr_goals.make_goal(MOVE, (0, -1, 0))]))
    (row,) = rollout_rows(_one([start, end], [3], False), goals, limit=1.0)  # pushed to the front, went behind
    assert (row["actions_matched"], row["states_matched"]) == (0, 1)


def test_explanations_are_read():
    assert read_relation("push the red ball to the left of the blue ball") == (0, 1, 1)
    assert read_relation("is there any cyan ball in behind of the green ball?") == (4, 2, 0)
    assert read_relation("the red ball moves") is None
    goals = make_goal_table(["x"], 0, RELATION, np.array([clevr_goals.make_goal(RELATION, (0, 1, 1))]))
    rollouts = _one(np.zeros((2, 10)), [0], True)
    three = dataclasses.replace(rollouts, goal=np.zeros(3, np.int32))
    texts = ["move red left of blue", "the blue ball is right of the red ball", "red right of blue"]
    assert explanation_row(texts, three, goals, "seen") == {"prompt": "seen", "rollouts": 3, "correct": 2, "exact": 1}
