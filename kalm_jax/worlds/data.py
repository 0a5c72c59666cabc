"""Real rollouts of a world, and goals, checked against the world: those of a file, and those given in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kalm_jax.datasets import read_rollouts, require_instructions
from kalm_jax.types import LEVELS, GoalTable, Rollouts, validate, validate_goals
from kalm_jax.types.text import normalize_sentence
from kalm_jax.worlds.base import World


def check_rollouts(rollouts: Rollouts, world: World, num_goals: int | None = None) -> Rollouts:
    """The rollouts as `validate` returns them; a ValueError where they are not at least one rollout of a world.

    Goals are numbered below `num_goals`.
    """
    discrete = world.spaces.num_actions or None
    rollouts = validate(rollouts, num_goals, discrete, action_bounds=None if discrete else (-1.0, 1.0))
    if not len(rollouts):
        raise ValueError("rollouts: there are none, want at least one")
    check_sizes(rollouts, world, "rollouts")
    return rollouts


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
    _check_recorded(path, rollouts)
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
    check_sentences(path, world, goals, np.unique(rollouts.goal))
    return rollouts, goals


def _check_recorded(path: str, rollouts: Rollouts) -> None:
    """Refuses data that are imagined, and says so where a part of them is."""
    imagined = np.flatnonzero(rollouts.imagined)
    if len(imagined) == len(rollouts):
        raise ValueError(
            f"{path}: all {len(rollouts)} rollouts are marked as imagined, and the data are to be real ones; give "
            "recorded rollouts, or set `imagined` to false where these were recorded"
        )
    if len(imagined):
        which = f"{len(imagined)} of {len(rollouts)} rollouts are marked as imagined, rollout {imagined[0]} first"
        print(f"{path}: {which}; they count as real ones here", flush=True)


def check_sentences(path: str, world: World, goals: GoalTable, used: np.ndarray) -> None:
    """Compares the sentences of goals from a file with what the goals are; `used` are numbers of goals.

    A sentence of the world's own means one goal. What speaks against any other (`GoalLanguage.objection`) is said in
    one line, as those who wrote it may have words of their own.

    Raises:
      ValueError: a sentence of the world's own stands for another goal; the message names it.
    """
    meanings, language, doubts = world.sentence_meanings(), world.language, []
    for g in used.tolist():
        text, family, array = goals.text[g], int(goals.family[g]), np.asarray(goals.array[g])
        asked = meanings.get(normalize_sentence(text))
        if asked is not None and asked[0] != (family, *map(float, array)):
            raise ValueError(
                f"{path}: goal {g} has the sentence {text!r}, which asks for {_goal(world, asked[0])}, and its family "
                f"and array say {_goal(world, (family, *array.tolist()))}; correct the one that is wrong"
            )
        if asked is None and language.objection is not None and language.plan is not None:
            reason = language.objection(text, language.read_plan(language.plan(family, array)))
            doubts += [f"goal {g}, {text!r}, {reason}"] if reason else []
    if doubts:
        print(f"{path}: {len(doubts)} of {len(used)} sentences may not ask for their goals: {doubts[0]}", flush=True)


def _goal(world: World, goal: Sequence[float]) -> str:
    """A goal, (family, *array), in the world's shortest words."""
    family, array = int(goal[0]), np.asarray(goal[1:])
    if world.language.plan is not None:
        array = array.astype(np.asarray(world.goals(LEVELS[0]).array).dtype)
        return repr(world.language.plan(family, array))
    return f"{world.families[family]} {array.tolist()}"
