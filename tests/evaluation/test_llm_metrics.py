"""The language model's metrics are counts with intervals."""

import json

import pytest

from kalm_jax.evaluation import wilson_interval
from kalm_jax.evaluation.llm_metrics import metric_rows, read_metrics, restore_metrics, write_metrics
from kalm_jax.files import write_csv


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


SPOIL = {
    "cut": lambda text: text[: len(text) // 2],
    "cut at the end of a line": lambda text: "\n".join(text.splitlines()[:2]) + "\n",
    "other columns": lambda text: text.replace("metric", "measure"),
    "other numbers": lambda text: text.replace("20,match_rate,1", "20,match_rate,9"),
    "binary": lambda text: b"\xff\x00\x80",
    "empty": lambda text: "",
    "gone": None,
}


@pytest.mark.parametrize("spoil", SPOIL)
def test_a_damaged_file_gets_the_rows_of_the_checkpoint(tmp_path, spoil):
    quality = {"rollouts": 10, "transitions": 50, "far_transitions": 5}
    path = tmp_path / "metrics.csv"
    rows = [r for step in (20, 40) for r in metric_rows(step, [{**quality, "matched": step // 20}], [], ["far"])]
    kept = json.loads(json.dumps(rows))  # as a checkpoint has them
    for step in (20, 40, 60):  # the last one after the checkpoint
        write_metrics(path, metric_rows(step, [{**quality, "matched": step // 20}], [], ["far"]))
    assert restore_metrics(path, kept) == "" and read_metrics(path) == rows
    write = SPOIL[spoil]
    content = None if write is None else write(path.read_text())
    path.unlink() if content is None else path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert restore_metrics(path, kept) and read_metrics(path) == rows
    path.write_text("step")
    assert restore_metrics(path, []) == "is damaged" and read_metrics(path) == []  # killed before the first checkpoint
    assert restore_metrics(path, []) == ""
    write_csv(path, ("step",), [])
    assert restore_metrics(path, kept) and read_metrics(path) == rows
