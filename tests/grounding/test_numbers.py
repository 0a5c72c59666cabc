"""The numeric interface: discrete and continuous actions, points and distributions, maps, statistics, files."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.stats import norm

from kalm_jax.grounding import decoding as decode
from kalm_jax.grounding import explanation as explain
from kalm_jax.grounding import heads
from kalm_jax.grounding import sequences as rows
from kalm_jax.grounding.checkpoint import load_grounded, save_grounded
from kalm_jax.grounding.config import NumericSpec, TaskShares
from kalm_jax.grounding.model import CONSTANT_SCALE, GroundedModel, init_params, numeric_spec
from kalm_jax.grounding.sequences import ACTION, STATE, RowSequence
from kalm_jax.grounding.tasks import Batches
from kalm_jax.grounding.trainer import TrainConfig, fit
from kalm_jax.llm.tokenizer import train_tokenizer
from kalm_jax.llm.transformer import LlamaConfig
from kalm_jax.types import Rollouts, make_goal_table
from kalm_jax.worlds.base import GoalLanguage

WORDS = train_tokenizer(["push the red ball left"] * 3, 300)


def random_rollouts(states, actions, n=40, horizon=5, seed=0, noise=0.0):
    """s' = s + c * (first action's value) + noise; `actions` is a width, or 0 for four discrete ones."""
    rng = np.random.default_rng(seed)
    obs = np.zeros((n, horizon + 1, states), np.float32)
    obs[:, 0] = 2.0 + 3.0 * rng.normal(size=(n, states))
    taken = rng.uniform(-0.5, 2.0, (n, horizon, actions)) if actions else rng.integers(0, 4, (n, horizon))
    first = taken[..., :1] if actions else taken[..., None]
    for t in range(horizon):
        obs[:, t + 1] = obs[:, t] + 0.1 * first[:, t] + noise * rng.normal(size=(n, states))
    ones, zeros = np.ones(n, bool), np.zeros((n, horizon), np.float32)
    taken = taken.astype(np.float32 if actions else np.int32)
    return Rollouts(obs, taken, zeros, np.full(n, horizon, np.int32), ~ones, np.zeros(n, np.int32), ~ones)


def make(rollouts, layers=1, kind=GroundedModel, **options):
    spec = numeric_spec(rollouts, 4, **{"hidden": 16, **options})
    model = kind(LlamaConfig(WORDS.vocab_size, 16, layers, 2, 1, 8, 32), spec)
    params = init_params(model, jax.random.key(0))
    # Heads that say something, and differently at every position.
    rng = np.random.default_rng(1)
    return model, jax.tree.map(lambda x: x + 0.1 * rng.normal(size=x.shape).astype(np.float32), params)


def never(family, goal, state, action, following):
    return jnp.zeros(following.shape[0], bool)


def prompt(model, first, text="push the red ball left"):
    return RowSequence(model.spec.width).text([WORDS.bos_id, *WORDS.encode(text)]).state(first)


def imagine(model, params, first, horizon, temperature, state_temperature=None, seed=0):
    texts = ["push the red ball left", "left", "push the ball"]
    sequences = [prompt(model, s, texts[i % 3]) for i, s in enumerate(first)]
    n = len(first)
    out = decode.generate_rollouts(
        *(params, rows.align_right(sequences, 32, model.spec.width), first, np.zeros(n, np.int32)),
        *(np.zeros((n, 1), np.int32), jax.random.split(jax.random.key(seed), n), temperature, state_temperature),
        **{"model": model, "stop": never, "horizon": horizon},
    )
    states, actions = np.asarray(out[0]), np.asarray(out[1])
    whole = []
    for i in range(n):
        whole.append(RowSequence(model.spec.width).text([WORDS.bos_id, *WORDS.encode(texts[i % 3])]))
        whole[-1].rollout(states[i], actions[i], 1.0, 1.0)
    return states, actions, rows.align_right(whole, 24 + 2 * horizon, model.spec.width)


def uncached(model, params, whole, method, *inputs):
    """`method` of the model on the hidden states of one pass over whole rows."""

    def both(params):
        bound = model.bind({"params": params})
        return getattr(bound, method)(bound.hidden(whole), *inputs)[:, :-1]

    return np.asarray(jax.jit(both)(params))


CASES = {
    "discrete": (10, 0, {}),
    "continuous, Meta-world's sizes": (91, 4, {}),
    "discrete, Gaussian states": (10, 0, {"gaussian_states": True}),
    "continuous, all Gaussian, linear, states not changes": (
        *(91, 4),
        {"gaussian_states": True, "gaussian_actions": True, "hidden": 0, "predict_change": False},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_hundred_cached_steps_equal_an_uncached_pass(case):
    states, actions, options = CASES[case]
    rollouts = random_rollouts(states, actions)
    model, params = make(rollouts, layers=2, **options)
    first = np.asarray(rollouts.observations)[:3, 0]
    # States at their means, actions drawn where they are discrete: both then follow from the hidden states.
    got, taken, whole = imagine(model, params, first, 100, 0.0 if actions else 1.0, 0.0)
    assert np.abs(np.diff(got, axis=1)).max() > 1e-3
    asked = (whole.weight[:, :-1] > 0) & (whole.kind[:, 1:] == STATE)
    predicted = uncached(model, params, whole, "next_state", jnp.asarray(whole.base))
    np.testing.assert_allclose(predicted[asked], got[:, 1:].reshape(-1, states), atol=1e-4)
    if actions:
        asked = (whole.weight[:, :-1] > 0) & (whole.kind[:, 1:] == ACTION)
        predicted = uncached(model, params, whole, "continuous_action")
        np.testing.assert_allclose(predicted[asked], taken.reshape(-1, actions), atol=1e-4)
        low, high = (np.array(x, np.float32) for x in (model.spec.action_low, model.spec.action_high))
        assert (taken >= low).all() and (taken <= high).all()


def test_draws_have_the_distribution_that_the_head_says():
    model, params = make(random_rollouts(3, 2), gaussian_states=True, gaussian_actions=True)
    # Bounds out of the way: they are tested above.
    spec = dataclasses.replace(model.spec, action_low=(-99.0,) * 2, action_high=(99.0,) * 2)
    model = GroundedModel(model.config, spec)
    first = np.zeros((400, 3), np.float32)
    for temperature in (1.0, 0.5):
        states, actions, whole = imagine(model, params, first, 1, temperature)
        for values, kind, head, scale, base in (
            (actions[:, 0], ACTION, "action_head", spec.action_std, spec.action_mean),
            (states[:, 1], STATE, "state_head", spec.change_std, first),
        ):
            asked = (whole.weight[:, :-1] > 0) & (whole.kind[:, 1:] == kind)
            mean, log_std = heads.mean_and_log_std(uncached(model, params, whole, head)[asked])
            z = ((values - base) / np.asarray(scale) - mean) / (temperature * np.exp(log_std))
            assert np.abs(z.mean(0)).max() < 0.2 and np.abs(z.std(0) - 1).max() < 0.12
    # Another seed draws otherwise, states are not the actions' noise again, and temperature 0 draws nothing.
    again = imagine(model, params, first, 1, 1.0, seed=1)[0]
    assert np.abs(again[:, 1] - imagine(model, params, first, 1, 1.0)[0][:, 1]).min() > 0
    still = imagine(model, params, first, 1, 0.0)
    # The same but for rounding, which a row's place in the batch may change.
    np.testing.assert_allclose(still[0][0::3], np.broadcast_to(still[0][0], still[0][0::3].shape), rtol=1e-5, atol=1e-7)


def test_errors_are_squares_and_negative_log_likelihoods():
    rng = np.random.default_rng(0)
    out, target = jnp.asarray(rng.normal(size=(5, 6))), jnp.asarray(rng.normal(size=(5, 3)))
    np.testing.assert_allclose(heads.error(out[:, :3], target, False), ((out[:, :3] - target) ** 2).mean(-1), rtol=1e-6)
    mean, log_std = heads.mean_and_log_std(out)
    want = -norm.logpdf(target, mean, np.exp(log_std)).mean(-1)
    np.testing.assert_allclose(heads.error(out, target, True), want, rtol=1e-5)
    raw = np.array([-99.0, -1.0, 0.0, 1.0, 99.0])
    log_std = heads.mean_and_log_std(jnp.asarray(np.r_[raw, raw]))[1]
    np.testing.assert_allclose(log_std, [-5.0, -1.0, -0.1, 0.7, 2.0], atol=0.06)
    with pytest.raises(AssertionError):
        heads.error(out, target[0], True)


def test_gaussian_heads_learn_how_wide_the_world_is():
    """Changes have a noise of 0.2 around 0.1 * action: the head's deviation must become that, in raw units."""
    rollouts = random_rollouts(2, 1, n=200, noise=0.2)
    model, params = make(rollouts, gaussian_states=True, gaussian_actions=True)
    goals = make_goal_table(["push the red ball left"], 0, 0, np.zeros((1, 1), int))
    shares = TaskShares(**{f.name: float(f.name == "generation") for f in dataclasses.fields(TaskShares)})
    batches = Batches(rollouts, goals, WORDS, shares, GoalLanguage(), model.spec, rows=6, length=48, seed=0)
    params, curve = fit(model, params, batches, TrainConfig(100, learning_rate=5e-3, log_every=50))
    whole = batches(999)
    asked = (whole.weight[:, :-1] > 0) & (whole.kind[:, 1:] == STATE)
    _, log_std = heads.mean_and_log_std(uncached(model, params, whole, "state_head")[asked])
    width = np.exp(np.asarray(log_std)).mean(0) * model.spec.change_std
    np.testing.assert_allclose(width, 0.2, rtol=0.15)
    # Uniform actions have this much entropy; a Gaussian cannot have a smaller error than its own.
    assert 1.1 < curve[-1]["action_loss"] < 1.6


