"""Fields of configurations that document and check themselves; flags and the CLI reference are made from them.

A configuration is a frozen dataclass whose fields are made by `setting`. Free of JAX.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
import pathlib
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kalm_jax.grounding.config import TaskShares

REQUIRED: Any = dataclasses.MISSING
"""The default of a setting that has none."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is known about one field.

    Attributes:
      doc: what it does, as `--help` says it.
      flag: the name of its flag.
      low, high: the smallest and the largest number allowed.
      choices: the only texts allowed (of a tuple: for each of its entries); none are any.
      importable: import paths (my_package.my_module) are allowed besides `choices`.
      words: what is written as the flag's value -> the field's value, where the two differ.
      exists: "file" or a file's name in a folder, which must be there when the value is given as a flag.
      read: the field's entry from a text, for a flag that may be repeated; ValueError where it cannot be read.
      name, default: of the field. kind: int, float, bool, str, tuple or `TaskShares`.
    """

    doc: str
    flag: str = ""
    low: float = -math.inf
    high: float = math.inf
    choices: Sequence[str] = ()
    importable: bool = False
    words: Mapping[str, object] = dataclasses.field(default_factory=dict)
    exists: str = ""
    read: Callable[[str], object] | None = None
    name: str = ""
    default: Any = None
    kind: Any = str

    @property
    def is_switch(self) -> bool:
        """Whether its flag is written --name or --noname."""
        return self.kind is bool and not self.words

    def wanted(self) -> str:
        """What a value must be, for help and errors: "an integer from 1 to 20"; "" where nothing is asked."""
        choices = self.choices or tuple(self.words)
        if choices:
            many = ", comma-separated" if self.kind in (tuple, TaskShares) else ""
            return f"one of {', '.join(choices)}{many}{', or an import path, which contains a dot' * self.importable}"
        if self.kind not in (int, float):
            return ""
        name = "an integer" if self.kind is int else "a finite number"
        if self.high < math.inf:
            return f"{name} from {self.low:g} to {self.high:g}"
        return f"{name} of at least {self.low:g}" if self.low > -math.inf else name

    def accepts(self, value: Any) -> bool:
        """Whether the field may have this value."""
        if self.kind is TaskShares:
            return isinstance(value, TaskShares)
        if self.words and self.kind is not int:
            return value in self.words.values()
        if self.kind in (int, float):
            number = numbers.Integral if self.kind is int else numbers.Real
            good = isinstance(value, number) and not isinstance(value, bool) and math.isfinite(value)
            return bool(good and self.low <= value <= self.high)
        if self.kind is tuple and not isinstance(value, tuple):
            return False
        if self.choices:
            entries = value if self.kind is tuple else (value,)
            return bool(entries) and all(e in self.choices or (self.importable and "." in str(e)) for e in entries)
        return isinstance(value, self.kind)

    def missing(self, value: str) -> str:
        """What is missing of the files that a flag's value names; "" where nothing is, or where the value is empty."""
        if not self.exists or not value:
            return ""
        if self.exists == "file":
            return "" if pathlib.Path(value).is_file() else "no such file"
        return "" if (pathlib.Path(value) / self.exists).is_file() else f"no {self.exists} there"


def setting(default: Any, doc: str, **about: Any) -> Any:
    """A dataclass field that is a `Setting`; `default` may be `REQUIRED`, `about` has the other attributes."""
    return dataclasses.field(default=default, metadata={"setting": Setting(doc, **about)})


class Checked:
    """Base of configurations: a field's wrong value is refused when it is made, by name and with what it may be."""

    def __post_init__(self) -> None:
        for field in settings_of(type(self)):
            value = getattr(self, field.name)
            if value is not field.default and not field.accepts(value):
                wanted = field.wanted() or f"a {field.kind.__name__}"
                if field.kind is tuple and not isinstance(value, tuple):
                    wanted = f"a tuple, such as ({value!r},)"
                raise ValueError(f"{type(self).__name__}.{field.name} is {value!r}, want {wanted}")


def settings_of(cls: type) -> Iterator[Setting]:
    """The settings of a dataclass itself, not of the dataclasses in it."""
    kinds = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if about := field.metadata.get("setting"):
            kind = typing.get_origin(kinds[field.name]) or kinds[field.name]
            flag = about.flag or field.name
            yield dataclasses.replace(about, flag=flag, name=field.name, default=field.default, kind=kind)


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
    return cls(**given)


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list | tuple) else value


def overlay(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings with those of `change` laid over them."""
    both = {k: overlay(base[k], v) if isinstance(v, Mapping) and k in base else v for k, v in change.items()}
    return {**base, **both}
