"""Rows of a study from synthetic episodes, against counts by hand; the order of rows changes nothing."""

import math
import random

import numpy as np
import pytest

from kalm_jax.evaluation import bootstrap
from kalm_jax.report.study import COLUMNS, imagined_rows, success_rows, tally_episodes
from tests.report.rows import episodes

CONDITIONS = ("offline", "translate", "kalm")


def rows_of(groundings):
    return success_rows({i + 1: tally_episodes(rows, 10) for i, rows in enumerate(groundings)}, CONDITIONS)


def only(rows, **wanted):
    found = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture(scope="module")
def played():
    return [episodes(grounding) for grounding in range(4)]


@pytest.fixture(scope="module")
def rows(played):
    return rows_of(played)


def rate(episodes_, condition, early, **wanted):
    wanted = {"condition": condition, "level": "unseen_hard", "sentences": "new", **wanted}
    mine = [row for row in episodes_ if all(row[name] == value for name, value in wanted.items())]
    return np.mean([row["success"] and (not early or row["steps"] <= 10) for row in mine])


@pytest.mark.parametrize("limit", ["early", "horizon"])
def test_success_is_the_mean_and_interquartile_mean_of_the_groundings_rates(rows, played, limit):
    about = {"level": "unseen_hard", "sentences": "new", "family": "", "condition": "kalm", "limit": limit}
    rates = [rate(one, "kalm", limit == "early") for one in played]
    mean, iqm = (only(rows, table="success", measure=name, **about) for name in ("mean", "iqm"))
    assert mean["value"] == pytest.approx(np.mean(rates), abs=1e-6)
    assert iqm["value"] == pytest.approx(np.sort(rates)[1:3].mean(), abs=1e-6)
    assert (mean["least"], mean["most"]) == pytest.approx((min(rates), max(rates)), abs=1e-6)
    assert mean["low"] < mean["value"] < mean["high"] and mean["groundings"] == 4 and mean["episodes"] == 4 * 48
    alone = [r for r in rows if r["table"] == "grounding" and all(r[k] == v for k, v in about.items())]
    assert [row["value"] for row in alone] == pytest.approx(rates, abs=1e-6)
    assert [row["grounding"] for row in alone] == [1, 2, 3, 4]
    family = only(rows, **about | {"family": "line"}, table="success", measure="mean")
    assert family["value"] == pytest.approx(
        np.mean([rate(o, "kalm", limit == "early", family="line") for o in played]), abs=1e-6
    )


def test_differences_are_of_each_condition_and_those_before_it(rows, played):
    pairs = {(row["condition"], row["base"]) for row in rows if row["table"] == "difference"}
    assert pairs == {("translate", "offline"), ("kalm", "offline"), ("kalm", "translate")}
    about = {"table": "difference", "level": "unseen_hard", "sentences": "new", "limit": "horizon"}
    about |= {"condition": "kalm", "base": "offline"}
    new, old = ([rate(one, condition, False) for one in played] for condition in ("kalm", "offline"))
    gaps = np.subtract(new, old)
    mean, better = (only(rows, measure=name, **about) for name in ("mean", "probability_of_improvement"))
    assert mean["value"] == pytest.approx(gaps.mean(), abs=1e-6)
    assert (mean["least"], mean["most"]) == pytest.approx((gaps.min(), gaps.max()), abs=1e-6)
    assert better["value"] == pytest.approx(float(bootstrap.probability_of_improvement(new, old)), abs=1e-6)
    assert only(rows, measure="iqm", **about)["value"] == pytest.approx(np.sort(gaps)[1:3].mean(), abs=1e-6)


def test_the_order_of_rows_changes_nothing(rows, played):
    mixed = [random.Random(i).sample(one, len(one)) for i, one in enumerate(played)]
    assert rows_of(mixed) == rows


def test_baselines_are_compared_with_nothing_and_frame_the_learners(rows):
    tested = [row for row in rows if (row["table"], row["level"]) == ("success", "unseen_hard") and not row["family"]]
    assert list(dict.fromkeys(row["condition"] for row in tested if row["sentences"] == "any")) == ["random"]
    assert not [row for row in rows if row["table"] == "difference" and row["condition"] == "random"]
    assert all(set(row) == set(COLUMNS) for row in rows)
    levels = list(dict.fromkeys(row["level"] for row in rows))
    assert levels == ["offline", "unseen_hard"]
    assert {row["family"] for row in rows if row["level"] == "offline"} == {""}  # it has one family


def test_a_grounding_that_lacks_a_condition_is_named(played):
    short = [row for row in played[1] if row["condition"] != "kalm"]
    with pytest.raises(ValueError, match="grounding 1 has no episodes"):
        rows_of([played[0], short])


def test_two_groundings_have_no_interval(played):
    found = [row for row in rows_of(played[:2]) if row["table"] in ("success", "difference")]
    assert found and all(row["low"] == row["high"] == "" for row in found)


def test_imagined_rows_are_shares_with_their_range():
    def run(matched):
        imagine = [
            {"level": "unseen_hard", "family": "line", "rollouts": 10, "transitions": 40, "matched": matched},
            {"level": "unseen_hard", "family": "gather", "rollouts": 30, "transitions": 60, "matched": 3},
        ]
        imagine[0] |= {"off_bench_transitions": 4, "direction_rollouts": 5, "direction_early": 1}
        imagine[1] |= {"off_bench_transitions": 1, "direction_rollouts": 0, "direction_early": 0}
        replayed = [{"level": "unseen_hard", "family": "line", "rollouts": 8, "matched": 4, "open_matched": 1}]
        explain = [{"prompt": "seen, likeliest of 2", "rollouts": 4, "correct": 3, "exact": 1}]
        return {"imagine": imagine, "replayed": replayed, "explain": explain}

    rows = imagined_rows([run(1), run(5)])
    found = {(row["measure"], row["family"]): (row["value"], row["least"], row["most"]) for row in rows}
    assert found == {
        ("imagine/matched", ""): (0.15, 0.1, 0.2),
        ("imagine/matched", "line"): (0.3, 0.1, 0.5),
        ("imagine/matched", "gather"): (0.1, 0.1, 0.1),
        ("imagine/off_bench_transitions", ""): (0.05, 0.05, 0.05),
        ("imagine/off_bench_transitions", "line"): (0.1, 0.1, 0.1),
        ("imagine/off_bench_transitions", "gather"): pytest.approx((1 / 60,) * 3, abs=1e-6),
        ("imagine/direction_early", ""): (0.2, 0.2, 0.2),
        ("imagine/direction_early", "line"): (0.2, 0.2, 0.2),
        ("replayed/matched", ""): (0.5, 0.5, 0.5),
        ("replayed/open_matched", ""): (0.25, 0.25, 0.25),
        ("explain/seen, likeliest of 2, correct", ""): (0.75, 0.75, 0.75),
        ("explain/seen, likeliest of 2, exact", ""): (0.25, 0.25, 0.25),
    }
    assert all(row["low"] == "" and row["groundings"] == 2 for row in rows) and not math.isnan(rows[0]["value"])