def test_likelihood_of_continuous_actions_is_that_of_the_head():
    rollouts = random_rollouts(3, 2)
    model, params = make(rollouts, gaussian_actions=True)
    words = [WORDS.bos_id, *WORDS.encode("left")]
    got = explain.rollout_log_probs(model, params, [words] * 2, rollouts.take(slice(0, 2)))
    obs, taken = np.asarray(rollouts.observations), np.asarray(rollouts.actions)
    whole = rows.align_right([RowSequence(3).text(words).rollout(obs[i], taken[i], 1.0, 1.0) for i in range(2)], 32, 3)
    asked = (whole.weight[:, :-1] > 0) & (whole.kind[:, 1:] == ACTION)
    mean, log_std = heads.mean_and_log_std(uncached(model, params, whole, "action_head"))
    z = (taken[:2] - np.asarray(model.spec.action_mean)) / np.asarray(model.spec.action_std)
    want = [norm.logpdf(z[i], mean[i][asked[i]], np.exp(log_std[i][asked[i]])).sum() for i in range(2)]
    np.testing.assert_allclose(got, want, rtol=1e-4)


def test_statistics_are_those_of_the_data():
    rollouts = random_rollouts(3, 2)
    obs = np.asarray(rollouts.observations).copy()
    obs[..., 1] = 0.25  # an absent object
    spec = numeric_spec(dataclasses.replace(rollouts, observations=obs))
    taken = np.asarray(rollouts.actions).reshape(-1, 2)
    np.testing.assert_allclose(spec.action_mean, taken.mean(0), rtol=1e-4)
    np.testing.assert_allclose(spec.action_std, taken.std(0), rtol=1e-4)
    np.testing.assert_allclose([spec.action_low, spec.action_high], [taken.min(0), taken.max(0)], rtol=1e-4)
    assert (spec.std[1], spec.change_std[1]) == (1.0, CONSTANT_SCALE)
    assert spec.num_actions == 0 and spec.action_dim == 2 and spec.width == 3


