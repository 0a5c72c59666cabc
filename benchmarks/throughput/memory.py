"""Bytes per device of a training step of a 7B model, compiled for simulated devices.

A small model with a large vocabulary, whose logits dominate, and the cost of recomputing less are measured as well.

Nothing is allocated: parameters, optimizer state and batch are shapes, sharded by `PARAM_RULES`. What XLA reports of
the compiled program is exact for arrays that live from step to step. What a step needs besides (gradients, activations)
is that of a CPU, which computes bfloat16 products in float32. With LoRA it would convert all of the frozen
weights to float32 ahead of the loop over layers, as no GPU does, so there the step is compiled in float32 throughout:
its activations are twice as large as those of the real one, and its frozen weights are counted as the bfloat16 ones.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks.throughput.measure import OURS
from kalm_jax.grounding.config import NumericSpec
from kalm_jax.grounding.losses import MAX_LOGITS
from kalm_jax.grounding.model import GroundedModel, init_params
from kalm_jax.grounding.sequences import empty_rows
from kalm_jax.grounding.trainer import TrainConfig, train_step
from kalm_jax.llm import lora
from kalm_jax.llm.lora import LoraConfig
from kalm_jax.llm.transformer import LlamaConfig
from kalm_jax.sharding import BATCH_AXES, MeshShape, make_mesh, param_shardings

LLAMA_2_7B = LlamaConfig(32000, 4096, 32, 32, 32, 128, 11008, tie_embeddings=False, scan_layers=True)
QWEN_0_5B = LlamaConfig(151936, 896, 24, 14, 2, 64, 4864, qkv_bias=True, scan_layers=True)
"""Qwen2.5-0.5B: many words, small layers."""
ROW_LENGTH = 128


@dataclasses.dataclass(frozen=True)
class Case:
    """A training step and what it must fit.

    Attributes:
      name: in the table.
      mesh: its shape.
      rows: of a batch, in `accumulate` parts.
      limit: bytes per device that BUILD.md promises.
      rank: of LoRA, whose frozen weights are bfloat16; 0 is full fine-tuning with float32 weights and Adam.
      accumulate: see `TrainConfig`.
      recompute: see `LlamaConfig`.
      max_logits: see `TrainConfig`.
      config: of the model.
    """

    name: str
    mesh: MeshShape
    rows: int
    limit: float
    rank: int = 0
    accumulate: int = 1
    recompute: str = "all"
    max_logits: int = MAX_LOGITS
    config: LlamaConfig = LLAMA_2_7B

    def train_config(self) -> TrainConfig:
        """Settings of the step."""
        adapters = LoraConfig(self.rank) if self.rank else None
        compute = "float32" if self.rank else "bfloat16"
        return TrainConfig(
            1000, muon=0.0, accumulate=self.accumulate, compute=compute, lora=adapters, max_logits=self.max_logits
        )


GB = 1e9
CASES = (
    Case("full, 1 device", MeshShape(1), 16, 141 * GB),
    Case("LoRA 16, 1 device", MeshShape(1), 32, 24 * GB, rank=16, accumulate=8),
    Case("full, 4 devices", MeshShape(1, 4), 32, 40 * GB),
    Case("full, 8 devices", MeshShape(1, 8), 32, 24 * GB),
    Case("full, 256 devices", MeshShape(32, 8), 512, 24 * GB),
    Case("full, 1 device, products kept", MeshShape(1), 16, 141 * GB, recompute="cheap"),
    Case("full, 8 devices, products kept", MeshShape(1, 8), 32, 24 * GB, recompute="cheap"),
    Case("LoRA 16, 1 device, products kept", MeshShape(1), 32, 24 * GB, 16, 8, "cheap"),
    Case("0.5B of 151,936 words, full, 1 device", MeshShape(1), 32, 14 * GB, config=QWEN_0_5B),
    Case("the same, all words at once", MeshShape(1), 32, 24 * GB, max_logits=1 << 60, config=QWEN_0_5B),
)


def devices_needed() -> int:
    """Number of simulated devices that the cases need."""
    return max(case.mesh.data * case.mesh.fsdp * case.mesh.tensor for case in CASES)


def rows(say: Callable[[str], None] = print) -> list[dict]:
    """A row per case: bytes that stay (state), bytes that a step needs besides (temporary), the sum, the limit."""
    out = []
    for case in CASES:
        row = measure_case(case)
        say(line(row))
        out.append(row)
    return out


def line(row: dict) -> str:
    """A row as a line of text."""
    parts = " + ".join(f"{row[name] / GB:.1f}" for name in ("state", "temporary"))
    return f"{row['group']}: {parts} = {row['median'] / GB:.1f} GB per device of {row['limit'] / GB:.0f}"


def measure_case(case: Case) -> dict:
    """The row of one case, compiled for the first devices of this process."""
    begun = time.perf_counter()
    memory = compiled(case).memory_analysis()
    state = memory.argument_size_in_bytes
    if case.rank:
        state -= 2 * parameters(case.config) // case.mesh.fsdp // case.mesh.tensor
    # Outputs that are not written over an input (donated parameters and optimizer state are) come on top.
    temporary = memory.temp_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    return {
        "group": f"{'7B, ' if case.config is LLAMA_2_7B else ''}{case.name}, {case.rows} rows of {ROW_LENGTH}",
        "name": OURS,
        "unit": "bytes per device",
        "state": state,
        "temporary": temporary,
        "median": state + temporary,
        "limit": case.limit,
        "first": time.perf_counter() - begun,
    }


def compiled(case: Case):
    """The compiled training step of a case."""
    zeros = (0.0,) * 10
    spec = NumericSpec(10, num_actions=40, mean=zeros, std=zeros, change_std=zeros)
    model, settings = (
        GroundedModel(dataclasses.replace(case.config, recompute=case.recompute), spec),
        case.train_config(),
    )
    mesh = make_mesh(case.mesh)
    params = jax.eval_shape(lambda: init_params(model, jax.random.key(0)))
    frozen = {}
    if case.rank:
        adapters = jax.eval_shape(lambda p: lora.init(jax.random.key(0), p, settings.lora), params["llm"])
        frozen = params["llm"]
        params = {**params, "llm": adapters}
    batch = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=NamedSharding(mesh, P(BATCH_AXES))),
        empty_rows(case.rows, ROW_LENGTH, spec.width),
    )
    with jax.set_mesh(mesh):
        opt_state = jax.eval_shape(settings.optimizer().init, params)
        params, opt_state, frozen = (_placed(mesh, tree) for tree in (params, opt_state, frozen))
        return train_step.lower(params, opt_state, batch, frozen, model=model, config=settings).compile()


def _placed(mesh, tree):
    place = lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s)  # noqa: E731
    return jax.tree.map(place, tree, param_shardings(mesh, tree))


def parameters(config: LlamaConfig = LLAMA_2_7B) -> int:
    """How many numbers the language model has."""
    from kalm_jax.llm.hf.weights import parameter_shapes

    return sum(int(np.prod(shape)) for shape in parameter_shapes(config).values())
