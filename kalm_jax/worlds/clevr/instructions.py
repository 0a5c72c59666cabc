"""The instructions of CLEVR-Robot by level, each with its goal.

The levels are those of KALM (section 5.1): `offline`, the 18 sentence patterns of the real data in 3 phrasings of the
direction for each of the 80 target configurations; `rephrase`, other words for the same configurations, some of them
a wish or a dislike; `unseen_easy`, one ball moves in a direction; `unseen_hard`, two or three relations at once, the
line, the circle. "validation" is a fifth list, for tuning; no result may be reported on it.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from kalm_jax.types.text import Sentence
from kalm_jax.worlds.base import Query
from kalm_jax.worlds.clevr.goals import (
    BALLS,
    DIRECTIONS,
    FAMILIES,
    MOVE,
    NEAR,
    RELATION,
    STAYED,
    TOUCHING,
    make_goal,
    opposite,
    relation_parts,
)
from kalm_jax.worlds.text.grammar import read_lists
from kalm_jax.worlds.text.sentences import SentenceTable

_COMBINATION_PATTERNS = ("push", "move", "keep", "help_push", "help_move", "help_keep")
"""Verbs of combined relations; "help me" stands before the first one only."""
COMBINATIONS_PER_PATTERN = 40
"""Sentences drawn for each of the six combination patterns, for two and for three relations alike."""

_COMBINATION_SEED = 2404_09248

BESIDE = (TOUCHING + NEAR) / 2
"""Distance of two balls that are asked about in place of a ball that moved: they are close, and do not overlap."""


@functools.cache
def _templates() -> dict[str, list[str]]:
    return read_lists(__package__, "instructions.txt")


class _Relation(NamedTuple):
    source: int
    reference: int
    direction: int


def describe(
    rng: np.random.Generator, observation: np.ndarray, before: np.ndarray | None = None
) -> list[tuple[str, str]]:
    """Short questions and answers about a state (10,), such as ("red blue", "left"): red is close to blue, on its left.

    Every pair of balls that are close to each other is asked about once, and one other pair, whose answer is "far". The
    pairs are in random order, each in the order of `BALLS`. With the state `before`, new relations come first, if there
    are any: ("new", "red blue left and green cyan behind").
    """
    close = _close_pairs(observation)
    far = [pair for pair in itertools.combinations(range(len(BALLS)), 2) if pair not in close]
    asked = [*close, *(far[i] for i in rng.integers(len(far), size=min(len(far), 1)))]
    facts = [
        (f"{BALLS[a]} {BALLS[b]}", close.get((a, b), "far")) for a, b in (asked[i] for i in rng.permutation(len(asked)))
    ]
    if before is not None:
        known = _close_pairs(before)
        new = [pair for pair in close if known.get(pair) != close[pair]]
        if new:
            facts.insert(0, ("new", " and ".join(f"{BALLS[a]} {BALLS[b]} {close[a, b]}" for a, b in new)))
    return facts


def _close_pairs(observation: np.ndarray) -> dict[tuple[int, int], str]:
    """(source, reference) -> direction of every relation that holds in a state (10,), source before reference."""
    goals = relation_goals()[:, :3]
    holds = goals[relation_parts(np, goals, np.asarray(observation)[None])[0][:, 0]]
    return {(a, b): DIRECTIONS[d] for a, b, d in holds.tolist()}


def goal_summary(family: int, goal: np.ndarray | Sequence[float]) -> str:
    """A relation in the words of `describe`, such as "red blue left"; "" for other families. `goal` (9,) int.

    A relation and its mirror image ("blue right of red") hold in the same states, so both have one summary.
    """
    if family != RELATION:
        return ""
    source, reference, direction = (int(x) for x in goal[:3])
    if source > reference:
        source, reference, direction = reference, source, opposite(direction)
    return f"{BALLS[source]} {BALLS[reference]} {DIRECTIONS[direction]}"


def state_queries(
    family: int, goal: np.ndarray | Sequence[float], before: np.ndarray, after: np.ndarray
) -> list[list[Query]] | None:
    """What holds if the step from `before` to `after` (10,) reached the subgoal, see `GoalLanguage.state_queries`.

    A relation is asked of the state after, in the words of `describe`. No single state shows a move, so two constructed
    states are asked about: the state after with another ball where the moved one was, and the state before with that
    ball where the moved one is. The moved ball is on the wanted side in the first and on the opposite side in the
    second. The three other directions are the alternatives. Both places are moved along their line until their distance
    is one at which balls are close (`BESIDE`), because balls that overlap are in no data. None for a ball that hardly
    moved.
    """
    if family == RELATION:
        return [[(after, *_asked(goal))]]
    if family != MOVE:
        return None
    ball, _, direction = (int(x) for x in goal[:3])
    old, new = (np.array(x, np.float32).reshape(len(BALLS), 2) for x in (before, after))
    way = new[ball] - old[ball]
    distance = np.linalg.norm(way)
    if distance < STAYED:
        return None
    other, middle, half = (ball + 1) % len(BALLS), (new[ball] + old[ball]) / 2, way / distance * BESIDE / 2
    shown = []
    for state, end in ((new, half), (old, -half)):
        beside = state.copy()
        beside[ball], beside[other] = middle + end, middle - end
        shown.append(beside.reshape(-1))
    sides = [(direction + turn) % len(DIRECTIONS) for turn in range(len(DIRECTIONS))]
    return [
        [(state, *_asked((ball, other, seen))) for state, seen in zip(shown, (side, opposite(side)), strict=True)]
        for side in sides
    ]


def _asked(relation: Sequence[float] | np.ndarray) -> tuple[str, str]:
    """The question and answer of `describe` that say that a relation (source, reference, direction, ...) holds."""
    question, answer = goal_summary(RELATION, relation).rsplit(" ", 1)
    return question, answer


@functools.cache
def relation_goals() -> np.ndarray:
    """(40, 9) every relation whose source comes before its reference in `BALLS`."""
    pairs = itertools.combinations(range(len(BALLS)), 2)
    return np.array([_goal("relation", (a, b, d)) for a, b in pairs for d in range(len(DIRECTIONS))])


def _offline() -> Iterator[Sentence]:
    for code, direction in enumerate(DIRECTIONS):
        wordings = itertools.product(_templates()["offline.patterns"], _templates()[f"offline.phrases.{direction}"])
        for number, (pattern, phrase) in enumerate(wordings):
            template = pattern.replace("{d}", phrase)
            yield from _fill_pairs([(code, template, f"offline/{direction}/{number:02d}")])


def _unseen_easy() -> Iterator[Sentence]:
    for code, template, name in _directed("unseen_easy"):
        for ball, color in enumerate(BALLS):
            yield Sentence(template.format(a=color), "move", _goal("move", (ball, -1, code)), name)


def _unseen_hard() -> Iterator[Sentence]:
    rng = random.Random(_COMBINATION_SEED)
    for family, count in (("two_relations", 2), ("three_relations", 3)):
        for pattern in _COMBINATION_PATTERNS:
            yield from _combinations(rng, family, count, pattern)
    for family in ("line", "gather"):
        for number, text in enumerate(_templates()[f"unseen_hard.{family}"]):
            yield Sentence(text, family, _goal(family), f"unseen_hard/{family}/{number:02d}")


def _directed(level: str) -> Iterator[tuple[int, str, str]]:
    """(direction code of the goal, template, name) of a level; a disliked direction has the opposite as its goal."""
    for code, direction in enumerate(DIRECTIONS):
        disliked = DIRECTIONS[opposite(code)]
        for number, template in enumerate(_templates()[f"{level}.{direction}"]):
            yield code, template, f"{level}/{direction}/{number:02d}"
        for number, template in enumerate(_templates()[f"{level}.dislike.{disliked}"]):
            yield code, template, f"{level}/{direction}/dislike-{number:02d}"


def _fill_pairs(parts: Iterable[tuple[int, str, str]]) -> Iterator[Sentence]:
    """Every template with every ordered pair of different balls."""
    for code, template, name in parts:
        for source, reference in itertools.permutations(range(len(BALLS)), 2):
            text = template.format(a=BALLS[source], b=BALLS[reference])
            yield Sentence(text, "relation", _goal("relation", (source, reference, code)), name)


def _combinations(rng: random.Random, family: str, count: int, pattern: str) -> Iterator[Sentence]:
    """`COMBINATIONS_PER_PATTERN` different sentences that join `count` relations by "and"."""
    verb = pattern.removeprefix("help_")
    seen: set[frozenset[_Relation]] = set()
    while len(seen) < COMBINATIONS_PER_PATTERN:
        relations = [_draw_relation(rng) for _ in range(count)]
        if not _feasible(relations) or frozenset(relations) in seen:
            continue
        seen.add(frozenset(relations))
        text = " and ".join(f"{verb} {_words(rng, relation)}" for relation in relations)
        text = text if verb == pattern else f"help me {text}"
        yield Sentence(text, family, _goal(family, *relations), f"unseen_hard/{family}/{pattern}")


def _draw(rng: random.Random, size: int) -> int:
    # Only `Random.random` is guaranteed to be the same in every Python version; the sentences must not change with it.
    return int(rng.random() * size)


def _draw_relation(rng: random.Random) -> _Relation:
    source, step = _draw(rng, len(BALLS)), 1 + _draw(rng, len(BALLS) - 1)
    return _Relation(source, (source + step) % len(BALLS), _draw(rng, len(DIRECTIONS)))


def _feasible(relations: list[_Relation]) -> bool:
    """Whether the relations form a forest: without a cycle every ball can be placed beside its neighbor."""
    group = list(range(len(BALLS)))
    for source, reference, _ in relations:
        joined, kept = group[source], group[reference]
        if joined == kept:
            return False
        group = [kept if g == joined else g for g in group]
    return True


def _words(rng: random.Random, relation: _Relation) -> str:
    phrases = _templates()[f"offline.phrases.{DIRECTIONS[relation.direction]}"]
    phrase = phrases[_draw(rng, len(phrases))]
    return f"the {BALLS[relation.source]} ball {phrase} the {BALLS[relation.reference]} ball"


def _goal(family: str, *triples: tuple[int, int, int]) -> tuple[int, ...]:
    return tuple(make_goal(FAMILIES.index(family), *triples).tolist())


_WRITTEN = {
    "offline": _offline,
    "rephrase": lambda: _fill_pairs(_directed("rephrase")),
    "unseen_easy": _unseen_easy,
    "unseen_hard": _unseen_hard,
    "validation": lambda: _fill_pairs(_directed("validation")),
}
SENTENCES = SentenceTable(FAMILIES, np.int32, lambda level: _WRITTEN[level](), BALLS)
"""All sentences; the functions below are its methods."""
sentences, split_of, goals_of_level = SENTENCES.sentences, SENTENCES.split_of, SENTENCES.goals
