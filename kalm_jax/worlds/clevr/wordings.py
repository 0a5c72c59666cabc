"""Random wordings of CLEVR-Robot goals (9,): wishes, complaints, lists and layouts.

The alternatives are in the data files; their notation is explained in `worlds/text/data/asides.txt`.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Mapping, Sequence

import numpy as np

from kalm_jax.worlds.clevr.goals import BALLS, DIRECTIONS
from kalm_jax.worlds.text.grammar import (
    Numbers,
    Rule,
    alternatives,
    compile_rules,
    literal,
    productions,
    read_blocks,
    say,
)
from kalm_jax.worlds.text.surface import aside_texts

OPPOSITE = {"left": "right", "right": "left", "behind": "front", "front": "behind"}

DISLIKE_SHARE = 0.38
"""Share of relation wordings that complain about the opposite side, or contrast it with the wanted one."""
MOVE_DISLIKE_SHARE = 0.15
"""The same for single moves; some of the wishes among their cores complain too."""

_SLOTS = (
    "A B As Bs REL OPP RELIT OPPIT SIDE OSIDE PSIDE POSIDE MV OMV TOO relv special more dictd plainmove to order "
    "a b pa pb d o AW bare core SEQ SEQR SEQO CHAIN ENDS endl endr midl rest INV RELC RELAC"
).split()
SLOT = {name: index for index, name in enumerate(_SLOTS)}

_STYLES = [
    style
    for style, weight in dict(imp=36, say=24, inf=10, np=8, clause=9, subj=7, base=6, ger=6).items()
    for _ in range(weight)
]
_JOINABLE = [style for style in _STYLES if style != "say"]
_COMPLAINTS = ("clause",) * 8 + ("ger",) * 10 + ("inf",) * 3 + ("base",) * 2 + ("imp",) * 3 + ("subj",) * 2


def _verb_rules(verbs: str) -> dict[str, str]:
    """Rules v, vp, vd, vg: base form, past, participle and -ing form of the verbs."""
    forms: dict[str, list[str]] = {"v": [], "vp": [], "vd": [], "vg": []}
    for verb in alternatives(verbs):
        base, past, gerund = verb.split()
        simple, _, participle = past.partition(",")
        for name, form in zip(forms, (base, simple, participle or simple, gerund)):
            forms[name].append(form)
    return {name: " | ".join(entries) for name, entries in forms.items()}


def _grammar_texts() -> dict[str, str]:
    files = ("words.txt", "frames.txt", "complaints.txt", "layouts.txt")
    texts = aside_texts() | read_blocks(__package__, *files)
    return texts | _verb_rules(texts["@verbs"])


RULES = compile_rules(_grammar_texts(), SLOT)


@functools.cache
def goal_context(a: int, b: int, direction: int) -> tuple[Rule | None, ...]:
    """The rules of the slots for ball `a`, reference `b` and `direction` (codes; -1 where there is none)."""
    d = DIRECTIONS[direction] if direction >= 0 else None
    slots: dict[str, Rule] = {}
    for name, plain, ball in (("A", "a", a), ("B", "b", b)):
        if ball >= 0:
            color = BALLS[ball]
            slots |= {name: RULES[f"np.{color}"], f"{name}s": RULES[f"poss.{color}"]}
            slots |= {plain: literal(color), f"p{plain}": literal(f"the {color} ball")}
    if a >= 0:
        slots |= {"AW": RULES[f"color.{BALLS[a]}"], "bare": RULES[f"bare.{BALLS[a]}"]}
    if d is not None:
        o = OPPOSITE[d]
        for name, kind in (("REL", "rel"), ("RELIT", "relit"), ("SIDE", "side"), ("PSIDE", "pside"), ("MV", "mv")):
            slots[name] = RULES[f"{kind}.{d}"]
        for name, kind in (("OPP", "rel"), ("OPPIT", "relit"), ("OSIDE", "side"), ("POSIDE", "pside"), ("OMV", "mv")):
            slots[name] = RULES[f"{kind}.{o}"]
        slots |= {
            name: RULES[f"{name}.{d}"] for name in ("relv", "special", "more", "dictd", "plainmove", "to", "order")
        }
        slots |= {"TOO": RULES[f"too.{o}"], "d": literal(d), "o": literal(o)}
    return tuple(slots.get(name) for name in _SLOTS)


def contexts_of(goal: np.ndarray) -> list[list[Rule | None]]:
    """The contexts of a goal's triples; one empty context for a line or gathering."""
    triples = triples_of(goal)
    return [list(goal_context(*map(int, triple))) for triple in triples] or [list(goal_context(-1, -1, -1))]


