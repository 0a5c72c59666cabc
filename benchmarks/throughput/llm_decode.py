"""Positions per second of decoding: imagined numbers with and without a key-value cache; words beside `transformers`.

A numeric position is a state or an action. Benchmarks have 64 rows of a prompt of 40 words and a first state, with
room for 50 actions and 50 states, and a model of 4 layers of 256. Without a cache each position costs one pass over all
of the row, which has a fixed length, as in a compiled program it must. Words are the greedy continuation, one per pass,
of a prompt of as many positions; torch generates them with its own cache.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.throughput.baselines import transformers as transformers_baseline
from benchmarks.throughput.measure import OURS, Benchmark, Program
from benchmarks.throughput.roofline import Cost, cost_of
from kalm_jax.grounding.config import NumericSpec
from kalm_jax.grounding.decoding import generate_rollouts, generate_text, prefill
from kalm_jax.grounding.model import GroundedModel, init_params
from kalm_jax.grounding.sequences import Rows, RowSequence, align_right
from kalm_jax.llm.transformer import LlamaConfig, prefix_mask

BATCH, PROMPT, STEPS, STATE = 64, 40, 50, 39
WORDS = 100
NO_WORD = -1
"""An end-of-text token that is never generated: every row is continued to its limit."""
CONFIG = LlamaConfig(vocab_size=2048, width=256, layers=4, heads=4, kv_heads=4, head_dim=64, ffn_dim=640)


def groups() -> Iterator[list[Benchmark]]:
    """Numbers with and without a cache; then words by kalm_jax and by torch."""
    size = f"decoding, width {CONFIG.width}, {CONFIG.layers} layers, batch {BATCH}"
    name = f"{size}, {2 * STEPS} numbers"
    yield [
        Benchmark(name, OURS, cached, "positions", BATCH * 2 * STEPS),
        Benchmark(name, "without a cache", uncached, "positions", BATCH),
    ]
    name = f"{size}, {WORDS} words"
    torch = transformers_baseline.generation(CONFIG, BATCH, PROMPT + 1, WORDS)
    yield [
        Benchmark(name, OURS, words, "positions", BATCH * WORDS),
        Benchmark(name, transformers_baseline.NAME, torch, "positions", BATCH * WORDS),
    ]


def problem() -> tuple[GroundedModel, dict, Rows, np.ndarray]:
    """Model, random parameters, prompts that end in a first state, and these states (B, D)."""
    zeros, ones = (0.0,) * STATE, (1.0,) * STATE
    model = GroundedModel(CONFIG, NumericSpec(STATE, num_actions=4, mean=zeros, std=ones, change_std=ones))
    rng = np.random.default_rng(0)
    states = rng.normal(size=(BATCH, STATE)).astype(np.float32)
    prompts = [RowSequence(STATE).text(rng.integers(0, CONFIG.vocab_size, PROMPT)).state(s) for s in states]
    params = jax.tree.map(jnp.asarray, init_params(model, jax.random.key(0)))
    return model, params, align_right(prompts, PROMPT + 1, STATE), states


def never(family, goal, state, action, next_state):
    """No goal ends a rollout."""
    return jnp.zeros(len(state), bool)


def cached():
    """Decoding as imagination does it."""
    model, params, prompts, states = problem()
    zeros, keys = np.zeros((BATCH, 1), np.int32), jax.random.split(jax.random.key(1), BATCH)
    arguments = (params, prompts, states, zeros[:, 0], zeros, keys, 0.0)
    options = {"model": model, "stop": never, "horizon": STEPS}

    def run(n):
        for _ in range(n // (BATCH * 2 * STEPS)):
            jax.block_until_ready(generate_rollouts(*arguments, **options))

    def cost():
        program = generate_rollouts.lower(*arguments, **options).compile()
        return looped(program, model, params, prompts, 2 * STEPS, STEPS) * (1 / (BATCH * 2 * STEPS))

    return Program(run, cost)


def words():
    """Decoding as answers and plans need it."""
    model, params, _, _ = problem()
    ids = np.random.default_rng(1).integers(0, CONFIG.vocab_size, (BATCH, PROMPT + 1))
    prompts = align_right([RowSequence(STATE).text(row) for row in ids], PROMPT + 1, STATE)
    arguments = (params, prompts, jax.random.split(jax.random.key(1), BATCH), 0.0)
    options = {"model": model, "limit": WORDS, "eos": NO_WORD}

    def run(n):
        for _ in range(n // (BATCH * WORDS)):
            jax.block_until_ready(generate_text(*arguments, **options))

    def cost():
        program = generate_text.lower(*arguments, **options).compile()
        return looped(program, model, params, prompts, WORDS, WORDS) * (1 / (BATCH * WORDS))

    return Program(run, cost)


def looped(program, model: GroundedModel, params, prompts: Rows, positions: int, times: int) -> Cost:
    """Cost of a decoding program for `positions` more, whose loop runs `times`: XLA counts what is in it once."""
    size = prompts.kind.shape[1] + positions
    start = jax.jit(lambda params, rows: prefill(model.bind({"params": params}), rows, size))
    before = cost_of(start.lower(params, prompts).compile())
    return before + (cost_of(program) + before * -1) * times


def uncached():
    """Each position from a pass over the whole row."""
    model, params, prompts, states = problem()

    def run(n):
        jax.block_until_ready(reread(params, prompts, states, jnp.int32(n // BATCH), model=model))

    return run


@functools.partial(jax.jit, static_argnames="model")
def reread(params, prompts: Rows, states, count, *, model: GroundedModel):
    """The last state (B, D) and its position's vector after `count` more positions, greedily, without a cache."""
    bound = model.bind({"params": params})
    size = PROMPT + 1 + 2 * STEPS
    x = jnp.zeros((BATCH, size, CONFIG.width)).at[:, : PROMPT + 1].set(bound.embed(prompts))
    positions = jnp.broadcast_to(jnp.arange(size), (BATCH, size))
    mask = prefix_mask(jnp.ones((BATCH, size), bool), size)

    def body(i, carry):
        x, state = carry
        at = PROMPT + i % (2 * STEPS)  # after the last place the row is written again: the work is the same
        hidden = bound.backbone(x, positions, mask)[0][:, at]
        action = jnp.argmax(bound.action_head(hidden)[:, :-1], axis=-1).astype(jnp.int32)
        following = bound.next_state(hidden, state)
        is_action = i % 2 == 0
        said = bound.embed_action(action, jnp.zeros((BATCH, STATE)))
        vector = jnp.where(is_action, said, bound.embed_state(following))
        return x.at[:, at + 1].set(vector), jnp.where(is_action, state, following)

    x, state = jax.lax.fori_loop(0, count, body, (x, jnp.asarray(states)))
    return state, x
