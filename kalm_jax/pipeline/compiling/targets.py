"""The accelerators that programs are compiled for, and what is promised of them; free of JAX.

Peaks are those of the vendors' data sheets, without sparsity, and are what a roofline is made from, not what a program
reaches. Sources:

- TPU v5e and v5p: https://cloud.google.com/tpu/docs/v5e and /v5p (FLOP/s in bfloat16, HBM bandwidth and size). A
  float32 product is one pass in bfloat16 there by default (`jax_default_matmul_precision`).
- T4: NVIDIA T4 data sheet (65 TFLOP/s in float16, 8.1 in float32, 320 GB/s, 16 GB). It has no bfloat16: products in it
  are computed in float32.
- L4: NVIDIA L4 data sheet (121 TFLOP/s in bfloat16, 60 in TF32, 300 GB/s, 24 GB).
- A100: NVIDIA A100 data sheet (312, 156, 1,555 GB/s, 40 GB: Colab's).
- H200: NVIDIA H200 data sheet (989, 494, 4.8 TB/s, 141 GB). Its links of 900 GB/s are of both directions together.

GPUs from Ampere on compute float32 products in TF32 by default.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from kalm_jax.pipeline.config import LEARNERS, LLM_POLICY, PipelineConfig, configure, load_presets

GB = 10**9
GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Chip:
    """One device.

    Attributes:
      kind: "tpu" or "gpu" ("cpu" of tests), which is JAX's name for the backend.
      memory: bytes that a program may use. Of a TPU it is what the compiler allows; of a GPU what the driver shows less
        1 GiB for CUDA, its libraries and fragments.
      flops: type of a product's arguments -> FLOP/s at the most.
      bandwidth: bytes per second between the device and its memory. link: to other devices, one direction.
    """

    kind: str
    name: str
    memory: int
    flops: Mapping[str, float]
    bandwidth: float
    link: float = 0.0


V5E = Chip("tpu", "TPU v5e", int(15.75 * GIB), {"bfloat16": 197e12, "float32": 197e12}, 819e9, 50e9)
V5P = Chip("tpu", "TPU v5p", int(95.74 * GIB), {"bfloat16": 459e12, "float32": 459e12}, 2765e9, 100e9)
T4 = Chip("gpu", "T4", 15 * GIB - GIB, {"bfloat16": 8.1e12, "float16": 65e12, "float32": 8.1e12}, 320e9)
L4 = Chip("gpu", "L4", int(22.49 * GIB) - GIB, {"bfloat16": 121e12, "float32": 60e12}, 300e9)
A100 = Chip("gpu", "A100", int(39.59 * GIB) - GIB, {"bfloat16": 312e12, "float32": 156e12}, 1555e9, 300e9)
H200 = Chip("gpu", "H200", int(140.4 * GIB) - GIB, {"bfloat16": 989e12, "float32": 494e12}, 4800e9, 450e9)
CPU = Chip("cpu", "CPU", 8 * GIB, {"bfloat16": 1e11, "float32": 1e11}, 1e10, 1e10)

_GPU_TEXT = """
gpu_device_info {{
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152 shared_memory_per_core: {per_core}
  threads_per_core_limit: {threads} core_count: {cores} fpus_per_core: {fpus}
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: {bandwidth} l2_cache_size: {cache} clock_rate_ghz: {clock} device_memory_size: {memory}
  shared_memory_per_block_optin: {optin} cuda_compute_capability {{ major: {major} minor: {minor} }}
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
}}
platform_name: "CUDA" dnn_version_info {{ major: 9 minor: 8 }} runtime_version {{ major: 12 minor: 9 }}
device_description_str: "sm_{major}{minor}"
"""
"""What the compiler must know of a GPU, `stream_executor.GpuTargetConfigProto` as text."""


@dataclasses.dataclass(frozen=True)
class Target:
    """Devices of one kind.

    Attributes:
      name: as `--target` names it. about: where they are found.
      chip: of each device. devices: how many there are.
      topology: JAX's name of it. options: of `jax.experimental.topologies.get_topology_desc` besides.
      accelerator: `TPU_ACCELERATOR_TYPE` of the process that compiles for it.
    """

    name: str
    about: str
    chip: Chip
    devices: int
    topology: str
    options: Mapping[str, object] = dataclasses.field(default_factory=dict)
    accelerator: str = ""


def _gpu(chip: Chip, **about: object) -> Mapping[str, object]:
    filled = {"bandwidth": int(chip.bandwidth), "memory": chip.memory + GIB, **about}
    return {"target_config": _GPU_TEXT.format(**filled)}


def _tpu(*bounds: int) -> Mapping[str, object]:
    return {"chips_per_host_bounds": bounds, "num_slices": 1}


_SM75 = {"per_core": 65536, "optin": 65536, "threads": 1024, "fpus": 64, "major": 7, "minor": 5}
_SM80 = {"per_core": 167936, "optin": 166912, "threads": 2048, "fpus": 64, "major": 8, "minor": 0}
_SM89 = {"per_core": 102400, "optin": 101376, "threads": 1536, "fpus": 128, "major": 8, "minor": 9}
_SM90 = {"per_core": 233472, "optin": 232448, "threads": 2048, "fpus": 128, "major": 9, "minor": 0}
_T4 = _gpu(T4, cores=40, clock=1.59, cache=4194304, **_SM75)
_L4 = _gpu(L4, cores=58, clock=2.04, cache=50331648, **_SM89)
_A100 = _gpu(A100, cores=108, clock=1.41, cache=41943040, **_SM80)
_H200 = _gpu(H200, cores=132, clock=1.98, cache=52428800, **_SM90)

TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target("tpu-v5e-1", "Colab's TPU", V5E, 1, "v5e:1x1", _tpu(1, 1, 1), "v5litepod-1"),
        Target("tpu-v5e-8", "one host of eight", V5E, 8, "v5e:2x4", _tpu(2, 4, 1), "v5litepod-8"),
        Target("tpu-v5p-8", "eight chips in two hosts", V5P, 8, "v5p:2x2x2", {}, "v5p-16"),
        Target("tpu-v5e-256", "a pod", V5E, 256, "v5e:16x16", {}, "v5litepod-256"),
        Target("gpu-t4", "Colab's smallest GPU", T4, 1, "1x1x1", _T4),
        Target("gpu-l4", "Colab's L4", L4, 1, "1x1x1", _L4),
        Target("gpu-a100", "Colab's A100 of 40 GB", A100, 1, "1x1x1", _A100),
        Target("gpu-h200", "one H200", H200, 1, "1x1x1", _H200),
        Target("gpu-h200-8", "a node of eight", H200, 8, "1x1x8", _H200),
    )
}
"""Name -> what it is."""
SIMULATED = Target("cpu", "simulated devices of this machine, for tests", CPU, 2, "")


ARCHITECTURES: Mapping[str, Mapping[str, Any]] = {
    "smollm2-135m": {
        **{"vocab_size": 49152, "width": 576, "layers": 30, "heads": 9, "kv_heads": 3, "head_dim": 64, "ffn_dim": 1536},
        **{"rope_theta": 1e5, "max_positions": 8192},
    },
    "qwen2.5-0.5b": {
        **{"vocab_size": 151936, "width": 896, "layers": 24, "heads": 14, "kv_heads": 2, "head_dim": 64},
        **{"ffn_dim": 4864, "rope_theta": 1e6, "norm_eps": 1e-6, "qkv_bias": True, "max_positions": 32768},
    },
    "llama-2-7b": {
        **{"vocab_size": 32000, "width": 4096, "layers": 32, "heads": 32, "kv_heads": 32, "head_dim": 128},
        **{"ffn_dim": 11008, "tie_embeddings": False},
    },
}
"""Language models whose shapes are known here, fields of `LlamaConfig`, so that no weights are needed."""


KINDS = ("ground", "pretrain", "encode", "plan", "imagine", "explain", "score", LLM_POLICY, *LEARNERS)
"""Kinds of programs, as `--only` names them: what the language model does, and each learner's update and action."""


