"""The scripted behaviour policy of CLEVR-Robot data: geometry and habits, without looking ahead in the simulator.

KALM's recorded rollouts look like a learned, uncertain policy: half of them are two to five purposeful pushes, of the
reference ball more often than of the ball to move; one in four takes more than 15, most of which repeat one or two
pushes that are blocked by a wall or a neighbour, until something gives way. A greedy rule that ignores walls and
neighbours behaves like that by itself. Each episode draws a `Habit`: a fixed preference for some pushes (what makes it
repeat itself) and a temperature (what makes it try something else).

Letters: N episodes, 40 actions.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from kalm_jax.envs import clevr_goals
from kalm_jax.envs.clevr import NUM_ACTIONS, push_direction

STEP_LENGTH = 0.25
"""Metres that an unobstructed ball goes in one straight push; 0.195 along each axis of a diagonal one."""
"""Share of episodes that are purposeful; the rest follow their habits. See `collection_statistics`."""

@dataclasses.dataclass(frozen=True)
class ScriptedSettings:
    sd: float = 0.12
    sd_spread: float = 0.5
    scale: float = 0.2
    t: float = 0.02
    t_spread: float = 0.7
    growth: float = 0.0
    hgrowth: float = 0.0
    scale_spread: float = 0.0
    ref: float = 0.05
    other: float = -0.15


class Scripted:
    def __init__(self, settings=ScriptedSettings()):
        self.s = settings
        self.ball, d = push_direction(np.arange(NUM_ACTIONS))
        self.disp = d * np.where(np.abs(d).sum(1, keepdims=True) > 1, 0.195 / 0.8, STEP_LENGTH)

    def begin(self, rng, goal):
        n = len(goal)
        s = self.s
        W = rng.normal(size=(n, NUM_ACTIONS, 10)) / (s.scale * np.exp(s.scale_spread*rng.normal(size=n)))[:,None,None]
        phase = rng.uniform(0, 2 * np.pi, size=(n, NUM_ACTIONS))
        sd = np.sqrt(2)*s.sd * np.exp(s.sd_spread * rng.normal(size=n))
        t = s.t * np.exp(s.t_spread * rng.normal(size=n))
        bias = np.where(self.ball == goal[:, 1:2], s.ref, 0) + np.where((self.ball != goal[:, 1:2]) & (self.ball != goal[:, :1]), s.other, 0)
        return bias, t, W, phase, sd, np.zeros(n)

    def gain(self, obs, goal):
        o = obs.reshape(-1, 5, 2).astype(np.float64)
        i = np.arange(len(o))
        src, ref, dr = goal[:, 0], goal[:, 1], goal[:, 2]
        d = o[i, src] - o[i, ref] - clevr_goals.REWARD_POINT * clevr_goals.UNIT[dr]
        sign = (self.ball == src[:, None]).astype(float) - (self.ball == ref[:, None])
        after = d[:, None] + sign[..., None] * self.disp
        return np.linalg.norm(d, axis=-1)[:, None] - np.linalg.norm(after, axis=-1)

    def act(self, rng, state, obs, goal):
        bias, t, W, phase, sd, step = state
        habit = np.cos(np.einsum("nad,nd->na", W, obs) + phase) * (sd*(1+self.s.hgrowth*step))[:, None]
        score = self.gain(obs, goal) + bias + habit
        t = t * (1 + self.s.growth * step)
        step += 1
        return (score / t[:, None] + rng.gumbel(size=score.shape)).argmax(1)
