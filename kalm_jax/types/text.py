"""Sentences: their normal form, and a sentence together with the goal that it states."""

from __future__ import annotations

from typing import NamedTuple


class Sentence(NamedTuple):
    """An instruction `text`, in the form of `normalize_sentence`, and its meaning.

    `family` is the name of the success test, `goal` the G numbers that it reads; `template` is what the sentence was
    made from, "level/group/number".
    """

    text: str
    family: str
    goal: tuple[float, ...]
    template: str


def normalize_sentence(text: str) -> str:
    """`text` in lower case with single spaces, without final punctuation: the form in which sentences are compared."""
    return " ".join(text.lower().split()).rstrip(".!?,;: ")
