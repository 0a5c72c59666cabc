"""Network inputs: differences, scales, limits; every learner trains and acts with them. Whitening of goal vectors."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.offline_rl import make_buffer, make_learner, state_of
from kalm_jax.offline_rl.normalization import normalize_observation, policy_input, whitening
from kalm_jax.offline_rl.trainer import train
from kalm_jax.types.transforms import ObservationTransform
from tests.offline_rl.data import SMALL, goal_table, random_rollouts

TRANSFORM = ObservationTransform(differences=((1, 0), (2, 0)), offset=0.05, limit=2.0)


def buffer_of(rollouts, transform=TRANSFORM):
    return make_buffer([(rollouts, 1.0)], goal_table(), transform=transform)


def test_a_view_shows_what_its_formula_says():
    rollouts = random_rollouts(3, n=40, continuous=True)
    rollouts.observations[:20, :, 2] = 0.0  # a thing that half of the scenes do not have
    buffer = buffer_of(rollouts)
    x, stats = np.asarray(buffer.observations, np.float64), buffer.stats()
    there = x[:, 2] != 0
    pairs = np.stack([(x[:, 1] - x[:, 0]), (x[:, 2] - x[:, 0])], 1)
    scale = np.array([pairs[:, 0].std(), pairs[there, 1].std()]) + 0.05
    want = np.concatenate([(x - x.mean(0)) / (x.std(0) + 0.05), pairs / scale], 1).clip(-2, 2)
    np.testing.assert_allclose(normalize_observation(stats, buffer.observations), want, atol=1e-5)
    assert (np.abs(want) == 2).any() and (np.abs(want) < 2).any()
    inputs = policy_input(stats, buffer.observations, jnp.broadcast_to(buffer.goal_vectors[0], (len(x), 4)))
    assert inputs.shape == (len(x), stats.input_dim) == (len(x), 3 + 2 + 4)
    np.testing.assert_allclose(inputs[:, :5], want, atol=1e-5)


def test_by_default_nothing_is_added_and_nothing_cut_off():
    buffer = buffer_of(random_rollouts(4), ObservationTransform())
    x, stats = np.asarray(buffer.observations, np.float64), buffer.stats()
    assert stats.difference_std is None and stats.transform == ObservationTransform()
    far = 1e6 * jnp.ones((1, 3))
    np.testing.assert_allclose(
        normalize_observation(stats, far), (1e6 - x.mean(0)[None]) / (x.std(0) + 1e-3), rtol=1e-4
    )


def test_the_scale_of_a_thing_that_no_scene_has_is_harmless():
    rollouts = random_rollouts(5)
    rollouts.observations[:, :, 1] = 0.0
    stats = buffer_of(rollouts).stats()
    np.testing.assert_allclose(stats.difference_std[0], 1.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SMALL))
def test_every_learner_sees_no_further_than_the_limit(name):
    buffer = buffer_of(random_rollouts(6, continuous=True))
    learner = make_learner(name, **SMALL[name])
    stats = learner.stats(buffer)
    state = state_of(train(learner, buffer, [0], 4)[0], 0)
    base = jnp.zeros((1, 3)).at[0, 0].set(50.0)  # both differences are far beyond the limit, too
    actions = []
    for place in (50.0, 5e4, -50.0):
        carry = learner.init_carry(stats, base.at[0, 0].set(place))
        actions.append(np.asarray(learner.act(state, stats, carry, buffer.goal_vectors[:1], jax.random.key(0), True)))
    assert actions[0].shape == (1, 2) and np.isfinite(actions[0]).all()
    np.testing.assert_array_equal(actions[0], actions[1])
    assert np.abs(actions[0] - actions[2]).max() > 1e-4


def test_a_stream_has_the_plain_view(tmp_path):
    from kalm_jax.offline_rl import write_stream

    stream = write_stream(tmp_path / "s", [([random_rollouts(7)], 1.0)], goal_table())
    assert stream.transform == ObservationTransform()
    want = make_buffer([(random_rollouts(7), 1.0)], goal_table()).stats()
    got = stream.stats()
    for field in dataclasses.fields(want):
        a, b = getattr(got, field.name), getattr(want, field.name)
        np.testing.assert_allclose(a, b, rtol=1e-5) if isinstance(b, jax.Array) else None
        assert isinstance(b, jax.Array) or a == b


def vectors(rng, count=4000):
    """Correlated vectors whose directions have standard deviations 10, 1 and 0.001, and these directions."""
    directions = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return rng.normal(size=(count, 3)) * [10.0, 1.0, 0.001] @ directions.T + [5.0, -2.0, 30.0], directions


def test_whitening_gives_every_direction_the_same_scale_except_noise():
    x, directions = vectors(np.random.default_rng(0))
    seen = whitening(x, 1e-3)(x) @ directions
    np.testing.assert_allclose(seen.mean(0), 0.0, atol=1e-3)
    np.testing.assert_allclose(seen.std(0), [1.0, 1 / np.sqrt(1 + 0.1), 0.001 / np.sqrt(0.1)], rtol=0.05, atol=1e-3)
    np.testing.assert_allclose(np.corrcoef(seen[:, :2].T)[0, 1], 0.0, atol=0.01)


def test_whitening_is_the_same_however_the_vectors_lie_and_are_ordered():
    """Turned vectors become turned whitened vectors: no choice of eigenvectors shows, not even of their signs."""
    rng = np.random.default_rng(1)
    x, _ = vectors(rng)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    np.testing.assert_allclose(whitening(x @ turn, 1e-2)(x @ turn), whitening(x, 1e-2)(x) @ turn, atol=1e-3)
    order = rng.permutation(len(x))
    np.testing.assert_allclose(whitening(x[order], 1e-2)(x[:5]), whitening(x, 1e-2)(x[:5]), atol=1e-4)


def test_equal_goal_vectors_stay_finite():
    out = whitening(np.ones((4, 3)), 1e-3)(np.ones((2, 3)))
    np.testing.assert_array_equal(out, np.zeros((2, 3)))


def test_errors_of_whitening_name_the_fault():
    with pytest.raises(ValueError, match="not all finite"):
        whitening(np.array([[np.nan, 1.0]]), 1e-3)
    with pytest.raises(ValueError, match=r"whitening is 0\.0"):
        whitening(np.ones((2, 2)), 0.0)
