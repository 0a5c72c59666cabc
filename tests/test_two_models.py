"""Two language models, one for words and actions, one for states: apart in training, together in imagination."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_ground_stage import save_own
from test_numbers import WORDS, imagine, make, random_rollouts, uncached

from kalm_jax import config, parallel, stages
from kalm_jax.data import make_goal_table
from kalm_jax.grounding import act, decode, explain, rows
from kalm_jax.grounding.checkpoint import load_grounded, save_grounded
from kalm_jax.grounding.loss import LossWeights, loss
from kalm_jax.grounding.model import GroundedModel, init_params
from kalm_jax.grounding.rows import STATE, RowSequence
from kalm_jax.grounding.tasks import Batches, TaskShares, Words
from kalm_jax.grounding.train import TrainConfig, fit
from kalm_jax.llm.folder import load_model
from kalm_jax.run_folder import RunFolder, read_json

TEXT = "push the red ball left"
GOALS = make_goal_table([TEXT], 0, 0, np.zeros((1, 1), int))
SHARES = TaskShares(description=0.0, plan=0.0)


def batches(rollouts, spec):
    return Batches(rollouts, GOALS, WORDS, SHARES, Words(document=lambda rng: TEXT), spec, 6, 64, 0)


def alone(model, params):
    """A model of its own for words and actions, and one for states, as ordinary grounded models with all heads."""
    one = model.speaker
    spare = init_params(one, jax.random.key(7))
    return one, {**spare, **{k: v for k, v in params.items() if k != "states"}}, {**spare, **params["states"]}


@pytest.mark.parametrize("actions, options", [(0, {}), (2, {"gaussian_states": True, "hidden": 0})])
def test_cached_decoding_equals_an_uncached_pass_and_two_ordinary_models(actions, options):
    rollouts = random_rollouts(5, actions)
    model, params = make(rollouts, layers=2, two_models=True, **options)
    first = np.asarray(rollouts.observations)[:3, 0]
    got, _, whole = imagine(model, params, first, 40, 0.0 if actions else 1.0, 0.0)
    assert np.abs(np.diff(got, axis=1)).max() > 1e-3
    asked = (whole.weight[:, :-1] > 0) & (whole.kind[:, 1:] == STATE)
    base = jnp.asarray(whole.base[..., :5])
    predicted = uncached(model, params, whole, "next_state", base)
    np.testing.assert_allclose(predicted[asked], got[:, 1:].reshape(-1, 5), atol=1e-4)
    one, first_params, states_params = alone(model, params)
    np.testing.assert_allclose(uncached(one, states_params, whole, "next_state", base), predicted, atol=1e-5)
    assert np.abs(uncached(one, first_params, whole, "next_state", base) - predicted).max() > 0.01
    for method in ("action_head", "text_logits"):
        want = uncached(one, first_params, whole, method)
        np.testing.assert_allclose(uncached(model, params, whole, method), want, atol=1e-5)


def test_words_vectors_and_acting_are_those_of_the_first_model_alone():
    rollouts = random_rollouts(3, 0)
    model, params = make(rollouts, two_models=True)
    one, own, _ = alone(model, params)
    few, prompts = rollouts.take(slice(0, 2)), [WORDS.encode(TEXT)] * 2
    for ask in (
        lambda m, p: decode.encode_goals(m, p, WORDS, [TEXT, "left"], batch=2),
        lambda m, p: decode.answer(m, p, WORDS, prompts, temperature=1.0, limit=6, batch=2),
        lambda m, p: explain.rollout_likelihood(m, p, prompts, few, batch=2),
        lambda m, p: explain.state_answers(m, p, WORDS, few.observations[:, 0], [("red", "left")] * 2, batch=2),
        lambda m, p: acted(m, p, few),
    ):
        np.testing.assert_array_equal(ask(model, params), ask(one, own))


def acted(model, params, few):
    """Actions of two steps, the states those of real rollouts."""
    states, keys = np.asarray(few.observations), jax.random.split(jax.random.key(0), 2)
    prompts = [RowSequence(3).text(WORDS.encode(TEXT)).state(s) for s in states[:, 0]]
    reading = act.read(params, rows.align_right(prompts, 16, 3), model=model, steps=1)
    first = act.draw(params, keys, reading, 0, 1.0, model=model)
    reading = act.read_on(params, first, states[:, 1], reading, model=model)
    return np.stack([first, act.draw(params, keys, reading, 1, 1.0, model=model)])


def test_no_loss_reaches_the_model_of_the_other():
    rollouts = random_rollouts(3, 0)
    model, params = make(rollouts, two_models=True)
    batch = batches(rollouts, model.spec)(0)

    def gradient(**weights):
        return jax.jit(jax.grad(lambda p: loss(model, {"params": p}, batch, LossWeights(**weights))[0]))(params)

    of_states, of_others = gradient(text=0.0, action=0.0), gradient(state=0.0)
    for own, other in ((of_states["states"], of_others["states"]), (of_others, of_states)):
        own, other = ({k: v for k, v in tree.items() if k != "states"} for tree in (own, other))
        assert all(np.any(x) for x in jax.tree.leaves(own))
        assert not any(np.any(x) for x in jax.tree.leaves(other))


def test_each_learns_in_company_as_it_does_alone():
    """Clipping, which every gradient here meets, and Muon's stacks included."""
    rollouts = random_rollouts(3, 0)
    model, params = make(rollouts, two_models=True)
    one, own, states = alone(model, params)
    settings = TrainConfig(8, clip=1e-3, log_every=8)
    both, _ = fit(model, params, batches(rollouts, model.spec), settings)
    config_of = lambda **weights: dataclasses.replace(settings, weights=LossWeights(**weights))  # noqa: E731
    first, _ = fit(one, own, batches(rollouts, one.spec), config_of(state=0.0))
    second, _ = fit(one, states, batches(rollouts, one.spec), config_of(text=0.0, action=0.0))
    second = {name: second[name] for name in params["states"]}
    first = {name: first[name] for name in params if name != "states"}
    assert np.abs(both["llm"]["layer_0"]["ffn"]["up"]["kernel"] - params["llm"]["layer_0"]["ffn"]["up"]["kernel"]).any()
    close = lambda x, y: np.testing.assert_allclose(x, y, atol=1e-4)  # noqa: E731
    jax.tree.map(close, {k: v for k, v in both.items() if k != "states"}, first)
    jax.tree.map(close, both["states"], second)


