"""Wordings of several relations at once: gaps, shared balls, lists, chains.

In a pattern `{A0}` is the ball that moves in the first relation, `{B0}` its reference, `{R0}` the wanted side of that
reference, `{I0}` the same of a ball just named, `{S0}` a side as a noun, `{P0}` the possessive of the reference;
`{items}` a list of the relations. Other rules of the grammar stand in square brackets, as elsewhere.
"""

from __future__ import annotations

import re

import numpy as np

from kalm_jax.worlds.clevr.text.grammar import RULES, SLOT, Numbers, goal_context, parse_rule, say

ITEMS = {
    "gap": ("{A} {R}",) * 3 + ("{A} {R}", "{A} - {R}", "{A} over {R}"),
    "verb": ("{v} {A} {D}",) * 4 + ("{v} {A} {R}",) * 4 + ("{mb} {v} {A} {D}", "get {A} {R}", "{keepv} {A} {R}"),
    "goes": ("{A} {goes} {R}", "{A} goes {R}", "{A} goes {R}", "{A} {is} {R}", "{A} ends up {R}", "{A} {R}"),
    "should": ("{A} {should} {be} {R}",) * 5 + ("{A} {should} {go} {D}", "{A} {should} be {vd} {D}"),
    "fronted": (
        "{R}, {A}",
        "{R} {A}",
        "{R} {goes} {A}",
        "{R} goes {A}",
        "{R} {v} {A}",
        "{R}, {v} {A}",
        "{R} i want {A}",
    ),
    "owner": ("{B} {should} have {A} {I}", "{B} gets {A} {I}", "{B} has {A} {I}", "{B} with {A} {I}"),
    "side": ("{P} {S} is for {A}", "{P} {S} gets {A}", "{P} {S} belongs to {A}", "{A} takes {P} {S}"),
    "to": ("{A} to {be} {R}", "{A} to {be} {R}", "{A} to {go} {D}", "{A} to be {vd} {D}"),
    "ing": ("{A} {being} {R}", "{A} {R}", "{vg} {A} {D}"),
}
"""How one relation of a list is said, by style; the same style serves the whole list."""

_STYLES = (
    ("gap",) * 6 + ("verb",) * 9 + ("goes",) * 4 + ("should",) * 5 + ("fronted",) * 3 + ("owner",) * 2 + ("side", "to")
)

HEADS = {
    "gap": """6*[v] {items} | 4*{items} | 3*{items}, please | 2*please [v] {items}
        | 2*[would] you [mod] [v] {items} | 3*i [want] {items} | 3*i [want] to see {items}
        | with {items}, i'd be [happy] | 2*[itbe2] [good] to have {items} | how nice it would be with {items}
        | let's have {items} | have {items} | get {items} | put {items} | {items}, thanks | {items}, that's my wish
        | {items}: that's the plan | do {count} things for me: {items} | {count} wishes: {items}
        | {count} things: {items} | {count} tasks: {items} | i have {count} wishes: {items} | the plan: {items}
        | my order: {items} | goal: {items} | the picture i want: {items} | show me {items} | make it {items}
        | i'd love a table with {items} | the final state: {items} | both of these please: {items}
        | all at once: {items} | keep {items} | may i have {items} | make sure to have {items}
        | arrange the balls with {items} | arrange things like this: {items} | here is the layout: {items}
        | the layout: {items} | i picture {items} | {items} would be [good] | [who] wants {items}
        | a scene with {items}""",
    "verb": """10*{items} | 3*please {items} | 4*[would] you [mod] {items} | 2*i [want] you to {items}
        | 2*help me {items} | 2*your [job] is to {items} | [itbe] [good] to {items} | do {count} things: {items}
        | {count} tasks: {items} | you should {items} | you have to {items} | let's {items} | go ahead and {items}
        | try to {items} | [who] wants you to {items} | don't forget to {items} | i need you to {items}
        | {items}, please | the [job] is to {items} | [wonder] if you could {items} | in this order: {items}
        | {count} steps: {items} | now {items} | two birds with one stone: {items}""",
    "goes": """6*{items} | 2*make sure {items} | 2*make sure that {items} | ensure that {items}
        | see to it that {items} | arrange it so that {items} | arrange things so that {items}
        | do it so that {items} | i like it when {items} | the plan is that {items} | the task is done when {items}
        | i'd be [happy] when {items} | {items}, please | in the end {items} | a scene where {items}
        | {count} rules: {items} | here is what i want: {items} | i want a table where {items}""",
    "should": """8*{items} | i think {items} | i believe {items} | in my view {items} | {count} things: {items}
        | [who] says {items} | please, {items} | {items}, please | in the end {items} | to be clear: {items}""",
    "fronted": """6*{items} | 2*{items}, please | {count} things: {items} | the plan: {items} | listen: {items}
        | my wish: {items} | the order: {items}""",
    "owner": """6*{items} | i [want] a table where {items} | make sure {items} | {items}, please
        | the plan: {items} | {count} things: {items}""",
    "side": "6*{items} | {items}, please | the plan: {items} | {count} things: {items}",
    "to": """6*i [want] {items} | i'd like {items} | i need {items} | [itbe] [good] for {items}
        | the plan is for {items} | [who] wants {items} | get {items} | it's time for {items}
        | i'm waiting for {items}""",
    "ing": """3*how about {items} | 2*what about {items} | i'd enjoy {items} | i look forward to {items}
        | i'd love to see {items} | imagine {items} | picture {items} | i can't wait to see {items}""",
}
"""Sentences around a list of relations in a style."""

