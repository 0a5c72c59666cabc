"""What says which task: the instructions of Meta-world, by level, as `language.py` has them for CLEVR-Robot.

`offline`, plain requests in 8 frames; `rephrase`, the same ten tasks in other words (the puck is a disc, the door a
safe); `unseen_easy` and `unseen_hard`, their own tasks in the data's frames. Every task has at least 20 sentences on
its level. `validation_sentences` are for tuning, and no result may be reported on them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence

from kalm_jax.types.text import Sentence, normalize_sentence
from kalm_jax.worlds.metaworld import instruction_templates as templates
from kalm_jax.worlds.metaworld.goals import make_goal
from kalm_jax.worlds.metaworld.tasks import LEVEL_TASKS

_FRAMED = {
    "offline": templates.OFFLINE,
    "unseen_easy": templates.UNSEEN_EASY,
    "unseen_hard": templates.UNSEEN_HARD,
}
_FREE = {"rephrase": templates.REPHRASE, "validation": templates.VALIDATION}


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
    return tuple(_framed(level, _FRAMED[level]) if level in _FRAMED else _free(level, _FREE[level]))


def _framed(level: str, requests: Mapping[str, Sequence[str]]) -> Iterator[Sentence]:
    for task, verbs in requests.items():
        for i, frame in enumerate(templates.FRAMES):
            for verb in verbs:
                yield _sentence(level, task, i, frame.format(v=verb))


def _free(level: str, texts: Mapping[str, Sequence[str]]) -> Iterator[Sentence]:
    for task, wordings in texts.items():
        for i, text in enumerate(wordings):
            yield _sentence(level, task, i, text)


def _sentence(level: str, task: str, number: int, text: str) -> Sentence:
    return Sentence(text, task, tuple(make_goal(task).tolist()), f"{level}/{task}/{number:02d}")


@functools.cache
def _levels_by_text() -> dict[str, str]:
    return {s.text: level for level in ("validation", *LEVEL_TASKS) for s in _cached(level)}
