"""Random wordings of goals: wishes, complaints, lists, layouts; with small words around them, and with mistakes.

Goals are the (9,) int32 arrays of `kalm_jax.worlds.clevr.goals`. The alternatives are in the other `corpus_*` modules.
"""

from __future__ import annotations

import itertools
import re

import numpy as np

from kalm_jax.worlds.clevr.goals import BALLS
from kalm_jax.worlds.clevr.text.grammar import RULES, SLOT, Numbers, goal_context, literal, say
from kalm_jax.worlds.clevr.text.several import enumerate_items, several

DISLIKE_SHARE = 0.38
"""Share of relation wordings that complain about the opposite side, or tell it from the wanted one."""

MOVE_DISLIKE_SHARE = 0.15
"""The same of single moves; some of the wishes of `MOVE_CORES` complain too."""

_STYLES = [
    style
    for style, weight in (
        ("imp", 36),
        ("say", 24),
        ("inf", 10),
        ("np", 8),
        ("clause", 9),
        ("subj", 7),
        ("base", 6),
        ("ger", 6),
    )
    for _ in range(weight)
]
_JOINABLE = [style for style in _STYLES if style != "say"]
_COMPLAINTS = ("clause",) * 8 + ("ger",) * 10 + ("inf",) * 3 + ("base",) * 2 + ("imp",) * 3 + ("subj",) * 2


def contexts_of(goal: np.ndarray) -> list[list]:
    """The contexts of a goal's triples; one empty context for a line or gathering."""
    triples = triples_of(goal)
    return [list(goal_context(*map(int, triple))) for triple in triples] or [list(goal_context(-1, -1, -1))]


def triples_of(goal: np.ndarray) -> np.ndarray:
    """The (k, 3) triples of a goal that are used."""
    triples = np.asarray(goal).reshape(3, 3)
    return triples[triples[:, 0] >= 0]


def _colour_list(numbers: Numbers, balls: list[str]) -> str:
    """The balls by colour in the given order: "red, blue, ... and cyan", with synonyms and nouns at times."""
    style = numbers.below(8)
    if style < 2:
        names = [say(RULES[f"color.{ball}"], [], numbers) for ball in balls]
    elif style == 2:
        names = [f"the {ball} one" if numbers.below(2) else f"the {ball} ball" for ball in balls]
    elif style == 3:
        names = [f"the {ball}" for ball in balls]
    else:
        names = balls
    joiner = (", ", ", ", " ", ", then ", " - ", " and ", " then ", ", ")[numbers.below(8)]
    if joiner == ", " and numbers.below(3):
        return ", ".join(names[:-1]) + (" and ", ", and ", " and then ", ", then ")[numbers.below(4)] + names[-1]
    return joiner.join(names)


def fill_layout(context: list, numbers: Numbers) -> None:
    """Fills the slots that list balls, for the sentences of lines and gatherings."""
    names = list(BALLS)
    context[SLOT["SEQ"]] = literal(_colour_list(numbers, names))
    context[SLOT["SEQR"]] = literal(_colour_list(numbers, names[::-1]))
    others = [ball for ball in names if ball != "green"]
    shift = numbers.below(4)
    context[SLOT["SEQO"]] = literal(_colour_list(numbers, others[shift:] + others[:shift]))
    red, *middle, cyan = names
    context[SLOT["endl"]], context[SLOT["endr"]] = RULES["np.red"], RULES["np.cyan"]
    context[SLOT["midl"]] = literal(_colour_list(numbers, middle))
    context[SLOT["rest"]] = literal(_colour_list(numbers, [*middle, cyan]))
    verb = ("put", "place", "move", "push", "set")[numbers.below(5)]
    side = ("left", "right")[numbers.below(2)]
    pairs = [pair if side == "left" else pair[::-1] for pair in itertools.pairwise(names)]
    chain = [f"{a} to the {side} of {b}" if numbers.below(2) else f"{a} {side} of {b}" for a, b in pairs]
    context[SLOT["CHAIN"]] = literal(f"{verb} " + ", ".join(chain[:-1]) + " and " + chain[-1])
    ends = f"{verb} {red} {{0}} left, followed by {', '.join(middle)}, and {cyan} {{0}} right"
    context[SLOT["ENDS"]] = literal(ends.format(("on the far", "at the", "on the very", "on the")[numbers.below(4)]))


def joined(family: str, style: str, contexts: list[list], numbers: Numbers) -> str:
    """The core of a goal in a style; a conjunction joins the cores of its relations."""
    kind = family if len(contexts) == 1 else "relation"
    parts = [say(RULES[f"{kind}.{style}"], context, numbers) for context in contexts]
    return enumerate_items(parts, numbers) if len(parts) > 1 else parts[0]


def _complaint(family: str, contexts: list[list], numbers: Numbers) -> str:
    """A complaint about what is opposite to a relation, a single move, or each of several relations."""
    context = contexts[0]
    style = _COMPLAINTS[numbers.below(len(_COMPLAINTS))]
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


def _with_remedy(text: str, context: list, numbers: Numbers) -> str:
    """`text` followed by a request to change it, at times."""
    if numbers.below(5) > 1 or text.endswith("?"):
        return text
    link = say(RULES["fixlink"], [], numbers)
    return f"{text}{' ' if link[0].isalpha() else ''}{link} {say(RULES['fix'], context, numbers)}"


def core_sentence(family: str, goal: np.ndarray, numbers: Numbers) -> str:
    """One wording without the words around it that do not change its goal."""
    contexts = contexts_of(goal)
    if family in ("line", "gather"):
        fill_layout(contexts[0], numbers)
    style = _STYLES[numbers.below(len(_STYLES))]
    if len(contexts) > 1:
        kind = numbers.below(100)
        if kind < 60:
            return several(triples_of(goal), numbers)
        if kind < 64:
            return _complaint("relations", contexts, numbers)
        if kind < 84:
            return _one_by_one(triples_of(goal), numbers)
        style = _JOINABLE[numbers.below(len(_JOINABLE))]
    elif family == "relation" and numbers.chance(DISLIKE_SHARE):
        return _complaint(family, contexts, numbers)
    elif family == "move" and numbers.chance(MOVE_DISLIKE_SHARE):
        return _complaint(family, contexts, numbers)
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


_QUESTION = re.compile(
    r"^(can|could|would|will|is|are|does|do|how about|what|why|shall|should|has|was|wouldn't|who|where|may|won't)\b"
)


def tidy(text: str) -> str:
    """`text` with single spaces and none before a mark."""
    return " ".join(text.split()).replace(" ,", ",").replace(" ?", "?").replace(" ;", ";").replace(",,", ",")


def adorned(text: str, numbers: Numbers) -> str:
    """`text` with an opener, a tail or an end mark, each at times."""
    question = _QUESTION.match(text) is not None
    if numbers.below(10) == 0:
        text = f"{say(RULES['opener'], [], numbers)} {text}"
    if numbers.below(8) == 0 and not text.endswith("?") and "?" not in text:
        text = f"{text} {say(RULES['tail'], [], numbers)}"
    end = numbers.below(10)
    if question and end < 6 and "?" not in text:
        text += "?"
    elif end < 2 and not text.endswith("?"):
        text += "."
    elif end == 9 and not question:
        text += "!"
    return tidy(text)


_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PROTECTED = frozenset("isnt dont cant wont never without instead".split())
"""Words of denial, whose change could change what is meant."""


def worn(text: str, numbers: Numbers) -> str:
    """`text` as it is typed at times: articles or marks missing, capitals, letters lost, doubled or swapped."""
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
    k = long[numbers.below(len(long))]
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
