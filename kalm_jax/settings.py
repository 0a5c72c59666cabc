"""Fields of configurations that document and check themselves; flags and the CLI reference are made from them.

A configuration is a frozen dataclass whose fields are made by `setting`. Every number, name and text from a user passes
through here, whether it is a flag, an argument of a function or an entry of a file. Free of NumPy and JAX.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import math
import numbers
import os
import pathlib
import traceback
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

REQUIRED: Any = dataclasses.MISSING
"""The default of a setting that has none."""
MAX_SEED = 2_000_000_000
"""Largest seed: with `MAX_SEEDS` more it still is a 32-bit integer, as some simulators want."""
MAX_SEEDS = 1000
"""Most training seeds of a run, and of their evaluations."""
MANY = 10_000_000
"""Most rollouts, episodes or sentences of anything: more would not fit into memory."""
MOST_STEPS = 1_000_000_000
"""Most updates: they are counted in 32 bits."""
MOST_WIDE = 65_536
"""Largest width of a layer or size of a batch."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is known about one field.

    Attributes:
      doc: what it does, as `--help` says it.
      flag: the name of its flag.
      low, high: the smallest and the largest number allowed, also of the entries of a tuple.
      above, below: numbers that a value must exceed, or stay below. multiple: integers must be multiples of it.
      choices: the only texts allowed (of a tuple: for each of its entries); none are any.
      importable: import paths (my_package.my_module) are allowed besides `choices`.
      words: what is written as the flag's value -> the field's value, where the two differ.
      exists: "file" or a file's name in a folder, which must be there when the value is given as a flag.
      names: values that stand for something else than the file or folder that `exists` looks for.
      filled: an empty text or tuple is not allowed where one is given.
      read: the field's entry from a text, for a flag that may be repeated; ValueError where it cannot be read.
      name, default: of the field. kind: a class such as int, or object for anything.
      entry: kind of the entries of a tuple. optional: None is allowed.
    """

    doc: str
    flag: str = ""
    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    multiple: int = 1
    choices: Sequence[str] = ()
    importable: bool = False
    words: Mapping[str, object] = dataclasses.field(default_factory=dict)
    exists: str = ""
    names: Sequence[str] = ()
    filled: bool = False
    read: Callable[[str], object] | None = None
    name: str = ""
    default: Any = None
    kind: Any = str
    entry: Any = object
    optional: bool = False

    @property
    def is_switch(self) -> bool:
        """Whether its flag is written --name or --noname."""
        return self.kind is bool and not self.words

    def wanted(self) -> str:
        """What a value must be, for help and errors: "an integer from 1 to 20"; "" where nothing is asked."""
        choices = self.choices or tuple(self.words)
        if choices:
            many = ", comma-separated" if self.kind is tuple or dataclasses.is_dataclass(self.kind) else ""
            return f"one of {', '.join(choices)}{many}{', or an import path, which contains a dot' * self.importable}"
        names = {int: f"a multiple of {self.multiple}" if self.multiple > 1 else "an integer", float: "a finite number"}
        if self.kind in names:
            return f"{names[self.kind]}{self._range()}" + ", or None" * self.optional
        if self.kind is tuple and self.entry in names:
            return f"{names[self.entry].split()[-1]}s{self._range()} in a tuple, such as {self._example()}"
        return "a text that is not empty" if self.filled else ""

    def _range(self) -> str:
        """The numbers allowed, to follow "a number"."""
        low, high, above, below = map(shown, (self.low, self.high, self.above, self.below))
        if self.low > -math.inf and self.high < math.inf:
            return f" from {low} to {high}"
        first = f" of at least {low}" if self.low > -math.inf else f" above {above}" if self.above > -math.inf else ""
        last = f"at most {high}" if self.high < math.inf else f"below {below}" if self.below < math.inf else ""
        return f"{first}{(' and ' if first else ' of ') + last if last else ''}"

    def _example(self) -> str:
        return repr(self.default) if isinstance(self.default, tuple) and self.default else "(256, 256)"

    def accepts(self, value: Any) -> bool:
        """Whether the field may have this value, as `plain` makes it."""
        if value is None:
            return self.optional or self.kind is object
        if self.words and self.kind is not int:
            return value in self.words.values()
        if not self._is(self.kind, value):
            return False
        if self.filled and not (value.strip() if self.kind is str else value):
            return False
        if self.kind is tuple and not (all(self._is(self.entry, e) for e in value) and self._choose(*value)):
            return False
        return self.kind is not str or self._choose(value)

    def _is(self, kind: Any, value: Any) -> bool:
        """Whether a value, or a tuple's entry, is of this kind and in range."""
        if kind in (int, float):
            if not isinstance(value, numbers.Integral if kind is int else numbers.Real) or isinstance(value, bool):
                return False
            number: Any = value
            with contextlib.suppress(OverflowError):  # an integer beyond all floats
                inside = self.low <= number <= self.high and self.above < number < self.below
                return inside and math.isfinite(number) and (kind is float or not number % self.multiple)
            return False
        return kind is object or isinstance(value, kind)

    def _choose(self, *entries: Any) -> bool:
        """Whether the entries are among the choices, and no two are alike."""
        if not self.choices:
            return True
        good = all(entry in self.choices or (self.importable and _is_path(entry)) for entry in entries)
        return good and 0 < len(entries) == len(set(entries))

    def plain(self, value: Any) -> Any:
        """The value as it is kept, compared and written: Python's numbers, texts and tuples, where it is another's."""
        if getattr(value, "shape", None) == () and hasattr(value, "item"):
            value = value.item()  # of NumPy or JAX
        if isinstance(value, bool):
            return value
        if self.kind is float and isinstance(value, numbers.Real):
            with contextlib.suppress(OverflowError):
                return float(value)
        if self.kind is str and isinstance(value, os.PathLike):
            return os.fspath(value)
        return _tuple(value) if self.kind is tuple else value

    def checked(self, value: Any, called: str) -> Any:
        """The value as `plain` makes it; a ValueError calls it `called` and says what it may be."""
        kept = value if value is self.default else self.plain(value)
        if value is self.default or self.accepts(kept):
            return kept
        wanted = self.wanted() or _KINDS.get(self.kind) or self.kind.__name__
        if dataclasses.is_dataclass(self.kind):
            wanted = f"{getattr(self.kind, '__name__', '')}(...)"
        elif self.kind is tuple and isinstance(kept, str):
            wanted = f"a tuple, such as ({kept!r},)" + f"; {self.wanted()}" * bool(self.choices)
        elif self.kind is tuple and self.choices and isinstance(kept, tuple) and all(map(self._choose, kept)) and kept:
            wanted = "each of them once"
        elif self.words and self.kind is int:
            wanted = f"an integer{self._range()}"
        elif self.words:
            wanted = f"one of {', '.join(map(repr, self.words.values()))}"
        raise ValueError(f"{called} is {shown(value)}, want {wanted}")

    def missing(self, value: str) -> str:
        """What is missing of the files that a flag's value names; "" where nothing is, or where the value is empty."""
        if not self.exists or not value or value in self.names:
            return ""
        if self.exists == "file":
            return "" if pathlib.Path(value).is_file() else "no such file"
        others = f", and it is none of the names {', '.join(self.names)}" if self.names else ""
        return "" if (pathlib.Path(value) / self.exists).is_file() else f"no {self.exists} there{others}"


