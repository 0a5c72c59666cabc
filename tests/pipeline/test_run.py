"""The main job on a small scale: files, skipping, and being killed in every stage."""

import dataclasses
import multiprocessing
import os
import signal
import time

import jax
import numpy as np
import pytest

from kalm_jax.datasets import read_rollouts
from kalm_jax.evaluation.llm_metrics import read_metrics
from kalm_jax.files import read_json
from kalm_jax.llm.hf.folder import BUILTIN, save_model
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.llm.transformer import Llama, LlamaConfig
from kalm_jax.pipeline import config, run_folder

SMOKE = config.load_presets("clevr")["smoke"]
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
    """A language model of the user's own, random weights with the built-in one's tokenizer; returns its folder."""
    tokenizer = load_tokenizer(BUILTIN)
    llm = LlamaConfig(tokenizer.vocab_size, 16, 1, 2, 2, 8, 32)
    tokens = np.zeros((1, 2), np.int32)
    params = Llama(llm).init(jax.random.key(0), tokens, tokens, np.ones((1, 2, 2), bool))["params"]
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


def test_a_changed_setting_redoes_what_depends_on_it(tmp_path):
    said, made = [], []

    def job(settings):
        run = run_folder.RunFolder(tmp_path, say=said.append)
        run.stage("a", settings["a"], [], lambda f: made.append("a"))
        run.stage("b", settings["b"], [], lambda f: made.append("b"))
        run.stage("c", {}, ["a"], lambda f: made.append("c"))

    job({"a": {"x": 1}, "b": {}})
    job({"a": {"x": 1}, "b": {}})
    assert made == ["a", "b", "c"]
    job({"a": {"x": 2}, "b": {}})
    assert made == ["a", "b", "c", "a", "c"]


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
    with pytest.raises(ValueError, match="damaged"):
        run_folder.RunFolder(tmp_path).stage("a", {}, [], lambda folder: None)
