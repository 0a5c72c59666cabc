"""Rows of `study.csv`: success, differences and imagined rollouts over several groundings, from what their runs wrote.

A row is one number. Rates and differences are fractions. Dimension letters: G groundings, T templates.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kalm_jax.evaluation import bootstrap
from kalm_jax.evaluation.bootstrap import Estimate, Scores, estimate
from kalm_jax.report.summary import RANDOM, rank
from kalm_jax.types import LEVELS

COLUMNS = tuple(
    "table algorithm action_choice condition base level sentences family limit measure value low high least most "
    "grounding groundings episodes".split()
)
"""Columns of a row:

  table: "success"; "grounding", of one grounding; "difference", of `condition` minus `base`; or "imagined".
  sentences: "met", "new", or "any" of baselines. family: of goals; empty for all of the level together.
  limit: "early" or "horizon", the limit of steps.
  measure: iqm, mean, rate or probability_of_improvement; of imagined rollouts the stage and what it counts.
  value, low, high: with its 95% interval, empty where there is none. least, most: its range over groundings.
  grounding: its number, of a row of one. groundings, episodes: how many are behind the number.
"""
LIMITS = {"early": 1, "horizon": 2}
"""Limit of steps -> its place in the counts of a `Tally`; the first is the primary one."""
SENTENCES = ("any", "new", "met")
"""Sets of sentences in the order of tables."""
Tally = Mapping[tuple[str, ...], np.ndarray]
"""(algorithm, action choice, condition, level, sentences, family, template) -> (3,) episodes, and those that succeed
within the early limit and within the horizon."""
KEY = ("algorithm", "action_choice", "condition", "level", "sentences", "family", "template")
Row = dict[str, Any]
"""`COLUMNS` -> numbers and texts."""


def tally_episodes(rows: Iterable[Mapping[str, Any]], early_steps: int) -> Tally:
    """Counts of the rows of a run's `episodes.csv`."""
    found: dict[tuple[str, ...], np.ndarray] = collections.defaultdict(lambda: np.zeros(3, np.int64))
    for row in rows:
        success = int(row["success"])
        found[tuple(str(row[name]) for name in KEY)] += (1, success and int(row["steps"]) <= early_steps, success)
    return dict(found)


Group = tuple[str, str, str]
"""Level, sentences, and family of goals, "" for all."""
Cell = tuple[str, str, str]
"""Algorithm, action choice and condition."""


def _arranged(tallies: Mapping[int, Tally]) -> dict[Group, dict[Cell, dict[tuple[str, str], np.ndarray]]]:
    """Group -> cell -> (family, template) -> (G, 3) counts; families alone where a level has several."""
    groups: dict[Group, dict[Cell, dict[tuple[str, str], np.ndarray]]] = {}
    families: dict[str, set[str]] = collections.defaultdict(set)
    for place, tally in enumerate(tallies.values()):
        for (*cell, level, sentences, family, template), counts in tally.items():
            families[level].add(family)
            for part in ("", family):
                cells = groups.setdefault((level, sentences, part), {})
                templates = cells.setdefault((cell[0], cell[1], cell[2]), {})
                templates.setdefault((family, template), np.zeros((len(tallies), 3)))[place] += counts
    return {group: cells for group, cells in groups.items() if not group[2] or len(families[group[0]]) > 1}


def success_rows(tallies: Mapping[int, Tally], conditions: Sequence[str]) -> list[Row]:
    """The rows "success", "grounding" and "difference" of G groundings, whose numbers are the keys.

    Differences are of every condition and each one before it in `conditions`, of the same learner and action choice.

    Raises:
      ValueError: a grounding lacks what another one has, such as a condition.
    """
    rows: list[Row] = []
    groups = _arranged(tallies)
    for group in sorted(groups, key=lambda g: (rank(LEVELS, g[0]), rank(SENTENCES, g[1]), g[2])):
        cells = groups[group]
        templates = sorted({name for counts in cells.values() for name in counts})
        draws = bootstrap.draw(len(tallies), [family for family, _ in templates])
        empty = np.zeros((len(tallies), 3))
        order = sorted(cells, key=lambda c: (_is_baseline(c), c[0] != RANDOM, c[:2], rank(conditions, c[2])))
        scores: dict[Cell, dict[str, Scores]] = {}
        for cell in order:
            counts = np.stack([cells[cell].get(name, empty) for name in templates], 1)  # (G, T, 3)
            scores[cell] = {
                limit: bootstrap.score(counts[..., place], counts[..., 0], draws) for limit, place in LIMITS.items()
            }
            rows += _success(group, cell, scores[cell], list(tallies), int(counts[..., 0].sum()))
        if not group[2]:
            pairs = [(new, base) for new in order for base in order if _compared(new, base, conditions)]
            rows += [row for new, base in pairs for row in _difference(group, new, base[2], scores[new], scores[base])]
    return rows