_KINDS = {bool: "True or False", str: "a text", tuple: "a tuple", Callable: "a function"}


def shown(value: Any) -> str:
    """A value in an error: whole numbers as such, others briefly."""
    if isinstance(value, float) and math.isfinite(value) and abs(value) < 1e15:
        if value % 1 == 0 and abs(value) >= 1:
            return str(int(value))
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    try:
        text = " ".join(line.strip() for line in repr(value).splitlines())
    except ValueError:  # an integer of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) < 100 else f"{text[:60]}..."


def described(error: BaseException) -> str:
    """An error of a user's own code in one line: its kind, what it says, and the line of code that it came from."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    place = f", in {frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
    return " ".join(f"{type(error).__name__}: {error}".rstrip(": ").split())[:300] + place


def _is_path(name: Any) -> bool:
    """Whether a name can be the import path of a module in a package."""
    return isinstance(name, str) and "." in name and all(part.isidentifier() for part in name.split("."))


def _tuple(value: Any) -> Any:
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    return tuple(map(_tuple, value)) if isinstance(value, list | tuple) else value


def setting(default: Any, doc: str = "", *, static: bool = False, **about: Any) -> Any:
    """A dataclass field that is a `Setting`; `default` may be `REQUIRED`, `about` has the other attributes.

    `static` says of a learner's number that it decides a size, so that it cannot be swept.
    """
    metadata = {"setting": Setting(doc, **about)} | ({"static": True} if static else {})
    return dataclasses.field(default=default, metadata=metadata)


class Checked:
    """Base of configurations: a field's wrong value is refused when it is made, by name and with what it may be."""

    def __post_init__(self) -> None:
        cls: Any = type(self)
        for field in fields_of(cls).values():
            value = field.checked(getattr(self, field.name), f"{cls.__name__}.{field.name}")
            object.__setattr__(self, field.name, value)


