"""The records in a run's folder: what readers take from them, and what they refuse."""

import contextlib
import json

import pytest

import kalm_jax
from kalm_jax.pipeline import config, run_folder, run_records
from kalm_jax.pipeline.offline_config import OfflineConfig
from tests.pipeline.test_run_folder import write_stage

SMOKE = config.load_presets("clevr")["smoke"]


def test_a_stage_whose_needs_were_made_again_is_not_read(tmp_path):
    """A killed run may have begun an early stage again: what later ones made from the old one is no longer its own."""

    def job(x, last):
        run = run_folder.RunFolder(tmp_path, say=lambda line: None)
        for name, needs in {"a": [], "b": ["a"], "c": ["b"]}.items():
            run.stage(name, {"x": x} if name == "a" else {}, needs, lambda f: None)
            if name == last:
                return

    job(1, "c")
    assert run_records.check_stage(tmp_path, "c")
    for last in ("a", "b"):
        job(2, last)
        with pytest.raises(FileNotFoundError, match=r"was made from another . than there is now"):
            run_records.check_stage(tmp_path, "c")
    job(2, "c")
    assert run_records.check_stage(tmp_path, "c")


@pytest.mark.parametrize("world", ["clevr", "metaworld"])
@pytest.mark.parametrize("preset", config.PRESET_NAMES)
def test_a_run_folder_has_the_whole_configuration(tmp_path, world, preset):
    made = config.configure(config.load_presets(world)[preset], {"algo": ("bc", "a.b"), "grounding_tasks": ("text",)})
    run_folder.RunFolder(tmp_path, made, "kalm")
    assert run_records.read_run(tmp_path) == made


def test_a_folder_that_is_no_run_or_of_another_schema_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no run\.json"):
        run_records.read_run(tmp_path)
    offline = OfflineConfig("Pendulum-v1", "p.h5", settings=(("td3bc", "hidden", (8, 8)), ("", "alpha", 1.5)))
    run_folder.RunFolder(tmp_path, offline)
    assert run_records.read_run(tmp_path) == offline
    content = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(content | {"schema": 99}))
    for use in (run_records.read_run, lambda folder: run_folder.RunFolder(folder, offline)):
        with pytest.raises(ValueError, match="schema 99 and this version of kalm_jax reads 1"):
            use(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(content | {"configuration": {"envi": 1}}))
    with pytest.raises(ValueError, match="OfflineConfig has no field 'envi'"):
        run_records.read_run(tmp_path)


@pytest.mark.parametrize("content", ["[]", "3", '{"schema": 1}', '{"schema": 1, "kind": "x", "configuration": {}}'])
def test_a_damaged_record_of_a_run_is_named(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=r"run\.json is damaged.*again"):
        run_records.read_run(tmp_path)


def test_stages_of_another_configuration_are_not_read_until_they_are_checked(tmp_path):
    def job(settings, stages):
        run = run_folder.PipelineRun(tmp_path, settings, say=lambda text: None)
        for name in stages:
            run.stage(name, {"rate": 1 if name == "collect" else settings.imagine.temperature}, [], write_stage)

    def known():
        found = []
        for name in ("collect", "learn/a"):
            with contextlib.suppress(FileNotFoundError):
                found.append((name, run_records.check_stage(tmp_path, name)["settings"]["rate"]))
        return found

    other = config.configure(SMOKE, {"temperature": 2.0})
    job(SMOKE, ["collect", "learn/a"])
    assert known() == [("collect", 1), ("learn/a", 1.0)]
    job(other, ["collect"])  # and is killed
    assert known() == [("collect", 1)]
    with pytest.raises(FileNotFoundError, match=r"learn/a is of another configuration than run.json's\); run the same"):
        run_records.check_stage(tmp_path, "learn/a")
    job(other, [])  # killed at once
    assert known() == [("collect", 1)]
    job(other, ["collect", "learn/a"])
    assert known() == [("collect", 1), ("learn/a", 2.0)]
    (tmp_path / "run.json").write_text("{")
    job(other, ["collect"])
    assert known() == [("collect", 1)]


def test_folders_of_other_programs_are_no_runs(tmp_path):
    run_folder.PipelineRun(tmp_path / "a", SMOKE, kind="ablation")
    with pytest.raises(ValueError, match=r"is the folder of kalm ablation, and no run that can be loaded"):
        run_records.read_run(tmp_path / "a")
    with pytest.raises(ValueError, match=r"kind 'ablation'.*not of 'pipeline'.*choose another folder"):
        run_folder.PipelineRun(tmp_path / "a", SMOKE)
    run_folder.PipelineRun(tmp_path / "b", SMOKE)
    for kind in run_records.OTHER_KINDS:
        with pytest.raises(ValueError, match=f"kind 'pipeline'.*not of '{kind}'.*choose another folder"):
            run_folder.PipelineRun(tmp_path / "b", SMOKE, kind=kind)
    assert run_records.read_run(tmp_path / "b") == SMOKE


def test_reading_a_run_makes_nothing(tmp_path):
    run_folder.PipelineRun(tmp_path / "none", SMOKE, command=None)
    for use in (
        lambda path: run_records.read_run(path),
        lambda path: run_records.check_stage(path, "learn/a"),
        lambda path: run_records.results_file(path),
        lambda path: kalm_jax.load_run(path),
    ):
        with pytest.raises(FileNotFoundError, match="none"):
            use(tmp_path / "none")
    assert not list(tmp_path.iterdir())
