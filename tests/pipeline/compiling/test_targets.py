"""The table of targets and what is promised of them."""

import re

import pytest

from kalm_jax.pipeline.compiling.report import targets_table
from kalm_jax.pipeline.compiling.targets import ARCHITECTURES, KINDS, PROMISES, TARGETS, promised_config
from kalm_jax.sharding import parse_mesh_shape
from tests.paths import ROOT


def test_every_target_of_the_documentation_is_there():
    names = "tpu-v5e-1 tpu-v5e-8 tpu-v5p-8 tpu-v5e-256 gpu-t4 gpu-l4 gpu-a100 gpu-h200 gpu-h200-8"
    assert list(TARGETS) == names.split()
    for name, target in TARGETS.items():
        assert name.startswith(target.chip.kind)
        assert target.devices == int(found[1] if (found := re.search(r"-(\d+)$", name)) else 1)
        assert target.chip.flops["bfloat16"] > 0 and target.chip.bandwidth < target.chip.flops["float32"]
        assert bool(target.accelerator) == (target.chip.kind == "tpu")


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.name)
def test_a_promise_is_a_job_that_can_be_configured(promise):
    config = promised_config(promise)
    assert config.ground.llm in ("", *ARCHITECTURES) and set(promise.kinds) <= set(KINDS) and promise.targets
    for target, mesh in promise.targets.items():
        shape = parse_mesh_shape(mesh)
        devices = (shape.data or TARGETS[target].devices // shape.fsdp) * shape.fsdp * shape.tensor
        assert devices == TARGETS[target].devices
        assert config.ground.rows // config.ground.accumulate % shape.fsdp == 0


def test_what_the_issue_asks_for_is_promised():
    held = {
        (promise.settings.get("llm", ""), bool(promise.settings.get("lora_rank")), t)
        for promise in PROMISES
        for t in promise.targets
    }
    assert held >= {("llama-2-7b", False, t) for t in ("gpu-h200", "tpu-v5p-8", "tpu-v5e-256")}
    assert held >= {
        ("llama-2-7b", True, "gpu-l4"),
        ("smollm2-135m", False, "gpu-t4"),
        ("smollm2-135m", False, "tpu-v5e-1"),
    }
    assert held >= {("", False, t) for t in ("tpu-v5e-1", "gpu-t4", "gpu-l4", "tpu-v5e-8", "gpu-h200", "gpu-h200-8")}


def test_the_documents_have_the_tables_of_the_code():
    assert targets_table() in (ROOT / "BENCHMARKS.md").read_text()
    text = (ROOT / "docs" / "howto" / "several-hosts.md").read_text()
    for promise in PROMISES:
        assert promise.name in " ".join(text.split()) and all(f"`{target}`" in text for target in promise.targets)