def triples_of(goal: np.ndarray) -> np.ndarray:
    """The (k, 3) triples of a goal that are used."""
    triples = np.asarray(goal).reshape(3, 3)
    return triples[triples[:, 0] >= 0]


# Lines and gatherings


def _color_list(numbers: Numbers, balls: Sequence[str]) -> str:
    """The balls by color in the given order: "red, blue, ... and cyan", sometimes with synonyms and nouns."""
    style = numbers.below(8)
    if style < 2:
        names = [say(RULES[f"color.{ball}"], [], numbers) for ball in balls]
    elif style == 2:
        names = [f"the {ball} one" if numbers.below(2) else f"the {ball} ball" for ball in balls]
    elif style == 3:
        names = [f"the {ball}" for ball in balls]
    else:
        names = list(balls)
    joiner = (", ", ", ", " ", ", then ", " - ", " and ", " then ", ", ")[numbers.below(8)]
    if joiner == ", " and numbers.below(3):
        return ", ".join(names[:-1]) + (" and ", ", and ", " and then ", ", then ")[numbers.below(4)] + names[-1]
    return joiner.join(names)


def fill_layout(context: list[Rule | None], numbers: Numbers) -> None:
    """Fills the slots that list balls, for the sentences of lines and gatherings."""
    names = list(BALLS)
    context[SLOT["SEQ"]] = literal(_color_list(numbers, names))
    context[SLOT["SEQR"]] = literal(_color_list(numbers, names[::-1]))
    others = [ball for ball in names if ball != "green"]
    shift = numbers.below(4)
    context[SLOT["SEQO"]] = literal(_color_list(numbers, others[shift:] + others[:shift]))
    red, *middle, cyan = names
    context[SLOT["endl"]], context[SLOT["endr"]] = RULES["np.red"], RULES["np.cyan"]
    context[SLOT["midl"]] = literal(_color_list(numbers, middle))
    context[SLOT["rest"]] = literal(_color_list(numbers, [*middle, cyan]))
    verb = ("put", "place", "move", "push", "set")[numbers.below(5)]
    side = ("left", "right")[numbers.below(2)]
    pairs = [pair if side == "left" else pair[::-1] for pair in itertools.pairwise(names)]
    chain = [f"{a} to the {side} of {b}" if numbers.below(2) else f"{a} {side} of {b}" for a, b in pairs]
    context[SLOT["CHAIN"]] = literal(f"{verb} " + ", ".join(chain[:-1]) + " and " + chain[-1])
    ends = f"{verb} {red} {{0}} left, followed by {', '.join(middle)}, and {cyan} {{0}} right"
    context[SLOT["ENDS"]] = literal(ends.format(("on the far", "at the", "on the very", "on the")[numbers.below(4)]))


# Several relations at once

_LISTS = read_blocks(__package__, "lists.txt")
_ITEMS = {name.removeprefix("item."): alternatives(text) for name, text in _LISTS.items() if name.startswith("item.")}


def _joints(name: str) -> list[str]:
    """Alternatives that begin or end with spaces, which the data file writes as `_`."""
    return [text.replace("_", " ").replace("\\n", "\n") for text in alternatives(_LISTS[name])]


