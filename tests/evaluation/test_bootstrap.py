"""Summaries over groundings and their intervals, against scipy, closed forms, enumeration and a simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from kalm_jax.evaluation import bootstrap


@pytest.mark.parametrize("count", range(1, 14))
def test_the_interquartile_mean_is_scipys_trimmed_mean(count):
    x = np.random.default_rng(count).normal(size=(3, count))
    np.testing.assert_allclose(bootstrap.interquartile_mean(x), stats.trim_mean(x, 0.25, axis=1))


@pytest.mark.parametrize("sizes", [(5, 5), (3, 7), (1, 1)])
def test_the_probability_of_improvement_counts_all_pairs(sizes):
    rng = np.random.default_rng(1)
    x, y = (rng.integers(0, 4, size).astype(float) for size in sizes)
    counted = np.mean([1.0 if a > b else 0.5 if a == b else 0.0 for a, b in itertools.product(x, y)])
    assert bootstrap.probability_of_improvement(x, y) == pytest.approx(counted)
    u = stats.mannwhitneyu(x, y).statistic  # the same by another name
    assert bootstrap.probability_of_improvement(x, y) == pytest.approx(u / (sizes[0] * sizes[1]))
    both = bootstrap.probability_of_improvement(x, y) + bootstrap.probability_of_improvement(y, x)
    assert both == pytest.approx(1)


def scores(rates, episodes=1000, resamples=4000):
    """Scores of groundings that were tested with one template only."""
    played = np.full((len(rates), 1), episodes)
    return bootstrap.score(np.asarray(rates)[:, None] * played, played, bootstrap.draw(len(rates), "a", resamples))


def test_without_templates_the_interval_of_the_mean_is_students():
    rates = np.array([0.3, 0.5, 0.42, 0.61, 0.47])
    found = bootstrap.estimate(bootstrap.mean, scores(rates, resamples=40_000))
    low, high = stats.t.interval(0.95, 4, rates.mean(), stats.sem(rates))
    assert found.value == pytest.approx(rates.mean())
    np.testing.assert_allclose((found.low, found.high), (low, high), atol=0.003)


def test_the_spread_of_shared_templates_does_not_average_out_over_groundings():
    rates = np.array([0.1, 0.9, 0.5, 0.3, 0.7, 0.2])
    played = np.full((5, 6), 100)
    drawn = bootstrap.score(rates * played, played, bootstrap.draw(5, "aaaaaa", 20_000)).drawn
    assert drawn.mean(1).std() == pytest.approx(rates.std() / math.sqrt(6), rel=0.03)
    # In strata of their own there is nothing to draw.
    alone = bootstrap.score(rates * played, played, bootstrap.draw(5, "abcdef", 100)).drawn
    np.testing.assert_allclose(alone, rates.mean())


def test_draws_keep_the_number_of_templates_in_each_stratum_and_repeat():
    strata = ["line", "gather", "line", "gather", "gather"]
    draws = bootstrap.draw(4, strata, 300)
    lines = np.array([name == "line" for name in strata])
    assert (draws.templates[:, lines].sum(1) == 2).all() and (draws.templates[:, ~lines].sum(1) == 3).all()
    assert draws.groundings.shape == (300, 4) and set(np.unique(draws.groundings)) == {0, 1, 2, 3}
    again = bootstrap.draw(4, strata, 300)
    np.testing.assert_array_equal(draws.templates, again.templates)
    np.testing.assert_array_equal(draws.groundings, again.groundings)


def test_differences_are_paired():
    rng = np.random.default_rng(2)
    played, draws = np.full((5, 8), 20), bootstrap.draw(5, "aaaabbbb", 500)
    base = rng.integers(0, 15, (5, 8))
    x, y = bootstrap.score(base + 4, played, draws), bootstrap.score(base, played, draws)
    for statistic in (bootstrap.mean_difference, bootstrap.interquartile_difference):
        found = bootstrap.estimate(statistic, x, y, lowest=-1)
        np.testing.assert_allclose((found.value, found.low, found.high), 0.2)
    assert bootstrap.estimate(bootstrap.mean, x).high - bootstrap.estimate(bootstrap.mean, x).low > 0.05


def test_intervals_stay_within_their_limits_and_hold_their_value():
    found = bootstrap.estimate(bootstrap.mean, scores([0.0, 0.0, 0.0, 0.9, 1.0]))
    assert found.low == 0.0 <= found.value <= found.high <= 1.0
    certain = bootstrap.estimate(bootstrap.interquartile_mean, scores([1.0] * 5))
    assert (certain.value, certain.low, certain.high) == (1.0, 1.0, 1.0)


def test_two_groundings_have_no_interval():
    found = bootstrap.estimate(bootstrap.mean, scores([0.2, 0.6]))
    assert found.value == pytest.approx(0.4) and math.isnan(found.low) and math.isnan(found.high)


def test_a_grounding_without_the_drawn_templates_keeps_its_rate():
    played = np.array([[4, 0], [0, 4]])
    found = bootstrap.score(np.array([[1, 0], [0, 3]]), played, bootstrap.draw(2, "aa", 200))
    assert set(np.unique(found.drawn)) == {0.25, 0.75}


@pytest.mark.parametrize(
    "good, played, message",
    [
        ([[1, 1]], [[2, 2]], "want counts"),
        ([[3, 1], [1, 1]], [[2, 2], [2, 2]], "want counts"),
        ([[0, 0], [1, 1]], [[0, 0], [2, 2]], "grounding 0 has no episodes"),
    ],
)
def test_impossible_counts_are_refused(good, played, message):
    with pytest.raises(ValueError, match=message):
        bootstrap.score(np.array(good), np.array(played), bootstrap.draw(2, "aa", 10))
    with pytest.raises(ValueError, match="at least one of each"):
        bootstrap.draw(0, "aa")


@pytest.mark.parametrize("statistic", [bootstrap.mean, bootstrap.interquartile_mean])
@pytest.mark.parametrize("groundings, spread, of_templates", [(5, 0.1, 0.05), (5, 0.02, 0.15), (3, 0.1, 0.05)])
def test_intervals_cover_where_percentiles_of_the_resamples_do_not(statistic, groundings, spread, of_templates):
    rng, trials, templates, episodes = np.random.default_rng(3), 250, 20, 15
    covered = narrow = 0
    for trial in range(trials):
        skill = 0.5 + spread * rng.normal(size=(groundings, 1)) + of_templates * rng.normal(size=templates)
        played = np.full((groundings, templates), episodes)
        good = rng.binomial(played, np.clip(skill, 0, 1))
        drawn = bootstrap.score(good, played, bootstrap.draw(groundings, ["a"] * templates, 400, seed=trial))
        found = bootstrap.estimate(statistic, drawn)
        low, high = np.quantile(statistic(drawn.drawn), [0.025, 0.975])
        covered, narrow = covered + (found.low <= 0.5 <= found.high), narrow + (low <= 0.5 <= high)
    assert covered >= 0.94 * trials and covered >= narrow
    if spread > of_templates and statistic is bootstrap.mean:
        assert narrow < 0.93 * trials
