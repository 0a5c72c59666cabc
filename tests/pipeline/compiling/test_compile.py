"""A job compiled in another process: rows are kept as they are done, and errors are one line."""

import json

import pytest

from kalm_jax.cli.main import run as command
from kalm_jax.files import read_json_lines, write_json_lines
from kalm_jax.pipeline.compiling import compile, environment
from kalm_jax.pipeline.compiling.compile import compile_job
from kalm_jax.pipeline.compiling.environment import compiling_environment, find_compilers
from kalm_jax.pipeline.compiling.report import COLUMNS, broken, line, markdown, write_report
from kalm_jax.pipeline.compiling.targets import PROMISES, SIMULATED, TARGETS, promised_config
from kalm_jax.pipeline.config import configure, load_presets

ROW = {
    **{"program": "grounding", "per": "an update", "function": "train_step", "devices": 1, "target": "gpu-t4"},
    **{"compiles": True, "reason": "", "state": 9_000_000, "temporary": 1_000_000, "memory": 20_000_000, "fits": True},
    **{"flops": {"float32": 2e9}, "bytes": 3_000_000, "collective": {}, "kernels": {"cublas": 2}, "jax": "0"},
    **{"least_s": 2e-3, "bound": "products", "job": "a job", "compile_s": 1.0, "fingerprint": "0"},
}


@pytest.mark.slow
def test_programs_are_compiled_in_another_process_and_not_again(tmp_path):
    config, begun, said = load_presets("clevr")["smoke"], [], []
    options = {"only": ("llm_policy", "bc"), "say": said.append, "begin": begun.append}
    rows = compile_job(config, SIMULATED, tmp_path, **options)
    assert [row["program"] for row in rows] == begun == [row["program"] for row in said]
    assert len(rows) == 5 and all(row["compiles"] and row["fits"] for row in rows)
    (kept,) = (read_json_lines(path) for path in tmp_path.glob("*.jsonl"))
    write_json_lines(tmp_path / "cpu.jsonl", kept[:-1])  # as if killed before the last
    begun.clear()
    again = compile_job(config, SIMULATED, tmp_path, **options)
    assert begun == [rows[-1]["program"]]
    assert [r["fingerprint"] for r in again] == [r["fingerprint"] for r in rows] and again[0] == rows[0]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["tpu-v5e-1", "gpu-t4"])
def test_an_accelerators_own_compiler_compiles_the_learners(target, tmp_path):
    """Only where `kalm compile` has brought the compilers: tests download nothing."""
    if find_compilers(TARGETS[target].chip.kind) is None:
        pytest.skip("the compilers are not there; kalm compile brings them")
    rows = compile_job(load_presets("clevr")["smoke"], TARGETS[target], tmp_path, only=("bc",))
    assert [row["program"] for row in rows] == ["bc, update", "bc, action"]
    assert all(row["compiles"] and row["fits"] and row["bytes"] > 0 for row in rows)


@pytest.mark.parametrize(
    "change, said",
    [
        ({}, ""),
        ({"compiles": False, "reason": "too large"}, "grounding on gpu-t4 does not compile: too large"),
        (
            {"fits": False, "temporary": 15_000_000},
            "grounding on gpu-t4 needs 24 MB of each device, and there are 20 MB",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_line(change, said):
    row = {**ROW, **change}
    assert broken(row) == said
    assert line(row).startswith("  grounding") and "\n" not in line(row)
    assert len(markdown([row], TARGETS["gpu-t4"]).strip().splitlines()) == 5


def test_a_report_has_every_number(tmp_path):
    write_report(tmp_path, [ROW], TARGETS["gpu-t4"])
    header, row = (tmp_path / "gpu-t4.csv").read_text().splitlines()
    assert header == ",".join(COLUMNS) and "9000000" in row and json.dumps({"cublas": 2}).replace('"', '""') in row
    assert "50.0%" in (tmp_path / "gpu-t4.md").read_text()


def test_the_compilers_are_beside_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert find_compilers("gpu") is None and not list(tmp_path.iterdir())
    folder = environment.compilers_folder("tpu")
    assert tmp_path / "kalm_jax" / "compilers" == folder.parent
    variables = compiling_environment(TARGETS["tpu-v5e-8"], folder)
    assert variables["PYTHONPATH"].startswith(str(folder)) and variables["JAX_PLATFORMS"] == "cpu"
    assert variables["TPU_ACCELERATOR_TYPE"] == "v5litepod-8"
    assert "TPU_ACCELERATOR_TYPE" not in compiling_environment(TARGETS["gpu-t4"], folder)


def test_the_compilers_are_of_the_installed_version():
    import jaxlib

    assert environment.compilers_for("tpu").requirements[0].startswith("libtpu==")
    assert f"jax-cuda12-plugin=={jaxlib.__version__}" in environment.compilers_for("gpu").requirements


def test_without_an_index_the_user_gets_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OSError, match=r"pip could not bring libtpu==.*look at the network and at pip's index") as error:
        environment.fetch_compilers("tpu")
    assert "\n" not in str(error.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_job_that_cannot_be_described_is_one_line(tmp_path):
    config = configure(load_presets("clevr")["smoke"], {"llm": str(tmp_path / "nothing")})
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        compile_job(config, SIMULATED, tmp_path)
    (tmp_path / "empty").mkdir()
    config = configure(load_presets("clevr")["smoke"], {"llm": str(tmp_path / "empty")})
    with pytest.raises(ValueError, match=r"^\S*config.json is missing; --llm needs a Hugging Face folder") as error:
        compile_job(config, SIMULATED, tmp_path)
    assert "\n" not in str(error.value)


def test_a_job_of_every_promise_has_a_configuration():
    assert len({promise.name for promise in PROMISES}) == len(PROMISES) == len(list(map(promised_config, PROMISES)))


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--only=ground,td3bc", "--llm=llama-2-7b"], "--only=td3bc: a job with --llm has no such program; it has gro"),
        (["--only=plan", "--noplan"], "--only=plan: a job without subgoals (--noplan) has no such program; it has"),
    ],
)
def test_programs_that_a_job_lacks_are_refused_before_a_compiler_is_fetched(flags, said, monkeypatch, capsys):
    monkeypatch.setattr(compile, "compile_job", lambda *_, **__: pytest.fail("compiled"))
    with pytest.raises(SystemExit):
        command("compile", ["--target=gpu-t4", "--preset=smoke", *flags])
    assert said in capsys.readouterr().err
