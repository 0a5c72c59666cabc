"""The language model's metrics are counts with intervals."""

from kalm_jax.evaluation import wilson_interval
from kalm_jax.evaluation.llm_metrics import metric_rows, read_metrics, write_metrics


def test_metrics_are_counts_with_intervals_and_steps_that_come_again_replace_themselves(tmp_path):
    quality = [
        {"rollouts": 10, "matched": 4, "transitions": 50, "far_transitions": 5},
        {"rollouts": 10, "matched": 5, "transitions": 50, "far_transitions": 0, "states_matched": 7},
    ]
    said = [{"prompt": "seen", "rollouts": 8, "correct": 6, "exact": 2}]
    found = {row["metric"]: row for row in metric_rows(40, quality, said, ["far"])}
    assert {name: (row["count"], row["total"]) for name, row in found.items()} == {
        "match_rate": (9, 20),
        "far_transitions": (5, 100),
        "states_matched": (7, 10),
        "explanation_seen": (6, 8),
        "explanation_seen_exact": (2, 8),
    }
    assert (found["match_rate"]["low"], found["match_rate"]["high"]) == wilson_interval(9, 20)
    path = tmp_path / "metrics.csv"
    assert read_metrics(path) == []
    for step, matched in ((20, 1), (40, 2), (60, 3), (40, 7)):  # killed after 60, resumed before 40
        write_metrics(path, metric_rows(step, [{**quality[0], "matched": matched}], [], ["far"]))
    assert [(r["step"], r["count"]) for r in read_metrics(path) if r["metric"] == "match_rate"] == [(20, 1), (40, 7)]
    assert read_metrics(path)[0] == metric_rows(20, [{**quality[0], "matched": 1}], [], ["far"])[0]
