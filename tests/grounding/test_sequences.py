"""Training rows: what was put in, and packing."""

import numpy as np
import pytest

from kalm_jax.grounding.sequences import ACTION, STATE, TEXT, RowSequence, pack


def test_rows_hold_what_was_put_in():
    states, actions = np.arange(9.0).reshape(3, 3), np.array([2, 0])
    sequence = RowSequence(3).text([7, 8]).rollout(states, actions, 1.0, 0.5).text([9], 2.0)
    out = pack([sequence], 1, 10, 3)
    assert out.kind[0].tolist() == [TEXT, TEXT, STATE, ACTION, STATE, ACTION, STATE, TEXT, 0, 0]
    assert out.token[0].tolist() == [7, 8, 0, 2, 0, 0, 0, 9, 0, 0]
    # weight[t] is the weight of predicting t + 1; the first state is given, not predicted
    assert out.weight[0].tolist() == [0, 0, 0.5, 1, 0.5, 1, 2, 0, 0, 0]
    np.testing.assert_array_equal(out.value[0, [2, 4, 6]], states)
    np.testing.assert_array_equal(out.base[0, 2:8], states[[0, 0, 1, 1, 2, 2]])
    assert out.base[0, :2].max() == 0
    assert out.position[0, :8].tolist() == list(range(8))


def test_packing_loses_nothing_and_refuses_what_does_not_fit():
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 20, 200)
    sequences = [RowSequence(1).text(rng.integers(1, 99, n).tolist(), 1.0) for n in lengths]
    out = pack(sequences, 6, 64, 1)
    assert (out.kind > 0).mean() > 0.9
    tokens = {tuple(np.concatenate(s.token).tolist()) for s in sequences}
    for row in range(6):
        for segment in range(1, out.segment[row].max() + 1):
            assert tuple(out.token[row][out.segment[row] == segment].tolist()) in tokens
    with pytest.raises(ValueError, match="row_length"):
        pack([RowSequence(1).text(range(65))], 6, 64, 1)
