"""Training: killed and continued, in parts, in bfloat16, on stacked layers, and on batches with empty rows."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.grounding.model import GroundedModel
from kalm_jax.grounding.trainer import TrainConfig, fit, forward_variables, gradient
from kalm_jax.llm.transformer import stack_layers, unstack_layers
from kalm_jax.sharding import make_mesh, pad_batch, shard_batch
from tests.grounding import adapters
from tests.grounding.adapters import LORA, with_adapters
from tests.grounding.toy import batches, make, toy_rollouts


@pytest.mark.slow
def test_a_killed_training_ends_the_same_measured_or_not(words, tmp_path):
    rollouts = toy_rollouts()
    model, params = make(words, rollouts)
    config, seen, recalled, before = TrainConfig(12, log_every=3, checkpoint_every=4), [], [], []
    straight, curve = fit(model, params, batches(words, rollouts), config, tmp_path / "straight")

    class KilledError(Exception):
        pass

    def die(step, **_):
        if step >= 9:
            raise KilledError

    def measure(step, now):
        seen.append((step, np.array(now["llm"]["embedding"]["embedding"])))
        return {"at": step}

    config = dataclasses.replace(config, measure_every=5)
    again = (model, params, batches(words, rollouts), config, tmp_path / "killed")
    with pytest.raises(KilledError):
        fit(*again, progress=die, measure=measure, recall=recalled.append, resume=before.append)
    resumed, curve_again = fit(*again, measure=measure, recall=recalled.append, resume=before.append)
    assert before == [8]
    assert recalled == [[], [{"at": 5}]]  # what was measured before the checkpoint
    assert [step for step, _ in seen] == [5, 10, 12]
    assert not np.array_equal(seen[0][1], seen[1][1])
    np.testing.assert_array_equal(seen[-1][1], straight["llm"]["embedding"]["embedding"])
    jax.tree.map(np.testing.assert_array_equal, resumed, straight)
    assert [row["step"] for row in curve_again] == [row["step"] for row in curve]
    assert curve_again[-1] == curve[-1]


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("with_lora", [False, True])
def test_accumulated_parts_are_one_batch(with_lora):
    model, params, batches = adapters.make()
    frozen = params["llm"] if with_lora else {}
    params = with_adapters(params) if with_lora else params
    rows = shard_batch(make_mesh(), batches(0))
    config = TrainConfig(1, lora=LORA if with_lora else None)
    results = [
        jax.jit(gradient, static_argnames=("model", "config"))(
            params, frozen, rows, model=model, config=dataclasses.replace(config, accumulate=k)
        )
        for k in (1, 4)
    ]
    # Rows differ in what they hold, so a mean of the parts' means would be something else.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4 * max(1.0, np.abs(b).max()), rtol=1e-4), *results
    )
    assert {float((rows.kind[i] == 3).sum()) for i in range(8)} != {float((rows.kind[0] == 3).sum())}


@pytest.mark.slow
def test_bfloat16_computes_so_and_keeps_float32_parameters():
    model, params, batches = adapters.make()
    rows, exact = jax.tree.map(jnp.asarray, batches(0)), TrainConfig(4)
    half = dataclasses.replace(exact, compute="bfloat16")
    hidden = jax.eval_shape(lambda p: model.bind(forward_variables(p, {}, half)).hidden(rows), params)
    assert hidden.dtype == jnp.bfloat16
    (grads, metrics), (want, want_metrics) = (
        jax.jit(gradient, static_argnames=("model", "config"))(params, {}, rows, model=model, config=c)
        for c in (half, exact)
    )
    assert {x.dtype for x in jax.tree.leaves(grads)} == {jnp.dtype(jnp.float32)}
    assert abs(metrics["loss"] - want_metrics["loss"]) < 0.01 * want_metrics["loss"]
    assert metrics["loss"] != want_metrics["loss"]
    vectors = [np.concatenate([np.ravel(x) for x in jax.tree.leaves(g)]) for g in (grads, want)]
    assert np.dot(*vectors) > 0.995 * np.prod([np.linalg.norm(v) for v in vectors])
    trained, _ = fit(model, params, batches, half)
    assert {x.dtype for x in jax.tree.leaves(trained)} == {jnp.dtype(jnp.float32)}


@pytest.mark.slow
@pytest.mark.parametrize("muon", [2.0, 0.0])
def test_stacked_layers_train_as_layers_apart(muon):
    model, params, batches = adapters.make(qk_norm=True)
    config = TrainConfig(4, muon=muon, weight_decay=0.5, accumulate=2)
    want, _ = fit(model, params, batches, config)
    stacked = GroundedModel(dataclasses.replace(model.config, scan_layers=True), model.spec)
    got, _ = fit(stacked, {**params, "llm": stack_layers(params["llm"])}, batches, config)
    got = {**got, "llm": unstack_layers(got["llm"])}
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4), got, want)
