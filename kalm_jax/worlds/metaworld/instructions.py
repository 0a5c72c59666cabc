"""The instructions of Meta-world by level, each with its task.

`offline`, plain requests in 8 frames; `rephrase`, the same ten tasks in other words (the puck is a disc, the door a
safe); `unseen_easy` and `unseen_hard`, their own tasks in the data's frames. Every task has at least 20 sentences on
its level. The sentences of "validation" are for tuning, and no result may be reported on them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from kalm_jax.types.text import Sentence
from kalm_jax.worlds.metaworld.goals import make_goal
from kalm_jax.worlds.metaworld.tasks import NAMES
from kalm_jax.worlds.text.grammar import read_lists
from kalm_jax.worlds.text.sentences import SentenceTable

_FRAMED = ("offline", "unseen_easy", "unseen_hard")
"""Levels whose sentences are requests in frames; the others' are written out."""


@functools.cache
def _templates() -> dict[str, list[str]]:
    return read_lists(__package__, "instructions.txt")


def _written(level: str) -> Iterator[Sentence]:
    """The sentences of a level or of validation."""
    for block, texts in _templates().items():
        if not block.startswith(f"{level}."):
            continue
        task = block.removeprefix(f"{level}.")
        goal = tuple(make_goal(task).tolist())
        frames, requests = (_templates()["frames"], texts) if level in _FRAMED else (texts, [""])
        for i, frame in enumerate(frames):
            for request in requests:
                yield Sentence(frame.format(v=request), task, goal, f"{level}/{task}/{i:02d}")


SENTENCES = SentenceTable(NAMES, np.float32, _written)
"""All sentences; `family` is the task's name, `goal` its 12 numbers. The functions below are its methods."""
sentences, split_of, goals_of_level = SENTENCES.sentences, SENTENCES.split_of, SENTENCES.goals