_LIST_STYLES = alternatives(_LISTS["list_styles"])
_COUNTS = {count: alternatives(_LISTS[f"count.{count}"]) for count in (2, 3)}
_JOINTS = {name: _joints(f"join.{name}") for name in ("all", "first", "last", "plain")}
_NUMBERED = [line.replace("_", " ").split(" @ ") for line in _LISTS["numbered"].split("\n")]
_NAMES = {"A": "A", "B": "B", "R": "REL", "I": "RELIT", "S": "SIDE", "P": "Bs"}
_PLACE = re.compile(r"\{(\w+?)(\d?)\}")


@functools.cache
def _pattern(text: str) -> Rule:
    """The rule of a text that may refer to the slots and to all of `RULES`."""
    return productions(text, lambda name: SLOT[name] if name in SLOT else RULES[name])


def _fill(
    pattern: str, contexts: Sequence[Sequence[Rule | None]], numbers: Numbers, given: Mapping[str, str], of: int = 0
) -> str:
    """`pattern` with its places in braces filled; those without a number are of context `of`."""

    def place(match: re.Match[str]) -> str:
        name, index = match.group(1), match.group(2)
        if name in given:
            return given[name]
        context = contexts[int(index) if index else of]
        rule = context[SLOT[_NAMES[name]]] if name in _NAMES else RULES["dest" if name == "D" else name]
        return say(rule, context, numbers)

    return _PLACE.sub(place, pattern)


def enumerate_items(items: Sequence[str], numbers: Numbers) -> str:
    """The items joined as a list: by conjunctions, commas or numbers."""
    if numbers.below(8) == 0:
        return "".join(mark + item for mark, item in zip(numbers.choose(_NUMBERED), items))
    if len(items) == 3 and numbers.below(3):
        first = numbers.choose(_JOINTS["first"])
        return items[0] + first + items[1] + numbers.choose(_JOINTS["last"]) + items[2]
    return numbers.choose(_JOINTS["all"]).join(items)


def _enumerate_plain(items: Sequence[str], numbers: Numbers) -> str:
    """The items joined by commas and conjunctions."""
    last = numbers.choose(_JOINTS["plain"])
    return ", ".join(items[:-1]) + last + items[-1]


def _shared(triples: np.ndarray, contexts: Sequence[Sequence[Rule | None]], numbers: Numbers) -> str | None:
    """A wording that names what the relations share only once; None where they share nothing."""
    sources, references, sides = (set(map(int, column)) for column in triples.T)

    def each(pattern: str) -> list[str]:
        return [_fill(pattern, contexts, numbers, {}, i) for i in range(len(contexts))]

    def patterns(name: str) -> str:
        return numbers.choose(alternatives(_LISTS[name]))

    given: dict[str, str] = {}
    if len(references) == len(sides) == 1:
        pattern = patterns("shared.side")
        given["balls"] = _enumerate_plain(each("{A}"), numbers)
    elif len(references) == 1:
        pattern = patterns("shared.reference")
        given["items"] = enumerate_items(each("{A} {I}"), numbers)
    elif len(sources) == 1:
        pattern = patterns("shared.ball")
        given["sides"] = _enumerate_plain(each("{R}"), numbers)
    elif len(triples) == 2 and triples[0, 1] == triples[1, 0]:
        pattern = patterns("chained")
    else:
        return None
    return _fill(say(_pattern(pattern), contexts[0], numbers), contexts, numbers, given)