SHARED_REFERENCE = (
    "around {B0}: {items}",
    "around {B0}, {items}",
    "{B0} [should] have {items}",
    "{B0} [should] have {items}, please",
    "i [want] {B0} with {items}",
    "{B0} with {items}",
    "{B0}: {items}",
    "give {B0} {items}",
    "let {B0} have {items}",
    "look at {B0}: i want {items}",
    "with respect to {B0}, [v] {items}",
    "relative to {B0}, {items}",
    "near {B0}, [v] {items}",
    "use {B0} as the reference and [v] {items}",
    "next to {B0} there [should] be {items}",
    "take {B0} as the [mid] and [v] {items}",
)
"""All relations have one reference; the items say where the others are with respect to it."""

SHARED_BALL = (
    "[v] {A0} {sides}",
    "[v] {A0} {sides}",
    "[v] {A0} so that it [is] {sides}",
    "{A0} [should] [be] {sides}",
    "{A0} [should] [be] both {sides}",
    "{A0} [is] {sides}",
    "{A0} belongs {sides}",
    "{A0} {sides}",
    "{A0} {sides}, please",
    "i [want] {A0} {sides}",
    "i [want] {A0} to [be] {sides}",
    "[would] you [mod] [v] {A0} {sides}",
    "[itbe2] [good] if {A0} [were] {sides}",
    "make sure {A0} [is] {sides}",
    "{A0} goes {sides}",
    "find {A0} a place {sides}",
)
"""One ball is placed with respect to several."""

SHARED_SIDE = (
    "[v] {balls} {R0}",
    "[v] {balls} {R0}",
    "[v] {balls} {D0}",
    "[v] both {balls} {R0}",
    "{balls} [should] [be] {R0}",
    "{balls} should both be {R0}",
    "{balls} belong {R0}",
    "{balls} go {R0}",
    "{balls} {R0}",
    "{balls} {R0}, please",
    "i [want] {balls} {R0}",
    "i [want] {balls} to [be] {R0}",
    "[would] you [mod] [v] {balls} {R0}",
    "[itbe2] [good] if {balls} were {R0}",
    "make sure {balls} are {R0}",
    "{R0} [v] {balls}",
    "{R0} i want {balls}",
    "{balls} are to be placed {R0}",
)
"""Several balls are placed on one side of one reference."""

CHAINED = (
    "[v] {A0} {R0}, which [should] [be] {R1}",
    "{A0} [should] [be] {R0}, which [should] [be] {R1}",
    "{A0} goes {R0}, which goes {R1}",
    "[v] {A0} {R0}, and that one {R1}",
    "{A0} is {R0}, and the latter is {R1}",
    "[v] {A0} {R0}, which in turn [is] {R1}",
)
"""The reference of the first relation is the ball of the second."""

_AND = (
    (" and ",) * 6
    + (", and ",) * 4
    + (
        " and also ",
        " as well as ",
        ", ",
        "; ",
        ", plus ",
        ", then ",
        " and then ",
        " & ",
        ". ",
        ", with ",
        ", while ",
        " + ",
        "\n",
    )
)
_LAST = (
    " and ",
    ", and ",
    ", and finally ",
    ", and lastly ",
    ", and also ",
    ", then ",
    " and then ",
    ", ",
    "; ",
    ", last of all ",
    ", and to finish ",
)
_NUMBERED = (
    ("first ", ", then ", ", finally "),
    ("first, ", ", second, ", ", third, "),
    ("1. ", " 2. ", " 3. "),
    ("1) ", " 2) ", " 3) "),
    ("(a) ", " (b) ", " (c) "),
)
_NUMBERED += (
    ("one: ", ", two: ", ", three: "),
    ("first ", " and then ", " and lastly "),
    ("first of all ", ", after that ", ", and in the end "),
    ("- ", " - ", " - "),
)
_COUNTS = {
    2: ("two", "2", "a couple of", "the following two", "just two"),
    3: ("three", "3", "the following three", "just three"),
}
_NAMES = {"A": "A", "B": "B", "R": "REL", "I": "RELIT", "S": "SIDE", "P": "Bs"}
_PLACE = re.compile(r"\{(\w+?)(\d?)\}")


