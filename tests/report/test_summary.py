"""Pooled success, differences and rates against arithmetic."""

import math

import pytest

from kalm_jax.evaluation import difference_interval, pooled_interval, wilson_interval
from kalm_jax.report import summary
from tests.report.rows import make_results, result


def test_success_is_pooled_over_seeds_and_families_with_the_intervals_of_evaluation():
    rows = [
        result("bc", "kalm", "unseen_hard", 10, 4, seed=0, family="line", median=4.0),
        result("bc", "kalm", "unseen_hard", 40, 8, seed=0, family="gather", median=9.0),
        result("bc", "kalm", "unseen_hard", 20, 6, seed=1, family="line", median=5.0),
        result("bc", "kalm", "unseen_hard", 0, 0, seed=1, family="gather", median=math.nan),
    ]
    (pooled,) = summary.successes(rows)
    assert (pooled.seeds, pooled.episodes) == (2, 400)
    assert pooled.within.value == pytest.approx(70 / 400) and pooled.early.value == pytest.approx(18 / 400)
    assert (pooled.within.low, pooled.within.high) == pytest.approx(pooled_interval([50, 20], [200, 200]))
    assert pooled.median_steps == 9.0  # 10 successes at 4, 20 at 5, 40 at 9: the middle of the 70 is a 9
    by_family = {s.family: s.episodes for s in summary.successes(rows, by_family=True)}
    assert by_family == {"gather": 200, "line": 200}


def test_difference_and_share_of_the_oracles_gain_are_plain_arithmetic():
    pooled = summary.successes(make_results(oracle=True))
    changes = summary.differences(pooled)
    assert len(changes) == 3 * 3  # levels x (BC greedy, BC sampled, TD3+BC greedy)
    change = next(d for d in changes if d.new.algorithm == "td3bc" and d.new.level == "rephrase")
    assert change.within.value == pytest.approx(0.30)
    want = difference_interval([70, 71, 72], [100] * 3, [40, 41, 42], [100] * 3)
    assert (change.within.low, change.within.high) == pytest.approx(want)
    assert summary.oracle_gain_share(pooled, change) == pytest.approx(30 / 40)


def test_share_of_the_gain_needs_an_oracle_that_is_clearly_ahead():
    without = summary.successes(make_results())
    assert math.isnan(summary.oracle_gain_share(without, summary.differences(without)[0]))
    rows = [
        result("bc", condition, "rephrase", good, 5)
        for condition, good in (("offline", 40), ("kalm", 45), ("oracle", 41))
    ]
    pooled = summary.successes(rows)
    assert math.isnan(summary.oracle_gain_share(pooled, summary.differences(pooled)[0]))


def test_a_seed_without_episodes_is_an_error_that_names_the_policy():
    with pytest.raises(ValueError, match=r"bc, condition kalm, level rephrase.*no episode"):
        summary.successes([result("bc", "kalm", "rephrase", 0, 0, episodes=0)])


def test_counts_of_rows_add_up_and_missing_counts_stay_missing():
    rows = [{"level": "a", "family": "x", "n": "2", "k": 1}, {"level": "a", "family": "y", "n": 3, "k": ""}]
    assert summary.sum_rows(rows, "level") == [{"level": "a", "n": 5.0, "k": 1.0}]
    assert summary.rate({"n": 5}, "k", "n") is None and summary.rate({"n": 0, "k": 0}, "k", "n") is None
    share = summary.rate({"n": 5, "k": 1}, "k", "n")
    assert (share.value, share.low, share.high) == pytest.approx((0.2, *wilson_interval(1, 5)))
