"""Flags of a command, made from the settings of its configurations: reading them, their help, their reference."""

from __future__ import annotations

import dataclasses
import inspect
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags as absl_flags

from kalm_jax.grounding.config import TaskShares
from kalm_jax.pipeline.settings import REQUIRED, Field, settings_of


class UsageError(Exception):
    """The command line cannot be read; the message says which flag and how to fix it."""


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag of a command.

    Attributes:
      field: what it sets. group: its heading in the help.
      presets: preset -> the value there, where presets decide; otherwise its default is the field's.
    """

    field: Field
    group: str
    presets: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """The flag's name, without dashes."""
        return self.field.flag

    def default(self) -> str:
        """What holds where the flag is not given, as text."""
        if self.field.default is REQUIRED:
            return "required"
        if not self.presets:
            return f"default: {self._text(self.field.default)}"
        values = {name: self._text(value) for name, value in self.presets.items()}
        if len(set(values.values())) == 1:
            return f"default: {next(iter(values.values()))}"
        return ", ".join(f"{name}: {value}" for name, value in values.items())

    def _text(self, value: Any) -> str:
        words = {v: k for k, v in self.field.about.words.items()}
        if isinstance(value, TaskShares):
            return "all"
        if isinstance(value, tuple):
            return ",".join(value) or "none"
        if isinstance(value, bool) and not words:
            return "yes" if value else "no"
        return str(words.get(value, value)) if value != "" else "none"


def flags_of(
    cls: type, group: str, without: Sequence[str] = (), presets: Mapping[str, Any] | None = None
) -> list[Flag]:
    """The flags of a dataclass's settings; `presets` are its instances by name of the preset."""
    return [
        Flag(field, group, {name: getattr(preset, field.name) for name, preset in (presets or {}).items()})
        for field in settings_of(cls)
        if field.flag not in without
    ]


class _Parser(absl_flags.ArgumentParser):
    """Reads a value as its setting wants it."""

    def __init__(self, field: Field):
        self.field = field
        self.syntactic_help = field.about.wanted(field.kind)

    def parse(self, argument: Any) -> Any:
        about, kind = self.field.about, self.field.kind
        doc = about.doc.partition(". ")[0].rstrip(".")
        wrong = f"want {about.wanted(kind)} ({doc})"
        try:
            if about.read:
                return about.read(str(argument))
            value = self._read(str(argument))
        except (KeyError, ValueError) as error:
            raise ValueError(str(error) if about.read else wrong) from error
        if value != self.field.default and not about.accepts(value, "tuple" if kind is TaskShares else kind):
            raise ValueError(wrong)
        if missing := about.missing(value):
            raise ValueError(f"{missing} ({doc})")
        return value

    def _read(self, text: str) -> Any:
        if words := self.field.about.words:
            return words[text]
        if self.field.kind in (int, float):
            return self.field.kind(text)
        if self.field.kind in ("tuple", TaskShares):
            return tuple(dict.fromkeys(entry.strip() for entry in text.split(",") if entry.strip()))
        return text


def parse(flags: Sequence[Flag], argv: Sequence[str], positional: Sequence[str] = ()) -> dict[str, Any]:
    """Flag -> value of those given on the command line; positional arguments likewise, by their names.

    Raises:
      UsageError: an unknown flag, a wrong value, a required one that is missing, or too many or few arguments.
    """
    values = absl_flags.FlagValues()
    for flag in flags:
        if flag.field.kind is bool and not flag.field.about.words:
            absl_flags.DEFINE_bool(flag.name, None, "", flag_values=values)
        else:
            kind = absl_flags.MultiFlag if flag.field.about.read else absl_flags.Flag
            made_flag: absl_flags.Flag[Any] = kind(
                _Parser(flag.field), absl_flags.ArgumentSerializer(), flag.name, None, ""
            )
            absl_flags.DEFINE_flag(made_flag, flag_values=values)
    values.set_gnu_getopt(True)
    try:
        rest = values(["kalm", *argv])[1:]
    except (absl_flags.Error, ValueError) as error:  # ValueError: --noplan=3
        raise UsageError(str(error).removeprefix("flag ")) from error
    if len(rest) != len(positional):
        wanted = f"want {' '.join(positional)}" if positional else "settings are given as --name=value"
        raise UsageError(f"unexpected arguments {rest}; {wanted}" if rest else wanted)
    given = {flag.name: values[flag.name].value for flag in flags if values[flag.name].present}
    for flag in flags:
        if flag.field.default is REQUIRED and flag.name not in given:
            raise UsageError(f"--{flag.name} is required: {flag.field.about.doc}")
    return {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()} | dict(zip(positional, rest))


def made(cls: Any, given: Mapping[str, Any]) -> Any:
    """An instance of a dataclass of settings from the flags that were given."""
    return cls(**{field.name: given[field.flag] for field in settings_of(cls) if field.flag in given})


def help_text(title: str, doc: str, flags: Sequence[Flag]) -> str:
    """What `--help` prints: what the command does, then every flag in groups."""
    width = min(shutil.get_terminal_size().columns, 110)
    lines = [f"{title}: {inspect.cleandoc(doc)}"]
    for group in dict.fromkeys(flag.group for flag in flags):
        lines += ["", f"{group}:"]
        for flag in (flag for flag in flags if flag.group == group):
            lines += textwrap.wrap(
                f"{_spelled(flag)}: {_said(flag)} ({flag.default()})",
                width,
                initial_indent="  ",
                subsequent_indent=" " * 6,
            )
    return "\n".join(lines)


def reference(title: str, doc: str, flags: Sequence[Flag]) -> str:
    """The command in Markdown: its documentation and a table of flags for each group."""
    lines = [f"## {title}", "", inspect.cleandoc(doc)]
    for group in dict.fromkeys(flag.group for flag in flags):
        lines += ["", f"### {group}", "", "| flag | what it does | if not given |", "|---|---|---|"]
        for flag in (flag for flag in flags if flag.group == group):
            cells = (f"`{_spelled(flag)}`", _said(flag), flag.default())
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _spelled(flag: Flag) -> str:
    if flag.field.kind is bool and not flag.field.about.words:
        return f"--[no]{flag.name}"
    return f"--{flag.name}"


def _said(flag: Flag) -> str:
    wanted = flag.field.about.wanted(flag.field.kind)
    return f"{flag.field.about.doc} {wanted[:1].upper()}{wanted[1:]}.".removesuffix(" .")
