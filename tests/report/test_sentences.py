"""Sentences of the report against the rows that they speak of."""

import pytest

from kalm_jax.report import sentences, summary
from tests.report.rows import LABELS, make_imagination, make_results, result


def test_verdicts_are_counted():
    rows = [
        result(name, condition, "rephrase", 999, good, episodes=1000)
        for name, goods in {"bc": (100, 900), "iql": (900, 100), "cql": (500, 505)}.items()
        for condition, good in zip(("offline", "kalm"), goods, strict=True)
    ]
    text = sentences.verdicts(summary.successes(rows))
    assert text == "Of the 3 comparisons of this run, kalm is ahead in 1 and behind in 1; 1 shows no clear difference."
    assert sentences.verdicts([]) == ""


def test_baselines_are_said_by_level_as_they_are():
    text = sentences.baselines(summary.successes(make_results()), LABELS)
    assert "the random baseline reaches 10% (goals of the data), 10% (rephrase) and 10% (unseen hard)" in text
    assert "the expert reaches 97% (goals of the data)" in text and text.startswith("Within 10 pushes ")
    assert sentences.baselines([], LABELS) == ""
    only = sentences.baselines(summary.successes([result("random", "random", "rephrase", 0, 0)]), LABELS)
    assert only == "Within 10 pushes the random baseline reaches 0% (rephrase) in this run."


def test_policies_are_counted_against_the_random_baseline_of_their_level():
    rows = [result("random", "random", "rephrase", 999, 500, episodes=1000)]
    rows += [result(name, "kalm", "rephrase", 999, good, episodes=1000) for name, good in (("bc", 700), ("iql", 300))]
    rows += [result("cql", "kalm", "rephrase", 999, 505, episodes=1000), result("bc", "kalm", "offline", 9, 1)]
    text = sentences.against_random(summary.successes(rows))
    assert text.startswith("Of the 3 rates of learned policies below, 1 is clearly above") and "1 clearly below" in text


def test_episodes_kept_rollouts_lengths_and_points_are_those_of_the_run():
    rows = [result("bc", "kalm", "rephrase", 1, 1, seed, episodes=40) for seed in (0, 1)]
    assert sentences.episodes(summary.successes(rows)) == "“2 x 40” episodes: 2 training seeds, 40 episodes each."
    assert sentences.episodes(summary.successes(rows[:1])) == "“1 x 40” episodes: 1 training seed, 40 episodes."
    imagined = [{**row, "learned": 3} for row in make_imagination()]
    assert sentences.kept(imagined).startswith(
        "In this run these are 3 of 200 (goals of the data), 3 of 200 (rephrase)"
    )
    assert sentences.kept(make_imagination()) == ""
    lengths = {"recorded": [1, 50], "imagined": [50, 50]}
    assert (
        sentences.full_length(lengths, LABELS)
        == "50% of the recorded and 100% of the imagined rollouts have all 50 pushes."
    )
    assert sentences.points([20, 20], "step") == "This run has one point of each curve, at step 20."
    assert sentences.points([20, 40], "step") == ""


@pytest.mark.parametrize(("seeds", "said"), [(1, "one training seed"), (2, "two training"), (3, "So few"), (5, "")])
def test_what_few_seeds_mean_follows_their_number(seeds, said):
    text = sentences.seeds([seeds])
    assert said in text and bool(text) == bool(said)


def test_levels_without_rollouts_are_named():
    levels = ("offline", "rephrase", "unseen_easy", "unseen_hard")
    rows = [result("bc", condition, level, 1, 1) for condition in ("offline", "kalm") for level in levels]
    amounts = {"rephrase": 5, "unseen_easy": 5, "unseen_hard": 0}
    assert sentences.unimagined(rows, amounts) == "This run has no rollouts for unseen hard goals in kalm."
    assert sentences.unimagined(rows, amounts | {"unseen_hard": 5}) == sentences.unimagined(rows, {}) == ""
    assert sentences.unimagined(rows[:4], amounts) == ""  # of policies of offline it is nothing new
    rows += [result("bc", "oracle", level, 1, 1) for level in levels]
    said = "This run has no rollouts for unseen easy and unseen hard goals in kalm and oracle."
    assert sentences.unimagined(rows, amounts | {"unseen_easy": 0}) == said
