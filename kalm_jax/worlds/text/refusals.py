"""Sentences that ask for no goal: reports, questions, prohibitions, other verbs, other things, amounts, other words.

A goal is asked for by an imperative, a wish or a complaint about the world's own things, in words that are all known:
the small words of English and those of the world's own wordings. All else is refused, whatever a language model
answers. Nothing here knows a particular world.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable

from kalm_jax.worlds.text.grammar import read_blocks, read_lists

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WORD = r"[^\W\d_]+(?:-[^\W\d_]+)*"


@functools.cache
def english(block: str) -> frozenset[str]:
    """The words of a block of `data/english.txt`."""
    return frozenset(read_blocks(__package__, "english.txt")[block].split())


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, "robins-egg-blue" for "robin's-egg-blue" and "blue" for "blue's"."""
    return re.findall(_WORD, re.sub(r"['’]s?\b(?!-)|['’]", "", text.lower().replace("n't", "nt")))


def misspelled(word: str, words: frozenset[str], strict: bool = False) -> bool:
    """Whether `word` is one of `words`, perhaps with two letters swapped or one lost, added or replaced.

    The first letter is right. With `strict` an added letter doubles another one, and only words of five letters have
    lost one, only those of six a replaced one.
    """
    size = len(word)
    if word in words:
        return True
    if size < (4 if strict else 3):
        return False
    for i in range(size):
        before, after = word[:i], word[i + 1 :]
        if after and before + after[0] + word[i] + after[1:] in words:
            return True
        if i and (word[i] == word[i - 1] or (not strict and size > 3)) and before + after in words:
            return True
        for letter in _LETTERS if i else "":
            if size > (4 if strict else 2) and before + letter + word[i:] in words:
                return True
            if size > (5 if strict else 3) and before + letter + after in words:
                return True
    return size > (4 if strict else 2) and any(word + letter in words for letter in _LETTERS)


class Words:
    """The words by which a world's goals are asked for."""

    def __init__(
        self,
        texts: Iterable[str],
        verbs: Iterable[str],
        past: Iterable[str] = (),
        things: Iterable[str] = (),
        adjectives: Iterable[str] = (),
        asides: Iterable[str] = (),
    ) -> None:
        """The words of a world.

        Args:
          texts: texts of the world's wordings; all their words are known.
          verbs: verbs by which its goals are asked for, such as "push".
          past: forms of these that tell what happens, such as "pushed" and "pushing".
          things: nouns of its things, such as "ball".
          adjectives: words such as "red" and "little" that stand before such a noun: what follows one must be known.
          asides: texts around the wordings; their words are known as well, but name no things.
        """
        self.verbs = frozenset(verbs) | english("move")
        self.past, self.things, self.adjectives = frozenset(past) - self.verbs, frozenset(things), frozenset(adjectives)
        said = frozenset(word for text in texts for word in words_of(text))
        self.known = said.union(*map(english, ("small", "wish", "move", "before", "people")), self.verbs, self.past)
        self.known |= self.things | self.adjectives
        self.asides = frozenset(word for text in asides for word in words_of(text)) - self.known
        named = self.things | self.adjectives
        self.may_begin = self.verbs.union(named, *map(english, ("before", "small", "people")))
        fills = {
            "past": self.past,
            "thing": named - english("move") - english("before"),
            "adjective": self.adjectives,
            "plural": {thing for thing in self.things - {"things", "items"} if thing.endswith("s")},
            "forbidding": english("forbid") - self.verbs,
            "moving": self.verbs - english("before"),
        }
        self.patterns = _compiled({name: _any_of(map(re.escape, words)) for name, words in fills.items()})
        """Block of `data/refusals.txt` -> what its expressions look like in this world."""

    def unknown(self, text: str) -> str:
        """The first word of a text that is not known, perhaps misspelled; a word of a thing's name must be known well.

        One word of a long sentence may be unknown that names no thing: "lurk" in "the blue ball must lurk behind red".
        """
        parts = [words_of(part) for part in re.split(r"[,.;:!?()]", text)]
        pairs = [pair for said in parts for pair in zip(["", *said], said)]
        unknown = [(before, word) for before, word in pairs if not self._fits(before, word)]
        if len(unknown) == 1 and len(pairs) > 5:
            before = unknown[0][0]
            if before and before not in _BEFORE_THINGS and before not in self.adjectives:
                return ""
        return unknown[0][1] if unknown else ""

    def _fits(self, before: str, word: str) -> bool:
        """Whether a word is known where it stands."""
        named = before in _DETERMINERS.split("|")
        if any(self._known(form, named) for form in (word, word.removesuffix("s"))) or self._of_a_thing(word):
            return before not in self.adjectives or word in self.known or "-" in word or self._of_a_thing(word)
        return word in self.asides and (before not in self.adjectives or word.endswith("ly"))

    def _known(self, word: str, strict: bool) -> bool:
        if misspelled(word, self.known, strict):
            return True
        dashes = (i for i, mark in enumerate(word) if mark == "-")
        return any(self._known(word[:i], strict) and self._known(word[i + 1 :], strict) for i in dashes)

    def _of_a_thing(self, word: str) -> bool:
        return misspelled(word, self.things | self.adjectives) or misspelled(
            word, english("small") | english("before"), strict=True
        )


