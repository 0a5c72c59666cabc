"""Sentences that forbid, ask back, or say an amount: no world has such goals, whatever a model answers."""

from __future__ import annotations

import re
from collections.abc import Callable

_NUMBER = r"(?:\d+(?:[.,]\d+)?|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|fifty|hundred|dozen)"
_UNIT = (
    r"(?:mm|cm|dm|km|m|ft|in|(?:milli|centi|deci|kilo)?met(?:er|re)s?|inch(?:es)?|f[eo]{2}t|yards?|miles?|pixels?|degrees?"
    r"|percent|times|steps?|pushes|units?|seconds?|minutes?|hours?)"
)
_AMOUNT = re.compile(rf"\b(?:{_NUMBER}[ -]?{_UNIT}\b|{_NUMBER} ?%|{_NUMBER} ?°|twice\b|thrice\b|halfway\b)")

_FORBIDS = re.compile(
    # What may stand before it; "i don't like" and "blue should not be" are complaints, which ask for the opposite.
    r"(?:^|[,.;:!?]\s*|\b(?:please|kindly|robot|so|and|but|then|now|ok|you|you (?:must|should|may|can|shall|will))\s+)"
    r"(?:do not|don't|dont|don’t|not to|not|never|refrain from|avoid|no longer|under no circumstances)\s+"
    r"(?!you\b|i\b|it\b|we\b|the\b|a\b|an\b|to\b|on\b|in\b|at\b|mind\b)(?:ever\s+|even\s+)?[a-z]+[^,.;:!?]*"
)

_QUESTION = re.compile(
    r"^(?:how (?:far|many|much|big|large|small|heavy|old|long|often|close)|where(?: is| are|'s)|what (?:is|are|colou?r)"
    r"|what's|which)\b(?!.*\?.*\w)"
)


def refusal(sentence: str, says_goal: Callable[[str], bool]) -> str:
    """Why a sentence asks for no goal, in words that follow "the sentence ..."; "" where there is no reason.

    `says_goal` tells whether the rest of a sentence, without what it forbids, still says what is wanted, as in "don't
    leave it in front, it belongs behind".
    """
    text = " ".join(sentence.lower().replace("’", "'").split())
    rest = _FORBIDS.sub(" ", text)
    if rest != text and not says_goal(rest):
        return "only says what is not to be done"
    if _QUESTION.search(text):
        return "is a question"
    amount = _AMOUNT.search(text)
    if amount:
        return f"says {amount[0]!r}, and no goal has an amount"
    return ""
