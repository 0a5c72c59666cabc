"""The main job on a small scale: files, skipping, and being killed in every stage."""

import dataclasses
import json
import multiprocessing
import os
import signal
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.datasets import read_rollouts
from kalm_jax.evaluation.llm_metrics import read_metrics
from kalm_jax.files import read_json
from kalm_jax.llm.hf.folder import BUILTIN, save_model
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.llm.transformer import Llama, LlamaConfig
from kalm_jax.pipeline import config, run_folder, source

SMOKE = config.load_presets("clevr")["smoke"]
TINY = dataclasses.replace(
    SMOKE,
    collect=config.CollectConfig(rollouts=80),
    ground=config.GroundConfig(steps=4, rows=8),
    metrics=config.MetricsConfig(every=2, rollouts=8, explained=4),
    imagine=dataclasses.replace(SMOKE.imagine, rephrase=16, unseen_easy=16, unseen_hard=16),
    learn=config.LearnConfig(algorithms=("bc",), seeds=2, updates=40),
)
CHECKED = (
    "results.csv",
    "collect/rollouts.h5",
    "ground/model/text/model.safetensors",
    "ground/model/numbers.safetensors",
    "ground/metrics.csv",
    "replayed/unseen_hard/replayed.json",
)


def run_job(folder, llm):
    from kalm_jax.distributed import setup_jax
    from kalm_jax.pipeline import run as pipeline

    setup_jax(cpu_devices=2)
    pipeline.run(folder, dataclasses.replace(TINY, ground=dataclasses.replace(TINY.ground, llm=llm)))


def start(folder, llm):
    child = multiprocessing.get_context("spawn").Process(target=run_job, args=(str(folder), llm))
    child.start()
    return child


def small_llm(folder):
    """A language model given by the user: random weights with the built-in one's tokenizer; returns its folder."""
    tokenizer = load_tokenizer(BUILTIN)
    llm = LlamaConfig(tokenizer.vocab_size, 16, 1, 2, 2, 8, 32)
    tokens = jnp.zeros((1, 2), jnp.int32)
    params = Llama(llm).init(jax.random.key(0), tokens, tokens, jnp.ones((1, 2, 2), bool))["params"]
    save_model(folder, llm, params, tokenizer)
    return str(folder)


def kill_in(folder, llm, stage):
    """Starts the job and kills it as soon as the stage has begun; returns whether it was still running."""
    child = start(folder, llm)
    while child.is_alive() and not (folder / stage / "begun.json").exists():
        time.sleep(0.01)
    running = child.is_alive()
    if running:
        os.kill(child.pid, signal.SIGKILL)
    child.join()
    return running


@pytest.mark.slow
def test_killed_in_every_stage_it_ends_with_the_same_results(tmp_path):
    straight, killed, llm = tmp_path / "straight", tmp_path / "killed", small_llm(tmp_path / "llm")
    child = start(straight, llm)
    child.join()
    assert child.exitcode == 0
    stages = ("collect", "ground", "imagine/rephrase", "learn/bc-offline", "evaluate/bc-kalm-rephrase")
    for stage in stages:
        assert kill_in(killed, llm, stage), stage
        assert not (killed / stage / "done.json").exists()
    child = start(killed, llm)
    child.join()
    assert child.exitcode == 0
    for name in CHECKED:
        assert (killed / name).read_bytes() == (straight / name).read_bytes(), name
    assert [row["step"] for row in read_metrics(killed / "ground" / "metrics.csv")[::7]] == [2, 4]
    data, level = (np.load(straight / "encode" / part / "vectors.npy") for part in ("data", "offline"))
    np.testing.assert_array_equal(data, level)
    rollouts, goals = read_rollouts(killed / "imagine" / "rephrase" / "rollouts.h5")
    planned = read_json(killed / "imagine" / "rephrase" / "plans.json")
    assert set(planned) == {goals.text[g] for g in rollouts.goal}
    page = (killed / "report.html").read_text()
    assert "http://" not in page and "https://" not in page and len(page) > 50_000


def test_a_changed_setting_redoes_what_depends_on_it_and_says_why(tmp_path):
    said, made = [], []

    def job(settings):
        run = run_folder.RunFolder(tmp_path, say=said.append)
        run.stage("a", settings["a"], [], lambda f: made.append("a"))
        run.stage("b", settings["b"], [], lambda f: made.append("b"))
        run.stage("c", {}, ["a"], lambda f: made.append("c"))

    job({"a": {"x": 1, "y": (2, 3)}, "b": {}})
    job({"a": {"x": 1, "y": (2, 3)}, "b": {}})
    assert made == ["a", "b", "c"]
    job({"a": {"x": 2, "y": (2, 3)}, "b": {}})
    assert made == ["a", "b", "c", "a", "c"]
    again = [line for line in said if "again" in line]
    assert again == [
        "a: starts again, because settings changed: x 1 -> 2",
        "c: starts again, because these stages did: a",
    ]


