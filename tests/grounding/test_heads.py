"""Heads for numbers: points and distributions, their errors, and what they learn."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError
from scipy.stats import norm

from kalm_jax.grounding import explanation as explain
from kalm_jax.grounding import heads
from kalm_jax.grounding import sequences as rows
from kalm_jax.grounding.config import TaskShares
from kalm_jax.grounding.model import Grounded, GroundedModel
from kalm_jax.grounding.sequences import ACTION, STATE, RowSequence
from kalm_jax.grounding.tasks import Batches
from kalm_jax.grounding.trainer import TrainConfig, fit
from kalm_jax.types import make_goal_table
from kalm_jax.worlds.base import GoalLanguage
from tests.grounding.numbers import WORDS, imagine, make, random_rollouts, uncached


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
        heads.error(out, target[:, :1], True)  # would be broadcast


def test_shapes_are_checked_in_tests():
    """The hook of tests/conftest.py refuses a target without the output's rows before it can be broadcast."""
    out = jnp.zeros((5, 3))
    with pytest.raises(TypeCheckError, match="'target'"):
        heads.error(out, out[0], False)


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
    got = explain.rollout_log_probs(Grounded(model, params, WORDS), [words] * 2, rollouts.take(slice(0, 2)))
    obs, taken = np.asarray(rollouts.observations), np.asarray(rollouts.actions)
    whole = rows.align_right([RowSequence(3).text(words).rollout(obs[i], taken[i], 1.0, 1.0) for i in range(2)], 32, 3)
    asked = (whole.weight[:, :-1] > 0) & (whole.kind[:, 1:] == ACTION)
    mean, log_std = heads.mean_and_log_std(uncached(model, params, whole, "action_head"))
    z = (taken[:2] - np.asarray(model.spec.action_mean)) / np.asarray(model.spec.action_std)
    want = [norm.logpdf(z[i], mean[i][asked[i]], np.exp(log_std[i][asked[i]])).sum() for i in range(2)]
    np.testing.assert_allclose(got, want, rtol=1e-4)
