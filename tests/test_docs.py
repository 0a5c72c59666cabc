"""The documents are true: their commands parse, their links lead somewhere, their programs run."""

import functools
import re

import pytest

from tests.paths import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
EXPERIMENTS = {path.stem.replace("_", "-") for path in (ROOT / "experiments").glob("[a-z]*.py")}
HISTORY = "CHANGELOG.md"
"""Names flags and files of earlier versions."""


def blocks(page, language):
    """Code blocks of a page in a language, "" for commands."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(page):
    """(program, its arguments) of every command that a page shows, in blocks or in a sentence."""
    text = re.sub(r"\s+", " ", page.read_text())
    for name, arguments in re.findall(r"(?:kalm|python -m experiments\.)[ ]?([a-z][\w-]*)((?: +[^ `&|,;)]+)*)", text):
        yield name.replace("_", "-"), arguments.split()


@functools.cache
def flags_of(name):
    """Names of the flags of a command."""
    from kalm_jax.cli import main

    return {flag.name for flag in main.load(name).flags()}


@pytest.mark.parametrize("page", [p for p, n in zip(PAGES, NAMES, strict=True) if n != HISTORY], ids=str)
def test_every_flag_of_a_command_exists(page):
    from kalm_jax.cli.main import COMMANDS

    for name, arguments in commands(page):
        given = {a.removeprefix("--").partition("=")[0] for a in arguments if a.startswith("--")} - {"help"}
        if not given:
            continue
        assert name in {*COMMANDS, *EXPERIMENTS}, name
        if name in COMMANDS:
            known = flags_of(name)
            assert {g for g in given if g not in known and g.removeprefix("no") not in known} == set(), name


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_to_a_file_leads_to_one(page):
    targets = re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", page.read_text())
    generated = {"reference/cli.md", "reference/api.md", "../reference/cli.md"}
    missing = [t for t in targets if not (page.parent / t).exists() and t not in generated]
    assert missing == []


def test_every_path_in_the_code_map_exists():
    paths = re.findall(
        r"`((?:kalm_jax|benchmarks|tests|examples|notebooks)/[\w/.-]+)`",
        "\n".join(p.read_text() for p in PAGES if p.name != HISTORY),
    )
    assert [path for path in sorted(set(paths)) if not (ROOT / path).exists()] == []
