"""The scripted behaviour policy of CLEVR-Robot data: geometry, habits and chance, without looking ahead.

KALM's recorded rollouts look like a learned, imperfect policy: half of them are two to five purposeful pushes, of the
reference ball more often than of the ball to move; one in three takes more than ten, and there one or two pushes that
a wall or a neighbour blocks come back for dozens of steps until something gives way. Three parts give that picture:

- gain: how much nearer the push would bring the goal if nothing were in its way (walls and neighbours are ignored,
  which is what makes it push against them);
- habit: each episode's own liking for each push, a fixed smooth function of the balls' positions. While the scene
  stands still, so does the liking: the same push comes again;
- chance: a temperature. It and the habit's weight grow with the number of steps, so that the early pushes of an
  episode are the purposeful ones and a stuck episode gets loose.

`SETTINGS` were fitted by random search to the authors' 40 sample rollouts; `collect.collection_statistics` compares.
Letters: N episodes, 40 actions.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from kalm_jax.worlds.clevr.goals import BALLS, REWARD_POINT, UNIT
from kalm_jax.worlds.clevr.simulator import NUM_ACTIONS, OBSERVATION_DIM, push_direction

STRAIGHT, DIAGONAL = 0.25, 0.195
"""Metres along each axis that an unobstructed ball goes in a straight and in a diagonal push (measured)."""

_BALL, _DIRECTION = push_direction(np.arange(NUM_ACTIONS))
_DISPLACEMENT = np.sign(_DIRECTION) * np.where((_DIRECTION != 0).all(1, keepdims=True), DIAGONAL, STRAIGHT)  # (40, 2)


@dataclasses.dataclass(frozen=True)
class ScriptedSettings:
    """How the policy behaves. A push's score is in metres that it brings the goal nearer.

    Attributes:
      habit: median over episodes of the standard deviation of the habits.
      habit_spread: standard deviation of its logarithm over episodes.
      habit_distance: metres that the balls must move before habits change.
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
    """What n new episodes draw once: arrays with leading axis n, for `scripted_actions`."""
    frequency = rng.normal(size=(n, NUM_ACTIONS, OBSERVATION_DIM)) / settings.habit_distance
    return {
        "frequency": frequency.astype(np.float32),  # radians per metre
        "phase": rng.uniform(0, 2 * np.pi, (n, NUM_ACTIONS)).astype(np.float32),
        "habit": settings.habit * np.exp(settings.habit_spread * rng.normal(size=n)),
        "temperature": settings.temperature * np.exp(settings.temperature_spread * rng.normal(size=n)),
    }


def gains(observation, goal) -> np.ndarray:
    """Metres (N, 40) by which each push would bring a relation nearer to the reward's point if nothing were in its way.

    Args:
      observation: (N, 10). goal: (N, 9) of family `relation`.
    """
    positions = np.asarray(observation, np.float64).reshape(-1, len(BALLS), 2)
    rows = np.arange(len(positions))
    source, reference, direction = goal[:, 0], goal[:, 1], goal[:, 2]
    offset = positions[rows, source] - positions[rows, reference] - REWARD_POINT * UNIT[direction]  # (N, 2)
    sign = (source[:, None] == _BALL).astype(np.float64) - (reference[:, None] == _BALL)  # (N, 40)
    after = offset[:, None] + sign[..., None] * _DISPLACEMENT
    return np.linalg.norm(offset, axis=-1)[:, None] - np.linalg.norm(after, axis=-1)


def scripted_actions(
    rng: np.random.Generator, observation, goal, habits, step, settings: ScriptedSettings = SETTINGS
) -> np.ndarray:
    """Actions (N,) int32, drawn from softmax((gain + habit + liking of balls) / temperature).

    Args:
      observation: (N, 10). goal: (N, 9) of family `relation`. habits: from `begin_habits`, leading axis N.
      step: (N,) steps that each episode has taken so far.
    """
    waves = np.cos(np.einsum("nad,nd->na", habits["frequency"], observation) + habits["phase"])
    habit = np.sqrt(2) * waves * (habits["habit"] * (1 + settings.habit_growth * step))[:, None]
    is_reference = goal[:, 1:2] == _BALL
    is_other = ~is_reference & (goal[:, :1] != _BALL)
    score = gains(observation, goal) + habit + settings.reference * is_reference + settings.other * is_other
    temperature = habits["temperature"] * (1 + settings.temperature_growth * step)
    return (score / temperature[:, None] + rng.gumbel(size=score.shape)).argmax(1).astype(np.int32)
