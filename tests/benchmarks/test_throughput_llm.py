"""Suites of the language model: the same work on both sides."""

import dataclasses
import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.throughput import llm_decode, llm_train
from benchmarks.throughput.baselines import transformers as transformers_baseline
from benchmarks.throughput.measure import MissingError
from kalm_jax.grounding.decoding import generate_rollouts
from kalm_jax.llm.hf.weights import parameter_shapes

SMALL = dataclasses.replace(llm_decode.CONFIG, width=16, heads=2, kv_heads=2, head_dim=8, ffn_dim=16, layers=2)


def make_small(monkeypatch):
    """Lets the decoding suite have a tiny problem."""
    for name, value in {"CONFIG": SMALL, "BATCH": 3, "PROMPT": 5, "STEPS": 4, "STATE": 6, "WORDS": 7}.items():
        monkeypatch.setattr(llm_decode, name, value)


def test_without_a_cache_the_same_rollout_is_decoded(monkeypatch):
    make_small(monkeypatch)
    model, params, prompts, states = llm_decode.problem()
    zeros = np.zeros((3, 1), np.int32)
    keys = jax.random.split(jax.random.key(1), 3)
    want = generate_rollouts(
        *(params, prompts, states, zeros[:, 0], zeros, keys, 0.0), model=model, stop=llm_decode.never, horizon=4
    )
    got, _ = llm_decode.reread(params, prompts, states, jnp.int32(8), model=model)
    np.testing.assert_allclose(got, want[0][:, -1], atol=1e-4)
    assert np.abs(want[0][:, -1] - states).max() > 0.01


def test_padded_rows_hold_a_sequence_each_and_packed_ones_more():
    class Fixed:
        rows, length, width = 4, 16, 1

        def sequences(self, step):
            from kalm_jax.grounding.sequences import RowSequence

            while True:
                yield RowSequence(1).text([1, 2, 3, 4, 5])

    out = llm_train.padded(Fixed(), 0)
    assert out.kind.shape == (4, 16) and (out.segment.max(1) == 1).all() and (out.kind > 0).sum() == 20


def test_words_are_decoded_to_their_limit_and_cost_what_their_products_do(monkeypatch):
    make_small(monkeypatch)
    made, generate_text = [], llm_decode.generate_text

    class Counting:
        lower = generate_text.lower

        def __call__(self, *args, **options):
            made.append(generate_text(*args, **options))
            return made[-1]

    monkeypatch.setattr(llm_decode, "generate_text", Counting())
    program = llm_decode.words()
    program(2 * 3 * 7)
    assert [out.shape for out in made] == [(3, 7)] * 2 and (np.asarray(made[0]) >= 0).all()
    # Per word one product with every matrix, and as much again per word of the prompt: 6 beside 7. Looking words up in
    # the embedding costs none; attention, norms and noise come on top.
    layer = 4 * SMALL.width**2 + 3 * SMALL.width * SMALL.ffn_dim
    word = 2 * (SMALL.layers * layer * (1 + 6 / 7) + SMALL.width * SMALL.vocab_size)
    assert word < program.cost().flops < 3 * word


def test_text_rows_have_a_word_at_every_position():
    class Fixed:
        rows, width = 4, 1

    out = llm_train.text(Fixed(), 0)
    assert (out.kind == 1).all() and (out.segment == 1).all()
    assert (out.weight[:, :-1] == 1).all() and (out.weight[:, -1] == 0).all()
    assert np.abs(out.token - llm_train.text(Fixed(), 1).token).max() > 0


def test_without_torch_transformers_has_no_row(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for prepare in (transformers_baseline.training(SMALL, 2, 8), transformers_baseline.generation(SMALL, 2, 4, 3)):
        with pytest.raises(MissingError, match="parity"):
            prepare()


def test_transformers_does_the_same_work(monkeypatch):
    """It has as many parameters, trains them, and continues every row to its limit."""
    pytest.importorskip("torch")
    torch, model = transformers_baseline.load(SMALL)
    assert sum(p.numel() for p in model.parameters()) == sum(map(math.prod, parameter_shapes(SMALL).values()))
    kept = []
    monkeypatch.setattr(transformers_baseline, "load", lambda config: (torch, model))
    monkeypatch.setattr(
        model, "generate", lambda *a, **k: kept.append(type(model).generate(model, *a, **k)) or kept[-1]
    )
    transformers_baseline.generation(SMALL, 2, 4, 3)()(2 * 2 * 3)
    assert [tuple(out.shape) for out in kept] == [(2, 7)] * 2
    before = [p.detach().clone() for p in model.parameters()]
    transformers_baseline.training(SMALL, 2, 8)()(2 * 8)
    assert all((a != b).any() for a, b in zip(before, model.parameters()))
