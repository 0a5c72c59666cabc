"""LoRA: adapters, merged models, and what training may change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from kalm_jax.grounding.trainer import TrainConfig, fit, forward_variables
from kalm_jax.llm import lora
from kalm_jax.llm.hf.folder import load_model, save_model
from kalm_jax.llm.lora import LoraConfig
from kalm_jax.llm.transformer import stack_layers, unstack_layers
from tests.grounding.adapters import LORA, WORDS, init_adapters, make, with_adapters

merge = jax.jit(lora.merge, static_argnums=2)


def flat(tree):
    return traverse_util.flatten_dict(tree, sep="/")


@pytest.mark.parametrize("stacked", [False, True])
def test_every_matrix_of_the_layers_has_an_adapter_that_begins_as_nothing(stacked):
    _, params, _ = make()
    llm = stack_layers(params["llm"]) if stacked else params["llm"]
    adapters = init_adapters(jax.random.key(1), llm, LORA)
    merged = merge(llm, adapters, LORA)
    jax.tree.map(np.testing.assert_array_equal, merged, llm)
    # Two layers, width 16, two heads and one key/value head of 10, feed-forward 24: q, k, v, o, gate, up, down.
    sizes = (16 + 20) + 2 * (16 + 10) + (20 + 16) + 3 * (16 + 24)
    assert sum(x.size for x in jax.tree.leaves(adapters)) == 2 * LORA.rank * sizes
    assert all(np.std(x) > 0.1 for path, x in flat(adapters).items() if path.endswith("/a"))


def test_a_merged_matrix_does_what_matrix_and_adapter_do_apart():
    _, params, _ = make()
    adapters = with_adapters(params)["llm"]
    merged, base, small = flat(merge(params["llm"], adapters, LORA)), flat(params["llm"]), flat(adapters)
    rng = np.random.default_rng(1)
    changed = {path.rpartition("/")[0] for path in small}
    assert {path for path in base if not np.array_equal(base[path], merged[path])} == changed
    for path in changed:
        a, b = np.asarray(small[f"{path}/a"]), np.asarray(small[f"{path}/b"])
        x = rng.normal(size=(5, len(a)))
        w = np.asarray(base[path], np.float64).reshape(len(a), -1)
        apart = x @ w + (LORA.alpha / LORA.rank) * (x @ a @ b)
        # Merged entries are rounded to float32: half a unit in the last place of the largest, times the entries of x.
        bound = len(a) * np.finfo(np.float32).eps * np.abs(x).max() * np.abs(np.asarray(merged[path])).max()
        np.testing.assert_allclose(x @ np.asarray(merged[path]).reshape(len(a), -1), apart, rtol=0, atol=bound)


@pytest.mark.parametrize("options", [{}, {"scan_layers": True, "qkv_bias": True}])
def test_layers_add_what_a_merged_model_computes(options):
    model, params, batches = make(**options)
    params = with_adapters(params)
    frozen = make(**options)[1]["llm"]
    rows, config = jax.tree.map(jnp.asarray, batches(0)), TrainConfig(1, lora=LORA)
    merged = {"params": {**params, "llm": merge(frozen, params["llm"], LORA)}}
    apart = forward_variables(params, frozen, config)
    without = {"params": {**params, "llm": frozen}}
    logits = jax.jit(lambda variables: model.apply(variables, rows)[0])
    got, want, plain = map(logits, (apart, merged, without))
    np.testing.assert_allclose(got, want, atol=1e-4)
    assert np.abs(got - plain).max() > 0.01


def test_stacked_layers_merge_as_layers_apart():
    _, params, _ = make()
    adapters = with_adapters(params)["llm"]
    apart = merge(params["llm"], adapters, LORA)
    stacked = merge(stack_layers(params["llm"]), stack_layers(adapters), LORA)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-6), unstack_layers(stacked), apart)


@pytest.mark.slow
def test_training_changes_adapters_and_number_parts_only_and_the_merged_export_is_that_model(tmp_path):
    model, params, batches = make()
    before = jax.tree.map(np.array, params)
    start = with_adapters(params, drawn=False)
    config = TrainConfig(30, learning_rate=2e-2, log_every=10, lora=LORA)
    trained, curve = fit(model, start, batches, config, frozen=params["llm"])
    jax.tree.map(np.testing.assert_array_equal, params, before)
    assert jax.tree.structure(trained) == jax.tree.structure(start)
    for part in start:
        assert all(
            not np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (trained[part], start[part]))) if a.any()
        )
    assert curve[-1]["loss"] < 0.9 * curve[0]["loss"]
    save_model(tmp_path, model.config, merge(params["llm"], trained["llm"], LORA), WORDS)
    rows = jax.tree.map(jnp.asarray, batches(99))
    whole = {**trained, "llm": load_model(tmp_path)[1]}
    hidden = [
        jax.jit(lambda v: model.bind(v).hidden(rows))(v)
        for v in ({"params": whole}, forward_variables(trained, params["llm"], config))
    ]
    np.testing.assert_allclose(*hidden, atol=1e-5)


@pytest.mark.slow
def test_a_killed_lora_training_ends_the_same(tmp_path):
    model, params, batches = make()
    config = TrainConfig(6, log_every=2, checkpoint_every=2, lora=LORA)
    straight, _ = fit(model, with_adapters(params), batches, config, frozen=params["llm"])

    def die(step, **_):
        if step >= 4:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fit(model, with_adapters(params), batches, config, tmp_path, die, frozen=params["llm"])
    resumed, _ = fit(model, with_adapters(params, key=9), batches, config, tmp_path, frozen=params["llm"])
    jax.tree.map(np.testing.assert_array_equal, resumed, straight)


def test_what_does_not_fit_is_refused():
    model, params, batches = make()
    with pytest.raises(ValueError, match="8 rows cannot be accumulated in 3"):
        fit(model, params, batches, TrainConfig(1, accumulate=3))
    with pytest.raises(ValueError, match="float16"):
        TrainConfig(1, compute="float16")
    with pytest.raises(ValueError, match="rank of 0"):
        LoraConfig(0)
    small = {"layer_0": params["llm"]["layer_0"]}
    with pytest.raises(ValueError, match="of another model"):
        lora.merge(small, init_adapters(jax.random.key(0), params["llm"], LORA), LORA)
