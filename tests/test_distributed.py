"""Meshes: the rule table, and that training and decoding on eight devices are what they are on one."""

import functools
import os
import platform
import shutil
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from jax.sharding import AbstractMesh
from jax.sharding import PartitionSpec as P

from kalm_jax.distributed import init_distributed
from kalm_jax.grounding.config import NumericSpec
from kalm_jax.grounding.model import GroundedModel, init_params
from kalm_jax.llm import lora
from kalm_jax.llm.transformer import LlamaConfig
from kalm_jax.sharding import (
    MESH_AXES,
    MeshShape,
    default_mesh,
    make_mesh,
    padded_size,
    parse_mesh_shape,
    partition_spec,
    set_default_mesh_shape,
)
from tests import parallel_job
from tests.paths import ROOT

MESH = "data:2,fsdp:2,tensor:2"


def run_jobs(args_of_each):
    """Runs a job for each list of arguments. Where one fails, the others, which wait for it, are ended."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.parallel_job"]
    jobs = [subprocess.Popen([*command, *map(str, args)], cwd=ROOT, env=environment) for args in args_of_each]
    try:
        while any(job.poll() is None for job in jobs) and not any(job.poll() for job in jobs):
            time.sleep(0.1)
    finally:
        for job in jobs:
            job.kill()
    assert [job.wait() for job in jobs] == [0] * len(jobs)


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """What the job says on eight devices, and its folder with the checkpoints."""
    folder = tmp_path_factory.mktemp("eight")
    run_jobs([[folder / "out.npz", 8, MESH, "full,lora,words,decode"]])
    return dict(np.load(folder / "out.npz")), folder


@pytest.fixture
def use_devices():
    """Sets the number of devices of the default mesh, and restores it afterwards."""
    yield lambda count: set_default_mesh_shape(MeshShape(data=count))
    set_default_mesh_shape(MeshShape())


@pytest.fixture
def one_device(use_devices):
    use_devices(1)


def assert_agrees(found, name, params, curve):
    np.testing.assert_allclose(found[f"{name}-loss"], [row["loss"] for row in curve], rtol=1e-4)
    for key, value in parallel_job.flat(params).items():
        np.testing.assert_allclose(found[name + key], value, atol=2e-4, err_msg=key)


@functools.cache
def trained_on_one(with_lora=False):
    """Parameters and losses of training on the default mesh, which has one device for whoever asks."""
    assert default_mesh().size == 1
    return parallel_job.ground(None, with_lora)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["full", "lora"])
def test_training_on_eight_devices_is_training_on_one(eight, one_device, name):
    assert_agrees(eight[0], name, *trained_on_one(name == "lora"))


@pytest.mark.slow
def test_words_in_parts_on_eight_devices_are_words_at_once_on_one(eight, one_device):
    assert_agrees(eight[0], "words", *trained_on_one())


@pytest.mark.slow
def test_the_state_of_training_lies_in_parts_from_step_to_step(eight):
    # "data" copies, the other two axes divide: a quarter, and the small parameters that every device has whole. LoRA
    # has mostly such ones here.
    full = parallel_job.STOP + 1 + parallel_job.STEPS
    assert eight[0]["share"][:full].max() < 0.3
    assert eight[0]["compiled"] == 2  # full and LoRA, once each


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_a_checkpoint_of_eight_devices_is_continued_on_fewer(eight, use_devices, tmp_path, devices):
    use_devices(devices)
    shutil.copytree(eight[1] / "full-stopped", tmp_path / "stopped")
    params, curve = parallel_job.ground(tmp_path / "stopped")
    assert [row["step"] for row in curve] == list(range(1, parallel_job.STEPS + 1))
    assert_agrees(eight[0], "full", params, curve)


@pytest.mark.slow
def test_decoding_on_eight_devices_is_decoding_on_one(eight, one_device):
    found, want = eight[0], parallel_job.decoded()
    np.testing.assert_array_equal(found["actions"], want["actions"])
    np.testing.assert_array_equal(found["said"], want["said"])
    np.testing.assert_allclose(found["states"], want["states"], atol=1e-4)
    np.testing.assert_allclose(found["goals"], want["goals"], atol=1e-4)


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """What the job says in two processes of a device each, joined by gloo, and its folder."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as s:
        s.bind(("localhost", 0))
        port = s.getsockname()[1]
    parts = "full,resumed,act,learn,stages"
    run_jobs([[folder / "out.npz", 1, "fsdp:2", parts, f"localhost:{port},2,{i}"] for i in range(2)])
    return dict(np.load(folder / "out.npz")), folder


@pytest.mark.slow
def test_grounding_in_two_processes_is_grounding_in_one(two_processes, one_device):
    assert_agrees(two_processes[0], "full", *trained_on_one())


@pytest.mark.slow
def test_acting_in_two_processes_is_acting_in_one(two_processes, one_device):
    for name, actions in parallel_job.acted().items():
        np.testing.assert_array_equal(two_processes[0][name], actions, err_msg=name)
        assert len(np.unique(actions)) > 1


