"""The numeric interface: cached decoding of all kinds of numbers, statistics, differences and limits."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.grounding.checkpoint import load_grounded, save_grounded
from kalm_jax.grounding.model import CONSTANT_SCALE, Grounded, GroundedModel, numeric_spec
from kalm_jax.grounding.sequences import ACTION, STATE
from tests.grounding.numbers import WORDS, imagine, make, random_rollouts, uncached

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
    save_grounded(tmp_path, Grounded(model, params, WORDS))
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
    save_grounded(tmp_path, Grounded(model, params, WORDS))
    assert load_grounded(tmp_path)[0] == model
