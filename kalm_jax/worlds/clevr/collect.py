"""Collects CLEVR-Robot rollouts of the offline goals in the simulator, and describes a collection in numbers.

KALM's authors recorded 80 target configurations equally often; every rollout is successful, 2 to 49 pushes long, and
not satisfied at its start. Dimension letters: N rollouts, M slots simulated together, T = 50 steps, K goals.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kalm_jax.arguments import COUNT, EPISODE_SEED, checked
from kalm_jax.settings import Setting
from kalm_jax.types import GoalTable, Rollouts, make_rollouts, validate
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import rewards as clevr_rewards
from kalm_jax.worlds.clevr.behaviors import COLLECT_EPSILON, begin_habits, lookahead_actions, scripted_actions
from kalm_jax.worlds.clevr.episodes import unsatisfied_states
from kalm_jax.worlds.clevr.instructions import goals_of_level
from kalm_jax.worlds.clevr.simulator import HORIZON, NUM_ACTIONS, OBSERVATION_DIM, ClevrSimulator, observation_of

POLICIES = ("scripted", "lookahead")
MIN_LENGTH, MAX_LENGTH = 2, HORIZON - 1
"""Pushes in the shortest and the longest rollout of the authors' data."""
_SLOTS = 400
"""Episodes simulated together; results depend on it, hence it is the same on every machine."""


@checked(seed=EPISODE_SEED, count=COUNT, behavior=Setting("", choices=POLICIES))
def collect(
    seed: int,
    count: int = 6400,
    behavior: str = "scripted",
    progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
) -> tuple[Rollouts, GoalTable]:
    """Successful rollouts for the 80 offline configurations, each equally often (to within one rollout).

    Args:
      seed: the same seed gives the same rollouts, whatever the number of threads.
      count: how many; the paper's offline RL set has 6,400.
      behavior: "scripted", resembling the authors' data, or "lookahead", the best of all pushes tried in the simulator
        with 30% random ones: shorter rollouts at about eight times the cost.
      progress: called as progress(done, total) when rollouts are finished.
      threads: of the simulator; default all cores.

    Returns:
      Rollouts with T = 50 and the rewards of `rewards.reward`, and the goals: all 4,320 offline sentences. A rollout's
      `goal` is one of the 54 sentences of its configuration, at random.
    """
    rng = np.random.default_rng(seed)
    goals = goals_of_level("offline")
    configurations, member = np.unique(goals.array, axis=0, return_inverse=True)
    member = member.reshape(-1)
    order = rng.permutation(len(configurations))[np.arange(count) % len(configurations)]
    with ClevrSimulator(threads) as simulator:
        observations, actions, length = _record(simulator, rng, configurations[order], behavior, progress)
    by_configuration = np.argsort(member, kind="stable").reshape(len(configurations), -1)  # (80, 54)
    goal = by_configuration[order, rng.integers(by_configuration.shape[1], size=count)]
    reward = clevr_rewards.reward(
        clevr_goals.RELATION, configurations[order][:, None], observations[:, :-1], actions, observations[:, 1:]
    )
    rollouts = make_rollouts(observations, actions, length, reward, True, goal)
    return validate(rollouts, len(goals), NUM_ACTIONS, name="collected rollouts"), goals


