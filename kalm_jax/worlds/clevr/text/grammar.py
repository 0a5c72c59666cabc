"""The machinery of the pretraining grammar: rules compiled from the word lists, random derivations, slots.

Notation in `words.py`. A rule is a list of productions, a production a tuple of literals, rules, and
numbers of slots (names in `SLOT`), whose rules depend on the goal at hand and come with the context of a derivation.
"""

from __future__ import annotations

import functools
import re

import numpy as np

from kalm_jax.worlds.clevr.goals import BALLS, DIRECTIONS
from kalm_jax.worlds.clevr.text import asides, dislikes, frames, tasks, words

OPPOSITE = {"left": "right", "right": "left", "behind": "front", "front": "behind"}

_SLOTS = (
    "A B As Bs REL OPP RELIT OPPIT SIDE OSIDE PSIDE POSIDE MV OMV TOO relv special more dictd plainmove to order "
    "a b pa pb d o AW bare core SEQ SEQR SEQO CHAIN ENDS endl endr midl rest INV RELC RELAC"
).split()
SLOT = {name: index for index, name in enumerate(_SLOTS)}
_REFERENCE = re.compile(r"\[(\w+(?:\.\w+)?)\]")


class Numbers:
    """Random integers drawn from a generator in blocks: one call of numpy per sentence, not per choice."""

    __slots__ = ("_block", "_rng")

    def __init__(self, rng: np.random.Generator):
        self._rng = rng
        self._block: list[int] = []

    def below(self, n: int) -> int:
        """A random integer in 0..n-1 (n far below 2**30, so that the remainder is uniform for all purposes here)."""
        if not self._block:
            self._block = self._rng.integers(0, 1 << 30, 64).tolist()
        return self._block.pop() % n

    def chance(self, share: float) -> bool:
        """True with probability `share`."""
        return self.below(1 << 20) < share * (1 << 20)


def compile_rules(texts: dict[str, str]) -> dict[str, list[tuple]]:
    """The rules, by name, of a grammar given as text.

    Raises:
      KeyError: if a rule refers to a name that is neither a rule nor a slot.
    """
    rules: dict[str, list[tuple]] = {name: [] for name in texts}

    def part(name: str):
        if name in SLOT:
            return SLOT[name]
        if name not in rules:
            raise KeyError(
                f"the grammar refers to [{name}], which is no rule; add it to the word lists or mend the name"
            )
        return rules[name]

    for name, text in texts.items():
        rules[name] += _productions(text, part)
    return rules


def _productions(text: str, part) -> list[tuple]:
    """The productions of one rule; `part` gives what a name in brackets stands for."""
    out: list[tuple] = []
    for alternative in text.split("|"):
        weight, star, body = alternative.strip().partition("*")
        if not star:
            weight, body = "1", alternative.strip()
        pieces = _REFERENCE.split("" if body == "~" else body)
        parts = [part(piece) if k % 2 else piece for k, piece in enumerate(pieces)]  # every other piece is a name
        out += [tuple(piece for piece in parts if piece != "")] * int(weight)
    return out


def parse_rule(text: str) -> list[tuple]:
    """A rule on its own, which may refer to the slots and to all of `RULES`."""
    return _productions(text, lambda name: SLOT[name] if name in SLOT else RULES[name])


def _verb_rules() -> dict[str, str]:
    """Rules v, vp, vd, vg: base, past, participle and -ing form of `words.VERBS`."""
    forms: dict[str, list[str]] = {"v": [], "vp": [], "vd": [], "vg": []}
    for entry in words.VERBS.split("|"):
        weight, star, body = entry.strip().partition("*")
        weight, body = (f"{weight}*", body) if star else ("", entry.strip())
        base, past, gerund = body.split()
        simple, _, participle = past.partition(",")
        for name, form in zip(forms, (base, simple, participle or simple, gerund)):
            forms[name].append(weight + form)
    return {name: " | ".join(entries) for name, entries in forms.items()}


