"""The notebooks hold no outputs, install without touching Colab's own packages, and run from top to bottom."""

import ast
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import types

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient

import kalm_jax
from kalm_jax.pipeline.config import PRESET_NAMES
from tests.fixtures import SMALL_RUN
from tests.paths import ROOT

NAMES = ("colab_tpu", "colab_gpu")
TINY = f"""PRESET = "smoke"
FLAGS = "{" ".join(SMALL_RUN)}"
OUTPUT = "runs/tiny"
"""
"""Put behind the cell of parameters: the job of `small_run`, which is there already."""


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


SHARED = ("install", "environment", "table", "sentence", "figures")


def test_what_the_notebooks_share_is_the_same():
    sources = [{cell.id: cell.source for cell in read(name).cells if cell.cell_type == "code"} for name in NAMES]
    for name in SHARED:
        assert sources[0][name] == sources[1][name], name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["colab_tpu", pytest.param("colab_gpu", marks=pytest.mark.nightly)])
def test_a_notebook_runs_from_top_to_bottom(name, small_run, tmp_path):
    """The notebook's job finds every stage done, so that what comes after it is tested in seconds.

    What both show at their ends is run in one of them, as it is the same.
    """
    notebook, folder = read(name), tmp_path / "runs" / "tiny"
    shutil.copytree(small_run, folder)
    at = notebook.cells.index(cell(notebook, "parameters"))
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell(TINY))
    if name == "colab_gpu":
        notebook.cells = [cell for cell in notebook.cells if cell.id not in SHARED[1:]]
    run(notebook, tmp_path, KALM_JAX_NOTEBOOK_DEVICE="cpu")
    assert (folder / "report.html").stat().st_size > 50_000
    assert "collect: done before" in text_of(cell(notebook, "job"))
    if name == "colab_tpu":
        assert "lookahead" in text_of(cell(notebook, "table"))
        assert "image/png" in pictures_in(cell(notebook, "environment"))
        assert pictures_in(cell(notebook, "sentence")) == ["image/gif"]
        assert "has the subgoals: red right blue" in text_of(cell(notebook, "sentence"))
        made = [file for file in (folder / "figures").iterdir() if file.suffix in (".png", ".gif")]
        assert len(pictures_in(cell(notebook, "figures"))) == len(made) > 3
        assert "of the largest matrix (1024, 128) it has (1024, 32)" in text_of(cell(notebook, "cores"))
    else:
        settings = json.loads((folder / "ground" / "done.json").read_text())["settings"]
        assert f"grounding in {settings['compute']}\n" in text_of(cell(notebook, "choice"))


@pytest.mark.parametrize("name", NAMES)
def test_the_first_cell_says_what_the_runtime_is_and_how_to_get_another(name, tmp_path):
    notebook = read(name)
    notebook.cells = [cell(notebook, "accelerator")]
    said = text_of(cell(run(notebook, tmp_path, JAX_PLATFORMS="cpu"), "accelerator"))
    assert f"This runtime: CPU, 1 x cpu, jax {importlib.metadata.version('jax')}, " in said
    assert f"no {name[-3:].upper()}" in said and "Change runtime type" in said


def test_the_first_cell_survives_a_runtime_without_jax(monkeypatch, capsys):
    monkeypatch.setitem(os.environ, "JAX_PLATFORMS", "nothing")
    answer = types.SimpleNamespace(
        returncode=1, stdout="", stderr="Traceback\nModuleNotFoundError: No module named 'jax'\n"
    )
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    found = {}
    exec(cell(read("colab_tpu"), "accelerator").source, found)
    assert found["RUNTIME"] == "cpu" and os.environ["JAX_PLATFORMS"] == "cpu"
    assert "finds no device here: ModuleNotFoundError: No module named 'jax'" in capsys.readouterr().out


def test_the_smoke_preset_is_the_notebooks_own_and_all_presets_exist():
    for name in NAMES:
        (line,) = [line for line in cell(read(name), "parameters").source.splitlines() if line.startswith("PRESET")]
        chosen, _, offered = line.partition("# @param ")
        assert chosen.split() == ["PRESET", "=", '"smoke"'] and {*json.loads(offered)} >= {*PRESET_NAMES}


def install(monkeypatch, folder, refuses=(), **names):
    """Runs the cell as it is, told that kalm_jax is missing; returns what pip was told to install, in turn."""
    calls = []

    def pip(command, **_):
        calls.append(command)
        bad = any(command[-1].startswith(what) for what in refuses)
        return types.SimpleNamespace(
            returncode=int(bad), stdout="", stderr="noise\nERROR: refused\nnotice" if bad else ""
        )

    with monkeypatch.context() as patched:
        patched.chdir(folder)
        patched.setattr(importlib.util, "find_spec", lambda name: None)
        fake = types.SimpleNamespace(run=pip)
        given = {"PACKAGE": "", "REPOSITORY": "", "BRANCH": "main", **names}
        exec(cell(read("colab_tpu"), "install").source, {"os": os, "sys": sys, "subprocess": fake, **given})
    assert all("constraints.txt" in command for command in calls)
    return [command[-1] for command in calls]


