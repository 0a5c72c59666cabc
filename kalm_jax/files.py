"""Files that are written whole or not at all: bytes, text, JSON, JSON lines and CSV, and how the last three are read.

Every writer writes to a temporary name in the same folder and renames it. A reader, or the next start of a killed run,
therefore finds the file of before or the new one, never half a file. Imports neither JAX nor NumPy.
"""

from __future__ import annotations

import contextlib
import csv
import importlib.resources
import json
import os
import pathlib
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

Path = str | os.PathLike[str]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[pathlib.Path]:
    """Yields a temporary path with the same extension; what is written there becomes `path` when the block ends.

    After an error inside the block the temporary file is deleted and `path` is what it was before.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes the bytes."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Writes the text in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any, *, sort_keys: bool = True) -> None:
    """Writes a value as indented JSON."""
    write_text(path, json.dumps(value, indent=2, sort_keys=sort_keys) + "\n")


def read_json(path: Path) -> Any:
    """Returns the value of a JSON file, or None where the file is missing.

    Raises:
      ValueError: the file is not valid JSON; the message names it and says how to go on.
    """
    try:
        return json.loads(pathlib.Path(path).read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); delete it and run the same command again") from error


def require_file(path: Path) -> pathlib.Path:
    """The path of a file that a user gave, once it can be opened.

    Raises:
      OSError: there is none, it is a folder or a device, or this user may not read it; the message names it.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, want a file")
    if not path.exists():
        link = path.is_symlink()
        raise FileNotFoundError(f"{path}: {'a link to a file that is missing' if link else 'no such file'}")
    if not path.is_file():
        raise OSError(f"{path} is a device or a pipe, want a file; write its contents to a file first")
    try:
        path.open("rb").close()
    except OSError as error:
        raise type(error)(f"{path} cannot be opened ({error.strerror}); make it readable for this user") from error
    return path


def read_foreign_json(path: Path, remedy: str) -> dict[str, Any]:
    """The object in a JSON file that another program wrote.

    Raises:
      OSError: as `require_file`.
      ValueError: it is not JSON, or holds something else; the message names the file and ends with the remedy.
    """
    try:
        value = json.loads(require_file(path).read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}); {remedy}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds the JSON value {repr(value)[:40]}, want an object of settings; {remedy}")
    return value


def write_json_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes every row as one line of JSON."""
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Returns the rows that `write_json_lines` wrote, or [] where the file is missing."""
    path = pathlib.Path(path)
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows as a CSV file with the given columns; makes the folder where it is missing.

    Raises:
      ValueError: a row has a column that is not among `columns`.
    """
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path, **types: Callable[[str], Any]) -> list[dict[str, Any]]:
    """Returns the rows of a CSV file, values as text or, where given, as `types` (column -> function) make them."""
    with pathlib.Path(path).open(newline="", encoding="utf-8") as file:
        return [row | {name: convert(row[name]) for name, convert in types.items()} for row in csv.DictReader(file)]


def read_toml(package: str, file: str) -> dict[str, Any]:
    """A TOML file that belongs to a package; `file` is relative to the package's folder."""
    return tomllib.loads((importlib.resources.files(package) / file).read_text("utf-8"))
