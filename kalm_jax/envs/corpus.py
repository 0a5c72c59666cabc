"""Text for pretraining the built-in language model: wordings of CLEVR goals tied to their plain meaning, and plans and facts in words.

No rollout, state or action is in it, and no sentence of an evaluation level (or its validation sentences): whatever
`kalm_jax.envs.language.split_of` assigns to one is thrown away. A document is one line in one of these shapes:

    {wording} means {plain offline wording} .
    {plain offline wording} can be said as {wording} .
    {wording} same as {another wording of the same goal} .
    {wording} => {canonical}          canonical: "red left blue", "move red left", "red left blue and ...", "line", "gather"
    {wording} which ball moves ? red . which side ? left . which is the reference ? blue .
    to {wording} : first {plain} , then {plain} .
    {fact about words or space} .

The grammar's alternatives are in `corpus_words`, `corpus_frames` and `corpus_tasks`. Goals are the (9,) int32 arrays of
`kalm_jax.envs.clevr_goals`: three triples (source ball, reference ball, direction), unused entries -1.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

import numpy as np

from kalm_jax.envs import corpus_frames as frames
from kalm_jax.envs import corpus_tasks as tasks
from kalm_jax.envs import corpus_words as words
from kalm_jax.envs.clevr_goals import BALLS, DIRECTIONS, FAMILIES

OPPOSITE = {"left": "right", "right": "left", "behind": "front", "front": "behind"}
ALLOWED_SPLITS = (None, "offline")
"""What `language.split_of` may say of a sentence that is written: plain offline wording, or no wording of the library's own."""

DISLIKE_SHARE = 0.15
"""Share of relation wordings that complain about the opposite side."""

MAX_TRIES = 200
"""Attempts at a wording that is no evaluation sentence, before the grammar is declared too narrow for the goal."""

_SLOTS = (
    "A B As Bs REL OPP RELIT OPPIT SIDE OSIDE MV OMV TOO special more dictd plainmove to a b pa pb d o AW bare "
    "core SEQ SEQR SEQO CHAIN ENDS INV RELC RELAC"
).split()
_SLOT = {name: index for index, name in enumerate(_SLOTS)}
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
    """The rules as lists of productions; a production is a tuple of literal strings, rules, and slot numbers (see `_SLOTS`).

    Raises:
      KeyError: if a rule refers to a name that is neither a rule nor a slot.
    """
    rules: dict[str, list[tuple]] = {name: [] for name in texts}

    def part(name: str):
        if name in _SLOT:
            return _SLOT[name]
        if name not in rules:
            raise KeyError(f"the corpus grammar refers to [{name}], which is no rule; add it to the word lists or mend the name")
        return rules[name]

    for name, text in texts.items():
        for alternative in text.split("|"):
            weight, star, body = alternative.strip().partition("*")
            if not star:
                weight, body = "1", alternative.strip()
            pieces = _REFERENCE.split("" if body == "~" else body)
            production = tuple(part(piece) if odd % 2 else piece for odd, piece in enumerate(pieces) if odd % 2 or piece)
            rules[name] += [production] * int(weight)
    return rules


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


_CORES = {"relation": frames.RELATION_CORES, "move": frames.MOVE_CORES, "line": tasks.LINE_CORES, "gather": tasks.GATHER_CORES}
_STYLES = ("imp",) * 40 + ("say",) * 18 + ("inf",) * 10 + ("np",) * 7 + ("clause",) * 9 + ("subj",) * 7 + ("base",) * 6 + ("ger",) * 6
_JOINABLE = ("imp",) * 20 + ("inf",) * 4 + ("clause",) * 6 + ("subj",) * 2 + ("base",) * 3 + ("ger",) * 3 + ("np",) * 2