def test_other_code_redoes_a_stage_and_other_comments_do_not(tmp_path, monkeypatch):
    said, made = [], []
    monkeypatch.syspath_prepend(tmp_path)

    def job(body):
        (tmp_path / "own_learner_for_test.py").write_text(body)
        source._read.cache_clear()
        run = run_folder.RunFolder(tmp_path / "run", say=said.append)
        run.stage("learn", {}, [], lambda f: made.append(1), modules=["own_learner_for_test"])

    job('"""One."""\nRATE = 1\n')
    job('"""Other words."""\n# And a comment.\nRATE = 1\n')
    assert len(made) == 1
    job("RATE = 2\n")
    assert len(made) == 2 and said[-1] == "learn: starts again, because code changed: own_learner_for_test"
    for name in ("begun.json", "done.json"):  # a folder of version 0.1.0, which knew nothing of code
        old = {"fingerprint": "0", "settings": {}, "seconds": 1.0}
        (tmp_path / "run" / "learn" / name).write_text(json.dumps(old))
    job("RATE = 2\n")
    assert len(made) == 3 and said[-1] == "learn: starts again, because another version of kalm_jax made it"


def test_code_that_a_stage_uses_is_found_through_its_imports():
    code = source.source_hashes(["kalm_jax.pipeline.stages.ground", "kalm_jax.worlds.clevr.world"])
    assert {"kalm_jax.grounding.trainer", "kalm_jax.llm.lora", "kalm_jax.worlds.clevr.text"} <= set(code)
    assert "kalm_jax.worlds.clevr/data/words.txt" in code
    assert not [name for name in code if name.startswith(("kalm_jax.report", "kalm_jax.worlds.metaworld"))]
    assert not [name for name in code if name.startswith("kalm_jax.offline_rl.algorithms")]
    code = source.source_hashes(["kalm_jax.pipeline.stages.learn", "examples.own_world"])
    assert {"kalm_jax.offline_rl.algorithms.td3bc", "examples.own_world"} <= set(code)


@pytest.mark.parametrize("world", ["clevr", "metaworld"])
@pytest.mark.parametrize("preset", config.PRESET_NAMES)
def test_a_run_folder_has_the_whole_configuration(tmp_path, world, preset):
    made = config.configure(config.load_presets(world)[preset], {"algo": ("bc", "a.b"), "grounding_tasks": ("text",)})
    run_folder.RunFolder(tmp_path, made, "kalm")
    assert run_folder.read_run(tmp_path) == made


def test_a_folder_that_is_no_run_or_of_another_schema_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no run\.json"):
        run_folder.read_run(tmp_path)
    offline = config.OfflineConfig("Pendulum-v1", "p.h5", settings=(("td3bc", "hidden", (8, 8)), ("", "alpha", 1.5)))
    run_folder.RunFolder(tmp_path, offline)
    assert run_folder.read_run(tmp_path) == offline
    content = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(content | {"schema": 99}))
    for use in (run_folder.read_run, lambda folder: run_folder.RunFolder(folder, offline)):
        with pytest.raises(ValueError, match="schema 99 and this version of kalm_jax reads 1"):
            use(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(content | {"configuration": {"envi": 1}}))
    with pytest.raises(ValueError, match="OfflineConfig has no field 'envi'"):
        run_folder.read_run(tmp_path)


@pytest.mark.parametrize("content", ["[]", "3", '{"schema": 1}', '{"schema": 1, "kind": "x", "configuration": {}}'])
def test_a_damaged_record_of_a_run_is_named(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=r"run\.json is damaged.*again"):
        run_folder.read_run(tmp_path)


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path):
    thesis = tmp_path / "collect" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("precious")
    with pytest.raises(ValueError, match="is no run's folder and not empty"):
        run_folder.RunFolder(tmp_path, SMOKE)
    with pytest.raises(ValueError, match=r"is no stage's folder.*move it or delete it"):
        run_folder.RunFolder(tmp_path).stage("collect", {}, [], lambda folder: None)
    assert thesis.read_text() == "precious"


def test_a_run_of_another_kind_or_world_is_refused_and_kept(tmp_path):
    run_folder.RunFolder(tmp_path, SMOKE)
    for other in (config.OfflineConfig("Pendulum-v1", "p.h5"), config.load_presets("metaworld")["smoke"]):
        with pytest.raises(ValueError, match="choose another folder"):
            run_folder.RunFolder(tmp_path, other)
    assert run_folder.read_run(tmp_path) == SMOKE


def test_code_of_a_users_package_counts_whatever_its_names(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lp_for_test").mkdir()
    files = {
        "__init__": "",
        "learner": "from .helper import X\nfrom . import files\n",
        "helper": "X = 1",
        "files": "Y = 2",
    }
    for name, code in files.items():
        (tmp_path / "lp_for_test" / f"{name}.py").write_text(code)
    assert set(source.source_hashes(["lp_for_test.learner"])) == {
        "lp_for_test", "lp_for_test.learner", "lp_for_test.helper", "lp_for_test.files"
    }  # fmt: skip


def test_a_stage_that_fails_is_continued_and_its_files_kept(tmp_path):
    def fail(folder):
        (folder / "half").write_text("computed")
        raise RuntimeError("out of memory")

    run = run_folder.RunFolder(tmp_path, say=lambda s: None)
    with pytest.raises(RuntimeError):
        run.stage("a", {}, [], fail)
    run = run_folder.RunFolder(tmp_path, say=lambda s: None)
    run.stage("a", {}, [], lambda folder: np.testing.assert_equal((folder / "half").read_text(), "computed"))
    (tmp_path / "a" / "done.json").write_text('{"finger')
    said = []
    run_folder.RunFolder(tmp_path, say=said.append).stage("a", {}, [], lambda folder: None)
    assert said == ["a: starts again, because done.json is damaged"]
