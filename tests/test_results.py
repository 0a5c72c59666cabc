"""The tables of RESULTS.md that are of a study are those that its kept results give."""

import re
import shutil

import pytest

from kalm_jax.pipeline import study
from kalm_jax.pipeline.study_results import read_results
from tests.paths import ROOT

STUDIES = {"clevr-study": ("### Conditions", "### Success of the policies at full size")}
"""Folder below `docs/data` -> the headings in RESULTS.md between which its tables are."""


@pytest.fixture(scope="module", params=STUDIES)
def made(request, tmp_path_factory):
    """The study's name, and a folder with its tables made again."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copytree(ROOT / "docs" / "data" / request.param / study.RESULTS, folder / study.RESULTS)
    first = read_results(folder / study.RESULTS / "grounding-1")
    study.write_tables(folder, study.configurations(first.config, 5), first.command)
    return request.param, folder


def test_the_kept_tables_are_those_of_the_results(made):
    name, folder = made
    assert (ROOT / "docs" / "data" / name / "study.md").read_text() == (folder / "study.md").read_text()


def test_results_has_the_rows_of_the_kept_tables(made):
    name, folder = made
    begin, end = STUDIES[name]
    text = (ROOT / "RESULTS.md").read_text()
    mine = text[text.index(begin) : text.index(end)]
    known = set((folder / "study.md").read_text().splitlines())
    rows = [line for line in mine.splitlines() if line.startswith("|")]
    assert len(rows) > 20 and [row for row in rows if row not in known] == []


def test_readmes_table_is_rounded_from_that_of_the_study(made):
    """README: the condition in columns, "within 10 (within 50)" in whole percent."""
    overview = (made[1] / "study.md").read_text().split("## Overview")[1].split("\n##")[0]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in overview.splitlines() if line[:1] == "|"]
    known = {cells[0][k]: {row[1] or row[0].split()[0]: row[k] for row in cells[2:]} for k in range(2, 6)}
    readme = (ROOT / "README.md").read_text().split("## Main result")[1].split("\n## ")[0]
    lines = [[c.strip() for c in line.split("|")[1:-1]] for line in readme.splitlines() if line[:1] == "|"]
    header, *rows = lines[0], *lines[2:]
    assert len(rows) == len(known) == 4
    for row, level in zip(rows, known.values(), strict=True):
        for condition, cell in zip(header[1:], row[1:], strict=True):
            rates = [float(re.match(r"[\d.]+", part)[0]) for part in level[condition].split(" / ")]
            said = [float(number) for number in re.findall(r"\d+", cell)]
            wrong = (row[0], condition, rates)
            assert abs(said[0] - rates[0]) <= 0.5 + 1e-9 and abs(said[-1] - rates[1]) <= 0.5 + 1e-9, wrong