@functools.cache
def fields_of(cls: type) -> Mapping[str, Setting]:
    """Every field of a dataclass by name; of one without a `Setting` no more is known than its type and default."""
    kinds: Mapping[str, Any] = {}
    with contextlib.suppress(NameError):  # a type that is imported for type checkers alone
        kinds = typing.get_type_hints(cls)
    found = {}
    for field in dataclasses.fields(cls):
        kind, entry, optional = _kind(kinds.get(field.name, object))
        about = field.metadata.get("setting", Setting("", kind=kind))
        known = {"flag": about.flag or field.name, "name": field.name, "default": field.default, "kind": kind}
        found[field.name] = dataclasses.replace(about, **known, entry=entry, optional=about.optional or optional)
    return found


def _kind(hint: Any) -> tuple[Any, Any, bool]:
    """(kind, kind of a tuple's entries, whether None is allowed) that a type hint says."""
    several = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    optional = type(None) in several
    rest = [kind for kind in several if kind is not type(None)]
    if float in rest:  # a real number, or an array of one, where several values are tried
        return float, object, optional
    if len(rest) != 1:
        return object, object, optional
    kind, args = typing.get_origin(rest[0]) or rest[0], typing.get_args(rest[0])
    if kind is tuple:
        return tuple, args[0] if args[1:] == (...,) and args[0] in (int, float, bool, str) else object, optional
    known = isinstance(kind, type) and not getattr(kind, "_is_protocol", False)
    return kind if known else object, object, optional


def settings_of(cls: type) -> Iterator[Setting]:
    """The settings of a dataclass itself, not of the dataclasses in it."""
    own = {field.name for field in dataclasses.fields(cls) if "setting" in field.metadata}
    return (field for name, field in fields_of(cls).items() if name in own)


def build(cls: Any, values: Mapping[str, Any]) -> Any:
    """A dataclass from nested mappings, as `dataclasses.asdict` and JSON give them; what is left out has its default.

    Raises:
      ValueError: an unknown field, or a value that its field does not allow.
    """
    kinds, given = typing.get_type_hints(cls), {}
    for name, value in values.items():
        if name not in kinds:
            raise ValueError(f"{cls.__name__} has no field {name!r}; it has {', '.join(kinds)}")
        kind = kinds[name]
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
            value = build(kind, value)
        elif typing.get_origin(kind) is tuple:
            value = _tuple(value)
        given[name] = value
    needed = (f.name for f in dataclasses.fields(cls) if f.default is f.default_factory is dataclasses.MISSING)
    missing = [name for name in needed if name not in given]
    if missing:
        raise ValueError(f"{cls.__name__} lacks {', '.join(missing)}")
    return cls(**given)


def overlay(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings with those of `change` laid over them."""
    both = {k: overlay(base[k], v) if isinstance(v, Mapping) and k in base else v for k, v in change.items()}
    return {**base, **both}


def read_setting(text: str) -> tuple[str, str, object]:
    """(learner or "", field, value) of "[LEARNER.]FIELD=VALUE"; ValueError for another form."""
    name, equals, value = text.partition("=")
    algorithm, _, field = name.rpartition(".")
    try:
        parsed = float(value) if value.strip("+-").lower() in ("nan", "inf", "infinity") else ast.literal_eval(value)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):  # also of "{[]}" and "((((..."
        parsed = value
    parsed = tuple(parsed) if isinstance(parsed, list) else parsed
    if not equals or not is_learner_setting((algorithm, field, parsed)):
        raise ValueError("want [LEARNER.]FIELD=VALUE, such as td3bc.alpha=1 or bc.hidden=(256, 256)")
    return algorithm, field, parsed


def is_learner_setting(entry: Any) -> bool:
    """Whether an entry has the form that `read_setting` returns, and a value that run.json can hold."""
    if not isinstance(entry, tuple) or len(entry) != 3 or not all(isinstance(name, str) for name in entry[:2]):
        return False
    values = entry[2] if isinstance(entry[2], tuple) else entry[2:]
    return entry[1].isidentifier() and all(isinstance(v, bool | int | float | str | None) for v in values)


def check_repeated(settings: Sequence[tuple[str, str, object]]) -> None:
    """Refuses settings of learners of which a later one replaces an earlier one.

    Raises:
      ValueError: names both.
    """
    for i, (algorithm, field, _) in enumerate(settings):
        for other, same, _ in settings[:i]:
            if field == same and algorithm in ("", other):
                later, earlier = (f"--set={name}{'.' * bool(name)}{field}" for name in (algorithm, other))
                again = "is given twice" if later == earlier else f"replaces {earlier}, which comes before it"
                raise ValueError(f"{later} {again}: leave one of them out")