def _fill(pattern: str, contexts: list[list], numbers: Numbers, given: dict[str, str], of: int = 0) -> str:
    """`pattern` with its places in braces filled; those without a number are of context `of`."""

    def place(match: re.Match) -> str:
        name, index = match.group(1), match.group(2)
        if name in given:
            return given[name]
        context = contexts[int(index) if index else of]
        rule = context[SLOT[_NAMES[name]]] if name in _NAMES else RULES["dest" if name == "D" else name]
        return say(rule, context, numbers)

    return _PLACE.sub(place, pattern)


def _pick(options, numbers: Numbers):
    return options[numbers.below(len(options))]


def enumerate_items(items: list[str], numbers: Numbers) -> str:
    """The items joined as a list: by conjunctions, commas or numbers."""
    if numbers.below(8) == 0:
        return "".join(mark + item for mark, item in zip(_pick(_NUMBERED, numbers), items))
    if len(items) == 3 and numbers.below(3):
        first = _pick((", ", ", ", ", ", ", then ", "; ", " and ", ". "), numbers)
        return items[0] + first + items[1] + _pick(_LAST, numbers) + items[2]
    return _pick(_AND, numbers).join(items)


_HEADS = {style: parse_rule(text) for style, text in HEADS.items()}
_PATTERNS = {
    pattern: parse_rule(pattern) for group in (SHARED_REFERENCE, SHARED_BALL, SHARED_SIDE, CHAINED) for pattern in group
}


def _shared(triples: np.ndarray, contexts: list[list], numbers: Numbers) -> str | None:
    """A wording that names what the relations share only once; None where they share nothing."""
    sources, references, sides = (set(map(int, column)) for column in triples.T)
    given: dict[str, str] = {}
    if len(references) == len(sides) == 1:
        pattern = _pick(SHARED_SIDE, numbers)
        given["balls"] = enumerate_plain(
            [_fill("{A}", contexts, numbers, {}, i) for i in range(len(contexts))], numbers
        )
    elif len(references) == 1:
        pattern = _pick(SHARED_REFERENCE, numbers)
        given["items"] = enumerate_items(
            [_fill("{A} {I}", contexts, numbers, {}, i) for i in range(len(contexts))], numbers
        )
    elif len(sources) == 1:
        pattern = _pick(SHARED_BALL, numbers)
        given["sides"] = enumerate_plain(
            [_fill("{R}", contexts, numbers, {}, i) for i in range(len(contexts))], numbers
        )
    elif len(triples) == 2 and triples[0, 1] == triples[1, 0]:
        pattern = _pick(CHAINED, numbers)
    else:
        return None
    return _fill(say(_PATTERNS[pattern], contexts[0], numbers), contexts, numbers, given)


def enumerate_plain(items: list[str], numbers: Numbers) -> str:
    """The items joined by commas and conjunctions."""
    last = _pick((" and ", " and ", " and ", " as well as ", ", and ", " and also "), numbers)
    return ", ".join(items[:-1]) + last + items[-1]


def several(triples: np.ndarray, numbers: Numbers) -> str:
    """A wording of two or three relations, (2 or 3, 3) int: a list, or a sentence that names shared balls once."""
    contexts = [list(goal_context(*map(int, triple))) for triple in triples]
    text = _shared(triples, contexts, numbers) if numbers.below(3) else None
    if text is not None:
        return text
    style = _pick(_STYLES, numbers)
    rest = "gap" if style in ("verb", "goes", "should", "to") and numbers.below(3) == 0 else style
    styles = [style] + [rest] * (len(contexts) - 1)
    items = [_fill(_pick(ITEMS[kind], numbers), contexts, numbers, {}, i) for i, kind in enumerate(styles)]
    given = {"items": enumerate_items(items, numbers), "count": _pick(_COUNTS[len(items)], numbers)}
    return _fill(say(_HEADS[style], contexts[0], numbers), contexts, numbers, given)
