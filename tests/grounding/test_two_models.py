"""Two language models, one for words and actions, one for states: apart in training, together in imagination."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.files import read_json
from kalm_jax.grounding import decoding as decode
from kalm_jax.grounding import explanation as explain
from kalm_jax.grounding import sequences as rows
from kalm_jax.grounding.checkpoint import load_grounded, save_grounded
from kalm_jax.grounding.config import TaskShares
from kalm_jax.grounding.losses import LossWeights, grounding_loss
from kalm_jax.grounding.model import Grounded, GroundedModel, change_llms, init_params, numeric_spec
from kalm_jax.grounding.sequences import ACTION, STATE, RowSequence
from kalm_jax.grounding.tasks import Batches
from kalm_jax.grounding.trainer import TrainConfig, forward_variables
from kalm_jax.grounding.two_models import TwoModels
from kalm_jax.llm import lora
from kalm_jax.llm.hf.folder import load_model
from kalm_jax.llm.lora import LoraConfig
from kalm_jax.llm.transformer import LlamaConfig, stack_layers, unstack_layers
from kalm_jax.pipeline import config
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.stages.collect import run_collect
from kalm_jax.pipeline.stages.ground import run_ground
from kalm_jax.sharding import MESH_AXES, param_shardings
from kalm_jax.types import make_goal_table
from kalm_jax.worlds.base import GoalLanguage
from tests.grounding.numbers import WORDS, imagine, make, random_rollouts, uncached
from tests.pipeline.stages.test_ground import save_own

TEXT = "push the red ball left"
GOALS = make_goal_table([TEXT], 0, 0, np.zeros((1, 1), int))
SHARES = TaskShares(description=0.0, plan=0.0)


def batches(rollouts, spec):
    return Batches(
        rollouts, GOALS, WORDS, SHARES, GoalLanguage(document=lambda rng: TEXT), spec, rows=6, length=64, seed=0
    )


def alone(model, params):
    """A model of its own for words and actions, and one for states, as ordinary grounded models with all heads."""
    one = model.text_model
    spare = init_params(one, jax.random.key(7))
    return one, {**spare, **{k: v for k, v in params.items() if k != "states"}}, {**spare, **params["states"]}


def drawn(model):
    """Parameters of a model as they come, of which none is another."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: init_params(model, jax.random.key(0)))
    return jax.tree.map(lambda x: rng.normal(size=x.shape).astype(x.dtype), shapes)


@pytest.mark.slow
def test_cached_decoding_equals_an_uncached_pass_and_two_ordinary_models():
    rollouts = random_rollouts(5, 2)
    model, params = make(rollouts, layers=2, kind=TwoModels, gaussian_states=True)
    first = np.asarray(rollouts.observations)[:3, 0]
    got, taken, whole = imagine(model, params, first, 40, 0.0, 0.0)
    assert np.abs(np.diff(got, axis=1)).max() > 1e-3
    for kind, method, inputs, seen in (
        (STATE, "next_state", (jnp.asarray(whole.base),), got[:, 1:]),
        (ACTION, "continuous_action", (), taken),
    ):
        asked = (whole.weight[:, :-1] > 0) & (whole.kind[:, 1:] == kind)
        predicted = uncached(model, params, whole, method, *inputs)[asked]
        np.testing.assert_allclose(predicted, seen.reshape(-1, seen.shape[-1]), atol=1e-4)
    one, first_params, states_params = alone(model, params)
    heads = jax.jit(lambda m, p, rows: m.apply({"params": p}, rows), static_argnums=0)
    words, action, state = heads(model, params, whole)
    of_first, of_states = heads(one, first_params, whole), heads(one, states_params, whole)
    for said, want in ((words, of_first[0]), (action, of_first[1]), (state, of_states[2])):
        np.testing.assert_allclose(said, want, atol=1e-5)
    assert all(np.abs(a - b).max() > 0.01 for a, b in zip(of_first, of_states, strict=True))


@pytest.mark.slow
def test_words_vectors_and_acting_do_not_ask_the_model_of_states():
    rollouts = random_rollouts(3, 0)
    model, params = make(rollouts, kind=TwoModels)
    few, prompts = rollouts.take(slice(0, 2)), [WORDS.encode(TEXT)] * 2
    unknown = {**params, "states": jax.tree.map(lambda x: jnp.full_like(x, jnp.nan), params["states"])}
    for ask in (
        lambda p: decode.encode_goals(p, [TEXT, "left"], batch=2),
        lambda p: decode.generate_answers(p, prompts, temperature=1.0, limit=6, batch=2),
        lambda p: explain.rollout_log_probs(p, prompts, few, batch=2),
        lambda p: explain.answer_log_probs(p, few.observations[:, 0], [("red", "left")] * 2, batch=2),
        lambda p: acted(p.model, p.params, few),
    ):
        np.testing.assert_array_equal(ask(Grounded(model, unknown, WORDS)), ask(Grounded(model, params, WORDS)))
    batch = batches(rollouts, model.spec)(0)
    said = jax.jit(lambda p, b: grounding_loss(model, {"params": p}, b, LossWeights())[1])(unknown, batch)
    assert {name for name, x in said.items() if np.isnan(x)} == {"loss", "state_loss"}


