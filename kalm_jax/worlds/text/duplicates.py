"""Whether a text is nearly a sentence of a set: a few words differ."""

from __future__ import annotations

import collections
import re
from collections.abc import Collection, Iterable, Sequence

import numpy as np

NEARLY = 2
"""Words that may be added, left out or exchanged between near-duplicates."""
_WORD = re.compile(r"[\w'-]+")
_NAME = "<name>"


def word_distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Least number of words that are added, left out or exchanged to make one sequence of words from the other."""
    above = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (word != other)))
        above = row
    return above[-1]


class NearDuplicates:
    """A set of sentences that finds the one that a text nearly is.

    Case and punctuation do not count, and `names`, such as those of balls, count as the same word.
    """

    def __init__(self, sentences: Iterable[str], names: Collection[str] = (), most: int = NEARLY) -> None:
        """`most` is the greatest `word_distance` of near-duplicates."""
        self._names, self._most = frozenset(names), most
        self._sentences = list({self._words(text): text for text in sentences}.items())
        self._number = {
            word: i for i, word in enumerate(dict.fromkeys(w for words, _ in self._sentences for w in words))
        }
        self._count = np.zeros((len(self._sentences), len(self._number)), np.int16)
        for i, (words, _) in enumerate(self._sentences):
            np.add.at(self._count[i], [self._number[word] for word in words], 1)
        self._length = self._count.sum(1)

    def find(self, text: str) -> str | None:
        """A sentence of which `text` is a near-duplicate, None where there is none."""
        words = self._words(text)
        counts = collections.Counter(self._number[word] for word in words if word in self._number)
        shared = np.minimum(self._count[:, list(counts)], list(counts.values())).sum(1)
        # Two sequences at this distance share all but so many words of the longer one.
        for i in np.flatnonzero(shared >= np.maximum(self._length, len(words)) - self._most):
            known, sentence = self._sentences[i]
            if word_distance(words, known) <= self._most:
                return sentence
        return None

    def _words(self, text: str) -> tuple[str, ...]:
        return tuple(_NAME if word in self._names else word for word in _WORD.findall(text.lower()))
