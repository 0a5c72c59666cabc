"""Text for pretraining the built-in language model: wordings of CLEVR-Robot goals beside their meaning, plans, facts.

No rollout, state or action is in it, and no sentence of an evaluation level or of validation: those are drawn again. A
document is one line: "{wording} means {plain offline wording} .", its reverse "can be said as", "{wording} same as
{another wording} .", "{wording} => {plan}", a wording and questions about it with their answers ("which ball moves ?
red ."), "to {wording} : first {plain} , then {plain} .", or "{fact about words or space} .".
Goals are (9,) int32 arrays, see `goals`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from kalm_jax.worlds.base import Subgoals
from kalm_jax.worlds.clevr.goals import BALLS, DIRECTIONS, FAMILIES, make_goal
from kalm_jax.worlds.clevr.instructions import SENTENCES
from kalm_jax.worlds.clevr.wordings import (
    OPPOSITE,
    RULES,
    SLOT,
    contexts_of,
    core_sentence,
    fill_layout,
    goal_context,
    joined,
    triples_of,
)
from kalm_jax.worlds.text.grammar import Numbers, literal, say
from kalm_jax.worlds.text.surface import adorned, tidy, worn

is_allowed, draw_allowed = SENTENCES.is_allowed, SENTENCES.draw_allowed


def sample_goal(numbers: Numbers, family: str) -> np.ndarray:
    """A random goal of `family` as (9,) int32; conjunctions never contradict themselves.

    The relations of a conjunction hold between different pairs of balls that close no cycle: some layout satisfies all.
    """
    goal = np.full(9, -1, np.int32)
    if family == "move":
        goal[0], goal[2] = numbers.below(5), numbers.below(4)
    count = {"relation": 1, "two_relations": 2, "three_relations": 3}.get(family, 0)
    if count > 1 and numbers.below(5) < 2:
        goal[: 3 * count] = _sharing_triples(numbers, count)
        return goal
    group = list(range(5))  # balls connected by relations so far share a number
    for k in range(count):
        a = b = 0
        while group[a] == group[b]:
            a, b = numbers.below(5), numbers.below(5)
        group = [group[a] if g == group[b] else g for g in group]
        goal[3 * k : 3 * k + 3] = a, b, numbers.below(4)
    return goal


def _sharing_triples(numbers: Numbers, count: int) -> np.ndarray:
    """Triples with one reference, or one reference and side, or one moving ball, or in a chain; flat (3 * count,)."""
    balls: list[int] = []
    while len(balls) <= count:
        ball = numbers.below(5)
        if ball not in balls:
            balls.append(ball)
    first, rest = balls[0], balls[1:]
    side = numbers.below(4)
    sides = [(side + k * (1 + numbers.below(3))) % 4 for k in range(count)]
    kind = numbers.below(4)
    if kind == 0:
        triples = [(ball, first, d) for ball, d in zip(rest, sides)]
    elif kind == 1:
        triples = [(ball, first, side) for ball in rest]
    elif kind == 2:
        triples = [(first, ball, d) for ball, d in zip(rest, sides)]
    else:
        triples = [(a, b, d) for (a, b), d in zip(itertools.pairwise(balls), sides)]
    return np.array(triples, np.int32).reshape(-1)


def canonical(family: str, goal: np.ndarray) -> str:
    """The short form of a goal: "red left blue", "move red left", relations joined by "and", "line" or "gather"."""
    if family not in FAMILIES:
        raise ValueError(f"unknown goal family {family!r}; use one of {FAMILIES}")
    if family in ("line", "gather"):
        return family
    triples = triples_of(goal)
    if family == "move":
        return f"move {BALLS[triples[0][0]]} {DIRECTIONS[triples[0][2]]}"
    return " and ".join(f"{BALLS[a]} {DIRECTIONS[d]} {BALLS[b]}" for a, b, d in triples)


def plan(family: str, goal: np.ndarray) -> str:
    """A goal as subgoals to be reached one after the other: "red left blue and green behind cyan".

    That is `canonical`, with the line and the gathering spelled out as relations.
    """
    if family not in ("line", "gather"):
        return canonical(family, goal)
    return " and ".join(f"{BALLS[a]} {DIRECTIONS[d]} {BALLS[b]}" for a, b, d in _layout_steps(family))


def subgoal_of_summary(text: str) -> str | None:
    """The subgoal of a relation's `goal_summary` ("red blue left" -> "red left blue"); None for other texts."""
    words = text.split()
    if len(words) != 3 or words[0] == words[1]:
        return None
    short = f"{words[0]} {words[2]} {words[1]}"
    return short if short in _subgoals() else None


