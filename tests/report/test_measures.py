"""Units of what is drawn over training, and amounts that are too small."""

import pytest

from kalm_jax.report import measures
from kalm_jax.report.contents import ReportData
from tests.report.rows import LABELS, result


@pytest.mark.parametrize(
    ("amounts", "said"),
    [
        ({}, ""),
        ({"episodes": 600, "updates": 4000, "steps": 1500}, ""),
        ({"episodes": 99}, "this run has 99 episodes behind a success rate, and numbers say something from 100 on"),
        (
            {"episodes": 4, "updates": 40, "steps": 20},
            "4 episodes behind a success rate, 40 updates of a policy and 20 steps of grounding, and numbers say "
            "something from 100, 500 and 200 on",
        ),
    ],
)
def test_small_amounts_are_said_to_be_noise(amounts, said):
    line = measures.noise(**amounts)
    assert said in line and bool(line) == bool(said)


def run(episodes, updates, steps):
    """A run of two seeds in two families, with these amounts of each."""
    seeds, families = (0, 1), ("line", "gather")
    return ReportData(
        labels=LABELS,
        results=[
            *(result("td3bc", "kalm", "rephrase", 1, 1, s, f, episodes=str(episodes)) for s in seeds for f in families),
            result("random", "random", "rephrase", 0, 0, episodes=1),
            result("lookahead", "lookahead", "rephrase", 1, 1, episodes=1),
        ],
        learning_curves=[
            {"algorithm": "td3bc", "condition": "kalm", "seed": 0, "update": u, "metric": "q", "value": 1.0}
            for u in (updates // 2, updates)
        ],
        grounding_curve=[{"step": s, "text_loss": 1.0} for s in (steps // 2, steps)],
    )


def test_a_runs_amounts_are_counted_over_seeds_and_families_without_baselines():
    data = run(25, 500, 200)
    amounts = measures.amounts_of(data.results, data.learning_curves, data.grounding_curve)
    assert amounts == {"episodes": 100, "updates": 500, "steps": 200}
    assert run(25, 500, 200).noise() == "" and measures.amounts_of([]) == {}
    both = [result("bc", "kalm", "rephrase", 1, 1, sentences=name, episodes=60) for name in ("met", "new")]
    assert measures.amounts_of(both) == {"episodes": 60}
    assert "96 episodes" in run(24, 500, 200).noise()
    assert "498 updates" in run(25, 498, 200).noise() and "20 steps" in run(25, 500, 20).noise()


def test_losses_have_units_and_an_unknown_metric_keeps_its_name():
    discrete, numbers = measures.grounding_measures(True), measures.grounding_measures(False, True, True)
    assert [m.title for m in discrete.values()] == [
        "words (nats per word)",
        "actions (nats per action)",
        "states (mean squared error)",
    ]
    assert [m.title for m in numbers.values()][1:] == ["actions (nats per number)", "states (nats per number)"]
    learned = measures.learning_measures(["critic_loss", "my_metric"])
    assert learned["critic_loss"].title == "critic loss (reward²)" and learned["my_metric"].title == "my metric"
    assert measures.explain(learned.values()).endswith("My metric: a metric of the learner's own.")
