"""A small grammar for pretraining text: rules read from data files, and random derivations of them.

A data file holds named blocks. A line `name:` at the left margin begins a block, the indented lines below it are its
content (short content may stand on the same line), and a line that begins with `#` is a comment. The content of a rule:

    a | 3*b     alternatives, of which b has weight 3
    ~           nothing
    [name]      another rule, or a slot
    @name a=x   the content of block `@name` with `{a}` replaced by x; it is the whole content of a rule

A compiled rule is a list of productions, a production a tuple of literals (str), rules (list) and numbers of slots
(int). The rules of slots depend on the goal, and come with the context of a derivation.
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Rule = list[tuple[Any, ...]]
"""Productions; the parts of one are str, int, or again a rule."""

Context = Sequence[Rule | None]
"""The rules of the slots."""

_REFERENCE = re.compile(r"\[(\w+(?:\.\w+)?)\]")


class Numbers:
    """Random integers drawn from a generator in blocks: one call of NumPy per sentence, not per choice."""

    __slots__ = ("_block", "_rng")

    def __init__(self, rng: np.random.Generator):
        self._rng = rng
        self._block: list[int] = []

    def below(self, n: int) -> int:
        """A random integer in 0..n-1 (n far below 2**30, so that the remainder is practically uniform)."""
        if not self._block:
            self._block = self._rng.integers(0, 1 << 30, 64).tolist()
        return self._block.pop() % n

    def chance(self, share: float) -> bool:
        """True with probability `share`."""
        return self.below(1 << 20) < share * (1 << 20)

    def choose(self, options: Sequence[Any]) -> Any:
        """One of the options, each equally likely."""
        return options[self.below(len(options))]


def read_blocks(package: str, *files: str) -> dict[str, str]:
    """The blocks of data files in the folder `data` of a package, by name; templates are filled in.

    A ValueError names the file and the line where a name stands twice or content has no name.
    """
    blocks: dict[str, list[str]] = {}
    for file in files:
        content = (importlib.resources.files(package) / "data" / file).read_text("utf-8")
        name = None
        for number, line in enumerate(content.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            if not line.startswith(" "):
                name, _, line = line.partition(":")
                if name in blocks:
                    raise ValueError(f"{file}, line {number}: there is a block {name!r} already; rename one")
                blocks[name] = []
            if name is None:
                raise ValueError(f"{file}, line {number}: content before the first name; begin with a line `name:`")
            if line.strip():
                blocks[name].append(line.strip())
    return {name: _filled("\n".join(lines), blocks) for name, lines in blocks.items()}


def read_lists(package: str, file: str) -> dict[str, list[str]]:
    """The lines of each block of a data file."""
    return {name: text.split("\n") for name, text in read_blocks(package, file).items()}


def _filled(text: str, blocks: Mapping[str, list[str]]) -> str:
    """`text`, or the template that it uses with its values in place."""
    if not text.startswith("@"):
        return text
    template, *values = text.split()
    text = "\n".join(blocks[template])
    for value in values:
        name, _, value = value.partition("=")
        text = text.replace(f"{{{name}}}", value)
    return text


def alternatives(text: str) -> list[str]:
    """The alternatives of a rule's text, each as often as its weight says."""
    found = []
    for alternative in text.split("|"):
        weight, star, body = alternative.strip().partition("*")
        if not star:
            weight, body = "1", alternative.strip()
        found += ["" if body == "~" else body] * int(weight)
    return found


def productions(text: str, part: Callable[[str], int | Rule]) -> Rule:
    """The productions of a rule's text; `part` gives what a name in brackets stands for."""
    compiled: dict[str, tuple[Any, ...]] = {}
    found = alternatives(text)
    for body in found:
        if body not in compiled:
            pieces = _REFERENCE.split(body)
            parts = [part(piece) if k % 2 else piece for k, piece in enumerate(pieces)]  # every other piece is a name
            compiled[body] = tuple(piece for piece in parts if piece != "")
    return [compiled[body] for body in found]


def compile_rules(texts: Mapping[str, str], slots: Mapping[str, int] | None = None) -> dict[str, Rule]:
    """The rules of a grammar by name, from their texts; templates (`@name`) are left out.

    A KeyError names a reference to neither a rule nor a slot.
    """
    rules: dict[str, Rule] = {name: [] for name in texts if not name.startswith("@")}

    def part(name: str) -> int | Rule:
        if slots and name in slots:
            return slots[name]
        if name not in rules:
            raise KeyError(
                f"the grammar refers to [{name}], which is no rule; add it to the data files or fix the name"
            )
        return rules[name]

    for name, rule in rules.items():
        rule += productions(texts[name], part)
    return rules


def _expand(rule: Rule, context: Context, numbers: Numbers, pieces: list[str]) -> None:
    """Appends a random derivation of `rule` to `pieces`."""
    for part in rule[numbers.below(len(rule))]:
        if type(part) is str:
            pieces.append(part)
        else:
            _expand(context[part] if type(part) is int else part, context, numbers, pieces)  # type: ignore[arg-type]


def say(rule: Rule | None, context: Context, numbers: Numbers) -> str:
    """A random derivation of `rule` as text; ValueError where it is that of a slot which is empty in the context."""
    if rule is None:
        raise ValueError("this slot is empty for the goal; use a goal that fills it")
    pieces: list[str] = []
    _expand(rule, context, numbers, pieces)
    return "".join(pieces)


def literal(text: str) -> Rule:
    """The rule whose only derivation is `text`."""
    return [(text,)]