def _grammar_texts() -> dict[str, str]:
    """Every rule of the grammar by name, as text."""
    texts = {**words.BALL_WORDS, **words.VERB_WORDS, **words.MANNER_WORDS, **frames.DISLIKE_WORDS, **frames.MOVE_WORDS}
    texts |= {**tasks.LAYOUT_WORDS, **_verb_rules(), "dislike": frames.DISLIKES, "fact": tasks.FACTS, "plain": tasks.PLAIN_PATTERNS}
    texts |= {"opener": frames.OPENERS, "tail": frames.TAILS, "dest": words.DESTINATIONS + " | 50*[REL]"}
    texts["plainimp"] = "|".join(p for p in tasks.PLAIN_PATTERNS.split("|") if re.match(r"\s*(\d\*)?(push|move|keep|can)", p))
    for name in ("np", "poss"):  # templates in the colour {c}
        template = texts.pop(name)
        texts |= {f"{name}.{ball}": template.replace("{c}", f"[color.{ball}]") for ball in BALLS}
    for ball in BALLS:
        texts |= {f"color.{ball}": words.COLOURS[ball], f"bare.{ball}": f"[color.{ball}] [noun]"}
    tables = {"rel": words.RELATIONS, "relit": words.PRONOUN_RELATIONS, "side": words.SIDES, "mv": words.MOVES, "too": words.TOO_FAR}
    tables |= {"to": tasks.PLAIN_DIRECTIONS, "plainmove": tasks.PLAIN_MOVES, "dictd": tasks.DIRECTION_FACTS, "frame": frames.FRAMES}
    for kind, table in {**tables, **_CORES}.items():
        texts |= {f"{kind}.{key}": text for key, text in table.items()}
    return texts


_RULES = compile_rules(_grammar_texts())


def _expand(rule: list[tuple], context: list, numbers: Numbers, pieces: list[str]) -> None:
    """Appends a random derivation of `rule` to `pieces`."""
    for part in rule[numbers.below(len(rule))]:
        if type(part) is str:
            pieces.append(part)
        else:
            _expand(context[part] if type(part) is int else part, context, numbers, pieces)


def _say(rule: list[tuple], context: list, numbers: Numbers) -> str:
    """A random derivation of `rule` as text."""
    pieces: list[str] = []
    _expand(rule, context, numbers, pieces)
    return "".join(pieces)


def _literal(text: str) -> list[tuple]:
    """The rule that says just `text`."""
    return [(text,)]


@functools.cache
def _context(a: int, b: int, direction: int) -> tuple:
    """What the slots stand for with ball `a`, reference `b` and `direction` (codes; -1 where there is none)."""
    d = DIRECTIONS[direction] if direction >= 0 else None
    slots: dict[str, list[tuple]] = {}
    for name, plain, ball in (("A", "a", a), ("B", "b", b)):
        if ball >= 0:
            colour = BALLS[ball]
            slots |= {name: _RULES[f"np.{colour}"], f"{name}s": _RULES[f"poss.{colour}"]}
            slots |= {plain: _literal(colour), f"p{plain}": _literal(f"the {colour} ball")}
    if a >= 0:
        slots |= {"AW": _RULES[f"color.{BALLS[a]}"], "bare": _RULES[f"bare.{BALLS[a]}"]}
    if d is not None:
        o = OPPOSITE[d]
        slots |= {name: _RULES[f"{kind}.{d}"] for name, kind in (("REL", "rel"), ("RELIT", "relit"), ("SIDE", "side"), ("MV", "mv"))}
        slots |= {name: _RULES[f"{kind}.{o}"] for name, kind in (("OPP", "rel"), ("OPPIT", "relit"), ("OSIDE", "side"), ("OMV", "mv"))}
        slots |= {name: _RULES[f"{name}.{d}"] for name in ("special", "more", "dictd", "plainmove", "to")}
        slots |= {"TOO": _RULES[f"too.{o}"], "d": _literal(d), "o": _literal(o)}
    return tuple(slots.get(name) for name in _SLOTS)


def _contexts(goal: np.ndarray) -> list[list]:
    """The contexts of a goal's triples; one empty context for a line or gathering."""
    values = [int(value) for value in goal]
    triples = [values[i : i + 3] for i in (0, 3, 6) if values[i] >= 0]
    return [list(_context(*triple)) for triple in triples] or [list(_context(-1, -1, -1))]


def sample_goal(rng: np.random.Generator, family: str) -> np.ndarray:
    """A random goal of `family` as (9,) int32; conjunctions never contradict themselves.

    The relations of a conjunction hold between different pairs of balls that close no cycle, so that some layout satisfies all.
    """
    return _sample_goal(Numbers(rng), _known(family))


def _known(family: str) -> str:
    if family not in FAMILIES:
        raise ValueError(f"unknown goal family {family!r}; use one of {FAMILIES}")
    return family


