"""The programs of a job, described as the job calls them; a 7B model is described without weights."""

import collections
import dataclasses

import jax
import numpy as np
import pytest

from kalm_jax.pipeline.compiling.catalog import Job, architecture_folder
from kalm_jax.pipeline.compiling.measure import compiled_row, described_row, devices_of
from kalm_jax.pipeline.compiling.report import finished
from kalm_jax.pipeline.compiling.targets import KINDS, PROMISES, SIMULATED, promised_config
from kalm_jax.pipeline.config import LEARNERS, load_presets
from kalm_jax.sharding import MeshShape


@pytest.fixture(scope="module")
def job():
    return Job(load_presets("clevr")["smoke"], MeshShape(), devices_of(SIMULATED), "gpu")


def test_every_kind_of_program_is_there_once(job):
    entries = job.entries()
    assert {e.kind for e in entries} == set(KINDS)
    names = collections.Counter(e.name for e in entries)
    assert max(names.values()) == 1
    assert {f"{name}, {what}" for name in LEARNERS for what in ("update", "action")} <= set(names)


@pytest.mark.parametrize("kind", ["ground", "pretrain", "encode", "plan", "imagine", "explain", "score", "bc"])
def test_a_program_is_described_with_the_shapes_of_the_job(job, kind):
    g = job.config.ground
    for entry in (e for e in job.entries() if e.kind == kind):
        with job.devices():
            found = entry.describe()
        shapes = [x.shape for x in jax.tree.leaves((found.args, found.kwargs)) if isinstance(x, jax.ShapeDtypeStruct)]
        assert found.name == entry.wanted
        if kind == "ground":
            rows = -(-g.rows // 2) * 2
            assert found.args[2].kind.shape == (rows, g.row_length)
        if entry.wanted == "_update_sharded":
            assert found.kwargs["batched"] and found.kwargs["mesh"].size == job.config.learn.seeds == 2
            assert {s[0] for s in shapes if len(s) == 3} == {2}
        if entry.wanted == "generate_rollouts":  # 512 rollouts at a time on an accelerator, in 64ths of what there are
            assert found.kwargs["horizon"] <= job.config.imagine.max_steps_per_subgoal


def test_a_row_of_a_program_that_is_compiled_here(job):
    (entry,) = [e for e in job.entries() if e.name == "bc, update"]
    row, lowered = described_row(entry, job)
    row = finished(compiled_row(row | {"target": "cpu"}, lowered, SIMULATED), SIMULATED, "a job")
    assert row["compiles"] and row["fits"] and row["devices"] == 2 and row["memory"] == SIMULATED.chip.memory
    assert row["state"] > 0 and row["temporary"] >= 0 and row["bytes"] > 0 and row["least_s"] > 0
    again, _ = described_row(entry, job)
    assert again["fingerprint"] == row["fingerprint"]


LARGE = [p for p in PROMISES if str(p.settings.get("llm")).startswith("llama") and list(p.targets.values()) == [""]]


@pytest.mark.slow
@pytest.mark.parametrize("promise", LARGE, ids=lambda promise: promise.name)
def test_a_promised_model_is_described_without_weights(promise, tmp_path):
    """Arguments of a device are what the model's size says: weights and Adam in float32, or bfloat16 and adapters."""
    config = promised_config(promise)
    ground = dataclasses.replace(config.ground, llm=architecture_folder(config.ground.llm, tmp_path / "model"))
    large = Job(dataclasses.replace(config, ground=ground), MeshShape(), jax.devices()[:1], "gpu")
    (entry,) = [e for e in large.entries() if e.kind == "ground"]
    with large.devices():
        found = entry.describe()
    size = sum(x.size * np.dtype(x.dtype).itemsize for x in jax.tree.leaves(found.args))
    wanted = 6_738_415_616 * (2 if config.ground.lora_rank else 12)
    assert wanted < size < 1.1 * wanted + 6e8 * bool(config.ground.lora_rank)
