"""Finished runs that are damaged: whoever opens them learns which file it is and what to do."""

import shutil

import pytest

import kalm_jax
from kalm_jax.cli import main
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
