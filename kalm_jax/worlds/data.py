"""Real rollouts of a world from a user's file, checked against the world."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kalm_jax.datasets import read_rollouts, require_instructions
from kalm_jax.types import LEVELS, GoalTable, Rollouts
from kalm_jax.worlds.base import Spaces


def read_data(
    path: str,
    spaces: Spaces,
    level_of: Callable[[str], str | None],
    try_goals: Callable[[Rollouts, GoalTable], None],
    recover: Callable[[Rollouts, str], tuple[Rollouts, GoalTable]] | None = None,
    decode_goal: Callable[[np.ndarray], tuple[int, np.ndarray]] | None = None,
) -> tuple[Rollouts, GoalTable]:
    """Rollouts from a file, and the sentences that describe them.

    Args:
      path: a file or folder in any format that `kalm_jax.datasets.read_rollouts` reads, which also takes `decode_goal`.
      spaces: sizes that the rollouts must have.
      level_of: sentence -> its level, None for a sentence of no level.
      try_goals: the world's, see `World.try_goals`: goals that it cannot use are refused.
      recover: finds the goals of rollouts without any, given the rollouts and the path; None refuses such rollouts.

    Raises:
      ValueError: other sizes, goals without sentences, or sentences of evaluation levels; the message names the file.
    """
    bounds = None if spaces.num_actions else (-1.0, 1.0)
    rollouts, goals = read_rollouts(path, spaces.num_actions or None, bounds, decode_goal)
    shape, actions = rollouts.observations.shape, rollouts.actions.shape
    if shape[2] != spaces.observation_dim or actions[2:] != ((spaces.action_dim,) if spaces.action_dim else ()):
        kind = (
            f"{spaces.num_actions} discrete actions"
            if spaces.num_actions
            else f"actions of {spaces.action_dim} numbers"
        )
        raise ValueError(
            f"{path}: observations {shape} and actions {actions} are not those of this world, whose observations have "
            f"{spaces.observation_dim} numbers and which has {kind}; use rollouts of this world"
        )
    if recover is not None and not any(goals.text) and (np.asarray(goals.family) < 0).all():
        rollouts, goals = recover(rollouts, path)
    if len(rollouts) < 2:
        raise ValueError(
            f"{path}: rollouts that fit this world: {len(rollouts)}, want at least 2, as models train on some and "
            "explain others that they have not seen"
        )
    require_instructions(goals, f"{path}: grounding")
    try:
        try_goals(rollouts, goals)
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