def several(triples: np.ndarray, numbers: Numbers) -> str:
    """A wording of two or three relations, (2 or 3, 3) int: a list, or a sentence that names shared balls once."""
    contexts = [list(goal_context(*map(int, triple))) for triple in triples]
    text = _shared(triples, contexts, numbers) if numbers.below(3) else None
    if text is not None:
        return text
    style = numbers.choose(_LIST_STYLES)
    rest = "gap" if style in ("verb", "goes", "should", "to") and numbers.below(3) == 0 else style
    styles = [style] + [rest] * (len(contexts) - 1)
    items = [_fill(numbers.choose(_ITEMS[kind]), contexts, numbers, {}, i) for i, kind in enumerate(styles)]
    given = {"items": enumerate_items(items, numbers), "count": numbers.choose(_COUNTS[len(items)])}
    return _fill(say(_pattern(_LISTS[f"head.{style}"]), contexts[0], numbers), contexts, numbers, given)


# Sentences


def joined(family: str, style: str, contexts: Sequence[Sequence[Rule | None]], numbers: Numbers) -> str:
    """The core of a goal in a style; a conjunction joins the cores of its relations."""
    kind = family if len(contexts) == 1 else "relation"
    parts = [say(RULES[f"{kind}.{style}"], context, numbers) for context in contexts]
    return enumerate_items(parts, numbers) if len(parts) > 1 else parts[0]


def complaint(family: str, contexts: Sequence[list[Rule | None]], numbers: Numbers) -> str:
    """A complaint about the opposite of a relation, of a single move, or of each of several relations."""
    context = contexts[0]
    style = numbers.choose(_COMPLAINTS)
    if len(contexts) == 1 and family == "relation":
        kind = numbers.below(20)
        if kind < 6:
            return _with_remedy(say(RULES["dislike"], context, numbers), context, numbers)
        if kind < 10:
            return say(RULES["contrast"], context, numbers)
        if kind == 10:
            context[SLOT["core"]] = literal(say(RULES["missing"], context, numbers))
            return say(RULES["complaint.clause"], context, numbers)
    unwanted = RULES[f"unwanted.{'move' if family == 'move' else 'relation'}.{style}"]
    cores = [say(unwanted, each, numbers) for each in contexts]
    context[SLOT["core"]] = literal((" and ", " and ", ", and ")[numbers.below(3)].join(cores))
    text = say(RULES[f"complaint.{style}"], context, numbers)
    return _with_remedy(text, context, numbers) if family == "relation" else text


def _with_remedy(text: str, context: Sequence[Rule | None], numbers: Numbers) -> str:
    """`text`, sometimes followed by a request to change it."""
    if numbers.below(5) > 1 or text.endswith("?"):
        return text
    link = say(RULES["fixlink"], [], numbers)
    return f"{text}{' ' if link[0].isalpha() else ''}{link} {say(RULES['fix'], context, numbers)}"


def core_sentence(family: str, goal: np.ndarray, numbers: Numbers) -> str:
    """A wording without the words around it that do not change its goal."""
    contexts = contexts_of(goal)
    if family in ("line", "gather"):
        fill_layout(contexts[0], numbers)
    style = numbers.choose(_STYLES)
    if len(contexts) > 1:
        kind = numbers.below(100)
        if kind < 60:
            return several(triples_of(goal), numbers)
        if kind < 64:
            return complaint("relations", contexts, numbers)
        if kind < 84:
            return _one_by_one(triples_of(goal), numbers)
        style = numbers.choose(_JOINABLE)
    elif family == "relation" and numbers.chance(DISLIKE_SHARE):
        return complaint(family, contexts, numbers)
    elif family == "move" and numbers.chance(MOVE_DISLIKE_SHARE):
        return complaint(family, contexts, numbers)
    contexts[0][SLOT["core"]] = literal(joined(family, style, contexts, numbers))
    return say(RULES[f"frame.{style}"], contexts[0], numbers)


def _one_by_one(triples: np.ndarray, numbers: Numbers) -> str:
    """A sentence for each relation, one after the other."""
    parts = []
    for triple in triples:
        goal = np.full(9, -1, np.int32)
        goal[:3] = triple
        parts.append(core_sentence("relation", goal, numbers).rstrip(" ?.!"))
        parts.append(say(RULES["link"], [], numbers) + " ")
    return "".join(parts[:-1])