_CORES = {
    "relation": frames.RELATION_CORES,
    "move": frames.MOVE_CORES,
    "line": tasks.LINE_CORES,
    "gather": tasks.GATHER_CORES,
}


def _grammar_texts() -> dict[str, str]:
    """Every rule of the grammar by name, as text."""
    texts = {**words.BALL_WORDS, **words.VERB_WORDS, **words.MANNER_WORDS, **words.VIEW_WORDS}
    texts |= {**dislikes.DISLIKE_WORDS, **asides.MODAL_WORDS, **frames.MOVE_WORDS}
    texts |= {**tasks.LAYOUT_WORDS, **_verb_rules(), "truth": tasks.FACTS}
    texts |= {"dislike": dislikes.DISLIKES, "contrast": dislikes.CONTRASTS, "missing": dislikes.MISSING}
    texts |= {"opener": asides.OPENERS, "tail": asides.TAILS, "dest": words.DESTINATIONS + " | 50*[REL]"}
    texts |= {"amount": words.AMOUNTS}
    texts |= {"plain": tasks.PLAIN_PATTERNS, "plainrequest": tasks.PLAIN_REQUESTS}
    for name in ("np", "poss"):  # templates in the colour {c}
        template = texts.pop(name)
        texts |= {f"{name}.{ball}": template.replace("{c}", f"[color.{ball}]") for ball in BALLS}
    for ball in BALLS:
        texts |= {f"color.{ball}": words.COLOURS[ball], f"bare.{ball}": f"[color.{ball}] [noun]"}
    tables = {"rel": words.RELATIONS, "relit": words.PRONOUN_RELATIONS, "side": words.SIDES, "pside": words.PAIR_SIDES}
    tables |= {"relv": words.RELATION_VERBS, "mv": words.MOVES, "too": words.TOO_FAR, "to": tasks.PLAIN_DIRECTIONS}
    tables |= {"plainmove": tasks.PLAIN_MOVES, "dictd": tasks.DIRECTION_FACTS, "frame": frames.FRAMES}
    tables |= {"complaint": dislikes.COMPLAINTS, "order": words.ORDERS}
    tables |= {"unwanted.relation": dislikes.UNWANTED_RELATIONS, "unwanted.move": dislikes.UNWANTED_MOVES}
    for kind, table in {**tables, **_CORES}.items():
        texts |= {f"{kind}.{key}": text for key, text in table.items()}
    return texts


RULES = compile_rules(_grammar_texts())


def _expand(rule: list[tuple], context: list, numbers: Numbers, pieces: list[str]) -> None:
    """Appends a random derivation of `rule` to `pieces`."""
    for part in rule[numbers.below(len(rule))]:
        if type(part) is str:
            pieces.append(part)
        else:
            _expand(context[part] if type(part) is int else part, context, numbers, pieces)


def say(rule: list[tuple], context: list, numbers: Numbers) -> str:
    """A random derivation of `rule` as text."""
    pieces: list[str] = []
    _expand(rule, context, numbers, pieces)
    return "".join(pieces)


def literal(text: str) -> list[tuple]:
    """The rule that says just `text`."""
    return [(text,)]


@functools.cache
def goal_context(a: int, b: int, direction: int) -> tuple:
    """What the slots stand for with ball `a`, reference `b` and `direction` (codes; -1 where there is none)."""
    d = DIRECTIONS[direction] if direction >= 0 else None
    slots: dict[str, list[tuple]] = {}
    for name, plain, ball in (("A", "a", a), ("B", "b", b)):
        if ball >= 0:
            colour = BALLS[ball]
            slots |= {name: RULES[f"np.{colour}"], f"{name}s": RULES[f"poss.{colour}"]}
            slots |= {plain: literal(colour), f"p{plain}": literal(f"the {colour} ball")}
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
