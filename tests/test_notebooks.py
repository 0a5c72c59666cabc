"""The notebooks hold no outputs, install without touching Colab's own packages, and run from top to bottom."""

import ast
import importlib.metadata
import importlib.util
import json
import os
import shutil
import types

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient

from tests.fixtures import SMALL_RUN
from tests.paths import ROOT

NAMES = ("colab_tpu", "colab_gpu")
TINY = f"""PRESET = "smoke"
FLAGS = "{" ".join(SMALL_RUN)}"
OUTPUT = "runs/tiny"
"""
"""Put behind the cell of parameters: the job of `small_run`, which is there already."""
SMALL = {"colab_tpu": "", "colab_gpu": 'ROWS, STEPS, PRECISIONS = (8,), 8, ("float32",)'}


def read(name):
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def cell(notebook, name):
    return next(cell for cell in notebook.cells if cell.id == name)


def run(notebook, folder, **variables):
    """Executes all cells in `folder`, in a kernel that finds this tree's packages; an error in a cell is raised."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(folder)}}).execute(env=env)
    return notebook


def text_of(shown):
    return "".join(output.get("text", "") for output in shown.outputs)


def pictures_in(shown):
    kinds = [kind for output in shown.outputs for kind in output.get("data", {})]
    return [kind for kind in kinds if kind.startswith("image/")]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_stripped_and_its_code_is_of_every_supported_python(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert sum("parameters" in cell.metadata.get("tags", ()) for cell in notebook.cells) == 1
    for shown in notebook.cells:
        if shown.cell_type == "code":
            assert shown.outputs == [] and shown.execution_count is None, shown.id
            ast.parse(TransformerManager().transform_cell(shown.source), feature_version=(3, 11))


def test_what_the_notebooks_share_is_the_same():
    sources = [{cell.id: cell.source for cell in read(name).cells if cell.cell_type == "code"} for name in NAMES]
    for name in ("install", "environment", "table", "sentence", "figures"):
        assert sources[0][name] == sources[1][name], name


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_from_top_to_bottom(name, small_run, tmp_path):
    """The notebook's job finds every stage done, so that what comes after it is tested in seconds."""
    notebook, folder = read(name), tmp_path / "runs" / "tiny"
    shutil.copytree(small_run, folder)
    at = notebook.cells.index(cell(notebook, "parameters"))
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell(TINY + SMALL[name]))
    run(notebook, tmp_path, KALM_JAX_NOTEBOOK_DEVICE="cpu")
    assert (folder / "report.html").stat().st_size > 50_000
    assert "lookahead" in text_of(cell(notebook, "table"))
    assert "image/png" in pictures_in(cell(notebook, "environment"))
    assert pictures_in(cell(notebook, "sentence")) == ["image/gif"]
    assert "has the subgoals: red right blue" in text_of(cell(notebook, "sentence"))
    made = [file for file in (folder / "figures").iterdir() if file.suffix in (".png", ".gif")]
    assert len(pictures_in(cell(notebook, "figures"))) == len(made) > 3
    assert "collect: done before" in text_of(cell(notebook, "job"))
    if name == "colab_tpu":
        assert "of the largest matrix (1024, 128) it has (1024, 32)" in text_of(cell(notebook, "cores"))
    else:
        settings = json.loads((folder / "ground" / "done.json").read_text())["settings"]
        assert f"grounding in {settings['compute']}\n" in text_of(cell(notebook, "choice"))


@pytest.mark.parametrize("name", NAMES)
def test_without_the_accelerator_the_first_cell_says_how_to_get_one(name, tmp_path):
    notebook = read(name)
    notebook.cells = [cell(notebook, "accelerator")]
    with pytest.raises(Exception, match="Change runtime type"):
        run(notebook, tmp_path, JAX_PLATFORMS="cpu")


def test_installing_keeps_what_colab_has(monkeypatch, tmp_path):
    """The cell as it is, told that kalm_jax is missing; pip is not called, but what it would be told is read."""
    calls = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    fake = types.SimpleNamespace(run=lambda command, check: calls.append(command))
    source = cell(read("colab_tpu"), "install").source
    names = {"sys": __import__("sys"), "subprocess": fake, "BRANCH": "main"}
    with pytest.raises(AssertionError, match="name its Git repository"):
        exec(source, {**names, "REPOSITORY": ""})
    exec(source, {**names, "REPOSITORY": "https://example.org/kalm_jax"})
    assert calls[0][-1] == "git+https://example.org/kalm_jax@main" and "constraints.txt" in calls[0]
    kept = (tmp_path / "constraints.txt").read_text().splitlines()
    assert {f"{name}=={importlib.metadata.version(name)}" for name in ("jax", "jaxlib", "flax", "numpy")} <= set(kept)
    monkeypatch.undo()
    exec(source, {**names, "REPOSITORY": ""})
    assert len(calls) == 1


def test_a_failing_job_fails_the_notebook(tmp_path):
    notebook = read("colab_tpu")
    start = nbformat.v4.new_code_cell(
        'import os, subprocess, sys\nPRESET, FLAGS, OUTPUT = "smoke", "--algo=guess", "run"'
    )
    notebook.cells = [start, cell(notebook, "job")]
    with pytest.raises(Exception, match="the job ended with an error"):
        run(notebook, tmp_path)
