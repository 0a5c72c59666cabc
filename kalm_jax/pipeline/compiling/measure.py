"""A program compiled for a target, as a row of a table."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from typing import Any

import jax

from kalm_jax.pipeline.compiling.catalog import Entry, Job
from kalm_jax.pipeline.compiling.counts import count_program, product_flops
from kalm_jax.pipeline.compiling.targets import Target

Row = dict[str, Any]


def devices_of(target: Target) -> Sequence[jax.Device]:
    """The target's devices, of which nothing is there; of the simulated target those of this process."""
    if not target.topology:
        return jax.devices()[: target.devices]
    from jax.experimental import topologies

    options = dict(target.options)
    if target.chip.kind == "tpu":
        found = topologies.get_topology_desc(platform="tpu", topology_name=target.topology, **options)
    else:
        found = topologies.get_topology_desc(platform="cuda", topology_name="", topology=target.topology, **options)
    return found.devices


def described_row(entry: Entry, job: Job) -> tuple[Row, Any]:
    """(what is known of a program before it is compiled, the lowered program)."""
    with job.devices():
        program = entry.describe()
        lowered = program.traced.lower()
    flops = product_flops(program.traced.jaxpr)
    shardings = [x.sharding for x in jax.tree.leaves((program.args, program.kwargs)) if _is_placed(x)]
    devices = max((len(s.device_set) for s in shardings), default=1)
    text = re.sub(r"loc\(.*?\)|#loc.*", "", lowered.as_text())
    row = {
        "program": entry.name,
        "per": entry.per,
        "function": entry.wanted,
        "devices": devices,
        "flops": {kind: count // devices for kind, count in flops.items()},
        "fingerprint": hashlib.sha256(text.encode()).hexdigest()[:16],
    }
    return row, lowered


def _is_placed(x: Any) -> bool:
    return isinstance(x, jax.ShapeDtypeStruct) and x.sharding is not None


def compiled_row(row: Row, lowered: Any, target: Target) -> Row:
    """The row with what the target's compiler says: whether it compiles, memory, traffic, kernels, time."""
    begun = time.perf_counter()
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        return {**row, "compiles": False, "reason": reason_of(str(error)), "compile_s": time.perf_counter() - begun}
    memory, counts = compiled.memory_analysis(), count_program(compiled.as_text())
    cost = _cost(compiled) if target.chip.kind == "tpu" else {}
    # Outputs that are not written over an input (donated parameters and optimizer state are) come on top.
    outputs = memory.output_size_in_bytes - memory.alias_size_in_bytes
    return {
        **row,
        "compiles": True,
        "reason": "",
        "state": memory.argument_size_in_bytes + outputs,
        "temporary": memory.temp_size_in_bytes,
        "bytes": counts.bytes,
        "collective": dict(counts.collective),
        "kernels": dict(counts.kernels),
        "compiler_flops": cost.get("flops"),
        "compiler_bytes": cost.get("bytes accessed"),
        "compiler_s": cost.get("optimal_seconds"),
        "compile_s": time.perf_counter() - begun,
    }


def _cost(compiled: Any) -> dict[str, float]:
    cost = compiled.cost_analysis()
    cost = cost[0] if isinstance(cost, list) else cost or {}
    return {name: float(value) for name, value in cost.items() if value > 0}


def reason_of(message: str) -> str:
    """The first sentence of a compiler's error in one line."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    used = [line for line in lines if re.search(r"exceeds|[Uu]sed .* of .* hbm|out of memory", line)]
    return " ".join((used or lines or ["no reason was given"])[0].split())[:300]
