"""What a sentence says literally, against the subgoals that a language model writes; see also `clevr.objections`."""

from __future__ import annotations

import collections
import functools
import re
from collections.abc import Mapping

from kalm_jax.worlds.base import Subgoals
from kalm_jax.worlds.metaworld.text import PLANS, texts_of
from kalm_jax.worlds.text.refusals import refusal

COMMON = 6
"""A word in the wordings of so many subgoals or more does not tell which is meant, unless it names the thing."""
_NAMES = {"hand": "handn", "puck": "puckn", "button": "btnn", "lock": "lockn", "door": "doorn", "window": "winn"}
_NAMES |= {"faucet": "fauxn", "mug": "mugn", "machine": "machn", "nail": "nailn", "ball": "balln"}
"""Thing -> the rule of its names."""


def objection(sentence: str, subgoals: Subgoals) -> str:
    """See `GoalLanguage.objection`."""
    words = set(_words(sentence))
    reason = refusal(sentence, lambda rest: any(told & set(_words(rest)) for told in _vocabulary().values()))
    if reason:
        return reason
    for text, _, _ in subgoals:
        if not words & _vocabulary()[text]:
            return f"says nothing of what the language model took it to mean ({text})"
    return ""


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", re.sub(r"['’]s?\b", "", text.lower()))


@functools.cache
def _vocabulary() -> dict[str, frozenset[str]]:
    """Subgoal -> words of the pretraining text by which its tasks are asked for, without common ones."""
    words: dict[str, set[str]] = collections.defaultdict(set)
    for task, steps in PLANS.items():
        for step in steps:
            words[step] |= _said(*(f"{task.replace('-', '')}.{form}" for form in ("do", "state", "bad", "hint")))
    rare, names = _without_common(words, COMMON), _without_common({k: _said(rule) for k, rule in _NAMES.items()}, 3)
    return {step: said | names[step.split()[-3]] for step, said in rare.items()}


def _without_common(words: Mapping[str, set[str]], limit: int) -> dict[str, frozenset[str]]:
    """The sets of words without those that are in `limit` of them or more."""
    count = collections.Counter(word for said in words.values() for word in said)
    return {key: frozenset(word for word in said if count[word] < limit) for key, said in words.items()}


def _said(*rules: str) -> set[str]:
    return {word for text in texts_of(*rules) for word in _words(text) if len(word) > 1}