def _sample_goal(numbers: Numbers, family: str) -> np.ndarray:
    goal = np.full(9, -1, np.int32)
    if family == "move":
        goal[0], goal[2] = numbers.below(5), numbers.below(4)
    count = {"relation": 1, "two_relations": 2, "three_relations": 3}.get(family, 0)
    group = list(range(5))  # balls connected by relations so far share a number
    for k in range(count):
        a = b = 0
        while group[a] == group[b]:
            a, b = numbers.below(5), numbers.below(5)
        group = [group[a] if g == group[b] else g for g in group]
        goal[3 * k : 3 * k + 3] = a, b, numbers.below(4)
    return goal


def canonical(family: str, goal: np.ndarray) -> str:
    """The short form of a goal: "red left blue", "move red left", relations joined by "and", "line" or "gather"."""
    if _known(family) in ("line", "gather"):
        return family
    triples = [goal[i : i + 3] for i in (0, 3, 6) if goal[i] >= 0]
    if family == "move":
        return f"move {BALLS[triples[0][0]]} {DIRECTIONS[triples[0][2]]}"
    return " and ".join(f"{BALLS[a]} {DIRECTIONS[d]} {BALLS[b]}" for a, b, d in triples)


def _colour_list(numbers: Numbers, balls: list[str]) -> str:
    """The balls by colour in the given order: "red, blue, ... and cyan", with synonyms and nouns at times."""
    style = numbers.below(6)
    if style == 0:
        names = [_say(_RULES[f"color.{ball}"], [], numbers) for ball in balls]
    elif style == 1:
        names = [f"the {ball} one" if numbers.below(2) else f"the {ball} ball" for ball in balls]
    else:
        names = balls
    joiner = (", ", ", ", " ", ", then ", " - ", " and ", " then ")[numbers.below(7)]
    if joiner == ", " and numbers.below(3):
        return ", ".join(names[:-1]) + (" and ", ", and ", " and then ")[numbers.below(3)] + names[-1]
    return joiner.join(names)


def _layout_slots(context: list, numbers: Numbers) -> None:
    """Fills the slots that list balls, for the sentences of lines and gatherings."""
    names = list(BALLS)
    context[_SLOT["SEQ"]] = _literal(_colour_list(numbers, names))
    context[_SLOT["SEQR"]] = _literal(_colour_list(numbers, names[::-1]))
    others = [ball for ball in names if ball != "green"]
    shift = numbers.below(4)
    context[_SLOT["SEQO"]] = _literal(_colour_list(numbers, others[shift:] + others[:shift]))
    red, *middle, cyan = names
    verb = ("put", "place", "move", "push", "set")[numbers.below(5)]
    side = ("left", "right")[numbers.below(2)]
    pairs = zip(names, names[1:]) if side == "left" else zip(names[1:], names)
    chain = [f"{a} to the {side} of {b}" if numbers.below(2) else f"{a} {side} of {b}" for a, b in pairs]
    context[_SLOT["CHAIN"]] = _literal(f"{verb} " + ", ".join(chain[:-1]) + " and " + chain[-1])
    ends = f"{verb} {red} {{0}} left, followed by {', '.join(middle)}, and {cyan} {{0}} right"
    context[_SLOT["ENDS"]] = _literal(ends.format(("on the far", "at the", "on the very", "on the")[numbers.below(4)]))


def _joined(parts: list[str], numbers: Numbers) -> str:
    """Cores or sentences joined into one."""
    joiner = (" and ", " and ", " and ", " and ", ", and ", " and also ", " and then ", ", then ")[numbers.below(8)]
    if len(parts) == 3 and numbers.below(2):
        return f"{parts[0]}, {parts[1]}{(' and ', ', and ', ' and finally ')[numbers.below(3)]}{parts[2]}"
    return joiner.join(parts)


_LINKS = (". also, ", ". then ", ". after that, ", "; ", ", and also: ", ". in addition, ", ". second, ", ". besides, ", ", next, ", ". ")


def _core_sentence(family: str, contexts: list[list], numbers: Numbers) -> str:
    """One wording without the words around it that do not change its goal."""
    if family in ("line", "gather"):
        _layout_slots(contexts[0], numbers)
    if len(contexts) > 1:
        if numbers.below(5) == 0:
            link = _LINKS[numbers.below(len(_LINKS))]
            return link.join(_core_sentence("relation", [context], numbers).rstrip(" ?") for context in contexts)
        style = _JOINABLE[numbers.below(len(_JOINABLE))]
        family = "relation"
    elif family == "relation" and numbers.chance(DISLIKE_SHARE):
        return _say(_RULES["dislike"], contexts[0], numbers)
    else:
        style = _STYLES[numbers.below(len(_STYLES))]
    core = _joined([_say(_RULES[f"{family}.{style}"], context, numbers) for context in contexts], numbers)
    context = contexts[0]
    context[_SLOT["core"]] = _literal(core)
    return _say(_RULES[f"frame.{style}"], context, numbers)