def acted(model, params, few):
    """Actions of two steps, the states those of real rollouts."""
    states, keys = np.asarray(few.observations), jax.random.split(jax.random.key(0), 2)
    prompts = [RowSequence(3).text(WORDS.encode(TEXT)).state(s) for s in states[:, 0]]
    reading = decode.start_episodes(params, rows.align_right(prompts, 16, 3), model=model, steps=1)
    first = decode.act(params, keys, reading, 0, 1.0, model=model)
    reading = decode.observe(params, first, states[:, 1], reading, model=model)
    return np.stack([first, decode.act(params, keys, reading, 1, 1.0, model=model)])


def test_no_loss_reaches_the_model_of_the_other():
    rollouts = random_rollouts(3, 0)
    model, params = make(rollouts, kind=TwoModels)
    batch = batches(rollouts, model.spec)(0)

    def gradient(weights):
        slope = jax.jit(jax.grad(lambda p, rows: grounding_loss(model, {"params": p}, rows, weights)[0]))
        return slope(params, batch)

    of_states, of_others = gradient(LossWeights(0.0, 0.0, 1.0)), gradient(LossWeights(1.0, 1.0, 0.0))
    for own, other in ((of_states["states"], of_others["states"]), (of_others, of_states)):
        own, other = ({k: v for k, v in tree.items() if k != "states"} for tree in (own, other))
        assert all(np.any(x) for x in jax.tree.leaves(own))
        assert not any(np.any(x) for x in jax.tree.leaves(other))


@pytest.mark.parametrize("muon", [0.0, 2.0])
def test_each_is_updated_in_company_as_it_is_alone(muon):
    """However large the other's gradient: they are clipped apart."""
    init, update = map(jax.jit, TrainConfig(8, muon=muon).optimizer())
    rng = np.random.default_rng(0)

    def draw(size):
        up = {"layer_0": {"ffn": {"up": {"kernel": rng.normal(size=(4, 6))}}}}
        tree = {"llm": up, "state_in": {"kernel": rng.normal(size=(3, 4)), "bias": rng.normal(size=4)}}
        return jax.tree.map(lambda x: np.float32(size * x), tree)

    def last(grads, params):
        """The second update, as the first step's rate is 0; its gradient is a smaller one, but for clipping."""
        _, state = update(grads, init(params), params)
        return update(jax.tree.map(lambda x: 0.3 * x, grads), state, params)[0]

    params, small, large = draw(1.0), draw(1e-3), draw(1e3)
    for one, other in ((small, large), (large, small)):
        got = last({**one, "states": other}, {**params, "states": params})
        assert all(np.abs(x).min() > 0 for x in jax.tree.leaves(got))
        states = got.pop("states")
        for found, want in ((got, last(one, params)), (states, last(other, params))):
            jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-8), found, want)


def test_adapters_of_both_do_what_merged_models_do():
    spec = numeric_spec(random_rollouts(3, 0), 4, hidden=4)
    model = TwoModels(LlamaConfig(WORDS.vocab_size, 16, 1, 2, 1, 8, 32, tie_embeddings=False), spec)
    params, adapt, rng = drawn(model), LoraConfig(2), np.random.default_rng(1)

    def adapters(llm):
        small = jax.eval_shape(lambda: lora.init(jax.random.key(0), params["llm"], adapt))
        return jax.tree.map(lambda x: jnp.asarray(0.3 * rng.normal(size=x.shape), jnp.float32), small)

    small, frozen = change_llms(params, adapters), params["llm"]
    merged = change_llms(small, lambda a: lora.merge(frozen, a, adapt))
    assert "head" in merged["llm"] and "head" not in merged["states"]["llm"]
    stacked = change_llms(merged, stack_layers)  # in training; measured apart
    jax.tree.map(np.testing.assert_array_equal, change_llms(stacked, unstack_layers), merged)
    assert jax.tree.structure(merged) == jax.tree.structure(params)
    apart = forward_variables(small, frozen, TrainConfig(1, lora=adapt))
    batch = batches(random_rollouts(3, 0), spec)(0)
    heads = jax.jit(model.apply)
    said, want = heads(apart, batch), heads({"params": merged}, batch)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3), said, want)
    plain = heads({"params": change_llms(merged, lambda llm: frozen)}, batch)
    assert all(np.abs(a - b).max() > 0.1 for a, b in zip(said, plain, strict=True))


