"""What a sentence says literally, against the subgoals that a language model writes; see also `clevr.objections`."""

from __future__ import annotations

import collections
import functools
import itertools
import re
from collections.abc import Mapping

from kalm_jax.types import LEVELS
from kalm_jax.worlds.base import Subgoals
from kalm_jax.worlds.metaworld.instructions import SENTENCES
from kalm_jax.worlds.metaworld.text import PLANS, conjugate, texts_of
from kalm_jax.worlds.text.grammar import alternatives
from kalm_jax.worlds.text.refusals import Words, refusal
from kalm_jax.worlds.text.sentences import VALIDATION
from kalm_jax.worlds.text.surface import aside_texts

COMMON = 6
"""A word in the wordings of so many subgoals or more does not tell which is meant, unless it names the thing."""
_NAMES = {"hand": "handn", "puck": "puckn", "button": "btnn", "lock": "lockn", "door": "doorn", "window": "winn"}
_NAMES |= {"faucet": "fauxn", "mug": "mugn", "machine": "machn", "nail": "nailn", "ball": "balln"}
"""Thing -> the rule of its names."""


def objection(sentence: str, subgoals: Subgoals) -> str:
    """See `GoalLanguage.objection`."""
    words = set(_words(sentence))
    reason = refusal(sentence, _world_words(), lambda rest: bool(_told() & set(_words(rest))))
    if reason:
        return reason
    for text, _, _ in subgoals:
        if not words & _vocabulary()[text]:
            return f"says nothing of what the language model took it to mean ({text})"
    return ""


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", re.sub(r"['’]s?\b", "", text.lower()))


@functools.cache
def _world_words() -> Words:
    """The words of the pretraining text, whose verbs begin it or are marked by `^`, and of the world's sentences."""
    sentences = [sentence.text for level in (*LEVELS, VALIDATION) for sentence in SENTENCES.sentences(level)]
    texts = texts_of()
    marked = {verb for text in texts for verb in re.findall(r"\^(\w+)", text)}
    verbs = marked.union(text.split()[0] for text in [*texts, *sentences] if text.strip())
    forms = [*(conjugate(f"^{verb}", "doing") for verb in marked), *(f"{verb.removesuffix('e')}ed" for verb in marked)]
    asides = itertools.chain(*(alternatives(text) for text in aside_texts().values()))
    return Words([*texts, *asides, *sentences], verbs, forms, _said(*_NAMES.values()) - verbs)


@functools.cache
def _told() -> frozenset[str]:
    return frozenset().union(*_vocabulary().values())


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
