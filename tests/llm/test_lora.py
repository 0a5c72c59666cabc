"""LoRA, accumulated gradients, bfloat16 and stacked layers: what each may change about training, and what not."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from kalm_jax.grounding.config import TASKS, TaskShares
from kalm_jax.grounding.model import GroundedModel, init_params, numeric_spec
from kalm_jax.grounding.tasks import Batches
from kalm_jax.grounding.trainer import TrainConfig, fit, forward_variables, gradient
from kalm_jax.llm import lora
from kalm_jax.llm.hf.folder import load_model, save_model
from kalm_jax.llm.lora import LoraConfig
from kalm_jax.llm.tokenizer import train_tokenizer
from kalm_jax.llm.transformer import LlamaConfig, stack_layers, unstack_layers
from kalm_jax.sharding import make_mesh, shard_batch
from kalm_jax.types import Rollouts, make_goal_table
from kalm_jax.worlds.base import GoalLanguage

WORDS = train_tokenizer(["push the red ball left"] * 3, 300)
GOALS = make_goal_table(["push the red ball left", "left"], 0, 0, np.array([[0], [1]]))
LORA = LoraConfig(rank=3)


def rollouts(n=30, horizon=5):
    rng = np.random.default_rng(0)
    actions = rng.integers(0, 3, (n, horizon)).astype(np.int32)
    moves = np.cumsum(0.1 * (actions[..., None] - 1.0), axis=1)
    first = rng.normal(size=(n, 1, 3))
    obs = np.concatenate([first, first + moves], axis=1).astype(np.float32)
    ones, zeros = np.ones(n, bool), np.zeros((n, horizon), np.float32)
    return Rollouts(obs, actions, zeros, np.full(n, horizon, np.int32), ones, np.arange(n, dtype=np.int32) % 2, ~ones)


def make(**options):
    data = rollouts()
    spec = numeric_spec(data, 3, hidden=16)
    model = GroundedModel(LlamaConfig(WORDS.vocab_size, 16, 2, 2, 1, 10, 24, **options), spec)
    batches = Batches(
        data, GOALS, WORDS, TaskShares(), GoalLanguage(document=lambda rng: "red ball"), spec, rows=8, length=48, seed=0
    )
    return model, init_params(model, jax.random.key(0)), batches


def with_adapters(params, key=1, drawn=True):
    """Adapters beside the number parts; `drawn` gives B values too."""
    adapters = lora.init(jax.random.key(key), params["llm"], LORA)
    if drawn:
        rng = np.random.default_rng(0)
        adapters = jax.tree.map(lambda x: jnp.asarray(0.3 * rng.normal(size=x.shape), jnp.float32), adapters)
    return {**params, "llm": adapters}


def flat(tree):
    return traverse_util.flatten_dict(tree, sep="/")


@pytest.mark.parametrize("stacked", [False, True])
def test_every_matrix_of_the_layers_has_an_adapter_that_begins_as_nothing(stacked):
    _, params, _ = make()
    llm = stack_layers(params["llm"]) if stacked else params["llm"]
    adapters = lora.init(jax.random.key(1), llm, LORA)
    merged = lora.merge(llm, adapters, LORA)
    jax.tree.map(np.testing.assert_array_equal, merged, llm)
    # Two layers, width 16, two heads and one key/value head of 10, feed-forward 24: q, k, v, o, gate, up, down.
    sizes = (16 + 20) + 2 * (16 + 10) + (20 + 16) + 3 * (16 + 24)
    assert sum(x.size for x in jax.tree.leaves(adapters)) == 2 * LORA.rank * sizes
    assert all(x.std() > 0.1 for path, x in flat(adapters).items() if path.endswith("/a"))


def test_a_merged_matrix_does_what_matrix_and_adapter_do_apart():
    _, params, _ = make()
    adapters = with_adapters(params)["llm"]
    merged, base, small = flat(lora.merge(params["llm"], adapters, LORA)), flat(params["llm"]), flat(adapters)
    rng = np.random.default_rng(1)
    changed = {path.rpartition("/")[0] for path in small}
    assert {path for path in base if not np.array_equal(base[path], merged[path])} == changed
    for path in changed:
        a, b = small[f"{path}/a"], small[f"{path}/b"]
        x = rng.normal(size=(5, len(a)))
        w = np.asarray(base[path], np.float64).reshape(len(a), -1)
        apart = x @ w + (LORA.alpha / LORA.rank) * (x @ a @ b)
        np.testing.assert_allclose(x @ np.asarray(merged[path]).reshape(len(a), -1), apart, atol=2e-6)


@pytest.mark.parametrize("options", [{}, {"scan_layers": True, "qkv_bias": True}])
def test_layers_add_what_a_merged_model_computes(options):
    model, params, batches = make(**options)
    params = with_adapters(params)
    frozen = make(**options)[1]["llm"]
    rows, config = jax.tree.map(jnp.asarray, batches(0)), TrainConfig(1, lora=LORA)
    merged = {"params": {**params, "llm": lora.merge(frozen, params["llm"], LORA)}}
    apart = forward_variables(params, frozen, config)
    without = {"params": {**params, "llm": frozen}}
    logits = jax.jit(lambda variables: model.apply(variables, rows)[0])
    got, want, plain = map(logits, (apart, merged, without))
    np.testing.assert_allclose(got, want, atol=1e-4)
    assert np.abs(got - plain).max() > 0.01


def test_stacked_layers_merge_as_layers_apart():
    _, params, _ = make()
    adapters = with_adapters(params)["llm"]
    apart = lora.merge(params["llm"], adapters, LORA)
    stacked = lora.merge(stack_layers(params["llm"]), stack_layers(adapters), LORA)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-6), unstack_layers(stacked), apart)


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
    save_model(tmp_path, model.config, lora.merge(params["llm"], trained["llm"], LORA), WORDS)
    rows = jax.tree.map(jnp.asarray, batches(99))
    whole = {**trained, "llm": load_model(tmp_path)[1]}
    hidden = [
        jax.jit(lambda v: model.bind(v).hidden(rows))(v)
        for v in ({"params": whole}, forward_variables(trained, params["llm"], config))
    ]
    np.testing.assert_allclose(*hidden, atol=1e-5)


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


@pytest.mark.parametrize("with_lora", [False, True])
def test_accumulated_parts_are_one_batch(with_lora):
    model, params, batches = make()
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


def test_bfloat16_computes_so_and_keeps_float32_parameters():
    model, params, batches = make()
    rows, exact = jax.tree.map(jnp.asarray, batches(0)), TrainConfig(4)
    half = dataclasses.replace(exact, compute="bfloat16")
    hidden = model.bind(forward_variables(params, {}, half)).hidden(rows)
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


@pytest.mark.parametrize("muon", [2.0, 0.0])
def test_stacked_layers_train_as_layers_apart(muon):
    model, params, batches = make(qk_norm=True)
    config = TrainConfig(4, muon=muon, weight_decay=0.5, accumulate=2)
    want, _ = fit(model, params, batches, config)
    stacked = GroundedModel(dataclasses.replace(model.config, scan_layers=True), model.spec)
    got, _ = fit(stacked, {**params, "llm": stack_layers(params["llm"])}, batches, config)
    got = {**got, "llm": unstack_layers(got["llm"])}
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4), got, want)


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
        lora.merge(small, lora.init(jax.random.key(0), params["llm"], LORA), LORA)


def test_a_subset_of_tasks_divides_the_others_shares():
    all_tasks = TaskShares()
    some = all_tasks.only(["generation", "explanation"])
    p = dict(zip(TASKS, some.probabilities(), strict=True))
    assert {t for t in TASKS if p[t] > 0} == {"generation", "explanation"}
    assert np.isclose(p["generation"] / p["explanation"], all_tasks.generation / all_tasks.explanation)
    assert all_tasks.only(TASKS) == all_tasks
    with pytest.raises(ValueError, match=r"'explaining'.*generation"):
        all_tasks.only(["generation", "explaining"])
    with pytest.raises(ValueError, match="positive sum"):
        all_tasks.only([]).probabilities()
