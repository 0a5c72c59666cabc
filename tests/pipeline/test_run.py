"""The main job on a small scale: files, skipping, and being killed in every stage."""

import dataclasses
import multiprocessing
import os
import random
import signal
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kalm_jax
from kalm_jax.datasets import read_rollouts, write_rollouts
from kalm_jax.evaluation.llm_metrics import read_metrics
from kalm_jax.files import read_json
from kalm_jax.llm.hf.folder import BUILTIN, save_model
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.llm.transformer import Llama, LlamaConfig
from kalm_jax.pipeline import config
from kalm_jax.pipeline.grounding import check_sentences
from kalm_jax.worlds.base import get_world
from tests.fixtures import SMALL_RUN, random_rollouts

SMOKE = config.load_presets("clevr")["smoke"]
CHECKED = (
    "results.csv",
    "collect/rollouts.h5",
    "ground/model/text/model.safetensors",
    "ground/model/numbers.safetensors",
    "ground/metrics.csv",
    "replayed/unseen_hard/replayed.json",
)


def run_job(folder):
    """The job of `small_run`, on two devices whatever the machine has."""
    from kalm_jax.cli import main
    from kalm_jax.distributed import setup_jax

    setup_jax(cpu_devices=2)
    main.run("clevr", ["--preset=smoke", *SMALL_RUN, f"--output={folder}"])


PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["kalm_jax.cli.main", "kalm_jax.pipeline.run", __name__])
"""Jobs are processes of their own; what they import is imported once for all of them."""


def start(folder):
    child = PROCESSES.Process(target=run_job, args=(str(folder),))
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


def kill_in(folder, stage, seconds=0.0):
    """Starts the job and kills it so long after the stage has begun; returns whether it was still running."""
    child = start(folder)
    while child.is_alive() and not (folder / stage / "begun.json").exists():
        time.sleep(0.01)
    time.sleep(seconds)
    running = child.is_alive()
    if running:
        os.kill(child.pid, signal.SIGKILL)
    child.join()
    return running


@pytest.mark.slow
@pytest.mark.parametrize(
    "stages",
    [
        ("ground", "learn/bc-kalm"),
        pytest.param(("imagine/rephrase", "evaluate/bc-kalm-rephrase"), marks=pytest.mark.nightly),
    ],
)
def test_killed_in_several_stages_it_ends_with_the_same_results(stages, small_run, tmp_path):
    killed = tmp_path / "killed"
    rng = random.Random(0)
    for stage in stages:
        seconds = {"ground": 0.0, "learn/bc-kalm": 3 * rng.random()}.get(stage, rng.random())
        assert kill_in(killed, stage, seconds), stage
        assert seconds or not (killed / stage / "done.json").exists()
    child = start(killed)
    child.join()
    assert child.exitcode == 0
    for name in CHECKED:
        assert (killed / name).read_bytes() == (small_run / name).read_bytes(), name
    assert [row["step"] for row in read_metrics(killed / "ground" / "metrics.csv")[::7]] == [2, 4]
    data, level = (np.load(killed / "encode" / part / "vectors.npy") for part in ("data", "offline"))
    np.testing.assert_array_equal(data, level)
    rollouts, goals = read_rollouts(killed / "imagine" / "rephrase" / "rollouts.h5")
    planned = read_json(killed / "imagine" / "rephrase" / "plans.json")
    assert set(planned) == {goals.text[g] for g in rollouts.goal}
    page = (killed / "report.html").read_text()
    assert "http://" not in page and "https://" not in page and len(page) > 50_000


def test_sentences_that_are_longer_than_rows_are_refused_before_the_first_stage(tmp_path):
    goals, rollouts = get_world("clevr").goals("offline"), random_rollouts(observation_dim=10, num_actions=40)
    text = list(goals.text)
    text[rollouts.goal[3]] = "please " * 200 + "put the red ball left of the blue one"
    goals = dataclasses.replace(goals, text=tuple(text))
    write_rollouts(tmp_path / "r.h5", dataclasses.replace(rollouts, imagined=rollouts.length < 0), goals)
    said = rf"r\.h5: goal {rollouts.goal[3]} has the sentence 'please .*\.\.\.', which takes \d+ positions .*"
    given = config.configure(SMOKE, {"offline_data": str(tmp_path / "r.h5")})
    with pytest.raises(ValueError, match=said + "--grounding_row_length=128"):
        kalm_jax.run(tmp_path / "run", given)
    assert not (tmp_path / "run" / "collect" / "done.json").exists()
    with pytest.raises(ValueError, match=said.replace(r"r\.h5", "goals") + "--grounding_row_length=128"):
        kalm_jax.ground(rollouts, goals, "clevr", steps=1)
    planner = config.configure(SMOKE, {"planner": str(BUILTIN), "grounding_row_length": 1024})
    with pytest.raises(ValueError, match=said + "--planner_row_length=128"):
        check_sentences(planner, goals, str(tmp_path / "r.h5"))
