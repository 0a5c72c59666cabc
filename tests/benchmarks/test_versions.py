"""The environments of supported versions, and what is read off pytest's output."""

import re

import pytest

from benchmarks import versions
from benchmarks.versions import Outcome, read_tests, table
from tests.paths import ROOT


def test_the_workflow_tests_the_same_environments():
    text = (ROOT / ".github" / "workflows" / "test.yml").read_text()
    found = re.findall(r'- \{ python: "([\d.]+)", versions: "([^"]+)" \}', text)
    assert found == list(versions.ENVIRONMENTS.values()) and "schedule:" in text


def test_the_environments_are_what_the_metadata_allows():
    text = (ROOT / "pyproject.toml").read_text()
    for name in ("jax", "flax", "optax", "chex"):
        least = re.search(rf'"{name}>=([\d.]+)', text)[1]
        pinned = re.search(rf"(?<![\w]){name}==([\d.]+)", versions.OLDEST)[1]
        assert tuple(map(int, pinned.split("."))) >= tuple(map(int, least.split(".")))
    assert re.search(r"(?<!\w)jax==([\d.]+)", versions.OLDEST)[1] == re.search(r'"jax>=([\d.]+)', text)[1]


def test_the_xla_flags_are_those_of_ci():
    text = (ROOT / ".ci" / "run").read_text()
    assert all(flag in text for flag in versions.XLA_FLAGS.split())


@pytest.mark.parametrize(
    "lines, summary, failed",
    [
        (["....", "3 passed in 1.23s"], "3 passed in 1.23s", []),
        (
            [
                "FAILED tests/a.py::test_b[x-1] - ValueError: no",
                "ERROR tests/c.py",
                "= 1 failed, 2 passed, 1 error in 65.00s (0:01:05) =",
            ],
            "1 failed, 2 passed, 1 error in 65.00s (0:01:05)",
            ["tests/a.py::test_b[x-1]", "tests/c.py"],
        ),
        (["Segmentation fault"], "", []),
    ],
)  # fmt: skip
def test_what_pytest_says_is_read(lines, summary, failed):
    assert read_tests(lines) == (summary, failed)


def test_the_table_names_what_failed():
    made = dict.fromkeys(versions.SHOWN, "1.0")
    text = table(
        [Outcome("oldest-3.11", "3.11", "abc", "2026-01-01", made, "1 failed in 2.00s", ["tests/a.py::test_b"])]
    )
    assert "| oldest-3.11 | 3.11 | 1.0 |" in text and text.endswith("\n- oldest-3.11: `tests/a.py::test_b`")
