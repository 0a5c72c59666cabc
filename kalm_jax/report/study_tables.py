"""Tables in Markdown of a study: the rows of `report.study` for readers."""

from __future__ import annotations

from collections.abc import Sequence

from kalm_jax.evaluation.statistics import FEWEST_VALUES
from kalm_jax.report.study import LIMITS, Row
from kalm_jax.report.summary import COMPARED, RANDOM, learner_name, level_name, rank
from kalm_jax.report.tables import MISSING, told_table
from kalm_jax.worlds.labels import ReportLabels

TITLES = {
    "matched_early": "reach their goal within {early} {steps}, as imagined",
    "matched": "reach their goal, as imagined",
    "direction_early": "reach one with a random direction within {early}",
    "direction_matched": "reach one with a random direction",
    "relation_early": "reach a random relation within {early}",
    "relation_matched": "reach a random relation",
    "kept": "reach their goal without an unrealistic transition",
    "ended": "end as if they reached it",
    "learned": "and without an unrealistic transition: policies learn from them",
    "actions_matched": "first action is the right one",
    "states_matched": "first step moves as asked",
    "open": "reach their goal when their actions are replayed in the simulator",
    "open_matched": "the same, of those that reach it as imagined",
    "closed": "reach it when imagined again after every real step",
    "closed_in_time": "the same, in as many steps as were imagined",
    "random": "random actions reach it",
    "random_in_time": "the same, in as many steps as were imagined",
}
"""What is counted of imagined rollouts -> what it is called."""
STAGES = {"imagine": "", "imagine-privileged": "kalm-privileged: ", "replayed": "replayed: "}
"""Stage -> what stands before its titles."""
SENTENCE_NAMES = {"new": "new sentences", "met": "sentences that were met", "any": "baselines"}
ABOUT = """\
Success within {early} {steps} comes first, and the whole episode has {horizon}. IQM is the interquartile mean over
groundings. In brackets are 95% intervals by a bootstrap over groundings and sentence templates, with Student's
quantile; below {fewest} groundings there are none. Ranges are those of the groundings. Nothing was imagined for the
templates of "new" sentences, and no policy was trained with them. Sentences that were "met" are those that policies
were trained with. Differences are paired by grounding. P(improvement) is the chance that a grounding of the first
condition does better than one of the second; where all do, its interval has no length. All pairs of conditions are in
study.csv."""
Key = tuple[str, ...]


def markdown(rows: Sequence[Row], labels: ReportLabels) -> str:
    """All tables of a study: an overview, then each level and set of sentences, families, and imagined rollouts."""
    about = ABOUT.format(early=labels.early_steps, horizon=labels.horizon, steps=labels.steps, fewest=FEWEST_VALUES)
    parts = ["## Overview", overview(rows, labels), about]
    success = [row for row in rows if row["table"] == "success"]
    for level, sentences in dict.fromkeys((row["level"], row["sentences"]) for row in success):
        if sentences == "any":
            continue
        parts.append(f"## {level_name(level).capitalize()}, {SENTENCE_NAMES.get(sentences, sentences)}")
        mine = [row for row in rows if row["level"] == level and row["sentences"] in (sentences, "any")]
        tables = (_success_table(mine, labels), _difference_table(mine, labels), _family_table(mine, labels))
        parts += [text for text in tables if text]
    told = told_table([row["condition"] for row in success], labels.readings)
    if told.rows:
        parts += ["## Conditions", _table(told.header, told.rows)]
    for title, text in (
        ("Imagined rollouts", _imagined_table(rows, labels)),
        ("Explanations", _explanation_table(rows, labels)),
    ):
        parts += [f"## {title}", text] if text else []
    return "\n\n".join(parts)


def overview(rows: Sequence[Row], labels: ReportLabels) -> str:
    """The interquartile mean of every condition at all levels, with new sentences where there are any."""
    mine = [r for r in rows if (r["table"], r["measure"], r["family"]) == ("success", "iqm", "")]
    levels = list(dict.fromkeys(row["level"] for row in mine))
    new = {row["level"] for row in mine if row["sentences"] == "new"}
    shown = {level: "new" if level in new else "met" for level in levels}
    found = {
        (r["algorithm"], r["action_choice"], r["condition"], r["level"], r["limit"]): r
        for r in mine
        if r["sentences"] in ("any", shown[r["level"]])
    }
    lines = []
    for cell in dict.fromkeys(key[:3] for key in found):
        cells = []
        for level in levels:
            both = [found.get((*cell, level, limit)) for limit in LIMITS]
            cells.append(" / ".join(_percent(row) for row in both))
        lines.append([*_names(*cell), *cells])
    limits = f"within {labels.early_steps} / within {labels.horizon} {labels.steps}"
    header = ["policy", "condition", *(f"{level_name(level)} ({shown[level]})" for level in levels)]
    return f"Interquartile mean of success in %, {limits}:\n\n{_table(header, lines)}"