_QUESTION = re.compile(r"^(can|could|would|will|is|are|does|do|how about|what|why|shall|should|has|was|wouldn't|who|where)\b")
_PROTECTED = frozenset(" ".join(words.COLOURS.values()).split()) | frozenset(
    "left right front behind leftward rightward forward backward leftwards rightwards backwards forwards rearward rearwards ahead".split()
)


def _mistyped(text: str, numbers: Numbers) -> str:
    """`text` with a dropped article or two neighbouring letters swapped, never in a colour or direction word."""
    if numbers.below(2):
        return text.replace("the ", "", 1)
    letters = text.split(" ")
    k = numbers.below(len(letters))
    word = letters[k]
    if len(word) > 4 and word.isalpha() and word not in _PROTECTED:
        i = 1 + numbers.below(len(word) - 3)
        letters[k] = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    return " ".join(letters)


def _adorned(text: str, numbers: Numbers) -> str:
    """`text` with an opener, a tail, an end mark or a mistake, each at times."""
    question = _QUESTION.match(text) is not None
    if numbers.below(8) == 0:
        text = f"{_say(_RULES['opener'], [], numbers)} {text}"
    if numbers.below(6) == 0 and not text.endswith("?") and "?" not in text:
        text = f"{text} {_say(_RULES['tail'], [], numbers)}"
    if numbers.below(20) == 0:
        text = _mistyped(text, numbers)
    end = numbers.below(10)
    if question and end < 6 and "?" not in text:
        text += "?"
    elif end < 2 and not text.endswith("?"):
        text += "."
    elif end == 9 and not question:
        text += "!"
    return " ".join(text.split()).replace(" ,", ",").replace(" ?", "?").replace(" :", ":")


def _allowed(text: str) -> bool:
    """Whether `text` may be read by the language model: it is no evaluation or validation sentence."""
    from kalm_jax.envs.language import split_of  # late, for this grammar is written independently of those sentences

    return split_of(text) in ALLOWED_SPLITS


def _paraphrase(numbers: Numbers, family: str, goal: np.ndarray) -> str:
    for _ in range(MAX_TRIES):
        core = _core_sentence(family, _contexts(goal), numbers)
        text = _adorned(core, numbers)
        if _allowed(core) and _allowed(text):
            return text
    raise RuntimeError(f"no wording of {canonical(family, goal)!r} in {MAX_TRIES} tries that is no evaluation sentence; widen the grammar")


def _plain(numbers: Numbers, family: str, goal: np.ndarray) -> str:
    contexts = _contexts(goal)
    for _ in range(MAX_TRIES):
        if family == "line":
            text = "line up the balls from left to right : red , blue , green , purple , cyan"
        elif family == "gather":
            text = "gather the balls around the green ball"
        elif family == "move":
            text = _say(contexts[0][_SLOT["plainmove"]], contexts[0], numbers)
        else:
            rule = _RULES["plain" if len(contexts) == 1 else "plainimp"]
            text = " and ".join(_say(rule, context, numbers) for context in contexts)
        if _allowed(text):
            return text
    raise RuntimeError(f"every plain wording of {canonical(family, goal)!r} is an evaluation sentence; widen PLAIN_PATTERNS")


def sample_paraphrase(rng: np.random.Generator, family: str, goal: np.ndarray) -> str:
    """A random wording of a goal, (9,) int32, that is no evaluation sentence.

    Raises:
      ValueError: if `family` is none of `FAMILIES`.
    """
    return _paraphrase(Numbers(rng), _known(family), goal)


def plain(rng: np.random.Generator, family: str, goal: np.ndarray) -> str:
    """A random plain wording of a goal, (9,) int32: for a relation, one of the 18 patterns of the offline data.

    Raises:
      ValueError: if `family` is none of `FAMILIES`.
    """
    return _plain(Numbers(rng), _known(family), goal)


