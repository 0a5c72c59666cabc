"""The lookahead policy of CLEVR-Robot: try pushes in the simulator from the true state, take the best.

It sees velocities and the simulator, so it is no learner: it collects data and shows the ceiling of the success rates.
Letters: N states in a batch.
"""

from __future__ import annotations

import numpy as np

from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr.simulator import NUM_ACTIONS, ClevrSimulator, observation_of


def lookahead_actions(
    simulator: ClevrSimulator,
    states,
    family,
    goal,
    rng: np.random.Generator,
    epsilon: float = 0.05,
    tries: int = NUM_ACTIONS,
) -> np.ndarray:
    """Actions (N,) int32: with probability epsilon a random one, else the best of all 40, each tried for one step.

    Best is the least `clevr_goals.distance_to_goal` of the next state, with success before anything else. For `move`
    it is, among the actions that count as success, the one that moves the named ball furthest. Ties go to a random
    action. One call costs `tries` pushes per state, at most 3 for `move`.

    Args:
      states: (N, 69). family: () or (N,) int. goal: (N, 9) int or (9,).
      epsilon: share of random actions, 0..1; some are needed, as a greedy policy can loop.
      tries: how many different actions, drawn at random for each state, are tried (`move` tries all that count);
        fewer are faster and give less direct, more varied rollouts.
    """
    if not 1 <= tries <= NUM_ACTIONS:
        raise ValueError(f"tries is {tries}, want 1..{NUM_ACTIONS}")
    states = np.asarray(states, np.float64)
    n = len(states)
    family = np.broadcast_to(np.asarray(family), (n,))
    goal = np.broadcast_to(np.asarray(goal), (n, clevr_goals.GOAL_SIZE))
    every = np.arange(NUM_ACTIONS)
    is_move = family == clevr_goals.MOVE
    judged = clevr_goals.move_by_action(goal[:, None], every[None]) | (goal[:, 2:3] == clevr_goals.STILL)
    drawn = rng.random((n, NUM_ACTIONS)).argsort(1).argsort(1) < tries
    tried = np.where(is_move[:, None], judged, drawn)  # (N, 40)
    explore = rng.random(n) < epsilon
    tried[explore] = False
    index, actions = np.nonzero(tried)
    cost = np.full((n, NUM_ACTIONS), np.inf)
    if len(index):
        after = observation_of(simulator.push(states[index], actions))
        cost[index, actions] = _cost(family[index], goal[index], observation_of(states[index]), actions, after)
    best = np.argmin(np.where(cost == cost.min(1, keepdims=True), rng.random(cost.shape), 2.0), axis=1)
    return np.where(explore, rng.integers(NUM_ACTIONS, size=n), best).astype(np.int32)


def _cost(family, goal, observation, action, after) -> np.ndarray:
    """(N,) what the policy minimises: below 0 on success, else the distance to the goal."""
    moved = (after - observation).reshape(len(after), -1, 2)
    along = moved[np.arange(len(after)), goal[:, 0]] * clevr_goals.UNIT[np.clip(goal[:, 2], 0, 3)]
    bonus = np.where(family == clevr_goals.MOVE, np.where(goal[:, 2] < clevr_goals.STILL, along.sum(-1), 0.0), 0.0)
    reached = clevr_goals.success(family, goal, observation, action, after)
    distance = clevr_goals.distance_to_goal(family, goal, after)
    return np.where(reached, -10.0 - bonus, distance)
