"""The sentences of a world: by level, by their text, and as tables of goals."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np

from kalm_jax.types import LEVELS, GoalTable, make_goal_table
from kalm_jax.types.text import Sentence, normalize_sentence
from kalm_jax.worlds.text.duplicates import NearDuplicates

VALIDATION = "validation"
"""Name of the sentences of no level: rephrased goals of the data, for tuning only."""
MAX_TRIES = 200
"""Attempts at a text that is not nearly an evaluation sentence."""


class SentenceTable:
    """Every sentence of a world's levels and of validation, written when first needed."""

    def __init__(
        self,
        families: Sequence[str],
        goal_type: Any,
        write: Callable[[str], Iterable[Sentence]],
        names: Collection[str] = (),
    ) -> None:
        """A table for goals of `families`, whose arrays have the NumPy type `goal_type`.

        `write(level)` gives the sentences of one of `LEVELS` or of `VALIDATION`, always the same and in the same order.
        Sentences that differ only in `names` count as the same where near-duplicates are looked for.
        """
        self._families, self._goal_type, self._names = families, goal_type, names
        self._written = functools.cache(lambda level: tuple(write(level)))

    def sentences(self, level: str) -> list[Sentence]:
        """Every sentence of a level or of validation, in a fixed order; ValueError for another `level`."""
        if level not in (*LEVELS, VALIDATION):
            raise ValueError(f"unknown level {level!r} of instructions: use one of {', '.join(LEVELS)}")
        return list(self._written(level))

    def templates(self, level: str) -> list[tuple[str, str]]:
        """(group, name) of the template of each sentence of a level: the two parts of its name "group/name"."""
        return [(group, name) for group, _, name in (s.template.rpartition("/") for s in self.sentences(level))]

    def split_of(self, text: str) -> str | None:
        """The level that `text` belongs to, "validation" for a validation sentence, None for any other text.

        Case, spacing and final punctuation are ignored, as in `normalize_sentence`.
        """
        level, _ = self._by_text.get(normalize_sentence(text), (None, None))
        return level

    def find(self, text: str) -> Sentence:
        """The sentence with this text, in any case and spacing; ValueError where there is none."""
        normal = normalize_sentence(str(text))
        if normal not in self._by_text:
            raise ValueError(f"instruction {text!r} is none of the library's sentences, so its goal is unknown")
        return self._by_text[normal][1]

    def goals(self, level: str) -> GoalTable:
        """Every sentence of a level as a goal, without goal vectors; those of validation count as rephrased ones."""
        every = self.sentences(level)
        families = [self._families.index(s.family) for s in every]
        array = np.array([s.goal for s in every], self._goal_type)
        code = LEVELS.index("rephrase" if level == VALIDATION else level)
        return make_goal_table([s.text for s in every], code, families, array)

    def is_allowed(self, text: str) -> bool:
        """Whether the language model may read `text`.

        It is one of the data's sentences, or no near-duplicate (`NearDuplicates`) of a sentence of another level or of
        validation.
        """
        return self.split_of(text) == "offline" or self._kept_apart.find(text) is None

    def draw_allowed(self, draw: Callable[[], str | None], what: str) -> str:
        """The first allowed text of `draw`, which returns None to be called again.

        Raises a RuntimeError, which mentions `what`, after `MAX_TRIES`.
        """
        for _ in range(MAX_TRIES):
            text = draw()
            if text is not None and self.is_allowed(text):
                return text
        raise RuntimeError(
            f"{MAX_TRIES} wordings of {what} were all nearly evaluation sentences; add to the rules in data/"
        )

    @functools.cached_property
    def _kept_apart(self) -> NearDuplicates:
        texts = (s.text for level in (VALIDATION, *LEVELS[1:]) for s in self._written(level))
        return NearDuplicates(texts, self._names)

    @functools.cached_property
    def _by_text(self) -> dict[str, tuple[str, Sentence]]:
        return {s.text: (level, s) for level in (VALIDATION, *LEVELS) for s in self._written(level)}
