"""The policies of CLEVR-Robot: a scripted one that resembles KALM's recorded data, and one that looks a step ahead.

KALM's recorded rollouts look like those of a learned, imperfect policy: half are two to five purposeful pushes, more
often of the reference ball, and one in three repeats blocked pushes for dozens of steps. `SETTINGS` of the scripted
policy were fitted to the authors' 40 sample rollouts by random search; `collect.collection_statistics` compares.
Dimension letters: N episodes or states, A = 40 actions.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from kalm_jax.types import Episodes, Policy
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr.goals import BALLS, REWARD_POINT, UNIT
from kalm_jax.worlds.clevr.simulator import NUM_ACTIONS, OBSERVATION_DIM, ClevrSimulator, observation_of, push_direction

COLLECT_EPSILON = 0.3
"""Share of random pushes of the lookahead policy when it collects: without them rollouts are short and much alike."""
EXPERT_EPSILON = 0.05
"""Share of random pushes of the expert; some are needed, as a greedy policy can repeat itself forever."""

STRAIGHT, DIAGONAL = 0.25, 0.195
"""Meters along each axis that an unobstructed ball moves in a straight and in a diagonal push (measured)."""

_BALL, _DIRECTION = push_direction(np.arange(NUM_ACTIONS))
_DISPLACEMENT = np.sign(_DIRECTION) * np.where((_DIRECTION != 0).all(1, keepdims=True), DIAGONAL, STRAIGHT)  # (40, 2)


@dataclasses.dataclass(frozen=True)
class ScriptedSettings:
    """Settings of the scripted policy. A push's score is in meters by which it brings the goal nearer.

    Each episode has its own preference for each push (habit), a fixed smooth function of the balls' positions: while
    the scene does not change, the same push repeats. Habit and temperature grow with the number of steps, so that the
    early pushes are the purposeful ones, and a stuck episode becomes more random.

    Attributes:
      habit: median over episodes of the standard deviation of the habits.
      habit_spread: standard deviation of its logarithm over episodes.
      habit_distance: meters that the balls must move before habits change.
      temperature: median over episodes; the scores are divided by it.
      temperature_spread: standard deviation of its logarithm over episodes.
      habit_growth, temperature_growth: what each step adds to habits and temperature, as a share of their start.
      reference: score added to pushes of the reference ball.
      other: score added to pushes of balls that the goal does not name.
    """

    habit: float = 0.12
    habit_spread: float = 1.1
    habit_distance: float = 0.18
    temperature: float = 0.015
    temperature_spread: float = 1.0
    habit_growth: float = 0.12
    temperature_growth: float = 0.1
    reference: float = 0.08
    other: float = -0.22


SETTINGS = ScriptedSettings()


def begin_habits(rng: np.random.Generator, n: int, settings: ScriptedSettings = SETTINGS) -> dict[str, np.ndarray]:
    """What N = `n` new episodes draw once: arrays with leading axis N, for `scripted_actions`."""
    frequency = rng.normal(size=(n, NUM_ACTIONS, OBSERVATION_DIM)) / settings.habit_distance
    return {
        "frequency": frequency.astype(np.float32),  # radians per meter
        "phase": rng.uniform(0, 2 * np.pi, (n, NUM_ACTIONS)).astype(np.float32),
        "habit": settings.habit * np.exp(settings.habit_spread * rng.normal(size=n)),
        "temperature": settings.temperature * np.exp(settings.temperature_spread * rng.normal(size=n)),
    }


def gains(observation: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Meters (N, 40) by which each push would bring a relation nearer to the reward's point if nothing were in its way.

    `observation` (N, 10), `goal` (N, 9) of family `relation`.
    """
    positions = np.asarray(observation, np.float64).reshape(-1, len(BALLS), 2)
    rows = np.arange(len(positions))
    source, reference, direction = goal[:, 0], goal[:, 1], goal[:, 2]
    offset = positions[rows, source] - positions[rows, reference] - REWARD_POINT * UNIT[direction]  # (N, 2)
    sign = (source[:, None] == _BALL).astype(np.float64) - (reference[:, None] == _BALL)  # (N, 40)
    after = offset[:, None] + sign[..., None] * _DISPLACEMENT
    return np.linalg.norm(offset, axis=-1)[:, None] - np.linalg.norm(after, axis=-1)


def scripted_actions(
    rng: np.random.Generator,
    observation: np.ndarray,
    goal: np.ndarray,
    habits: dict[str, np.ndarray],
    step: np.ndarray,
    settings: ScriptedSettings = SETTINGS,
) -> np.ndarray:
    """Actions (N,) int32, drawn from softmax((gain + habit + preference of balls) / temperature).

    `habits` are those of `begin_habits`, and `step` (N,) counts the steps that each episode has taken.
    """
    waves = np.cos(np.einsum("nad,nd->na", habits["frequency"], observation) + habits["phase"])
    habit = np.sqrt(2) * waves * (habits["habit"] * (1 + settings.habit_growth * step))[:, None]
    is_reference = goal[:, 1:2] == _BALL
    is_other = ~is_reference & (goal[:, :1] != _BALL)
    score = gains(observation, goal) + habit + settings.reference * is_reference + settings.other * is_other
    temperature = habits["temperature"] * (1 + settings.temperature_growth * step)
    return (score / temperature[:, None] + rng.gumbel(size=score.shape)).argmax(1).astype(np.int32)


