"""Scripted controllers of four Gymnasium environments, see `Controller`.

Dimension letters: B copies, D observation, A action.
"""

from __future__ import annotations

import numpy as np

from kalm_jax.evaluation.gymnasium_behaviors import Controller


def pendulum(observation: np.ndarray) -> np.ndarray:
    """Torques (B, 1) for Pendulum-v1: energy is pumped in until the pole is near the top, then it is held there.

    The pole obeys theta'' = 15 sin(theta) + 3 u, |u| <= 2, so E = theta'^2 / 2 + 15 cos(theta) changes by 3 u theta'
    and is 15 for a pole at rest at the top.
    """
    cos, sin, speed = observation.T
    angle = np.arctan2(sin, cos)
    missing = 15.0 - (speed**2 / 2 + 15.0 * cos)
    pump = np.where(np.abs(speed) < 0.05, 1.0, speed) * missing
    # Where the torque can hold the pole (15 sin(theta) < 6), a critically damped spring is left of it.
    hold = -(10.0 * angle + 2.5 * speed)
    near = (np.abs(angle) < 0.45) & (np.abs(angle + 0.3 * speed) < 0.45)
    return np.clip(np.where(near, hold, pump), -2.0, 2.0)[:, None]


def reacher(observation: np.ndarray) -> np.ndarray:
    """Torques (B, 2) for Reacher-v5: a damped spring from the finger to the target, through the arm's Jacobian.

    Observation: cos and sin of both joints, the target's (x, y), both joints' speeds, finger minus target (x, y).
    """
    cos, sin, speed, miss = observation[:, 0:2], observation[:, 2:4], observation[:, 6:8], observation[:, 8:10]
    both_cos, both_sin = cos[:, 0] * cos[:, 1] - sin[:, 0] * sin[:, 1], sin[:, 0] * cos[:, 1] + cos[:, 0] * sin[:, 1]
    upper, lower = 0.1, 0.11  # metres
    x = np.stack([-upper * sin[:, 0] - lower * both_sin, -lower * both_sin], 1)
    y = np.stack([upper * cos[:, 0] + lower * both_cos, lower * both_cos], 1)
    pull = -(x * miss[:, :1] + y * miss[:, 1:])
    return np.clip(8.0 * pull - 0.02 * speed, -1.0, 1.0)


def cartpole(observation: np.ndarray) -> np.ndarray:
    """Directions (B,) for CartPole-v1, 0 left and 1 right: a linear rule of position, speeds and angle."""
    return (observation @ np.array([0.1, 0.3, 1.0, 1.0]) > 0).astype(np.int32)


def metaworld_reach(observation: np.ndarray) -> np.ndarray:
    """Actions (B, 4) for kalm/MetaworldReach-v0: Meta-world's own expert."""
    from kalm_jax.worlds.metaworld.behaviors import make_expert

    expert = make_expert("reach")
    return np.stack([expert(x) for x in observation]).clip(-1.0, 1.0).astype(np.float32)


CONTROLLERS: dict[str, Controller] = {
    "Pendulum-v1": pendulum,
    "Reacher-v5": reacher,
    "CartPole-v1": cartpole,
    "kalm/MetaworldReach-v0": metaworld_reach,
}
