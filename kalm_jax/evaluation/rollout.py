"""A policy plays episodes in a simulator, all episodes in lockstep.

Dimension letters: N episodes, T time steps, D observation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from kalm_jax.types import EpisodeResults, Episodes, Play, Policy, Rollouts, Simulator, make_rollouts


def evaluate(
    policy: Policy, episodes: Episodes, simulator: Simulator, horizon: int | np.ndarray | None = None
) -> EpisodeResults:
    """Plays a policy; an episode ends at its first success, or after `horizon` steps: of all episodes or of each (N,).

    `horizon` None means the world's own limit, which it cannot exceed.
    """
    play = simulator.start(episodes)
    limit = play.horizon if horizon is None else np.minimum(play.horizon, horizon)
    success, steps = np.zeros(len(episodes), bool), np.zeros(len(episodes), np.int32)
    for active, _, reached in _steps(policy, episodes, play, limit):
        success |= reached
        steps += active
    play.close()
    return EpisodeResults(success, steps, getattr(play, "by_tool", None))


def record(
    policy: Policy, episodes: Episodes, simulator: Simulator, observe: Callable[[np.ndarray], np.ndarray]
) -> Rollouts:
    """The rollouts (N) of a policy, until success or the world's limit of steps; their rewards are 0.

    `observe` makes observations (N, D) of the simulator's states.
    """
    play = simulator.start(episodes)
    n, horizon = len(episodes), int(play.horizon.max())
    first = np.asarray(observe(play.states), np.float32)
    observations = np.zeros((n, horizon + 1, first.shape[1]), np.float32)
    observations[:, 0] = first
    actions, length, success = np.zeros((n, horizon), np.int32), np.zeros(n, np.int32), np.zeros(n, bool)
    for step, (active, taken, reached) in enumerate(_steps(policy, episodes, play, play.horizon)):
        if step == 0 and taken.ndim > 1:
            actions = np.zeros((n, horizon, *taken.shape[1:]), np.float32)
        actions[active, step] = taken[active]
        observations[active, step + 1] = np.asarray(observe(play.states), np.float32)[active]
        length += active
        success |= reached
    play.close()
    return make_rollouts(observations, actions, length, terminated=success, goal=episodes.goal)


def _steps(
    policy: Policy, episodes: Episodes, play: Play, limit: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Steps the episodes until all are over; each time (active (N,) bool, actions, goals reached (N,) bool)."""
    over = np.zeros(len(episodes), bool)
    for step in range(int(limit.max(initial=0))):
        active = ~over & (step < limit)
        if not active.any():
            return
        actions = np.asarray(policy(episodes, play.states, active, step))
        reached = play.step(active, actions)
        over = over | reached
        yield active, actions, reached