def _is_baseline(cell: Cell) -> bool:
    return cell[0] == cell[2]


def _compared(new: Cell, base: Cell, conditions: Sequence[str]) -> bool:
    known = all(cell[2] in conditions for cell in (new, base))
    return known and new[:2] == base[:2] and conditions.index(new[2]) > conditions.index(base[2])


def _success(
    group: Group, cell: Cell, scores: Mapping[str, Scores], numbers: Sequence[int], episodes: int
) -> Iterator[Row]:
    for limit, found in scores.items():
        about = _about(group, cell, limit=limit, groundings=len(found.own), episodes=episodes)
        about |= {"least": found.own.min(), "most": found.own.max()}
        for measure, statistic in (("iqm", bootstrap.interquartile_mean), ("mean", bootstrap.mean)):
            yield _row("success", about, measure, estimate(statistic, found))
        for number, value in zip(numbers, found.own, strict=True):
            alone = _about(group, cell, limit=limit, grounding=number)
            yield _row("grounding", alone, "rate", Estimate(value, math.nan, math.nan))


def _difference(
    group: Group, cell: Cell, base: str, new: Mapping[str, Scores], old: Mapping[str, Scores]
) -> Iterator[Row]:
    for limit in LIMITS:
        pair, gaps = (new[limit], old[limit]), new[limit].own - old[limit].own
        about = _about(group, cell, base=base, limit=limit, groundings=len(gaps))
        ends = {"least": gaps.min(), "most": gaps.max()}
        mean = estimate(bootstrap.mean_difference, *pair, lowest=-1)
        yield _row("difference", about | ends, "iqm", estimate(bootstrap.interquartile_difference, *pair, lowest=-1))
        yield _row("difference", about | ends, "mean", mean)
        better = estimate(bootstrap.probability_of_improvement, *pair)
        yield _row("difference", about, "probability_of_improvement", better)


def _about(group: Group, cell: Cell, **more: Any) -> Row:
    names = dict(zip(("level", "sentences", "family"), group)) | dict(zip(KEY, cell))
    return names | more


def _row(table: str, about: Mapping[str, Any], measure: str, found: Estimate) -> Row:
    row = {"table": table, "measure": measure, **about, "value": found.value, "low": found.low, "high": found.high}
    return {name: _kept(row.get(name, "")) for name in COLUMNS}


def _kept(value: Any) -> Any:
    """A number as it is written: no more digits than anybody needs, and nothing for NaN."""
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else round(float(value), 6)


def imagined_rows(runs: Sequence[Mapping[str, Sequence[Mapping[str, Any]]]]) -> list[Row]:
    """The rows "imagined": shares of what stages count, by level and family, with mean and range over groundings.

    `runs` are for each grounding: stage, such as "imagine" or "explain" -> rows of counts. Rows of explanations have no
    level, and their prompt is a part of the measure.
    """
    shares: dict[tuple[str, str, str], list[float]] = collections.defaultdict(list)
    for run in runs:
        for stage, counted in run.items():
            for (level, family, prompt), sums in _sums(counted).items():
                prefix = f"{stage}/{prompt}, " if prompt else f"{stage}/"
                for name, count in sums.items():
                    total = sums.get(_total(name, sums), 0)
                    if total:
                        shares[level, family, prefix + name].append(count / total)
    rows = []
    for (level, family, measure), found in sorted(shares.items(), key=lambda item: rank(LEVELS, item[0][0])):
        about = {"level": level, "family": family, "least": min(found), "most": max(found), "groundings": len(found)}
        rows.append(_row("imagined", about, measure, Estimate(float(np.mean(found)), math.nan, math.nan)))
    return rows


def _total(name: str, counts: Mapping[str, float]) -> str:
    """What a count is a share of; "" of what is a total itself.

    `<floor>_matched` and `<floor>_early` are of `<floor>_rollouts`, `<kind>_transitions` of `transitions`.
    """
    if name == "transitions" or name.endswith("rollouts"):
        return ""
    if name == "open_matched":
        return "matched"
    if name.endswith("_transitions"):
        return "transitions"
    own = f"{name.rpartition('_')[0]}_rollouts"
    return own if own in counts else "rollouts"


def _sums(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str], dict[str, float]]:
    """(level, family, prompt) -> counts added up; family "" is the whole level, others where there are several."""
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    families = {(row.get("level"), row.get("family")) for row in rows}
    several = {level for level, _ in families if sum(other == level for other, _ in families) > 1}
    for row in rows:
        level, family, prompt = (str(row.get(name, "")) for name in ("level", "family", "prompt"))
        for part in ("", family) if level in several else ("",):
            sums = found.setdefault((level, part, prompt), collections.defaultdict(float))
            for name, value in row.items():
                if isinstance(value, int | float):
                    sums[name] += value
    return found
