"""Scripted controllers of four Gymnasium environments, and behaviour policies of every skill made from them.

A behaviour policy takes the controller's action, or with chance epsilon a uniformly random one; epsilon is drawn up for
each episode, so that a file can hold random, middling and good episodes as D4RL's replay data do. Letters: n copies, D
observation, A action.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kalm_jax.evaluation.gymnasium import Player, Spaces
from kalm_jax.progress import Progress
from kalm_jax.types import GoalTable, Rollouts, unnamed_goal

BEHAVIOURS = ("random", "expert", "noisy", "mixed", "replay")
NOISY = 0.5
"""Epsilon of the behaviour "noisy"."""
REPLAY_END = 0.3
"""Epsilon of the last episode of "replay": the learner whose data this resembles was stopped at a middling skill."""
_COPIES = 16


def pendulum(observation: np.ndarray) -> np.ndarray:
    """Torques (n, 1) for Pendulum-v1: energy is pumped in until the pole is near the top, then it is held there.

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
    """Torques (n, 2) for Reacher-v5: a damped spring from the finger to the target, through the arm's Jacobian.

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
    """Directions (n,) for CartPole-v1, 0 left and 1 right: a linear rule of position, speeds and angle."""
    return (observation @ np.array([0.1, 0.3, 1.0, 1.0]) > 0).astype(np.int32)


def metaworld_reach(observation: np.ndarray) -> np.ndarray:
    """Actions (n, 4) for kalm/MetaworldReach-v0: Meta-world's own expert."""
    from kalm_jax.worlds.metaworld.experts import make_expert

    expert = make_expert("reach")
    return np.stack([expert(x) for x in observation]).clip(-1.0, 1.0).astype(np.float32)


CONTROLLERS: dict[str, Callable] = {
    "Pendulum-v1": pendulum,
    "Reacher-v5": reacher,
    "CartPole-v1": cartpole,
    "kalm/MetaworldReach-v0": metaworld_reach,
}


def random_actions(rng: np.random.Generator, spaces: Spaces, n: int) -> np.ndarray:
    """(n,) indices or (n, A) actions within the bounds, uniformly random."""
    if spaces.num_actions:
        return rng.integers(spaces.num_actions, size=n)
    return rng.uniform(spaces.low, spaces.high, (n, len(spaces.low)))


def epsilons(behaviour: str, episodes: int) -> np.ndarray:
    """(episodes,) chance of a random action: of every kind a third for "mixed", falling for "replay"."""
    if behaviour not in BEHAVIOURS:
        raise ValueError(f"unknown behaviour {behaviour!r}: use one of {', '.join(BEHAVIOURS)}")
    if behaviour == "mixed":
        return np.resize([1.0, NOISY, 0.0], episodes)
    if behaviour == "replay":
        return np.linspace(1.0, REPLAY_END, episodes)
    return np.full(episodes, {"random": 1.0, "expert": 0.0, "noisy": NOISY}[behaviour])


def collect_episodes(environment: str, behaviour: str, episodes: int, seed: int) -> tuple[Rollouts, GoalTable, dict]:
    """Episodes of a behaviour policy; a function of the arguments alone.

    Args:
      environment: a Gymnasium id; all behaviours but "random" want one of `CONTROLLERS`.
      behaviour: one of `BEHAVIOURS`.
      episodes: how many.
      seed: of the resets and of the random actions.

    Returns:
      Rollouts (actions in the environment's own units), one unnamed goal, and what a file of them should note.

    Raises:
      ValueError: unknown behaviour or environment, or no controller for it.
    """
    chance = epsilons(behaviour, episodes)
    if behaviour != "random" and environment not in CONTROLLERS:
        raise ValueError(
            f"no scripted controller for {environment}: there are those of {', '.join(CONTROLLERS)}; other "
            "environments can be played at random (--policy=random)"
        )
    first = 1_000_000 * seed

    def act(observations, seeds, step):
        rng = np.random.default_rng([int(seeds[0]), step])
        drawn = random_actions(rng, player.spaces, len(seeds))
        astray = rng.random(len(seeds)) < chance[seeds - first]
        if behaviour == "random":
            return drawn
        meant = CONTROLLERS[environment](observations)
        return np.where(astray.reshape(-1, *[1] * (meant.ndim - 1)), drawn, meant)

    with Player(environment, min(_COPIES, episodes)) as player, Progress("collect", episodes) as progress:
        rollouts, _ = player.play(act, list(range(first, first + episodes)), progress.update)
        spaces = player.spaces
    notes = {"environment": environment, "behaviour": behaviour, "episodes": episodes, "seed": seed}
    if spaces.num_actions:
        notes["num_actions"] = spaces.num_actions
    else:
        notes["action_bounds"] = [spaces.low.tolist(), spaces.high.tolist()]
    return rollouts, unnamed_goal(), notes
