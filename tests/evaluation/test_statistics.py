"""Intervals of success rates have their known values and cover what they should."""

import math

import numpy as np
import pytest
from scipy import stats

from kalm_jax.evaluation import difference_interval, pooled_interval, wilson_interval


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    # Closed forms: z^2 / (n + z^2) at the edge, and (1 -+ z / sqrt(n + z^2)) / 2 at one half.
    [(0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0), (5, 10, 0.236593, 0.763407), (50, 100, 0.403832, 0.596168)],
)
def test_wilson_interval_has_its_known_values(successes, episodes, low, high):
    np.testing.assert_allclose(wilson_interval(successes, episodes), (low, high), atol=1e-6)


def test_wilson_interval_refuses_impossible_counts():
    for counts in ((0, 0), (3, 2), (-1, 5)):
        with pytest.raises(ValueError, match="successes"):
            wilson_interval(*counts)


def test_pooled_interval_reduces_to_wilson():
    assert pooled_interval([30], [100]) == pytest.approx(wilson_interval(30, 100), abs=1e-12)
    assert pooled_interval([30, 30, 30], [100] * 3) == pytest.approx(wilson_interval(90, 300), abs=1e-12)
    assert pooled_interval([0, 0], [50, 50]) == pytest.approx(wilson_interval(0, 100), abs=1e-12)


def test_pooled_interval_widens_with_the_seeds_scatter_towards_students_t():
    alike, apart = pooled_interval([50, 50, 50], [100] * 3), pooled_interval([30, 50, 70], [100] * 3)
    assert apart[0] < alike[0] < 0.5 < alike[1] < apart[1]
    # With very many episodes only the seeds matter: the interval nears the t interval of the three rates.
    rates = np.array([0.48, 0.5, 0.52])
    half = stats.t.ppf(0.975, 2) * rates.std(ddof=1) / math.sqrt(3)
    np.testing.assert_allclose(pooled_interval(rates * 1e8, [1e8] * 3), (0.5 - half, 0.5 + half), atol=2e-3)


def covers(rng, interval, scatter, seeds=3, episodes=100):
    rates = np.clip(0.5 + scatter * rng.normal(size=seeds), 0, 1)
    low, high = interval(rng.binomial(episodes, rates), np.full(seeds, episodes))
    return low <= 0.5 <= high


def test_pooled_interval_covers_where_the_plain_one_does_not():
    def plain(good, total):
        return wilson_interval(good.sum(), total.sum())

    rng = np.random.default_rng(0)
    assert np.mean([covers(rng, pooled_interval, 0.0) for _ in range(1000)]) > 0.94
    assert np.mean([covers(rng, pooled_interval, 0.1) for _ in range(1000)]) > 0.92
    assert np.mean([covers(rng, plain, 0.1) for _ in range(1000)]) < 0.8


def test_difference_interval_is_newcombes():
    # Newcombe (1998), method 10: 56/70 minus 48/80 is 0.2 (0.0524, 0.3339).
    np.testing.assert_allclose(difference_interval([56], [70], [48], [80]), (0.0524, 0.3339), atol=1e-4)
    low, high = difference_interval([48], [80], [56], [70])
    np.testing.assert_allclose((low, high), (-0.3339, -0.0524), atol=1e-4)