def _questions(family: str, goal: np.ndarray) -> str:
    """What is asked of a goal and the answers."""
    if family == "line":
        return "what is wanted ? a line from left to right ."
    if family == "gather":
        return "what is wanted ? all around green ."
    triples = [goal[i : i + 3] for i in (0, 3, 6) if goal[i] >= 0]
    answers = []
    for a, b, d in triples:
        answer = f"which ball moves ? {BALLS[a]} . which side ? {DIRECTIONS[d]} ."
        answers.append(answer if b < 0 else f"{answer} which is the reference ? {BALLS[b]} .")
    return " ".join(answers)


def _wording_document(numbers: Numbers, family: str) -> str:
    """A document that ties a wording of a random goal of `family` to its meaning."""
    goal = _sample_goal(numbers, family)
    wording = _paraphrase(numbers, family, goal)
    shape = numbers.below(12)
    if shape < 3:
        return f"{wording} means {_plain(numbers, family, goal)} ."
    if shape < 5:
        return f"{_plain(numbers, family, goal)} can be said as {wording} ."
    if shape < 7:
        return f"{wording} same as {_paraphrase(numbers, family, goal)} ."
    if shape < 8:
        return f"{_plain(numbers, family, goal)} => {canonical(family, goal)}"
    if shape < 11:
        return f"{wording} => {canonical(family, goal)}"
    return f"{wording} {_questions(family, goal)}"


def _plan_document(numbers: Numbers) -> str:
    """A goal that takes several pushes, and relations that reach it one after the other, in plain words."""
    family = ("line", "gather", "two_relations", "three_relations")[numbers.below(4)]
    goal = _sample_goal(numbers, family)
    red, blue, green, purple, cyan = range(5)
    behind, left, front, right = range(4)
    if family == "line":
        steps = [(blue, red, right), (green, blue, right), (purple, green, right), (cyan, purple, right)]
        if numbers.below(2):
            steps = [(purple, cyan, left), (green, purple, left), (blue, green, left), (red, blue, left)]
    elif family == "gather":
        turn = numbers.below(4)
        steps = [(ball, green, (side + turn) % 4) for ball, side in zip((red, blue, purple, cyan), (left, right, behind, front))]
    else:
        steps = [tuple(int(v) for v in goal[i : i + 3]) for i in (0, 3, 6) if goal[i] >= 0]
    verb = ("push", "move")[numbers.below(2)]
    texts = []
    for step in steps:
        context = list(_context(*step))
        texts.append(f"{verb} the {BALLS[step[0]]} ball {_say(context[_SLOT['to']], context, numbers)} the {BALLS[step[1]]} ball")
    wording = _paraphrase(numbers, family, goal)
    return f"to {wording} : first {' , then '.join(texts)} ."


def _fact_document(numbers: Numbers) -> str:
    """A fact about words or about where things are."""
    goal = _sample_goal(numbers, "two_relations")
    a, b, d = (int(value) for value in goal[:3])
    opposite = DIRECTIONS.index(OPPOSITE[DIRECTIONS[d]])
    third = next(ball for ball in (goal[3], goal[4], *range(5)) if ball not in (a, b))
    context = list(_context(a, b, d))
    for name, triple in (("INV", (b, a, opposite)), ("RELC", (b, int(third), d)), ("RELAC", (a, int(third), d))):
        inner = _context(*triple)
        context[_SLOT[name]] = _literal(_say(inner[_SLOT["REL"]], inner, numbers))
    for _ in range(MAX_TRIES):
        text = _say(_RULES["fact"], context, numbers)
        if _allowed(text):
            return " ".join(text.split()) + " ."
    raise RuntimeError(f"every fact in {MAX_TRIES} tries is an evaluation sentence; widen FACTS")


_SHARES = (("relation",) * 60) + (("move",) * 15) + (("two_relations",) * 6) + (("three_relations",) * 4)
_SHARES += (("line",) * 4) + (("gather",) * 3) + (("plan",) * 3) + (("fact",) * 5)


def sample_document(rng: np.random.Generator) -> str:
    """One line of pretraining text: 60% relations, 15% moves, 10% conjunctions, 7% lines and gatherings, 8% plans and facts."""
    numbers = Numbers(rng)
    kind = _SHARES[numbers.below(len(_SHARES))]
    if kind == "plan":
        return _plan_document(numbers)
    if kind == "fact":
        return _fact_document(numbers)
    return _wording_document(numbers, kind)


def tokenizer_corpus(seed: int, n: int) -> Iterator[str]:
    """`n` documents of the stream that `seed` starts, for training a tokenizer."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        yield sample_document(rng)
