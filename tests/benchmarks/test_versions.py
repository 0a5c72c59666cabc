"""The environments of supported versions, and what is read off pytest's output."""

import os
import re
import subprocess
import sys

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


def test_flags_that_jaxlib_does_not_know_are_left_out(monkeypatch):
    known = versions.known_flags().split()
    assert "--xla_cpu_max_isa=SSE4_2" in known and set(known) <= set(versions.XLA_FLAGS.split())
    done = subprocess.run(
        [sys.executable, "-c", "import jax; jax.devices()"], env={**os.environ, "XLA_FLAGS": " ".join(known)}
    )
    assert done.returncode == 0
    monkeypatch.setattr(versions, "XLA_FLAGS", "--xla_cpu_max_isa=SSE4_2 --xla_cpu_nobody_knows_this=1")
    assert versions.known_flags() == "--xla_cpu_max_isa=SSE4_2"


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