def _record(
    simulator: ClevrSimulator,
    rng: np.random.Generator,
    goal: np.ndarray,
    policy: str,
    progress: Callable[[int, int], None] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observations (N, T+1, 10), actions (N, T) and lengths (N,) of one accepted episode for each goal (N, 9).

    Slots are simulated in lock step. One whose episode was accepted takes the next goal, and one whose episode ended
    too early or too late tries its goal again.
    """
    n = len(goal)
    observations = np.zeros((n, HORIZON + 1, OBSERVATION_DIM), np.float32)
    actions, length = np.zeros((n, HORIZON), np.int32), np.zeros(n, np.int32)
    slots = min(_SLOTS, n)
    job = np.arange(slots)  # the rollout that each slot records
    states, step = unsatisfied_states(rng, clevr_goals.RELATION, goal[job]), np.zeros(slots, np.int64)
    habits = begin_habits(rng, slots)
    observations[job, 0] = observation_of(states)
    begun, done = slots, 0
    while len(job):
        before = observations[job, step]
        if policy == "scripted":
            action = scripted_actions(rng, before, goal[job], habits, step)
        else:
            action = lookahead_actions(simulator, states, clevr_goals.RELATION, goal[job], rng, COLLECT_EPSILON)
        states = simulator.push(states, action)
        actions[job, step] = action
        step += 1
        observations[job, step] = observation_of(states)
        reached = clevr_goals.satisfied(clevr_goals.RELATION, goal[job], observations[job, step])
        accepted = reached & (step >= MIN_LENGTH)
        length[job[accepted]] = step[accepted]
        restart = (reached & ~accepted) | (~reached & (step == MAX_LENGTH))
        done += int(accepted.sum())
        if progress is not None and accepted.any():
            progress(done, n)
        # Accepted slots take the remaining goals in order; slots beyond those are dropped.
        taking = np.flatnonzero(accepted)
        fresh = taking[: n - begun]
        job[fresh] = np.arange(begun, begun + len(fresh))
        begun += len(fresh)
        again = np.flatnonzero(restart)
        observations[job[again]], actions[job[again]] = 0, 0
        new = np.concatenate([fresh, again])
        if len(new):
            states[new], step[new] = unsatisfied_states(rng, clevr_goals.RELATION, goal[job[new]]), 0
            observations[job[new], 0] = observation_of(states[new])
            for name, values in begin_habits(rng, len(new)).items():
                habits[name][new] = values
        if len(fresh) < len(taking):
            keep = np.ones(len(job), bool)
            keep[taking[len(fresh) :]] = False
            job, states, step = job[keep], states[keep], step[keep]
            habits = {name: values[keep] for name, values in habits.items()}
    return observations, actions, length


def collection_statistics(rollouts: Rollouts, goals: GoalTable) -> dict[str, float]:
    """Numbers that describe a collection of relation rollouts; a ValueError names a rollout of another family.

    Lengths are in pushes, shares between 0 and 1. `nearer` is the share of pushes that brought the source ball nearer
    to the reward's point; `blocked` the share that moved the pushed ball less than 3 cm; `repeated_first` the share of
    rollouts whose second push repeats the first. A value without any push is NaN.
    """
    family = np.asarray(goals.family)[rollouts.goal]
    if (family != clevr_goals.RELATION).any():
        wrong = int(np.flatnonzero(family != clevr_goals.RELATION)[0])
        raise ValueError(
            f"rollout {wrong} has a goal of family {family[wrong]}; statistics are defined for relations (0) only"
        )
    length = np.asarray(rollouts.length)
    row, step = np.nonzero(rollouts.valid())
    goal = np.asarray(goals.array)[rollouts.goal][row]
    before, after = rollouts.observations[row, step], rollouts.observations[row, step + 1]
    ball = rollouts.actions[row, step] // len(clevr_goals.PUSHES)
    progress = _point_distance(goal, before) - _point_distance(goal, after)
    moved = (after - before).reshape(-1, len(clevr_goals.BALLS), 2)[np.arange(len(ball)), ball]
    numbers = {
        "rollouts": len(length),
        "length_mean": length.mean(),
        "length_min": length.min(),
        "length_max": length.max(),
        **{f"length_quantile_{q}": np.quantile(length, q / 100) for q in (25, 50, 75, 90)},
        "length_at_most_10": (length <= 10).mean(),
        "length_above_40": (length > 40).mean(),
        "pushes_on_reference": (ball == goal[:, 1]).mean(),
        "pushes_on_source": (ball == goal[:, 0]).mean(),
        "pushes_on_others": ((ball != goal[:, 0]) & (ball != goal[:, 1])).mean(),
        "repeated_first": _mean((np.diff(rollouts.actions[:, :2], axis=1) == 0).all(1)[length >= 2]),
        "nearer": (progress > 0).mean(),
        "nearer_first": (progress > 0)[step == 0].mean(),
        "nearer_in_short": _mean((progress > 0)[length[row] <= 5]),
        "blocked": (np.linalg.norm(moved, axis=-1) < 0.03).mean(),
        "terminated": np.asarray(rollouts.terminated).mean(),
    }
    return {name: float(value) for name, value in numbers.items()}


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _point_distance(goal: np.ndarray, observation: np.ndarray) -> np.ndarray:
    """Distance (N,) of the source ball to the reward's point, even where the relation holds already."""
    positions, rows = observation.reshape(-1, len(clevr_goals.BALLS), 2), np.arange(len(goal))
    offset = positions[rows, goal[:, 0]] - positions[rows, goal[:, 1]]
    return np.linalg.norm(offset - clevr_goals.REWARD_POINT * clevr_goals.UNIT[goal[:, 2]], axis=-1)
