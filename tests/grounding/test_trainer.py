"""Training that is killed and continued, and batches with empty rows."""

import dataclasses

import jax
import numpy as np
import pytest

from kalm_jax.grounding.trainer import TrainConfig, fit, gradient
from kalm_jax.sharding import pad_batch
from tests.grounding.toy import batches, make, toy_rollouts


def test_a_killed_training_ends_the_same_measured_or_not(words, tmp_path):
    rollouts = toy_rollouts()
    model, params = make(words, rollouts)
    config, seen = TrainConfig(12, log_every=3, checkpoint_every=4), []
    straight, curve = fit(model, params, batches(words, rollouts), config, tmp_path / "straight")

    class KilledError(Exception):
        pass

    def die(step, **_):
        if step >= 9:
            raise KilledError

    def measure(step, now):
        seen.append((step, np.array(now["llm"]["embedding"]["embedding"])))

    config = dataclasses.replace(config, measure_every=5)
    again = (model, params, batches(words, rollouts), config, tmp_path / "killed")
    with pytest.raises(KilledError):
        fit(*again, progress=die, measure=measure)
    resumed, curve_again = fit(*again, measure=measure)
    assert [step for step, _ in seen] == [5, 10, 12]
    assert not np.array_equal(seen[0][1], seen[1][1])
    np.testing.assert_array_equal(seen[-1][1], straight["llm"]["embedding"]["embedding"])
    jax.tree.map(np.testing.assert_array_equal, resumed, straight)
    assert [row["step"] for row in curve_again] == [row["step"] for row in curve]
    assert curve_again[-1] == curve[-1]


def test_empty_rows_of_a_padded_batch_change_nothing(words):
    """Their heads' outputs are finite and the other rows', the loss and the gradient are those of the batch alone."""
    model, params = make(words, toy_rollouts())
    rows = batches(words, toy_rollouts())(0)
    padded = pad_batch(rows, 11)
    assert padded.kind.shape[0] == 11 and not padded.weight[8:].any()
    heads = jax.jit(lambda rows: model.apply({"params": params}, rows))
    for found, want in zip(heads(padded), heads(rows), strict=True):
        assert np.isfinite(found).all() and np.abs(want).max() > 1e-3
        for i in range(8):
            np.testing.assert_allclose(found[i], want[i], rtol=1e-5, atol=1e-6, err_msg=f"row {i}")
    step = jax.jit(gradient, static_argnames=("model", "config"))
    (grads, metrics), (want_grads, want_metrics) = (
        step(params, {}, r, model=model, config=TrainConfig(1)) for r in (padded, rows)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), grads, want_grads)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), metrics, want_metrics)