def test_differences_are_read_beside_the_numbers_themselves(tmp_path):
    rollouts = random_rollouts(3, 2)
    obs = np.asarray(rollouts.observations).copy()
    obs[:2, :, 2] = 0  # an object that two rollouts do not have: its difference has no scale there
    rollouts = dataclasses.replace(rollouts, observations=obs)
    model, params = make(rollouts, differences=((2, 0), (0, 1)))
    spec = model.spec
    there = obs[2:].reshape(-1, 3)
    every = obs.reshape(-1, 3)
    want = [(there[:, 2] - there[:, 0]).std(), (every[:, 0] - every[:, 1]).std()]
    np.testing.assert_allclose(spec.difference_std, want, rtol=1e-4)
    state = np.array([[0.3, -1.0, 2.0], [0.0, 0.5, 0.0]], np.float32)
    read = [(state - spec.mean) / spec.std, np.stack([state[:, 2] - state[:, 0], state[:, 0] - state[:, 1]], 1) / want]
    layers = params["state_in"]
    hidden = np.maximum(np.concatenate(read, 1) @ layers["hidden"]["kernel"] + layers["hidden"]["bias"], 0)
    got = model.bind({"params": params}).embed_state(jnp.asarray(state))
    np.testing.assert_allclose(got, hidden @ layers["out"]["kernel"] + layers["out"]["bias"], rtol=1e-4, atol=1e-5)
    save_grounded(tmp_path, model, params, WORDS)
    assert load_grounded(tmp_path)[0] == model