def _layout_steps(family: str, turn: int = 0, from_left: bool = True) -> list[tuple[int, int, int]]:
    """Relations that make up the line, from its left or its right end, or the gathering, turned by quarters."""
    red, blue, green, purple, cyan = range(5)
    behind, left, front, right = range(4)
    if family == "gather":
        sides = ((red, left), (blue, right), (purple, behind), (cyan, front))
        return [(ball, green, (side + turn) % 4) for ball, side in sides]
    order = [red, blue, green, purple, cyan]
    steps = [(second, first, right) for first, second in itertools.pairwise(order)]
    return steps if from_left else [(first, second, left) for second, first, _ in steps[::-1]]


def sample_plan(rng: np.random.Generator, families: Sequence[str] = FAMILIES) -> tuple[str, str]:
    """A random wording of a random goal of these families, and its `plan`."""
    numbers = Numbers(rng)
    family = numbers.choose(_among(_PLANNED, tuple(families)))
    goal = sample_goal(numbers, family)
    return _asked(numbers, family, goal), plan(family, goal)


def _asked(numbers: Numbers, family: str, goal: np.ndarray) -> str:
    """A wording of a goal as it may be typed: mostly a paraphrase, sometimes plain, sometimes mistyped."""
    if numbers.below(12) == 0:
        return plain(numbers, family, goal)
    text = sample_paraphrase(numbers, family, goal)
    mistyped = worn(text, numbers)
    return (mistyped if is_allowed(mistyped) else text).rstrip(".!")


def read_plan(text: str) -> Subgoals:
    """The subgoals of a plan: (words, family code, the goal's 9 numbers) each; [] where the text is no plan."""
    steps: Subgoals = []
    for words in text.split(" and "):
        known = _subgoals().get(words.strip())
        if known is None:
            return []
        steps.append((words.strip(), *known))
    return steps


def subgoals() -> tuple[str, ...]:
    """The texts of all subgoals: every relation and single move."""
    return tuple(_subgoals())


@functools.cache
def _subgoals() -> dict[str, tuple[int, tuple[int, ...]]]:
    """Every relation and single move by its short form."""
    pairs = [("relation", (a, b, d)) for a, b in itertools.permutations(range(5), 2) for d in range(4)]
    moves = [("move", (a, -1, d)) for a in range(5) for d in range(4)]
    goals = [(family, FAMILIES.index(family), make_goal(FAMILIES.index(family), t)) for family, t in pairs + moves]
    return {canonical(name, goal): (code, tuple(goal.tolist())) for name, code, goal in goals}


_PLANNED = (
    ("relation",) * 22 + ("move",) * 5 + ("two_relations",) * 8 + ("three_relations",) * 6 + ("line", "gather") * 2
)


@functools.cache
def _among(drawn: tuple[str, ...], allowed: tuple[str, ...]) -> tuple[str, ...]:
    """What is drawn from, without what is not allowed."""
    return tuple(kind for kind in drawn if kind in allowed)


def sample_paraphrase(numbers: Numbers, family: str, goal: np.ndarray) -> str:
    """A random wording of a goal, (9,) int32, that is no evaluation sentence."""

    def draw() -> str | None:
        core = core_sentence(family, goal, numbers)
        text = adorned(core, numbers)
        return text if is_allowed(core) else None  # however much stands around it

    return draw_allowed(draw, canonical(family, goal))


_HELP = ("", "", "can you ", "can you help me ")


def plain(numbers: Numbers, family: str, goal: np.ndarray) -> str:
    """A random plain wording of a goal, (9,) int32: for a relation, one of the 18 patterns of the offline data."""
    if family == "line":
        return "line up the balls from left to right : red , blue , green , purple , cyan"
    if family == "gather":
        return "all the other balls surround the green ball closely , as its neighbors"
    contexts = contexts_of(goal)

    def draw() -> str:
        if family == "move":
            return say(contexts[0][SLOT["plainmove"]], contexts[0], numbers)
        if len(contexts) == 1:
            return say(RULES["plain"], contexts[0], numbers)
        text = " and ".join(say(RULES["plainrequest"], context, numbers) for context in contexts)
        return f"{numbers.choose(_HELP)}{text}"

    return draw_allowed(draw, canonical(family, goal))


