"""Positions per second of grounding updates: packed rows beside padded ones, and rows of text beside `transformers`.

A useful position is one that is not padding. The model is the built-in one, the data are rollouts in CLEVR-Robot, and a
batch is that of the default run; only how it is filled differs. Text has a word at every position, and both sides use
AdamW. kalm_jax also computes the loss of states and actions, which torch's model does not have.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import jax
import numpy as np

from benchmarks.throughput.baselines import transformers as transformers_baseline
from benchmarks.throughput.measure import OURS, Benchmark, Program
from benchmarks.throughput.roofline import Cost, cost_of
from kalm_jax.grounding.model import GroundedModel, change_llms, init_params, numeric_spec
from kalm_jax.grounding.sequences import Rows, RowSequence, pack
from kalm_jax.grounding.tasks import Batches
from kalm_jax.grounding.trainer import TrainConfig, init_optimizer, train_step
from kalm_jax.llm.hf.config import read_config
from kalm_jax.llm.hf.folder import BUILTIN, find_folder, load_model
from kalm_jax.llm.lora import LoraConfig
from kalm_jax.llm.lora import init as init_lora
from kalm_jax.llm.transformer import LlamaConfig, first_layers
from kalm_jax.pipeline.config import GroundConfig
from kalm_jax.sharding import default_mesh, gather, shard_batch, shard_params
from kalm_jax.worlds.base import get_world

ROLLOUTS, BATCHES = 64, 4
UNIT = 1000
"""Benchmarks run multiples of this many positions."""


def groups() -> Iterator[list[Benchmark]]:
    """Packed and padded rows; then text by kalm_jax and by torch."""
    ground = GroundConfig()
    name = f"grounding, built-in model, {ground.rows} rows of {ground.row_length}"
    yield [
        Benchmark(name, OURS, lambda: prepare(packed), "useful positions", UNIT),
        Benchmark(name, "padded", lambda: prepare(padded), "useful positions", UNIT),
    ]
    name = f"text, built-in model, {ground.rows} rows of {ground.row_length}"
    config, step = read_config(BUILTIN), ground.rows * ground.row_length
    torch = transformers_baseline.training(config, ground.rows, ground.row_length)
    yield [
        Benchmark(name, OURS, lambda: prepare(text, muon=0.0), "positions", step),
        Benchmark(name, transformers_baseline.NAME, torch, "positions", step),
    ]


def packed(batches: Batches, step: int) -> Rows:
    """A batch as `fit` gets it."""
    return batches(step)


def padded(batches: Batches, step: int) -> Rows:
    """A batch of as many rows with one sequence in each."""
    sequences = itertools.islice(batches.sequences(step), batches.rows)
    rows = [pack([sequence], 1, batches.length, batches.width) for sequence in sequences]
    return jax.tree.map(lambda *x: np.concatenate(x), *rows)


def text(batches: Batches, step: int) -> Rows:
    """A batch of as many rows, each one text of random words."""
    length, vocabulary = GroundConfig().row_length, read_config(BUILTIN).vocab_size
    words = np.random.default_rng(step).integers(0, vocabulary, (batches.rows, length))
    rows = [pack([RowSequence(batches.width).text(w, 1.0)], 1, length, batches.width) for w in words]
    return jax.tree.map(lambda *x: np.concatenate(x), *rows)


def matrix_cost(config: LlamaConfig, adapters: bool, recompute: str) -> Cost:
    """Operations of a position's products with weights, and the bytes of nothing.

    Each weight takes part in a product forward and in one backward, in another one where it is trained, and in the
    layers in a fourth one where the backward pass computes products again.
    """
    attention = 2 * config.width * config.head_dim * (config.heads + config.kv_heads)
    layers, words = config.layers * (attention + 3 * config.width * config.ffn_dim), config.vocab_size * config.width
    passes = 2 + (not adapters)
    return Cost(2.0 * (layers * (passes + (recompute == "all")) + words * passes), 0.0)


def prepare(
    fill,
    rows: int | None = None,
    compute: str = "float32",
    muon: float = TrainConfig.muon,
    llm: str = "",
    lora_rank: int = 0,
    layers: int = 0,
    recompute: str = "all",
):
    """Updates on batches that `fill` makes, made beforehand; as `Benchmark.prepare`.

    Args:
      fill: `packed`, `padded` or `text`.
      rows: of a batch; None for those of the default run.
      compute: type of the language model's passes, muon: see `TrainConfig`.
      llm, lora_rank, layers, recompute: see `GroundConfig`; `layers` is its `llm_layers`.
    """
    ground, world = GroundConfig(), get_world("clevr")
    ground = dataclasses.replace(ground, rows=rows or ground.rows)
    rollouts, goals = world.collect(0, ROLLOUTS, "scripted", None)
    config, weights, tokenizer = load_model(find_folder(llm), scan_layers=bool(llm))
    if layers:
        config, weights = first_layers(config, weights, layers)
    config = dataclasses.replace(config, recompute=recompute)
    spec = numeric_spec(rollouts, world.spaces.num_actions)
    model = GroundedModel(config, spec)
    lora = LoraConfig(lora_rank) if lora_rank else None
    settings = TrainConfig(ground.steps, compute=compute, muon=0.0 if llm else muon, lora=lora)
    size = {"rows": ground.rows, "length": ground.row_length, "seed": 0, "window": ground.window}
    batches = Batches(rollouts, goals, tokenizer, ground.shares, world.language, spec, **size)
    filled = [fill(batches, step) for step in range(BATCHES)]
    useful = [int((x.kind > 0).sum()) for x in filled]
    mesh = default_mesh()
    params = init_params(model, jax.random.key(0), weights)
    frozen = shard_params(mesh, params["llm"] if lora else {})
    if lora:
        params = change_llms(params, lambda llm: init_lora(jax.random.key(0), llm, lora))
    params = shard_params(mesh, gather(params))
    state = [params, init_optimizer(mesh, params, settings)]
    filled = [shard_batch(mesh, x) for x in filled]

    owed, order = [0], itertools.cycle(range(BATCHES))

    def run(n):
        owed[0] += n  # batches are whole: what one call does too much the next one has in hand
        while owed[0] > 0:
            i = next(order)
            with jax.set_mesh(mesh):
                state[0], state[1], _ = train_step(*state, filled[i], frozen, model=model, config=settings)
            owed[0] -= useful[i]
        jax.block_until_ready(state)

    def cost() -> Cost:
        if config.scan_layers:  # XLA counts one layer of a loop once
            return matrix_cost(config, bool(lora), recompute) * (filled[0].kind.size / np.mean(useful))
        with jax.set_mesh(mesh):
            program = train_step.lower(*state, filled[0], frozen, model=model, config=settings).compile()
        return cost_of(program) * (1 / np.mean(useful))

    return Program(run, cost)
