"""Episodes that a policy plays in a simulator, kept as rollouts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kalm_jax.types import Episodes, Policy, Rollouts, Simulator


def record(policy: Policy, episodes: Episodes, simulator: Simulator, observe: Callable) -> Rollouts:
    """What a policy did in its episodes (n), until success or until the time was up; rewards are 0.

    `observe` makes observations of the simulator's states, see `evaluation.learner_policy`.
    """
    play = simulator.start(episodes)
    n, horizon = len(episodes), int(play.horizon.max())
    first = np.asarray(observe(play.states), np.float32)
    observations = np.zeros((n, horizon + 1, first.shape[1]), np.float32)
    observations[:, 0] = first
    actions, length, success = None, np.zeros(n, np.int32), np.zeros(n, bool)
    for step in range(horizon):
        active = ~success & (step < play.horizon)
        if not active.any():
            break
        chosen = np.asarray(policy(episodes, play.states, active, step))
        if actions is None:
            actions = np.zeros((n, horizon, *chosen.shape[1:]), np.int32 if chosen.ndim == 1 else np.float32)
        actions[active, step] = chosen[active]
        success |= play.step(active, chosen)
        observations[active, step + 1] = np.asarray(observe(play.states), np.float32)[active]
        length += active
    play.close()
    return Rollouts(
        observations=observations,
        actions=actions,
        rewards=np.zeros((n, horizon), np.float32),
        length=length,
        terminated=success,
        goal=np.asarray(episodes.goal, np.int32),
        imagined=np.zeros(n, bool),
    )