def test_beyond_its_limit_the_encoder_reads_the_limit(tmp_path):
    rollouts = random_rollouts(3, 2)
    free, params = make(rollouts, differences=((2, 0),))
    model = GroundedModel(free.config, dataclasses.replace(free.spec, limit=3.0))
    mean, std = (np.array(x, np.float32) for x in (free.spec.mean, free.spec.std))

    def read(of, deviations):
        return np.asarray(of.bind({"params": params}).embed_state(jnp.asarray(mean + std * np.float32(deviations))))

    within = np.array([[0.5, -1.0, 0.8], [0.0, 2.0, 0.0]])
    np.testing.assert_allclose(read(model, within), read(free, within), rtol=1e-5, atol=1e-6)
    far = read(model, [0.0, 40.0, 0.0])
    np.testing.assert_allclose(far, read(model, [0.0, 3.0, 0.0]), rtol=1e-4, atol=1e-5)
    assert np.abs(far - read(free, [0.0, 40.0, 0.0])).max() > 0.1
    apart = [0.0, 0.0, 40.0]  # the difference is cut off too, else it would tell them apart
    np.testing.assert_allclose(read(model, apart), read(model, [0.0, 0.0, 90.0]), rtol=1e-4, atol=1e-5)
    save_grounded(tmp_path, model, params, WORDS)
    assert load_grounded(tmp_path)[0] == model


@pytest.mark.parametrize(
    "change, message",
    [
        ({"limit": 0.0}, "limit=0.0: nothing would be read"),
        ({"num_actions": 0}, "exactly one"),
        ({"action_dim": 2}, "exactly one"),
        ({"gaussian_actions": True}, "continuous actions"),
        ({"mean": (0.0,)}, "mean has 1 numbers, but there are 2"),
        ({"differences": ((0, 1),)}, "difference_std has 0 numbers, but there are 1"),
        ({"action_low": (0.0,)}, "action_low has 1 numbers, but there are 0"),
    ],
)
def test_contradictory_numbers_are_refused(change, message):
    good = {"state_dim": 2, "num_actions": 3, "mean": (0.0,) * 2, "std": (1.0,) * 2, "change_std": (1.0,) * 2}
    NumericSpec(**good)
    with pytest.raises(ValueError, match=message):
        NumericSpec(**{**good, **change})


def test_a_grounded_folder_comes_back_whole_or_says_what_is_wrong(tmp_path):
    model, params = make(random_rollouts(3, 2), gaussian_states=True)
    save_grounded(tmp_path / "good", model, params, WORDS)
    again, params_again, _ = load_grounded(tmp_path / "good")
    assert again == model
    jax.tree.map(np.testing.assert_array_equal, params_again, params)
    _, half, _ = load_grounded(tmp_path / "good", jnp.bfloat16)
    assert {x.dtype for x in jax.tree.leaves(half["llm"])} == {jnp.dtype(jnp.bfloat16)}
    assert {x.dtype for k, v in half.items() if k != "llm" for x in jax.tree.leaves(v)} == {jnp.dtype(jnp.float32)}

    def broken(name, change):
        shutil.copytree(tmp_path / "good", tmp_path / name)
        change(tmp_path / name)
        return tmp_path / name

    def without_a_tensor(path):
        tensors = load_file(path / "numbers.safetensors")
        save_file({k: v for k, v in tensors.items() if k != "state_out/out/bias"}, path / "numbers.safetensors")

    def other_head(path):
        raw = json.loads((path / "numbers.json").read_text())
        (path / "numbers.json").write_text(json.dumps({**raw, "gaussian_states": False}))

    def half_a_file(path):
        file = path / "numbers.safetensors"
        file.write_bytes(file.read_bytes()[:-10])

    for name, change, message in (
        ("tensor", without_a_tensor, r"numbers.safetensors.*state_out/out/bias"),
        ("head", other_head, r"state_out/out/kernel"),
        ("half", half_a_file, "cannot be read"),
    ):
        with pytest.raises(ValueError, match=message):
            load_grounded(broken(name, change))