@dataclasses.dataclass(frozen=True)
class Promise:
    """What must compile and fit.

    Attributes:
      name: in tables.
      settings: flags of `kalm compile` -> their values, as `pipeline.config.configure` takes them; `preset` is one.
      kinds: of the programs that are compiled; none are all of the job.
      targets: where it holds. Name -> the shape of the mesh, "" for all devices in the axis data.
    """

    name: str
    settings: Mapping[str, object]
    kinds: tuple[str, ...]
    targets: Mapping[str, str]


_7B = {"llm": "llama-2-7b", "grounding_precision": "bfloat16"}
PROMISES: tuple[Promise, ...] = (
    Promise(
        "the main job with the built-in model",
        {},
        (),
        dict.fromkeys(("tpu-v5e-1", "tpu-v5e-8", "gpu-t4", "gpu-l4", "gpu-a100", "gpu-h200", "gpu-h200-8"), ""),
    ),
    Promise(
        "SmolLM2-135M, all weights, the preset pretrained",
        {"preset": "pretrained", "llm": "smollm2-135m"},
        ("ground",),
        dict.fromkeys(("tpu-v5e-1", "gpu-t4"), ""),
    ),
    Promise(
        "7B, all weights, 16 rows",
        {**_7B, "grounding_rows": 16},
        ("ground",),
        {"gpu-h200": ""},
    ),
    Promise(
        "7B, all weights, 32 rows",
        {**_7B, "grounding_rows": 32},
        ("ground",),
        {"tpu-v5p-8": "fsdp:8"},
    ),
    Promise(
        "7B, all weights, 512 rows",
        {**_7B, "grounding_rows": 512},
        ("ground",),
        {"tpu-v5e-256": "data:8,fsdp:32"},
    ),
    Promise(
        "7B, LoRA of rank 16, 32 rows in 8 parts",
        {**_7B, "lora_rank": 16, "grounding_rows": 32, "grounding_accumulation": 8},
        ("ground",),
        {"gpu-l4": ""},
    ),
)
"""What the documentation says, and `kalm compile --promises` holds it to."""


def promised_config(promise: Promise) -> PipelineConfig:
    """The configuration of a promise's job, which is in CLEVR-Robot."""
    settings = dict(promise.settings)
    return configure(load_presets("clevr")[str(settings.pop("preset", "default"))], settings)
