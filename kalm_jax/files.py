"""Files that are written whole or not at all: bytes, text, JSON, JSON lines, CSV and NumPy's, and how they are read.

Every writer writes to a temporary name in the same folder and renames it. A reader, or the next start of a killed run,
therefore finds the file of before or the new one, never half a file. Every reader names a file that it cannot read and
says how to go on. Importing this module imports neither JAX nor NumPy.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import csv
import hashlib
import importlib.resources
import io
import json
import os
import pathlib
import re
import shutil
import socket
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kalm_jax.cores import available_cores
from kalm_jax.disk import naming_full_disk

if TYPE_CHECKING:
    import numpy as np

Path = str | os.PathLike[str]
_HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
_TEMPORARY = re.compile(r"\.writing-(\d+)-(?:([0-9a-f]{8})-)?")
"""Beginning of a temporary name: the process that writes, and its host."""
_READING: tuple[type[Exception], ...] = (
    *(AttributeError, EOFError, LookupError, MemoryError, OSError, RecursionError, TypeError, ValueError),
    *(zipfile.BadZipFile, zlib.error, csv.Error),
)
"""What readers of damaged files raise."""
CONTENT = ".content.json"
"""NAME.content.json beside a folder NAME says what that holds, where the same content has other bytes each time."""
_cleaned: set[str] = set()


# ---------------------------------------------------------------------------------------------------------- writing


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[pathlib.Path]:
    """Yields a temporary path with the same extension; what is written there becomes `path` when the block ends.

    After an error inside the block the temporary file is deleted and `path` is what it was before. What killed
    processes of this host were writing in the same folder is deleted.

    Raises:
      DiskFullError: nothing more can be written.
      OSError: nothing can be written there, or a folder has the file's place; the message names the file.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise IsADirectoryError(folder_for_a_file(path))
    if (place := str(path.absolute().parent)) not in _cleaned:
        remove_unfinished(place)
        _cleaned.add(place)
    temporary = path.with_name(f".writing-{os.getpid()}-{_HOST}-{path.name}")
    try:
        with naming_full_disk(path):
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    except (PermissionError, NotADirectoryError, FileNotFoundError) as error:
        if error.filename is None or os.fspath(error.filename) != os.fspath(temporary):
            raise
        raise type(error)(
            f"{path} cannot be written ({error.strerror}): its folder must be there, and writable for this user"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def folder_for_a_file(path: Path) -> str:
    """What to say of a folder where one of our files belongs."""
    return f"{path} is a folder, and a file is written there: move it or delete it, and run the same command again"


def remove(path: Path) -> None:
    """Deletes a file, a link or a folder with all that is in it, if there is one."""
    path = pathlib.Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[pathlib.Path]:
    """Yields a new folder beside `path`; what is written there becomes `path`, new or empty, when the block ends.

    After an error inside the block nothing of it is left.

    Raises:
      FileExistsError: `path` is a folder with something in it, when the block ends.
      DiskFullError: nothing more can be written.
    """
    path = pathlib.Path(os.path.realpath(path))
    above = [parent for parent in path.parents if not parent.exists()]
    temporary = path.with_name(f".writing-{os.getpid()}-{_HOST}-{path.name}")
    with naming_full_disk(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_unfinished(path.parent)
            temporary.mkdir()
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    with file.open("rb+") as opened:
                        os.fsync(opened.fileno())
            try:
                os.rename(temporary, path)
            except OSError as error:
                if path.exists():
                    raise FileExistsError(
                        f"{path} cannot be replaced ({error.strerror}): choose a new folder"
                    ) from error
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            for parent in above:  # those that were made for it
                with contextlib.suppress(OSError):
                    parent.rmdir()


def remove_unfinished(folder: Path, whose: str = "dead") -> None:
    """Deletes what writers have begun: in a folder what "dead" processes of this host have, or in it and below "all".

    "all" is for who knows that nobody else writes there.
    """
    folder = pathlib.Path(folder)
    with contextlib.suppress(OSError):
        for path in [*(folder.rglob(".writing-*") if whose == "all" else folder.glob(".writing-*"))]:
            match = _TEMPORARY.match(path.name)
            if match and (whose == "all" or (match[2] in (None, _HOST) and not is_alive(int(match[1])))):
                with contextlib.suppress(OSError):
                    remove(path)


def is_alive(process: int) -> bool:
    """Whether a process of this host runs; True where that cannot be known."""
    if os.name != "posix":  # there signal 0 is Ctrl-C
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True


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


def write_npy(path: Path, array: np.ndarray) -> None:
    """Writes an array as an .npy file."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array)
    write_bytes(path, buffer.getvalue())


def write_npz(path: Path, **arrays: Any) -> None:
    """Writes named arrays as an .npz file."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


# ---------------------------------------------------------------------------------------------------------- reading


@contextlib.contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Raises a ValueError that names a file of our own and says how to go on, where the block cannot read it.

    A missing file is a FileNotFoundError.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} is missing; run the same command again") from error
    except PermissionError:
        raise
    except _READING as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        why = why.partition(" If you trust the file")[0] or type(error).__name__  # NumPy's advice, to run its code
        raise ValueError(f"{path} is damaged ({why}); delete it and run the same command again") from error


def read_json(path: Path, kind: type = object) -> Any:
    """Returns the value of a JSON file, or None where the file is missing.

    Raises:
      ValueError: the file is not valid JSON, or its value is no `kind`; the message names it and says how to go on.
    """
    with contextlib.suppress(FileNotFoundError), naming_damage(path):
        value = json.loads(pathlib.Path(path).read_text("utf-8"))
        if not isinstance(value, kind):
            raise ValueError(f"it holds a {type(value).__name__}, want a {kind.__name__}")
        return value
    return None


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
    """Returns the rows that `write_json_lines` wrote, or [] where the file is missing; errors as of `read_json`."""
    with contextlib.suppress(FileNotFoundError), naming_damage(path):
        rows = [json.loads(line) for line in pathlib.Path(path).read_text("utf-8").splitlines()]
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("a line is no row")
        return rows
    return []


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
    """Returns the rows of a CSV file, values as text or, where given, as `types` (column -> function) make them.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: a file without columns or with a row that is not whole; the message says how to go on.
    """
    with naming_damage(path), pathlib.Path(path).open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, strict=True)
        if missing := sorted(types.keys() - set(reader.fieldnames or ())) or not reader.fieldnames:
            raise ValueError(f"it has no column {missing[0]}" if isinstance(missing, list) else "it is empty")
        rows = list(reader)
        if any(None in row or None in row.values() for row in rows):
            raise ValueError("a row is not whole")
        return [row | {name: convert(row[name]) for name, convert in types.items()} for row in rows]


