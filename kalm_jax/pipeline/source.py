"""Which source code a stage's result depends on, and its fingerprint: other code makes a stage again.

Counted are the stage's module and every module that it imports, directly or through others, also inside functions, of
this library and of the packages of custom worlds and learners. Comments, docstrings and formatting do not count, nor do
modules that compute no result (`IGNORED`): editing a report redoes nothing, editing a learner redoes policies and not
the grounding. For readers a record also names the code by version and commit (`code_version`). Free of JAX.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import pathlib
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import kalm_jax

ROOT = "kalm_jax"
IGNORED = frozenset(
    "cli report figures animation render presets config ground_config offline_config planner_config settings "
    "run_folder run_records source run progress files disk locks room cores workers malloc distributed "
    "dashboard".split()
)
"""Names of modules and packages that compute no result, or whose values are a stage's settings."""


@functools.cache
def code_version() -> Mapping[str, str]:
    """Version of this library ("kalm_jax") and, in a checkout, git commit ("commit"; "-dirty": files are changed)."""
    root, found = pathlib.Path(__file__).parents[2], {"kalm_jax": kalm_jax.__version__}
    if (root / ".git").exists():
        asked = ["git", "-C", str(root), "describe", "--always", "--dirty"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            found["commit"] = subprocess.run(
                asked, capture_output=True, text=True, timeout=10, check=True
            ).stdout.strip()
    return found


def version_text(record: Mapping[str, Any]) -> str:
    """What a record with the entries of `code_version` says of the code; without a commit only the version."""
    commit = record.get("commit")
    return f"kalm_jax {record.get('kalm_jax')}" + f", commit {commit}" * bool(commit)


def source_hashes(modules: Iterable[str]) -> dict[str, str]:
    """Module -> hash of its code, for `modules` and all that they import, and of files in a folder `data` beside."""
    packages = {ROOT, *(name.partition(".")[0] for name in modules)}
    found: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        top, *parts = name.split(".")
        if name in found or name == ROOT or top not in packages or (top == ROOT and IGNORED.intersection(parts)):
            continue
        path = _path(name)
        if path is not None:
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            found[name], imported = _read(path, package)
            waiting += imported
            for data in (file for file in path.parent.glob("data/*") if file.is_file()):
                found[f"{name.rpartition('.')[0]}/data/{data.name}"] = _hash(data.read_bytes())
    return dict(sorted(found.items()))


@functools.cache
def _path(name: str) -> pathlib.Path | None:
    """The module's file; None for what is not a module, such as a function that was imported by name."""
    top, _, rest = name.partition(".")
    place = _top(top)
    if place is None:
        return None
    place = place.joinpath(*rest.split(".")) if rest else place
    return next((path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file()), None)


@functools.cache
def _top(name: str) -> pathlib.Path | None:
    """The folder of a top-level package, or a top-level module's path without its extension."""
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # `__main__` of `python -c`
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return pathlib.Path(next(iter(spec.submodule_search_locations)))
    return pathlib.Path(spec.origin).with_suffix("") if spec.origin else None


@functools.cache
def _read(path: pathlib.Path, package: str) -> tuple[str, tuple[str, ...]]:
    """Hash of the code of a module in a package, and the names that it imports."""
    tree = ast.parse(path.read_bytes())
    return _hash(repr(_plain(tree)).encode()), tuple(_imports(tree, package))


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _plain(node: Any) -> Any:
    """A syntax tree as nested lists, without docstrings and empty fields, alike in all versions of Python."""
    if isinstance(node, list):
        return [_plain(n) for n in node if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    if isinstance(node, ast.AST):
        fields = (value for name, value in ast.iter_fields(node) if name != "ctx")
        return [type(node).__name__, *(_plain(value) for value in fields if value not in (None, []))]
    return node


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
