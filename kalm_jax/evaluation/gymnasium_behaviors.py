"""Behavior policies of every skill in Gymnasium environments, and episodes of them.

A behavior policy takes a controller's action, or with probability epsilon a uniformly random one. Each episode has an
epsilon of its own, so that a file can hold random, middling and good episodes as D4RL's replay data do.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable

import numpy as np

from kalm_jax.evaluation.gymnasium import Player, Spaces, spaces_of
from kalm_jax.progress import Progress
from kalm_jax.settings import described
from kalm_jax.types import GoalTable, Rollouts, unnamed_goal

Controller = Callable[[np.ndarray], np.ndarray]
"""Observations (B, D) -> actions (B, A) in the environment's own units, or indices (B,)."""
BEHAVIORS = ("random", "expert", "noisy", "mixed", "replay")
NOISY = 0.5
"""Epsilon of the behavior "noisy"."""
REPLAY_END = 0.3
"""Epsilon of the last episode of "replay": the learner whose data this resembles was stopped at a middling skill."""
_COPIES = 16


def random_actions(rng: np.random.Generator, spaces: Spaces, count: int) -> np.ndarray:
    """(count,) indices or (count, A) actions within the bounds, uniformly random."""
    if spaces.num_actions:
        return rng.integers(spaces.num_actions, size=count)
    if spaces.dtype.kind != "f":
        return rng.integers(spaces.low.astype(np.int64), spaces.high.astype(np.int64) + 1, (count, len(spaces.low)))
    return rng.uniform(spaces.low, spaces.high, (count, len(spaces.low)))


def epsilons(behavior: str, episodes: int) -> np.ndarray:
    """(episodes,) probability of a random action: of every kind a third for "mixed", falling for "replay"."""
    if behavior not in BEHAVIORS:
        raise ValueError(f"unknown behavior {behavior!r}: use one of {', '.join(BEHAVIORS)}")
    if behavior == "mixed":
        return np.resize([1.0, NOISY, 0.0], episodes)
    if behavior == "replay":
        return np.linspace(1.0, REPLAY_END, episodes)
    return np.full(episodes, {"random": 1.0, "expert": 0.0, "noisy": NOISY}[behavior])


def _possible(actions: np.ndarray, spaces: Spaces) -> bool:
    """Whether a controller's actions are indices of the space's actions, or finite numbers."""
    if not spaces.num_actions:
        return actions.dtype.kind in "iuf" and bool(np.isfinite(actions).all())
    return actions.dtype.kind in "iub" and bool(((actions >= 0) & (actions < spaces.num_actions)).all())


def collect_episodes(
    environment: str, behavior: str, episodes: int, seed: int, controller: Controller | None = None
) -> tuple[Rollouts, GoalTable, dict]:
    """Episodes of a behavior policy, one of `BEHAVIORS`; a function of the arguments alone.

    `seed` is that of the resets and of the random actions; `controller` is the expert, which every behavior but
    "random" needs.

    Returns:
      Rollouts (actions in the environment's own units), one unnamed goal, and what a file of them should note.

    Raises:
      ValueError: unknown behavior or environment, no controller for it, or one that fails or answers with no actions.
    """
    spaces_of(environment)  # an unknown environment is named before a controller for it is missed
    chance = epsilons(behavior, episodes)
    first = 1_000_000 * seed

    def act(observations: np.ndarray, seeds: np.ndarray, step: int, _: np.ndarray | None) -> np.ndarray:
        rng = np.random.default_rng([int(seeds[0]), step])
        drawn = random_actions(rng, player.spaces, len(seeds))
        random = rng.random(len(seeds)) < chance[seeds - first]
        if behavior == "random" or controller is None:
            return drawn
        try:
            meant = np.asarray(controller(observations))
        except Exception as error:  # whatever a user's function raises
            raise ValueError(
                f"the controller {getattr(controller, '__qualname__', controller)} fails on observations of shape "
                f"{observations.shape} ({described(error)}); want a function from (B, D) to (B, A), or to indices (B,)"
            ) from error
        if meant.shape != drawn.shape or not _possible(meant, player.spaces):
            wanted = f"indices from 0 to {player.spaces.num_actions - 1}" if player.spaces.num_actions else "numbers"
            said = " ".join(reprlib.repr(meant).split())
            raise ValueError(
                f"the controller answers {observations.shape} observations with {said}; want {drawn.shape} {wanted}"
            )
        return np.where(random.reshape(-1, *[1] * (meant.ndim - 1)), drawn, meant)

    if behavior != "random" and controller is None:
        raise ValueError(
            f"no controller for {environment}: give one by --controller=package.module:function, or play at random "
            "(--policy=random)"
        )
    bar = Progress("collect", episodes, unit="episode")
    with Player(environment, min(_COPIES, episodes)) as player, bar as progress:
        rollouts, _ = player.play(act, list(range(first, first + episodes)), progress.update)
        spaces = player.spaces
    notes = {"environment": environment, "behavior": behavior, "episodes": episodes, "seed": seed}
    if spaces.num_actions:
        notes["num_actions"] = spaces.num_actions
    else:
        notes["action_bounds"] = [spaces.low.tolist(), spaces.high.tolist()]
    return rollouts, unnamed_goal(), notes