def _success_table(rows: Sequence[Row], labels: ReportLabels) -> str:
    found = _by(rows, "success", ("algorithm", "action_choice", "condition"))
    lines = []
    for cell, numbers in found.items():
        cells = []
        for limit in LIMITS:
            iqm, mean = numbers[limit, "iqm"], numbers[limit, "mean"]
            cells += [_percent(iqm), _percent(mean), _range(mean)]
        lines.append([*_names(*cell), *cells])
    titles = [
        f"{what} within {n}, %" for n in (labels.early_steps, labels.horizon) for what in ("IQM", "mean", "range")
    ]
    return _table(["policy", "condition", *titles], lines)


def _difference_table(rows: Sequence[Row], labels: ReportLabels) -> str:
    found = _by(rows, "difference", ("algorithm", "action_choice", "condition", "base"))
    lines = []
    for (algorithm, choice, condition, base), numbers in found.items():
        if (condition, base) not in COMPARED:
            continue
        cells = []
        for limit in LIMITS:
            gap, better = numbers[limit, "mean"], numbers[limit, "probability_of_improvement"]
            cells += [_percent(gap, "+"), _range(gap, "+"), _percent(better)]
        lines.append([learner_name(algorithm, choice), f"{condition} - {base}", *cells])
    kinds = ("points", "range", "P(improvement), %")
    titles = [f"{what} within {n}" for n in (labels.early_steps, labels.horizon) for what in kinds]
    return _table(["policy", "difference", *titles], lines) if lines else ""


def _family_table(rows: Sequence[Row], labels: ReportLabels) -> str:
    found = _by(rows, "success", ("family", "algorithm", "action_choice", "condition"), families=True)
    lines = [
        [family.replace("_", " "), *_names(*cell), *(_percent(numbers[limit, "iqm"]) for limit in LIMITS)]
        for (family, *cell), numbers in found.items()
    ]
    titles = [f"IQM within {n}, %" for n in (labels.early_steps, labels.horizon)]
    return _table(["family", "policy", "condition", *titles], lines) if lines else ""


def _imagined_table(rows: Sequence[Row], labels: ReportLabels) -> str:
    mine = [r for r in rows if (r["table"], r["family"]) == ("imagined", "") and r["level"]]
    levels = list(dict.fromkeys(row["level"] for row in mine))
    titles = TITLES | {f"{kind}_transitions": f"transitions {name}" for kind, name in labels.unrealistic.items()}
    stages, names = list(STAGES), list(titles)
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in mine:
        stage, _, name = row["measure"].partition("/")
        found.setdefault((stage, name), {})[row["level"]] = row
    lines = []
    for stage, name in sorted(found, key=lambda key: (rank(stages, key[0]), rank(names, key[1]))):
        what = titles.get(name, name.replace("_", " ")).format(early=labels.early_steps, steps=labels.steps)
        cells = [_with_range(found[stage, name].get(level)) for level in levels]
        lines.append([STAGES.get(stage, f"{stage}: ") + what, *cells])
    return _table(["mean (range), %", *map(level_name, levels)], lines) if lines else ""


def _explanation_table(rows: Sequence[Row], labels: ReportLabels) -> str:
    explained = dict(zip(("correct", "exact"), labels.explained))
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        if row["table"] == "imagined" and not row["level"]:
            prompt, _, what = row["measure"].partition("/")[2].rpartition(", ")
            found.setdefault(prompt, {})[what] = row
    lines = [[prompt, *(_with_range(line.get(what)) for what in explained)] for prompt, line in found.items()]
    return _table(["prompt", *(f"{name}, mean (range), %" for name in explained.values())], lines) if lines else ""


def _by(
    rows: Sequence[Row], table: str, key: Sequence[str], families: bool = False
) -> dict[Key, dict[tuple[str, str], Row]]:
    """Key of a line -> (limit, measure) -> row, of a table's rows with or without a family."""
    found: dict[Key, dict[tuple[str, str], Row]] = {}
    for row in rows:
        if row["table"] == table and bool(row["family"]) == families:
            line = found.setdefault(tuple(row[name] for name in key), {})
            line[row["limit"], row["measure"]] = row
    return found


def _names(algorithm: str, choice: str, condition: str) -> list[str]:
    if algorithm != condition:
        return [learner_name(algorithm, choice), condition]
    return ["random baseline" if algorithm == RANDOM else f"{algorithm} (expert)", ""]


def _percent(row: Row | None, sign: str = "") -> str:
    if row is None:
        return MISSING
    value = f"{100 * row['value']:{sign}.1f}"
    return value if row["low"] == "" else f"{value} [{100 * row['low']:{sign}.1f}, {100 * row['high']:{sign}.1f}]"


def _with_range(row: Row | None) -> str:
    return MISSING if row is None else f"{_percent(row)} ({_range(row)})"


def _range(row: Row, sign: str = "") -> str:
    return f"{100 * row['least']:{sign}.1f} to {100 * row['most']:{sign}.1f}"


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *lines))
