"""Positions per second of grounding SmolLM2-135M, beside what makes it cheaper: adapters, fewer layers, less again.

Batches are four packed rows of the default run's grounding. The model is fetched if it is not there (kalm get-llm). All
variants but the first compute something else, or keep more in memory: LoRA trains small matrices, the first 12 of 30
layers are another model, and "cheap" keeps the products with weights for the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.throughput.llm_train import packed, prepare
from benchmarks.throughput.measure import Benchmark

ROWS, RANK, LAYERS = 4, 8, 12
UNIT = 2000
"""Benchmarks run multiples of this many positions."""


def groups() -> Iterator[list[Benchmark]]:
    """One group: ways to ground the same model."""
    variants = {
        "all weights": {},
        "LoRA": {"lora_rank": RANK},
        "LoRA, cheap": {"lora_rank": RANK, "recompute": "cheap"},
        "LoRA, 12 layers, cheap": {"lora_rank": RANK, "recompute": "cheap", "layers": LAYERS},
    }
    yield [
        Benchmark(
            f"grounding, SmolLM2-135M, {ROWS} rows of 128",
            name,
            lambda options=options: prepare(packed, rows=ROWS, llm="smollm2", **options),
            "useful positions",
            UNIT,
        )
        for name, options in variants.items()
    ]
