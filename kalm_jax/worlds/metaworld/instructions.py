"""What says which task: the instructions of Meta-world, by level, as `language.py` has them for CLEVR-Robot.

`offline`, plain requests in 8 frames; `rephrase`, the same ten tasks in other words (the puck is a disc, the door a
safe); `unseen_easy` and `unseen_hard`, their own tasks in the data's frames. Every task has at least 20 sentences on
its level. `validation_sentences` are for tuning, and no result may be reported on them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from kalm_jax.types.text import Sentence, normalize_sentence
from kalm_jax.worlds.metaworld.goals import make_goal
from kalm_jax.worlds.metaworld.tasks import LEVEL_TASKS
from kalm_jax.worlds.text.grammar import read_blocks

_FRAMED = ("offline", "unseen_easy", "unseen_hard")
"""Levels whose sentences are requests in frames; the others' are written out."""


@functools.cache
def _templates() -> dict[str, list[str]]:
    """The templates of `data/instructions.txt`, by block."""
    return {name: text.split("\n") for name, text in read_blocks(__package__, "instructions.txt").items()}


def sentences(level: str) -> list[Sentence]:
    """Every sentence of a level, in a fixed order; `family` is the task's name, `goal` its 12 numbers.

    Raises:
      ValueError: `level` is none of "offline", "rephrase", "unseen_easy", "unseen_hard".
    """
    if level not in LEVEL_TASKS:
        raise ValueError(f"unknown level {level!r} of instructions: use one of {', '.join(LEVEL_TASKS)}")
    return list(_cached(level))


def validation_sentences() -> list[Sentence]:
    """Rephrased offline tasks for the developers' own tuning: disjoint from every level."""
    return list(_cached("validation"))


def split_of(text: str) -> str | None:
    """The level that `text` belongs to, "validation" for a validation sentence, None for any other text."""
    return _levels_by_text().get(normalize_sentence(text))


@functools.cache
def _cached(level: str) -> tuple[Sentence, ...]:
    return tuple(_written(level))


def _written(level: str) -> Iterator[Sentence]:
    for block, texts in _templates().items():
        if not block.startswith(f"{level}."):
            continue
        task = block.removeprefix(f"{level}.")
        frames, requests = (_templates()["frames"], texts) if level in _FRAMED else (texts, [""])
        for i, frame in enumerate(frames):
            for request in requests:
                yield _sentence(level, task, i, frame.format(v=request))


def _sentence(level: str, task: str, number: int, text: str) -> Sentence:
    return Sentence(text, task, tuple(make_goal(task).tolist()), f"{level}/{task}/{number:02d}")


@functools.cache
def _levels_by_text() -> dict[str, str]:
    return {s.text: level for level in ("validation", *LEVEL_TASKS) for s in _cached(level)}
