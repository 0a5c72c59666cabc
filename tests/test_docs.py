"""The documents are true: their commands parse, their links lead somewhere, their programs run."""

import functools
import importlib
import re
import shutil

import pytest

import kalm_jax
from kalm_jax.cli import main
from tests.paths import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
BENCHMARKS = {
    "learning": "benchmarks.learning_main",
    "metaworld-experts": "benchmarks.metaworld_experts",
    "pretrain": "benchmarks.pretrain",
    "throughput": "benchmarks.throughput.main",
}
OTHERS_FLAGS = {"no-deps", "ntasks-per-node", "gpus-per-task", "strict"}
"""Flags in a sentence that are pip's, SLURM's and mkdocs'."""
HISTORY = "CHANGELOG.md"
"""Names flags and files of earlier versions."""


def blocks(page, language):
    """Code blocks of a page in a language, "" for commands."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(page):
    """(program, its arguments) of every command that a page shows, in blocks or in a sentence."""
    text = page.read_text()
    lines = [line for block in blocks(page, "") for line in block.splitlines()]
    spans = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    for line in lines + [" ".join(span.split()) for span in spans]:
        for name, arguments in re.findall(r"(?:\bkalm |python -m experiments\.)([a-z][\w-]*)([^&|;#]*)", line):
            yield name.replace("_", "-"), arguments.split()


def given(words):
    """Names of the flags among words."""
    return {word.removeprefix("--").partition("=")[0] for word in words if re.match(r"--\w", word)} - {"help"}


@functools.cache
def flags_of(name):
    """Names of the flags of a command, also as they are turned off."""
    module = importlib.import_module(BENCHMARKS[name]) if name in BENCHMARKS else main.load(name)
    names = {flag.name for flag in module.flags()}
    return names | {f"no{name}" for name in names}


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != HISTORY], ids=lambda page: page.stem)
def test_every_flag_exists(page):
    for name, words in commands(page):
        if given(words):
            assert given(words) - flags_of(name) == set(), name
    everything = set.union(*(flags_of(name) for name in [*main.COMMANDS, *BENCHMARKS]), OTHERS_FLAGS)
    alone = [span.split() for span in re.findall(r"`(--[^`]+)`", page.read_text())]
    left = set().union(*map(given, alone)) - everything
    assert {name for name in left if not name.startswith("xla_")} == set()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_to_a_file_leads_to_one(page):
    targets = re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", page.read_text())
    made = ("reference/cli.md", "reference/api.md")  # while the site is built
    missing = [target for target in targets if not (page.parent / target).exists() and not target.endswith(made)]
    assert missing == []


def test_every_path_in_the_code_map_exists():
    text = "\n".join(page.read_text() for page in PAGES if page.name != HISTORY)
    paths = re.findall(r"`((?:kalm_jax|benchmarks|tests|examples|notebooks)/[\w/.-]+)`", text)
    assert [path for path in sorted(set(paths)) if not (ROOT / path).exists()] == []


@pytest.fixture(scope="module")
def desk(small_run, tmp_path_factory):
    """A folder with what the pages' programs read: finished runs and a file of rollouts."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "runs").mkdir()
    for name in ("clevr", "clevr-default"):
        shutil.copytree(small_run, folder / "runs" / name)
    main.run("collect", ["--env=Pendulum-v1", "--policy=mixed", "--episodes=6", f"--output={folder / 'pendulum.h5'}"])
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda page: page.stem)
def test_the_programs_of_a_page_run(page, desk, monkeypatch):
    """One after the other, as a reader would run them."""
    monkeypatch.chdir(desk)
    names = {}
    for number, block in enumerate(blocks(page, "python")):
        exec(compile(block, f"{page.name}, program {number + 1}", "exec"), names)
    assert names.keys() > {"__builtins__"}  # what the programs made; a program that fails raises


def test_every_public_name_is_in_a_program_of_a_page():
    shown = "\n".join(block for page in PAGES for block in blocks(page, "python"))
    missing = [n for n in kalm_jax.__all__ if not re.search(rf"\bkalm\.{n}\b|import .*\b{n}\b", shown)]
    assert missing == []