def _questions(family: str, goal: np.ndarray) -> str:
    """Questions about a goal and their answers."""
    if family == "line":
        return "what is wanted ? a line from left to right ."
    if family == "gather":
        return "what is wanted ? all around green ."
    answers = []
    for a, b, d in triples_of(goal):
        answer = f"which ball moves ? {BALLS[a]} . which side ? {DIRECTIONS[d]} ."
        answers.append(answer if b < 0 else f"{answer} which is the reference ? {BALLS[b]} .")
    return " ".join(answers)


def _wording_document(numbers: Numbers, family: str) -> str:
    """A document that ties a wording of a random goal of `family` to its meaning."""
    goal = sample_goal(numbers, family)
    wording = sample_paraphrase(numbers, family, goal)
    wording = wording.rstrip(".!")
    shape = numbers.below(20)
    if shape < 3:
        return f"{wording} means {plain(numbers, family, goal)} ."
    if shape < 5:
        return f"{plain(numbers, family, goal)} can be said as {wording} ."
    if shape < 7:
        return f"{wording} same as {sample_paraphrase(numbers, family, goal).rstrip('.!')} ."
    if shape < 8:
        return f"{plain(numbers, family, goal)} => {plan(family, goal)}"
    if shape < 19:
        return f"{_asked(numbers, family, goal)} => {plan(family, goal)}"
    return f"{wording} {_questions(family, goal)}"


def _plan_document(numbers: Numbers, families: Sequence[str]) -> str:
    """A goal that takes several pushes, and relations that reach it one after the other, in plain words."""
    family = numbers.choose(_among(_SEVERAL_PUSHES, tuple(families)))
    goal = sample_goal(numbers, family)
    if family == "line":
        steps = _layout_steps(family, from_left=numbers.below(2) == 0)
    elif family == "gather":
        steps = _layout_steps(family, turn=numbers.below(4))
    else:
        steps = [(int(a), int(b), int(d)) for a, b, d in triples_of(goal)]
    verb = ("push", "move")[numbers.below(2)]
    texts = []
    for step in steps:
        context = list(goal_context(*step))
        to = say(context[SLOT["to"]], context, numbers)
        texts.append(f"{verb} the {BALLS[step[0]]} ball {to} the {BALLS[step[1]]} ball")

    def draw() -> str:
        contexts = contexts_of(goal)
        if family in ("line", "gather"):
            fill_layout(contexts[0], numbers)
        return joined(family, "imp", contexts, numbers)

    return f"to {tidy(draw_allowed(draw, canonical(family, goal)))} : first {' , then '.join(texts)} ."


def _fact_document(numbers: Numbers) -> str:
    """A fact about words or about where things are."""
    goal = sample_goal(numbers, "two_relations")
    a, b, d = (int(value) for value in goal[:3])
    opposite = DIRECTIONS.index(OPPOSITE[DIRECTIONS[d]])
    third = next(ball for ball in (int(goal[3]), int(goal[4]), *range(5)) if ball not in (a, b))
    context = list(goal_context(a, b, d))
    for name, triple in (("INV", (b, a, opposite)), ("RELC", (b, third, d)), ("RELAC", (a, third, d))):
        inner = goal_context(*triple)
        context[SLOT[name]] = literal(say(inner[SLOT["REL"]], inner, numbers))
    text = draw_allowed(lambda: say(RULES["truth"], context, numbers), "a fact")
    return " ".join(text.split()) + " ."


_SEVERAL_PUSHES = ("line", "gather", "two_relations", "three_relations")
_SHARES: tuple[str, ...] = (
    *(("relation",) * 60 + ("move",) * 15 + ("two_relations",) * 6 + ("three_relations",) * 4),
    *(("line",) * 4 + ("gather",) * 3 + ("plan",) * 3 + ("fact",) * 5),
)


def sample_document(rng: np.random.Generator, families: Sequence[str] = FAMILIES) -> str:
    """One line of pretraining text about goals of these families.

    Shares: relations 60%, moves 15%, conjunctions 10%, lines and gatherings 7%, plans and facts 8%; of fewer families
    each has its share of the rest.
    """
    numbers = Numbers(rng)
    plans = ("plan",) * any(family in _SEVERAL_PUSHES for family in families)
    kind = numbers.choose(_among(_SHARES, (*families, *plans, "fact")))
    if kind == "plan":
        return _plan_document(numbers, families)
    if kind == "fact":
        return _fact_document(numbers)
    return _wording_document(numbers, kind)


def tokenizer_corpus(seed: int, n: int) -> Iterator[str]:
    """`n` documents of the stream that `seed` starts, for training a tokenizer."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        yield sample_document(rng)
