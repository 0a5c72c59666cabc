"""What a sentence says literally, against the subgoals that a language model writes for it.

A language model writes subgoals for every sentence: it guesses a ball, a direction or a layout that the sentence does
not say, and leaves out what it has no subgoal for. The words of the sentence are compared with those of the pretraining
text.
"""

from __future__ import annotations

import functools
import itertools
import re

import numpy as np

from kalm_jax.types import LEVELS
from kalm_jax.worlds.base import Subgoals
from kalm_jax.worlds.clevr.goals import BALLS, DIRECTIONS, opposite
from kalm_jax.worlds.clevr.instructions import SENTENCES
from kalm_jax.worlds.clevr.text import plan
from kalm_jax.worlds.clevr.wordings import RULES
from kalm_jax.worlds.text.grammar import Rule, read_blocks
from kalm_jax.worlds.text.refusals import Words, misspelled, refusal
from kalm_jax.worlds.text.sentences import VALIDATION
from kalm_jax.worlds.text.surface import aside_texts


def objection(sentence: str, subgoals: Subgoals) -> str:
    """See `GoalLanguage.objection`."""
    reason = refusal(sentence, _words(), _says_goal)
    place = _PLACE.search(sentence.lower())
    if place and not reason:
        reason = f"says {place[0]!r}, where nothing can be put"
    reason = reason or _condition(sentence)
    if reason or not subgoals:
        return reason
    text, triples = _normal(sentence), [tuple(int(x) for x in array[:3]) for _, _, array in subgoals]
    written = " and ".join(words for words, _, _ in subgoals)
    layout = next((name for name in ("line", "gather") if written == plan(name, np.full(9, -1))), "")
    named, literal = _named(text)
    for color in _cues()["foreign"] & set(_color_pattern().sub(" ", text).split()):
        return f"says {color!r}, which is the color of no ball"
    if layout:
        return _against_layout(text, layout, named, literal)
    used = {ball for a, b, _ in triples for ball in (a, b) if ball >= 0}
    for ball in sorted(used - named):
        return f"does not name the {BALLS[ball]} ball, which the language model took it to mean"
    for ball in sorted(literal - used):
        return f"names the {BALLS[ball]} ball, which the language model left out"
    if _BOTH_WAYS.search(text):
        return "asks for opposite directions at once"
    for _, _, side in triples:
        if not _says(text, "side" if DIRECTIONS[side] in ("left", "right") else "depth"):
            return f"does not say the direction that the language model took it to mean ({DIRECTIONS[side]})"
    return _contradiction(triples)


def _says_goal(text: str) -> bool:
    return any(_says(text, cue) for cue in ("side", "depth", "line", "gather", "remedy"))


@functools.cache
def _words() -> Words:
    """The words of the pretraining text and of the world's sentences."""
    texts = {
        name: [part for production in rule for part in production if isinstance(part, str)]
        for name, rule in RULES.items()
    }
    asides = aside_texts().keys()
    verbs = [
        *texts["v"],
        *(text.split()[0] for name in ("align", "gatherv", "keepv") for text in texts[name] if text.strip()),
    ]
    said = [
        *read_blocks(__package__, "cues.txt").values(),
        *itertools.chain(*(texts[name] for name in texts.keys() - asides)),
        *read_blocks(__package__, "lists.txt").values(),
    ]
    forms = [form for name in ("vp", "vd", "vg") for form in texts[name]]
    nouns = [word for name in ("noun", "nouns") for text in texts[name] for word in text.split()]
    colors = itertools.chain(*(texts[f"color.{ball}"] for ball in BALLS))
    adjectives = [word for text in [*colors, *texts["adj"]] for word in text.split()]
    sentences = [sentence.text for level in (*LEVELS, VALIDATION) for sentence in SENTENCES.sentences(level)]
    return Words(
        [*said, *sentences], verbs, forms, nouns, adjectives, itertools.chain(*(texts[name] for name in asides))
    )


def _against_layout(text: str, layout: str, named: set[int], literal: set[int]) -> str:
    """What is said against the line or the gathering; `named` and `literal` as in `_named`."""
    if not _says(text, layout) and not (layout == "line" and len(named) == len(BALLS) and _says(text, "side")):
        kind = {"line": "line", "gather": "gathering"}[layout]
        return f"says nothing of a {kind}, which the language model took it to mean"
    if not named and not _BALLS.search(text):
        return "names no balls"
    if layout == "gather":
        if (named or "around" in text) and BALLS.index("green") not in named:
            return "does not name the green ball, around which alone balls can be gathered"
        return ""
    places = [text.find(BALLS[ball]) for ball in range(1, 4)]
    if len(literal) == len(BALLS) and places not in (sorted(places), sorted(places, reverse=True)):
        return f"wants an order that no goal has: a line is {', '.join(BALLS)} from left to right"
    if _says(text, "depth") and not _says(text, "side"):
        return "wants a line that is not from left to right"
    return ""