def test_one_model_has_the_parameters_and_the_file_that_it_had(tmp_path):
    model, params = make(random_rollouts(3, 0))
    two, more = make(random_rollouts(3, 0), two_models=True)
    assert set(params) == {"llm", "state_in", "state_out", "action_in", "action_out"}
    assert set(more) == {"llm", "state_in", "action_in", "action_out", "states"}
    assert set(more["states"]) == {"llm", "state_in", "state_out", "action_in"}
    assert model.speaker is model and hash(two.speaker) == hash(model)
    save_grounded(tmp_path, two, more, WORDS)
    save_grounded(tmp_path, model, params, WORDS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["numbers.json", "numbers.safetensors", "text"]
    assert "two_models" not in json.loads((tmp_path / "numbers.json").read_text())
    assert load_grounded(tmp_path)[0] == model


@pytest.mark.parametrize("tied", [True, False])
def test_a_folder_of_two_models_comes_back_whole_or_says_what_is_wrong(tied, tmp_path):
    model, _ = make(random_rollouts(3, 2), gaussian_states=True, two_models=True)
    model = GroundedModel(dataclasses.replace(model.config, tie_embeddings=tied), model.spec)
    params = init_params(model, jax.random.key(0))
    assert ("head" in params["llm"], "head" in params["states"]["llm"]) == (not tied, False)
    save_grounded(tmp_path / "good", model, params, WORDS)
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
    spec = json.loads((tmp_path / "one" / "numbers.json").read_text())
    (tmp_path / "one" / "numbers.json").write_text(json.dumps({**spec, "two_models": False}))
    with pytest.raises(ValueError, match=r"numbers.safetensors.*state_out"):
        load_grounded(tmp_path / "one")
    shutil.rmtree(tmp_path / "good" / "states")
    with pytest.raises(FileNotFoundError, match="states"):
        load_grounded(tmp_path / "good")
    other = GroundedModel(dataclasses.replace(model.config, layers=2), model.spec)
    save_grounded(tmp_path / "other", other, init_params(other, jax.random.key(0)), WORDS)
    shutil.copytree(tmp_path / "other" / "states", tmp_path / "good" / "states")
    with pytest.raises(ValueError, match="another shape"):
        load_grounded(tmp_path / "good")


@pytest.mark.parametrize("lora_rank", [2, 0])
def test_the_stages_ground_two_models_from_one_and_imagine_with_them(lora_rank, tmp_path):
    """A model of the user's own: untied, its layers stacked in training, measured on the way."""
    _, params = save_own(tmp_path / "own")
    settings = dataclasses.replace(
        config.PRESETS["smoke"],
        collect=config.CollectConfig(rollouts=12),
        ground=config.GroundConfig(
            llm=str(tmp_path / "own"), steps=3, rows=4, hidden=8, reading=0, lora_rank=lora_rank, two_models=True
        ),
        metrics=config.MetricsConfig(every=2 if lora_rank else 0, rollouts=8, explained=2),
        imagine=config.ImagineConfig(unseen_easy=8, plan=False, explained=2, explanation_draws=0),
    )
    run = RunFolder(tmp_path / "run")
    stages.run_collect(run, settings)
    stages.run_ground(run, settings)
    stages.run_imagine(run, settings, "unseen_easy")
    stages.run_explain(run, settings)
    assert read_json(run.path / "imagine" / "unseen_easy" / "quality.json")
    model, trained, _ = load_grounded(run.path / "ground" / "model")
    assert model.spec.two_models
    up = [tree["layer_1"]["ffn"]["up"]["kernel"] for tree in (params, trained["llm"], trained["states"]["llm"])]
    assert not any(np.array_equal(up[i], up[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    # The states' model opens by itself, and LoRA left its words alone.
    shape, alone, _ = load_model(run.path / "ground" / "model" / "states")
    assert shape.tie_embeddings and "head" not in alone
    words = [tree["embedding"]["embedding"] for tree in (alone, params)]
    assert np.array_equal(*words) == bool(lora_rank)
    # A run of one model says nothing of two, so that those from before stay done.
    mark = run.fingerprint("ground")
    one = dataclasses.replace(settings, ground=dataclasses.replace(settings.ground, two_models=False))
    assert read_json(run.path / "ground" / "begun.json")["settings"]["two_models"] is True
    if not lora_rank:
        again = RunFolder(tmp_path / "run")
        stages.run_collect(again, one)
        stages.run_ground(again, one)
        assert again.fingerprint("ground") != mark
        assert "two_models" not in read_json(run.path / "ground" / "begun.json")["settings"]


def test_large_parameters_of_both_are_divided_alike():
    _, params = make(random_rollouts(3, 0), two_models=True)
    mesh = jax.sharding.AbstractMesh((1, 2, 2), parallel.AXES)
    specs = jax.tree.map(lambda s: s.spec, parallel.shardings(mesh, params))
    assert jax.tree.all(jax.tree.map(lambda a, b: a == b, specs["llm"], specs["states"]["llm"]))
    assert specs["states"]["llm"]["layer_0"]["attention"]["q"]["kernel"] == jax.P("fsdp", "tensor")
