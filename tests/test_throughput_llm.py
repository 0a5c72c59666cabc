"""Suites of the language model: the same work on both sides, and a 7B step fits what BUILD.md promises."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.grounding.decode import generate_rollouts
from kalm_jax.throughput import llm_decode, llm_train, memory


@pytest.mark.parametrize("case", memory.CASES[:2], ids=lambda case: case.name)
def test_a_7b_training_step_fits_one_device(case):
    """The cases of several devices, and the same limits, are `experiments.throughput --suite=memory`."""
    row = memory.measure_case(case)
    assert memory.parameters() == 6_738_415_616
    assert row["state"] > 0.9 * memory.parameters() * (2 if case.rank else 12)
    assert row["median"] < case.limit, memory.line(row)


def test_without_a_cache_the_same_rollout_is_decoded(monkeypatch):
    small = dataclasses.replace(llm_decode.CONFIG, width=16, heads=2, kv_heads=2, head_dim=8, ffn_dim=16, layers=2)
    for name, value in {"CONFIG": small, "BATCH": 3, "PROMPT": 5, "STEPS": 4, "STATE": 6}.items():
        monkeypatch.setattr(llm_decode, name, value)
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
            from kalm_jax.grounding.rows import RowSequence

            while True:
                yield RowSequence(1).text([1, 2, 3, 4, 5])

    out = llm_train.padded(Fixed(), 0)
    assert out.kind.shape == (4, 16) and (out.segment.max(1) == 1).all() and (out.kind > 0).sum() == 20
