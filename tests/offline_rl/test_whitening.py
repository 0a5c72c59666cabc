"""Whitening of goal vectors against its definition."""

import numpy as np
import pytest

from kalm_jax.offline_rl.normalization import whitening


def vectors(rng, count=4000):
    """Correlated vectors whose directions have standard deviations 10, 1 and 0.001, and these directions."""
    directions = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return rng.normal(size=(count, 3)) * [10.0, 1.0, 0.001] @ directions.T + [5.0, -2.0, 30.0], directions


def test_every_direction_becomes_equally_loud_but_those_of_noise():
    x, directions = vectors(np.random.default_rng(0))
    seen = whitening(x, 1e-3)(x) @ directions
    np.testing.assert_allclose(seen.mean(0), 0.0, atol=1e-3)
    np.testing.assert_allclose(seen.std(0), [1.0, 1 / np.sqrt(1 + 0.1), 0.001 / np.sqrt(0.1)], rtol=0.05, atol=1e-3)
    np.testing.assert_allclose(np.corrcoef(seen[:, :2].T)[0, 1], 0.0, atol=0.01)


def test_it_is_the_same_however_the_vectors_lie_and_are_ordered():
    """Turned vectors become turned whitened vectors: no choice of eigenvectors shows, not even of their signs."""
    rng = np.random.default_rng(1)
    x, _ = vectors(rng)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    np.testing.assert_allclose(whitening(x @ turn, 1e-2)(x @ turn), whitening(x, 1e-2)(x) @ turn, atol=1e-3)
    order = rng.permutation(len(x))
    np.testing.assert_allclose(whitening(x[order], 1e-2)(x[:5]), whitening(x, 1e-2)(x[:5]), atol=1e-4)


def test_equal_vectors_stay_finite():
    out = whitening(np.ones((4, 3)), 1e-3)(np.ones((2, 3)))
    np.testing.assert_array_equal(out, np.zeros((2, 3)))


def test_errors_name_the_fault():
    with pytest.raises(ValueError, match="not all finite"):
        whitening(np.array([[np.nan, 1.0]]), 1e-3)
    with pytest.raises(ValueError, match=r"whitening is 0\.0"):
        whitening(np.ones((2, 2)), 0.0)