@pytest.mark.slow
def test_learning_in_two_processes_is_learning_in_one(two_processes, tmp_path):
    found, want = two_processes[0], parallel_job.learned(tmp_path)
    for key, value in want.items():
        np.testing.assert_allclose(found[key], value, atol=1e-5, err_msg=key)


@pytest.mark.slow
def test_the_first_process_writes_and_the_others_wait(two_processes):
    first, second = (np.load(two_processes[1] / f"stages-{i}.npz") for i in range(2))
    assert first["calls"].tolist() == ["alone", "together"] and second["calls"].tolist() == ["together"]
    assert len(first["said"]) == 2 and len(second["said"]) == 0


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("with_lora", [False, True])
def test_every_large_parameter_of_a_language_model_is_divided(stacked, with_lora):
    config = LlamaConfig(512, 64, 2, 4, 2, 16, 128, tie_embeddings=False, qkv_bias=True, scan_layers=stacked)
    model = GroundedModel(config, NumericSpec(1, num_actions=1, mean=(0.0,), std=(1.0,), change_std=(1.0,), hidden=8))
    params = jax.eval_shape(lambda: init_params(model, jax.random.key(0)))
    mesh = AbstractMesh((2, 2, 2), MESH_AXES)
    if with_lora:
        small = jax.eval_shape(lambda p: lora.init(jax.random.key(0), p, lora.LoraConfig(4)), params["llm"])
        params["llm"] = small
    for path, x in jax.tree_util.tree_leaves_with_path(params["llm"]):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        axes = [axis for axis in partition_spec(f"opt/0/mu/{name}", x.shape, mesh) if axis]
        want = [] if "norm" in name else ["tensor"] if "bias" in name else ["fsdp", "tensor"]
        assert len(axes) == 1 if with_lora else sorted(axes) == want, name


def test_rules_leave_whole_what_cannot_be_divided():
    mesh = AbstractMesh((1, 4, 3), MESH_AXES)
    assert partition_spec("llm/layer_0/attention/q/kernel", (8, 6, 4), mesh) == P("fsdp", "tensor")
    assert partition_spec("llm/layer_0/attention/q/kernel", (8, 4, 4), mesh) == P("fsdp")
    assert partition_spec("llm/layers/ffn/down/kernel", (5, 6, 7), mesh) == P(None, "tensor")
    assert partition_spec("opt/count", (), mesh) == partition_spec("action_in/embedding", (40, 8), mesh) == P()
    assert partition_spec("llm/embedding/embedding", (), mesh) == P()


@pytest.mark.parametrize(
    "text, wrong", [("data", "data"), ("model:2", "model:2"), ("fsdp:0", "fsdp:0"), ("data:2,data:4", "data:4")]
)
def test_a_mesh_that_cannot_be_read_names_what_is_wrong(text, wrong):
    with pytest.raises(ValueError, match=f"'{wrong}' is not one of data, fsdp, tensor"):
        parse_mesh_shape(text)


def test_meshes_fit_devices_and_batches_or_say_so():
    assert parse_mesh_shape("data:2,fsdp:4") == MeshShape(2, 4, 1)
    assert dict(make_mesh().shape) == {"data": 2, "fsdp": 1, "tensor": 1}
    assert make_mesh(MeshShape(fsdp=2)).shape["data"] == 1
    with pytest.raises(ValueError, match="has 4 devices, but there are 2"):
        make_mesh(MeshShape(fsdp=4))
    assert padded_size(7) == 8 and padded_size(7, make_mesh(MeshShape(data=1))) == 7


@pytest.mark.parametrize("hosts", ["here", "h:1,2", "h:1,2,2", "h:1,two,1"])
def test_hosts_that_cannot_be_read_are_refused(hosts):
    with pytest.raises(ValueError, match="ADDRESS:PORT,COUNT,INDEX"):
        init_distributed(hosts)


CALLS = """
import resource
from kalm_jax.malloc import configure_malloc

configure_malloc()  # before all other imports
from kalm_jax.distributed import setup_jax
setup_jax()
import jax, jax.numpy as jnp
thin = jnp.ones((4096, 2))
program = jax.jit(lambda x: (x @ x.T) @ x)  # 64 MB in between
for _ in range(2):  # at first memory grows to what the calls need
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(16):
        jax.block_until_ready(program(thin))
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_the_memory_of_one_call_serves_the_next():
    """In processes of their own, the best of three: beside other load a call may find its place taken."""
    env = {k: v for k, v in os.environ.items() if k not in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")}
    env["PYTHONPATH"] = str(ROOT)
    ask = [sys.executable, "-c", CALLS]
    tries = (subprocess.run(ask, env=env, check=True, stdout=subprocess.PIPE) for _ in range(3))
    assert any(int(done.stdout) < 64_000 for done in tries)  # pages; taken again, they are 16,384 for each call
