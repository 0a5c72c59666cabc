"""The surface of sentences: openers and tails, end marks, and the errors of typing."""

from __future__ import annotations

import functools
import re

from kalm_jax.worlds.text.grammar import Numbers, Rule, compile_rules, read_blocks, say

ASIDES = "asides.txt"
"""The data file whose rules `opener` and `tail` are the words around a sentence."""

_QUESTION = re.compile(
    r"^(can|could|would|will|is|are|does|do|how about|what|why|shall|should|has|was|wouldn't|who|where|may|won't)\b"
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PROTECTED = frozenset("isnt dont cant wont never without instead".split())
"""Words of denial, whose change could change the meaning."""


@functools.cache
def aside_texts() -> dict[str, str]:
    """The rules of words around a sentence, as text."""
    return read_blocks(__package__, ASIDES)


@functools.cache
def _rules() -> dict[str, Rule]:
    return compile_rules(aside_texts())


def tidy(text: str) -> str:
    """`text` with single spaces and none before a punctuation mark."""
    return " ".join(text.split()).replace(" ,", ",").replace(" ?", "?").replace(" ;", ";").replace(",,", ",")


def adorned(text: str, numbers: Numbers) -> str:
    """`text`, sometimes with an opener, a tail or an end mark."""
    question = _QUESTION.match(text) is not None
    if numbers.below(10) == 0:
        text = f"{say(_rules()['opener'], [], numbers)} {text}"
    if numbers.below(8) == 0 and not text.endswith("?") and "?" not in text:
        text = f"{text} {say(_rules()['tail'], [], numbers)}"
    end = numbers.below(10)
    if question and end < 6 and "?" not in text:
        text += "?"
    elif end < 2 and not text.endswith("?"):
        text += "."
    elif end == 9 and not question:
        text += "!"
    return tidy(text)


def worn(text: str, numbers: Numbers) -> str:
    """`text`, sometimes as it is typed: articles or marks missing, capitals, letters lost, doubled or swapped."""
    kind = numbers.below(24)
    if kind < 18:
        return text
    if kind == 18:
        return text.replace("the ", "")
    if kind == 19:
        return text.replace("the ", "", 1)
    if kind == 20:
        return "".join(mark for mark in text if mark not in ",.!?;:'")
    if kind == 21:
        return text.upper() if numbers.below(2) else text.capitalize()
    for _ in range(1 + numbers.below(2)):
        text = _mistyped(text, numbers)
    return text


def _mistyped(text: str, numbers: Numbers) -> str:
    """`text` with one letter of a word of four letters or more lost, doubled, replaced or swapped with the next."""
    tokens = text.split(" ")
    long = [k for k, word in enumerate(tokens) if len(word) > 3 and word.isalpha() and word not in _PROTECTED]
    if not long:
        return text
    k = numbers.choose(long)
    word = tokens[k]
    i = numbers.below(len(word) - 1)
    change = numbers.below(5)
    if change < 2:
        word = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    elif change == 2 and i > 0:
        word = word[:i] + word[i + 1 :]
    elif change == 3:
        word = word[:i] + word[i] + word[i:]
    elif i > 0:
        word = word[:i] + _LETTERS[numbers.below(26)] + word[i + 1 :]
    tokens[k] = word
    return " ".join(tokens)