def test_installing_tries_index_wheel_and_repository_in_turn(monkeypatch, tmp_path, capsys):
    address = "https://example.org/kalm_jax"
    with pytest.raises(RuntimeError, match=r"Upload a kalm_jax-\*.whl beside this notebook"):
        install(monkeypatch, tmp_path)
    assert capsys.readouterr().out.count("none is given") == 3
    assert install(monkeypatch, tmp_path, PACKAGE="kalm_jax", REPOSITORY=address) == ["kalm_jax"]
    assert "package index (kalm_jax): installed" in capsys.readouterr().out
    old, new = "kalm_jax-0.1.0-py3-none-any.whl", "kalm_jax-0.2.0-py3-none-any.whl"
    for i, name in enumerate((old, new)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (i, i))
    assert install(monkeypatch, tmp_path, REPOSITORY=address) == [new]
    everything = install(monkeypatch, tmp_path, ("kalm_jax",), PACKAGE="kalm_jax", REPOSITORY=address)
    assert everything == ["kalm_jax", new, old, f"git+{address}@main"]
    said = capsys.readouterr().out
    assert "package index (kalm_jax): ERROR: refused" in said and f"repository (git+{address}@main): installed" in said
    assert (
        install(monkeypatch, tmp_path, ("kalm_jax-",), REPOSITORY=f"git+{address}", BRANCH="")[-1] == f"git+{address}"
    )
    assert install(monkeypatch, tmp_path, ("kalm_jax-",), REPOSITORY=str(tmp_path))[-1] == str(tmp_path)
    with pytest.raises(RuntimeError, match="could not be installed"):
        install(monkeypatch, tmp_path, ("kalm_jax", "git+"), PACKAGE="kalm_jax", REPOSITORY=address)
    kept = (tmp_path / "constraints.txt").read_text().splitlines()
    assert {f"{name}=={importlib.metadata.version(name)}" for name in ("jax", "jaxlib", "flax", "numpy")} <= set(kept)


def test_an_installed_package_is_left_alone(capsys):
    exec(cell(read("colab_tpu"), "install").source, {"os": os, "sys": sys})  # anything to install would miss names
    assert "kalm_jax " in capsys.readouterr().out


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what is packaged, in which building leaves its files, as a Git repository."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "kalm_jax", folder / "kalm_jax", ignore=shutil.ignore_patterns("__pycache__"))
    git = ["git", "-C", str(folder), "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "source"]):
        subprocess.run([*git, *command], check=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", *(pytest.param(k, marks=pytest.mark.nightly) for k in ("folder", "git"))])
def test_the_real_package_is_installed_without_a_network(kind, source, tmp_path):
    """pip itself runs, into a folder of its own, and may neither ask an index nor install dependencies."""
    site = tmp_path / "site"
    quiet = {
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    env = {**os.environ, **quiet}
    if kind == "wheel":
        command = [sys.executable, "-m", "pip", "wheel", "-q", "-w", str(tmp_path), str(source)]
        subprocess.run(command, check=True, env=env)
    address = {"wheel": "", "folder": str(source), "git": source.as_uri()}[kind]
    missing = "import importlib.util, os, subprocess, sys\nimportlib.util.find_spec = lambda name: None\n"
    given = f"PACKAGE, REPOSITORY, BRANCH = 'kalm_jax', {address!r}, 'main'\n"
    code = missing + given + cell(read("colab_tpu"), "install").source
    env |= {"PIP_TARGET": str(site), "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "package index (kalm_jax): ERROR: No matching distribution" in done.stdout
    found = "wheel beside this notebook" if kind == "wheel" else "repository"
    assert f"{found} (" in done.stdout and done.stdout.splitlines()[-2].endswith("): installed")
    assert f"kalm_jax {kalm_jax.__version__} on jax" in done.stdout
    assert (site / "kalm_jax" / "report" / "templates" / "report.html").exists()


def test_a_failing_job_fails_the_notebook(tmp_path):
    notebook = read("colab_tpu")
    start = nbformat.v4.new_code_cell(
        'import os, subprocess, sys\nPRESET, FLAGS, OUTPUT = "smoke", "--algo=guess", "run"'
    )
    notebook.cells = [start, cell(notebook, "job")]
    with pytest.raises(Exception, match="the job ended with an error"):
        run(notebook, tmp_path)