def test_one_model_has_the_parameters_and_the_file_that_it_had(tmp_path):
    spec = numeric_spec(random_rollouts(3, 0), 4, hidden=4)
    model = GroundedModel(LlamaConfig(WORDS.vocab_size, 16, 1, 2, 1, 8, 32), spec)
    two = TwoModels(model.config, spec)
    params, more = drawn(model), drawn(two)
    assert set(params) == {"llm", "state_in", "state_out", "action_in", "action_out"}
    assert set(more) == {"llm", "state_in", "action_in", "action_out", "states"}
    assert set(more["states"]) == {"llm", "state_in", "state_out", "action_in"}
    assert model.text_model is model and hash(two.text_model) == hash(model)
    save_grounded(tmp_path, Grounded(two, more, WORDS))
    save_grounded(tmp_path, Grounded(model, params, WORDS))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["numbers.json", "numbers.safetensors", "text"]
    assert "two_models" not in json.loads((tmp_path / "numbers.json").read_text())
    assert load_grounded(tmp_path)[0] == model


def test_a_folder_of_two_models_comes_back_whole_or_says_what_is_wrong(tmp_path):
    spec = numeric_spec(random_rollouts(3, 2), gaussian_states=True, hidden=4)
    model = TwoModels(LlamaConfig(WORDS.vocab_size, 16, 1, 2, 1, 8, 32, tie_embeddings=False), spec)
    params = drawn(model)
    assert "head" in params["llm"] and "head" not in params["states"]["llm"]
    save_grounded(tmp_path / "good", Grounded(model, params, WORDS))
    again, params_again, _ = load_grounded(tmp_path / "good")
    assert again == model
    jax.tree.map(np.testing.assert_array_equal, params_again, params)
    # Two models begin as one, and so does what is in a folder.
    started = init_params(model, jax.random.key(1), params["llm"])
    jax.tree.map(np.testing.assert_array_equal, started["llm"], params["llm"])
    same = {name: x for name, x in params["llm"].items() if name != "head"}
    jax.tree.map(np.testing.assert_array_equal, started["states"]["llm"], same)
    assert jax.tree.structure(started) == jax.tree.structure(params)

    shutil.copytree(tmp_path / "good", tmp_path / "one")
    raw = json.loads((tmp_path / "one" / "numbers.json").read_text())
    (tmp_path / "one" / "numbers.json").write_text(json.dumps({**raw, "two_models": False}))
    with pytest.raises(ValueError, match=r"numbers.safetensors.*state_out"):
        load_grounded(tmp_path / "one")
    shutil.rmtree(tmp_path / "good" / "states")
    with pytest.raises(FileNotFoundError, match="states"):
        load_grounded(tmp_path / "good")
    other = TwoModels(dataclasses.replace(model.config, layers=2), model.spec)
    save_grounded(tmp_path / "other", Grounded(other, drawn(other), WORDS))
    shutil.copytree(tmp_path / "other" / "states", tmp_path / "good" / "states")
    with pytest.raises(ValueError, match="another shape"):
        load_grounded(tmp_path / "good")


@pytest.mark.slow
def test_the_stage_adapts_two_models_that_begin_as_one(tmp_path):
    """Untied, its layers stacked in training; full fine-tuning and imagination are in test_ablation.py."""
    _, params = save_own(tmp_path / "own")
    settings = dataclasses.replace(
        config.load_presets("clevr")["smoke"],
        collect=config.CollectConfig(rollouts=12),
        ground=config.GroundConfig(
            llm=str(tmp_path / "own"), steps=2, rows=4, hidden=8, reading=0, lora_rank=2, two_models=True
        ),
        metrics=config.MetricsConfig(every=0),
    )
    run = PipelineRun(tmp_path / "run", settings)
    run_collect(run)
    run_ground(run)
    assert read_json(run.path / "ground" / "begun.json")["settings"]["two_models"] is True
    model, trained, _ = load_grounded(run.path / "ground" / "model")
    assert isinstance(model, TwoModels)
    up = [tree["layer_1"]["ffn"]["up"]["kernel"] for tree in (params, trained["llm"], trained["states"]["llm"])]
    assert not any(np.array_equal(up[i], up[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    # The states' model opens by itself, with the words that it had.
    shape, alone, _ = load_model(run.path / "ground" / "model" / "states")
    assert shape.tie_embeddings and "head" not in alone
    np.testing.assert_array_equal(alone["embedding"]["embedding"], params["embedding"]["embedding"])


def test_large_parameters_of_both_are_divided_alike():
    spec = numeric_spec(random_rollouts(3, 0), 4)
    params = drawn(TwoModels(LlamaConfig(WORDS.vocab_size, 16, 1, 2, 2, 8, 32), spec))
    mesh = jax.sharding.AbstractMesh((1, 2, 2), MESH_AXES)
    specs = jax.tree.map(lambda s: s.spec, param_shardings(mesh, params))
    assert jax.tree.all(jax.tree.map(lambda a, b: a == b, specs["llm"], specs["states"]["llm"]))
    assert specs["states"]["llm"]["layer_0"]["attention"]["q"]["kernel"] == jax.P("fsdp", "tensor")
