"""Flags of a command, made from the settings of its configurations: reading them, their help, their reference."""

from __future__ import annotations

import dataclasses
import inspect
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags as absl_flags

from kalm_jax.settings import REQUIRED, Setting, settings_of


class UsageError(Exception):
    """The command line cannot be read; the message says which flag and how to fix it."""


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag of a command.

    Attributes:
      field: what it sets. group: its heading in the help.
      presets: preset -> the value there, where presets decide; otherwise its default is the field's.
    """

    field: Setting
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
        values = {name: self._text(value) for name, value in (self.presets or {"": self.field.default}).items()}
        if len(set(values.values())) == 1:
            return f"default: {next(iter(values.values()))}"
        return ", ".join(f"{name}: {value}" for name, value in values.items())

    def _text(self, value: Any) -> str:
        if dataclasses.is_dataclass(value):
            return "all"
        if isinstance(value, tuple):
            return ",".join(value) or "none"
        if self.field.is_switch:
            return "yes" if value else "no"
        words = {v: k for k, v in self.field.words.items()}
        return str(words.get(value, value)) if value != "" else "none"

    def spelled(self) -> str:
        """How it is written: "--name", or "--[no]name" of a switch."""
        return f"--{'[no]' * self.field.is_switch}{self.name}"

    def said(self) -> str:
        """What it does, and what its value must be."""
        wanted = self.field.wanted()
        return f"{self.field.doc} {wanted[:1].upper()}{wanted[1:]}.".removesuffix(" .")


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

    def __init__(self, setting: Setting):
        # Shares of tasks are given as the tasks' names.
        self.setting = dataclasses.replace(setting, kind=tuple) if dataclasses.is_dataclass(setting.kind) else setting
        self.syntactic_help = setting.wanted()

    def parse(self, argument: Any) -> Any:
        setting, doc = self.setting, self.setting.doc.partition(". ")[0].rstrip(".")
        if setting.read:
            return setting.read(str(argument))
        wrong = f"want {setting.wanted()} ({doc})"
        try:
            value = self._read(str(argument))
        except (KeyError, ValueError) as error:
            raise ValueError(wrong) from error
        if (value != setting.default or setting.filled) and not setting.accepts(value):
            raise ValueError(wrong)
        if missing := setting.missing(value):
            raise ValueError(f"{missing} ({doc})")
        return value

    def _read(self, text: str) -> Any:
        if words := self.setting.words:
            return words[text]
        if self.setting.kind in (int, float):
            return self.setting.kind(text)
        if self.setting.kind is tuple:
            return tuple(dict.fromkeys(entry.strip() for entry in text.split(",") if entry.strip()))
        return text


def parse(flags: Sequence[Flag], argv: Sequence[str], positional: Sequence[str] = ()) -> dict[str, Any]:
    """Flag -> value of those given on the command line; positional arguments likewise, by their names.

    Raises:
      UsageError: an unknown flag, a wrong value, a required one that is missing, or too many or few arguments.
    """
    for argument in argv:
        if any("\ud800" <= letter <= "\udfff" for letter in argument):  # bytes that Python could not decode
            raise UsageError(f"{argument!r} is no text in UTF-8, in which a run could be written down")
    values = absl_flags.FlagValues()
    serializer: absl_flags.ArgumentSerializer[Any] = absl_flags.ArgumentSerializer()
    for flag in flags:
        if flag.field.is_switch:
            absl_flags.DEFINE_bool(flag.name, None, "", flag_values=values)
        else:
            kind = absl_flags.MultiFlag if flag.field.read else absl_flags.Flag
            absl_flags.DEFINE_flag(kind(_Parser(flag.field), serializer, flag.name, None, ""), flag_values=values)
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
            raise UsageError(f"--{flag.name} is required: {flag.field.doc}")
    return {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()} | dict(zip(positional, rest))


def made(cls: Any, given: Mapping[str, Any]) -> Any:
    """An instance of a dataclass of settings from the flags that were given."""
    return cls(**{field.name: given[field.flag] for field in settings_of(cls) if field.flag in given})


def _groups(flags: Sequence[Flag]) -> dict[str, list[Flag]]:
    """Flags by their headings, in order of appearance."""
    return {group: [flag for flag in flags if flag.group == group] for group in dict.fromkeys(f.group for f in flags)}


def help_text(title: str, doc: str, flags: Sequence[Flag]) -> str:
    """What `--help` prints: what the command does, then every flag in groups."""
    width = min(shutil.get_terminal_size().columns, 110)
    lines = [f"{title}: {inspect.cleandoc(doc)}"]
    for group, members in _groups(flags).items():
        lines += ["", f"{group}:"]
        for flag in members:
            text = f"  {flag.spelled()}: {flag.said()} ({flag.default()})"
            lines += textwrap.wrap(text, width, subsequent_indent=" " * 6)
    return "\n".join(lines)


def reference(title: str, doc: str, flags: Sequence[Flag]) -> str:
    """The command in Markdown: its documentation and a table of flags for each group."""
    lines = [f"## {title}", "", inspect.cleandoc(doc)]
    for group, members in _groups(flags).items():
        lines += ["", f"### {group}", "", "| flag | what it does | if not given |", "|---|---|---|"]
        for flag in members:
            cells = (f"`{flag.spelled()}`", flag.said(), flag.default())
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