_DETERMINERS = "the|a|an|my|your|our|his|her|their|its|this|that|these|those|all|every|some|any|no"
_PREPOSITIONS = "of|into|for|with|in|on|at|behind|to|from|by|under|through|like|as|left|right|front|back|and|or"
_NUMBERS = "two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|fifty|hundred|dozen"
_BEFORE_THINGS = frozenset(f"{_DETERMINERS}|{_PREPOSITIONS}|{_NUMBERS}".split("|"))
_CLAUSES = re.compile(r"[,.;!?\n]+ ?| but | - ")
_CAUSE = re.compile(r"\b(?:because|since|so that)\b[^,.;!?]*")
_I = re.compile(
    r"(?:i|we)\b(?: (?:really|only|also|just|still|always|now|badly|truly|strongly|absolutely|so|was)\b(?!'))*"
    r" ?'?([a-z]+)"
)
_OF_CLAUSES = {
    "forbidden": "only says what is not to be done",
    "question": "is a question",
    "supposed": "only supposes something",
    "proposed": "only supposes something",
    "report": "reports something",
    "state": "says how things are",
    "other": "asks for something else",
}
"""Block of expressions for the start of a clause -> the reason."""
_OF_SENTENCES = {
    "condition": "only supposes something",
    "several": "says {!r}, and does not say which",
    "excluded": "only says what is not to be done",
    "itself": "says {!r}, which is no place",
    "taken back": "is taken back at its end",
    "amount": "says {!r}, and no goal has an amount",
    "time": "says {!r}, and no goal has a time",
    "more": "says {!r}, which is more than a goal",
    "comparison": "says {!r}, and no goal is a comparison",
    "end": "is cut off",
}
"""Block of expressions for anywhere in a sentence -> the reason, with what was found."""


def _any_of(expressions: Iterable[str]) -> str:
    """An expression of any of these, long ones first, of nothing where there are none."""
    return "(?:" + "|".join(sorted(expressions, key=len, reverse=True) or ["(?!)"]) + ")"


def _compiled(fills: dict[str, str]) -> dict[str, re.Pattern[str]]:
    """The blocks of `data/refusals.txt` with the `<names>` of `fills`, and of other blocks, filled in."""
    blocks = {name: f"(?:{'|'.join(lines)})" for name, lines in read_lists(__package__, "refusals.txt").items()} | fills

    def filled(text: str) -> str:
        return re.sub(r"<(\w[\w ]*)>", lambda name: filled(blocks[name[1]]), text)

    return {name: re.compile(filled(text)) for name, text in blocks.items()}


def refusal(sentence: str, words: Words, says_goal: Callable[[str], bool]) -> str:
    """Why a sentence asks for no goal, in words that follow "the sentence ..."; "" where there is no reason.

    `says_goal` tells whether the rest of a sentence, without the clauses that ask for nothing, still says what is
    wanted, as in "don't leave it in front, it belongs behind".
    """
    text, patterns = " ".join(sentence.lower().replace("’", "'").split()), words.patterns
    clauses = [clause.strip() for clause in _CLAUSES.split(text) if clause.strip()]
    blocks = [_block_of(_after_polite(clause, words), words) for clause in clauses]
    if any(blocks) and not says_goal(" , ".join(clause for clause, block in zip(clauses, blocks) if not block)):
        block = next(filter(None, blocks))
        excused = {"state": "complaint", "proposed": "granted"}.get(block)
        if excused is None or not patterns[excused].search(text):
            return _OF_CLAUSES[block]
    for block, reason in _OF_SENTENCES.items():
        found = patterns[block].search(text)
        if found:
            return reason.format(found[0].strip())
    verb = _other_verb(text, words, says_goal)
    if verb:
        return f"asks to {verb!r}, which is no goal"
    unknown = words.unknown(_CAUSE.sub("", text))
    return f"says {unknown!r}, which is in no wording of a goal" if unknown else ""


def _after_polite(clause: str, words: Words) -> str:
    found = re.match(rf"(?:{words.patterns['polite'].pattern},? )+", clause)
    return clause[found.end() :] if found else clause


def _block_of(clause: str, words: Words) -> str:
    """The block of `_OF_CLAUSES` that a clause looks like; "" where it may ask for something."""
    twice = len(words.patterns["not"].findall(clause)) > 1  # as in "it must not be left not done"
    for block in _OF_CLAUSES:
        if words.patterns[block].match(clause) and not (twice and block == "forbidden"):
            return block
    found = _I.match(clause)
    other = found and not found[1].endswith("ly") and not misspelled(found[1], english("wish"))
    return "report" if other else ""


def _other_verb(text: str, words: Words, says_goal: Callable[[str], bool]) -> str:
    """A verb of the sentence that asks for something else, such as "paint" in "paint the red ball"; "" for none."""
    named = rf"(?:{_DETERMINERS}|it|them|me|us|{words.patterns['adjective'].pattern})"
    particles = (
        "at|over|around|about|for|to|behind|on|through|into|after|whether|which|how|why|what|that|if|when|where|up|away"
    )
    first = re.match(rf"([a-z]+) (?:{named}|{particles})\b", _after_polite(text, words))
    others = re.finditer(rf"(?:\band then |\band |\bthen |, ?)([a-z]+) {named}\b", text)
    for found in [*filter(None, [first]), *others]:
        word = found[1]
        if not misspelled(word, words.may_begin, True) and not word.endswith(("ing", "ly")):
            return word
    then = re.search(r"(?:\band |\bthen |\band then )([a-z]+) (?:it|them|me|us|an?|some)\b[^,.;!?]*", text)
    stays = "leave let keep hold mind ignore make help have be give may can should must would could with on to".split()
    if then and then[1] in words.verbs | english("before") and then[1] not in stays and not says_goal(then[0]):
        return then[1]
    return ""