_PLACE = re.compile(r"\b(?:above|below|under(?! my| no)|underneath|beneath|inside|on top of|between the two)\b")
_BOTH_WAYS = re.compile(
    r"\b(?:back and forth|to and fro|side to side"
    r"|left and right|right and left|left or right|right or left|(?:for|front)wards? (?:and|or) (?:back|rear)wards?"
    r"|(?:back|rear)wards? (?:and|or) (?:for|front)wards?"
    r"|front and (?:back|behind|rear)|(?:back|behind|rear) and front)\b"
)
_CONDITION = re.compile(
    r"\b(?:without \w+ing|unless|except)\b(?P<named>[^,.;:!?]*)"
    r"|^(?:if|when|whenever|in case|as soon as)\b(?P<before>[^,;]*)[,;]? (?:then )?"
    r"(?:push|move|put|place|shove|nudge|slide|roll|set|bring|send|keep)\b(?P<then>.*)"
)


def _condition(sentence: str) -> str:
    """Whether balls are named in a condition, such as "without touching the blue one"."""
    found = _CONDITION.search(" ".join(sentence.lower().split()))
    if not found:
        return ""
    parts = ("named",) if found["named"] is not None else ("before", "then")
    return "sets a condition, and no goal has one" if all(_named(_normal(found[part]))[1] for part in parts) else ""


def _contradiction(triples: list[tuple[int, ...]]) -> str:
    """Whether two subgoals, (ball, reference or -1, direction) each, cannot hold together."""
    wanted: dict[tuple[int, int], int] = {}
    for a, b, side in triples:
        key, side = ((a, b), side) if b < 0 or a < b else ((b, a), opposite(side))
        if wanted.setdefault(key, side) != side:
            return "asks for what cannot hold together"
    return ""


def _normal(text: str) -> str:
    """`text` in lower case, words separated by single spaces."""
    return " ".join(re.findall(r"[a-z]+", re.sub(r"['’]s?\b", "", text.lower())))


@functools.cache
def _cues() -> dict[str, frozenset[str]]:
    blocks = read_blocks(__package__, "cues.txt").items()
    return {name: frozenset(word.replace("_", " ") for word in text.split()) for name, text in blocks}


def _says(text: str, cue: str) -> bool:
    """Whether one of the words or phrases of `cue` is in a text, perhaps mistyped."""
    text, cues = f" {_normal(text)} ", _cues()[cue]
    if any(f" {phrase} " in text for phrase in cues):
        return True
    return any(misspelled(word, cues) for word in text.split() if word not in _words().known)


def _phrases(rule: Rule) -> list[str]:
    return [_normal("".join(part for part in production if isinstance(part, str))) for production in rule]


@functools.cache
def _colors() -> dict[str, int]:
    """Every color of the pretraining text, such as "light blue" -> its ball, long ones first."""
    found = {phrase: ball for ball, name in enumerate(BALLS) for phrase in _phrases(RULES[f"color.{name}"])}
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


_BALLS = re.compile(
    r"\b(?:balls?|spheres?|orbs?|marbles?|beads?|globes?|objects?|things?|all|every\w*|them|others?|five)\b"
)


def _named(text: str) -> tuple[set[int], set[int]]:
    """Balls that a normal text names in any known way, and those that it names by their own names.

    "light blue" is the cyan ball and no name of the blue one, but "the light blue ball" may mean that one.
    """
    named = {ball for phrase, ball in _colors().items() if f" {phrase} " in f" {text} "}
    literal = {BALLS.index(phrase) for phrase in _color_pattern().findall(text) if phrase in BALLS}
    singles = [phrase for phrase in _colors() if " " not in phrase]
    for word in set(text.split()) - _words().known:
        named |= {_colors()[color] for color in singles if misspelled(word, frozenset({color}))}
    return named, literal


@functools.cache
def _color_pattern() -> re.Pattern[str]:
    """Finds the colors that a normal text names; "light blue" is one of them, and not two."""
    return re.compile(rf"\b(?:{'|'.join(_colors())})\b")
