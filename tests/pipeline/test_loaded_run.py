"""Runs that are opened again. Of damaged ones a user learns which file it is and what to do."""

import json
import shutil

import pytest

import kalm_jax
from kalm_jax.cli import main
from kalm_jax.files import write_json
from kalm_jax.pipeline.config import load_presets
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.source import code_version
from tests.fixtures import SMALL_RUN


def halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def largest(folder):
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def exchange(run):
    """The policies of the other condition."""
    shutil.rmtree(run / "learn" / "bc-kalm" / "policies")
    shutil.copytree(run / "learn" / "bc-offline" / "policies", run / "learn" / "bc-kalm" / "policies")


def a_file_for_a_stage(run):
    shutil.rmtree(run / "learn" / "bc-kalm")
    (run / "learn" / "bc-kalm").write_text("x")


READ = {
    "results": lambda run: run.results,
    "policy": lambda run: run.policy("bc"),
    "encode": lambda run: run.encode(["push the red ball to the left of the blue ball"]),
}
DAMAGES = {
    "half results": ("results", lambda run: halve(run / "results.csv"), r"results\.csv has"),
    "no results": ("results", lambda run: (run / "results.csv").write_text(""), r"results\.csv has 0 bytes"),
    "manifest {}": ("results", lambda run: (run / "manifest.json").write_text("{}"), "not finished"),
    "manifest": ("results", lambda run: (run / "manifest.json").write_text("{"), r"manifest\.json is damaged"),
    "half policies": ("policy", lambda run: halve(largest(run / "learn" / "bc-kalm" / "policies")), "learn/bc-kalm: "),
    "other policies": ("policy", exchange, "learn/bc-kalm: policies"),
    "record {}": ("policy", lambda run: (run / "learn/bc-kalm/done.json").write_text("{}"), r"done\.json is damaged"),
    "no record": ("policy", lambda run: (run / "learn/bc-kalm/done.json").unlink(), "stage learn/bc-kalm is missing"),
    "a file": ("policy", a_file_for_a_stage, "stage learn/bc-kalm is missing"),
    "whitening": ("encode", lambda run: halve(run / "encode/whitening/whitening.npz"), r"whitening\.npz has"),
    "weights": ("encode", lambda run: halve(run / "ground/model/text/model.safetensors"), r"model\.safetensors has"),
    "numbers": ("encode", lambda run: (run / "ground/model/numbers.json").write_text("[]"), r"numbers\.json has"),
    "run.json": ("policy", lambda run: (run / "run.json").write_text("{"), r"run\.json is damaged"),
    "no run.json": ("policy", lambda run: (run / "run.json").unlink(), r"no run\.json"),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_named(small_run, tmp_path, damage):
    what, spoil, message = DAMAGES[damage]
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert READ[what](kalm_jax.load_run(run)) is not None
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before  # reading writes nothing
    spoil(run)
    with pytest.raises((FileNotFoundError, ValueError), match=message) as error:
        READ[what](kalm_jax.load_run(run))
    assert str(run) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.slow
def test_the_same_command_mends_a_damaged_run(small_run, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    (run / "evaluate" / "bc-kalm-rephrase" / "results.csv").write_text("")
    halve(run / "collect" / "rollouts.h5")
    halve(run / "encode" / "whitening" / "whitening.npz")
    (run / "learn" / "bc-offline" / "done.json").write_text("{}")
    (run / "run.json").write_text("{")
    exchange(run)
    (run / "results.csv").unlink()
    main.run("clevr", ["--preset=smoke", *SMALL_RUN, f"--output={run}"])
    said = [line for line in capsys.readouterr().out.splitlines() if "starts again" in line]
    assert {line.partition(":")[0].rpartition("] ")[2] for line in said} == {
        *("collect", "encode/whitening", "learn/bc-offline", "learn/bc-kalm", "evaluate/bc-kalm-rephrase")
    }
    for name in ("results.csv", "collect/rollouts.h5", "learn/bc-kalm/curve.json"):
        assert (run / name).read_bytes() == (small_run / name).read_bytes()
    assert kalm_jax.load_run(run).results


def write_nothing(folder):
    """The work of a stage; the code that the stage depends on is this module's and the world's."""


@pytest.fixture
def short_run(tmp_path):
    """Folder of a run with one complete stage."""
    run = PipelineRun(tmp_path / "run", load_presets("clevr")["smoke"], "a command")
    run.stage("learn/bc-kalm", {}, [], write_nothing)
    return run.path


def rewrite(path, **changes):
    content = json.loads(path.read_text()) | changes
    write_json(path, {key: value for key, value in content.items() if value is not None})


def test_a_run_of_other_code_is_loaded_with_a_note(short_run, capsys):
    begun = short_run / "learn/bc-kalm/begun.json"
    code = json.loads(begun.read_text())["code"]
    rewrite(short_run / "run.json", kalm_jax="0.1.9", commit="abc1234")
    rewrite(begun, code=code | {"kalm_jax.worlds.clevr.goals": "0123456789ab"})
    for _ in range(2):
        assert kalm_jax.load_run(short_run).config.world == "clevr"
    found = capsys.readouterr()
    assert found.out == "" and found.err.count("\n") == 1  # it is said once
    for part in (f"note: {short_run} was made by kalm_jax 0.1.9, commit abc1234", "learn/bc-kalm", "66cb595"):
        assert part in found.err
    assert f"this is kalm_jax {kalm_jax.__version__}" in found.err and "kalm-privileged" in found.err


def test_a_run_of_the_same_code_is_loaded_without_a_note(short_run, capsys):
    recorded = json.loads((short_run / "run.json").read_text())
    assert recorded.items() >= code_version().items()
    kalm_jax.load_run(short_run)
    rewrite(short_run / "run.json", kalm_jax="0.1.9", commit=None)  # a release that changed other files alone
    kalm_jax.load_run(short_run)
    assert capsys.readouterr().err == ""


def test_a_run_whose_code_is_not_recorded_is_loaded(short_run, capsys):
    rewrite(short_run / "run.json", commit="abc1234")
    rewrite(short_run / "learn/bc-kalm/begun.json", code=None)
    kalm_jax.load_run(short_run)
    assert capsys.readouterr().err == ""