def read_npy(path: Path) -> np.ndarray:
    """Returns the array of an .npy file.

    Raises:
      FileNotFoundError, ValueError: as `read_csv`.
    """
    import numpy as np

    with naming_damage(path):
        return np.load(path, allow_pickle=False)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of an .npz file by name; errors as of `read_npy`."""
    import numpy as np

    with naming_damage(path), np.load(path, allow_pickle=False) as file:
        return dict(file)


def read_toml(package: str, file: str) -> dict[str, Any]:
    """A TOML file that belongs to a package; `file` is relative to the package's folder."""
    return tomllib.loads((importlib.resources.files(package) / file).read_text("utf-8"))


# -------------------------------------------------------------------------------------------------------- checksums


def describe_files(folder: Path, without: Collection[str] = ()) -> dict[str, list[Any]]:
    """File below a folder -> its size and the SHA-256 of all of it (0.7 GB/s on a core), for `find_damage`.

    Args:
      folder: whose files are described; hidden ones are not.
      without: names directly in the folder that are left out.
    """
    folder, found = pathlib.Path(folder), []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and name.parts[0] not in without and not any(part[0] == "." for part in name.parts):
            found.append(path)
    digests = _digests(found)
    return {p.relative_to(folder).as_posix(): [p.stat().st_size, d] for p, d in zip(found, digests, strict=True)}


def describe_file(path: Path) -> list[Any]:
    """Size and SHA-256 of a file."""
    path = pathlib.Path(path)
    return [path.stat().st_size, *_digests([path])]


def find_damage(folder: Path, described: Any, sizes_only: bool = False) -> str:
    """What is wrong with the first file that is not as `describe_files` described it; "" where all are.

    Extra files are nothing wrong. Files are read whole only where all sizes are right, and not with `sizes_only`.
    """
    if not isinstance(described, dict):
        return "its list of files is damaged"
    folder = pathlib.Path(folder)
    try:
        for name, (size, _) in described.items():
            path = folder / name
            if not path.is_file():
                return f"{name} is missing" if not path.exists() else f"{name} is no file"
            if path.stat().st_size != size:
                return f"{name} has {path.stat().st_size} bytes and {size} were written"
        if sizes_only:
            return ""
        digests = _digests([folder / name for name in described])
        pairs = zip(described.items(), digests, strict=True)
        return next((f"{name} has changed" for (name, (_, was)), digest in pairs if digest != was), "")
    except PermissionError:
        raise
    except (OSError, TypeError, ValueError) as error:
        return f"a file cannot be read ({error})"


def _digests(paths: Sequence[pathlib.Path]) -> list[str]:
    """SHA-256 of files, on all cores: those of a large model take a minute on one."""

    def digest(path: pathlib.Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    with concurrent.futures.ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(digest, paths))
