"""Metrics of the language model during grounding, as counts with intervals (KALM, section 5.3).

A row is one metric: `count` of `total` things, their `rate`, and its 95% interval (`low`, `high`).
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping, Sequence

from kalm_jax.evaluation.statistics import wilson_interval
from kalm_jax.files import read_csv, write_csv

COLUMNS = ("step", "metric", "count", "total", "rate", "low", "high")
STEP_TESTS = ("actions_matched", "states_matched")
"""Of rollouts of one step, where a world has them: the action is the one asked for, the state moves as asked."""


def metric_rows(
    step: int, quality: Sequence[Mapping], explanation: Sequence[Mapping], kinds: Iterable[str]
) -> list[dict]:
    """The metrics of a model at a step, rows with the columns `COLUMNS`.

    Counts of `quality`, rows of `World.quality_rows`, are added up: `match_rate`, `<kind>_transitions` for each of
    `kinds`, and `STEP_TESTS` where there are such. `explanation` are rows of `World.explanation_row`.
    """
    counts = {"match_rate": ("matched", "rollouts")}
    counts |= {f"{kind}_transitions": (f"{kind}_transitions", "transitions") for kind in kinds}
    found = {
        name: (sum(row[good] for row in quality), sum(row[total] for row in quality))
        for name, (good, total) in counts.items()
    }
    for name in STEP_TESTS:
        tested = [row for row in quality if name in row]
        found[name] = sum(row[name] for row in tested), sum(row["rollouts"] for row in tested)
    for row in explanation:
        found[f"explanation_{row['prompt']}"] = row["correct"], row["rollouts"]
        found[f"explanation_{row['prompt']}_exact"] = row["exact"], row["rollouts"]
    return [
        dict(zip(COLUMNS, (step, name, good, total, good / total, *wilson_interval(good, total)), strict=True))
        for name, (good, total) in found.items()
        if total
    ]


def write_metrics(path: pathlib.Path, rows: Sequence[Mapping]) -> None:
    """Appends the rows of one step to those of earlier steps in a CSV file; rows of later steps are dropped.

    A training run that resumes from a checkpoint measures again what was measured after it.
    """
    before = [row for row in read_metrics(path) if row["step"] < rows[0]["step"]]
    write_csv(path, COLUMNS, [*before, *rows])


def restore_metrics(path: pathlib.Path, rows: Sequence[Mapping]) -> str:
    """Gives the file of a training run that continues the rows that it had at its checkpoint.

    Returns:
      What was wrong with the file, after its name; "" where it began with these rows. Rows behind them, which a killed
      run had measured after its checkpoint, are measured again.
    """
    wanted = list(map(dict, rows))
    try:
        found = read_metrics(path)
        wrong = "" if found[: len(wanted)] == wanted else "lacks measurements, or has others than were made"
    except ValueError:
        wrong = "is damaged"
    if wanted:
        write_csv(path, COLUMNS, wanted)
    elif wrong:
        path.unlink()
    return wrong


def read_metrics(path: pathlib.Path) -> list[dict]:
    """The rows of `write_metrics`, numbers as numbers; [] where there is no file."""
    if not path.exists():
        return []
    return read_csv(path, step=int, count=int, total=int, rate=float, low=float, high=float)