def lookahead_actions(
    simulator: ClevrSimulator,
    states: np.ndarray,
    family: np.ndarray | int,
    goal: np.ndarray,
    rng: np.random.Generator,
    epsilon: float = EXPERT_EPSILON,
    tries: int = NUM_ACTIONS,
) -> np.ndarray:
    """Actions (N,) int32: with probability epsilon a random one, else the best of all 40, each tried for one step.

    Best is the least `clevr_goals.distance_to_goal` of the next state, with success before anything else. For `move` it
    is, among the actions that count as success, the one that moves the named ball furthest. Ties are broken at random.

    Args:
      states: (N, 69). family: () or (N,) int. goal: (N, 9) int or (9,).
      epsilon: share of random actions, 0..1.
      tries: number of different actions, 1..40, drawn for each state, that are tried (`move` tries the at most 3 that
        count); fewer are faster and give less direct, more varied rollouts.
    """
    if not 1 <= tries <= NUM_ACTIONS:
        raise ValueError(f"tries is {tries}: use 1 to {NUM_ACTIONS} actions")
    states = np.asarray(states, np.float64)
    n = len(states)
    family = np.broadcast_to(np.asarray(family), (n,))
    goal = np.broadcast_to(np.asarray(goal), (n, clevr_goals.GOAL_SIZE))
    every = np.arange(NUM_ACTIONS)
    is_move = family == clevr_goals.MOVE
    counts = clevr_goals.move_by_action(goal[:, None], every[None]) | (goal[:, 2:3] == clevr_goals.STILL)
    sample = rng.random((n, NUM_ACTIONS)).argsort(1).argsort(1) < tries
    tried = np.where(is_move[:, None], counts, sample)  # (N, 40)
    explore = rng.random(n) < epsilon
    tried[explore] = False
    index, actions = np.nonzero(tried)
    cost = np.full((n, NUM_ACTIONS), np.inf)
    if len(index):
        after = observation_of(simulator.push(states[index], actions))
        cost[index, actions] = _cost(family[index], goal[index], observation_of(states[index]), actions, after)
    best = np.argmin(np.where(cost == cost.min(1, keepdims=True), rng.random(cost.shape), 2.0), axis=1)
    return np.where(explore, rng.integers(NUM_ACTIONS, size=n), best).astype(np.int32)


def _cost(
    family: np.ndarray, goal: np.ndarray, observation: np.ndarray, action: np.ndarray, after: np.ndarray
) -> np.ndarray:
    """(N,) what the lookahead policy minimizes: below 0 on success, otherwise the distance to the goal."""
    moved = (after - observation).reshape(len(after), -1, 2)
    along = moved[np.arange(len(after)), goal[:, 0]] * clevr_goals.UNIT[np.clip(goal[:, 2], 0, 3)]
    bonus = np.where(family == clevr_goals.MOVE, np.where(goal[:, 2] < clevr_goals.STILL, along.sum(-1), 0.0), 0.0)
    reached = clevr_goals.success(family, goal, observation, action, after)
    distance = clevr_goals.distance_to_goal(family, goal, after)
    return np.where(reached, -10.0 - bonus, distance)


def lookahead_policy(simulator: ClevrSimulator, seed: int, epsilon: float = EXPERT_EPSILON) -> Policy:
    """The expert, which tries every push in the simulator before it takes one: 40 simulated pushes for each action."""

    def act(episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int) -> np.ndarray:
        index, rng = np.flatnonzero(active), np.random.default_rng([seed, step])
        actions = np.zeros(len(states), np.int64)
        family, goal = episodes.family[index], episodes.array[index]
        actions[index] = lookahead_actions(simulator, states[index], family, goal, rng, epsilon)
        return actions

    return act


def behavior_policy(simulator: ClevrSimulator, seed: int) -> Policy:
    """Pursues goals of any level as collection does: scripted for relations, else by lookahead."""
    habits: dict[str, np.ndarray] = {}

    def act(episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int) -> np.ndarray:
        rng, actions = np.random.default_rng([seed, step]), np.zeros(len(states), np.int64)
        if step == 0:
            habits.update(begin_habits(rng, len(states)))
        relation = episodes.family == clevr_goals.RELATION
        for index, scripted in ((np.flatnonzero(active & relation), True), (np.flatnonzero(active & ~relation), False)):
            if scripted and len(index):
                mine = {name: values[index] for name, values in habits.items()}
                seen, steps = observation_of(states[index]), np.full(len(index), step)
                actions[index] = scripted_actions(rng, seen, episodes.array[index], mine, steps)
            elif len(index):
                goal = (episodes.family[index], episodes.array[index])
                actions[index] = lookahead_actions(simulator, states[index], *goal, rng, COLLECT_EPSILON)
        return actions

    return act
