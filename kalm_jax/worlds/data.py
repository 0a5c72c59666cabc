"""Real rollouts of a world, and goals, checked against the world: those of a file, and those given in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kalm_jax.datasets import read_rollouts, require_instructions
from kalm_jax.types import LEVELS, GoalTable, Rollouts, validate, validate_goals
from kalm_jax.worlds.base import World


def check_rollouts(rollouts: Rollouts, world: World, num_goals: int | None = None) -> None:
    """Refuses what is not at least one rollout of a world, by a ValueError; goals are numbered below `num_goals`."""
    discrete = world.spaces.num_actions or None
    validate(rollouts, num_goals, discrete, action_bounds=None if discrete else (-1.0, 1.0))
    if not len(rollouts):
        raise ValueError("rollouts: there are none, want at least one")
    check_sizes(rollouts, world, "rollouts")


def check_sizes(rollouts: Rollouts, world: World, name: str) -> None:
    """Refuses rollouts of other sizes than a world's, by a ValueError."""
    discrete = np.ndim(rollouts.actions) == 2
    world.check_sizes(name, rollouts.observations.shape[2], discrete, None if discrete else rollouts.actions.shape[2])


def check_goals(goals: GoalTable, world: World, purpose: str) -> None:
    """Refuses what is not at least one goal of a world, with its sentence and its success test."""
    validate_goals(goals)
    if not len(goals):
        raise ValueError("the table of goals is empty; give at least one goal")
    require_instructions(goals, purpose)
    world.check_goals(goals)


def read_data(
    path: str,
    world: World,
    level_of: Callable[[str], str | None],
    recover: Callable[[Rollouts, str], tuple[Rollouts, GoalTable]] | None = None,
    decode_goal: Callable[[np.ndarray], tuple[int, np.ndarray]] | None = None,
) -> tuple[Rollouts, GoalTable]:
    """Rollouts from a file, and the sentences that describe them.

    Args:
      path: a file or folder in any format that `kalm_jax.datasets.read_rollouts` reads, which also takes `decode_goal`.
      world: whose sizes the rollouts must have, and which must be able to use their goals, see `World.try_goals`.
      level_of: sentence -> its level, None for a sentence of no level.
      recover: finds the goals of rollouts without any, given the rollouts and the path; None refuses such rollouts.

    Raises:
      ValueError: other sizes, goals without sentences, or sentences of evaluation levels; the message names the file.
    """
    spaces = world.spaces
    bounds = None if spaces.num_actions else (-1.0, 1.0)
    rollouts, goals = read_rollouts(path, spaces.num_actions or None, bounds, decode_goal)
    check_sizes(rollouts, world, path)
    if recover is not None and not any(goals.text) and (np.asarray(goals.family) < 0).all():
        rollouts, goals = recover(rollouts, path)
    if len(rollouts) < 2:
        raise ValueError(
            f"{path}: rollouts that fit this world: {len(rollouts)}, want at least 2, as models train on some and "
            "explain others that they have not seen"
        )
    require_instructions(goals, f"{path}: grounding")
    try:
        world.try_goals(rollouts, goals)
    except (IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: its goals' families and arrays {goals.array.shape} are not those of this world ({error}); write "
            "them as this world's `goals` have them"
        ) from error
    levels = zip(goals.text, np.asarray(goals.level).tolist())
    novel = sorted({text for text, level in levels if level or level_of(text) in LEVELS[1:]})
    if novel:
        raise ValueError(f"{path} holds {len(novel)} sentences of evaluation levels, such as {novel[0]!r}; remove them")
    return rollouts, goals
