"""Tables of a run: aligned text for the terminal, at most 100 columns wide, and HTML for the page."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence

from kalm_jax.report import summary
from kalm_jax.report.summary import Difference, Share, Success
from kalm_jax.worlds.base import ReportLabels

MISSING = "-"
"""What stands where there is no number."""


def percent(share: Share | None) -> str:
    """ "71.2 [68.0, 74.1]": percent with its 95% interval; a dash for None or NaN."""
    if share is None or math.isnan(share.value):
        return MISSING
    return f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"


def points(share: Share | None) -> str:
    """ "+31.0 [+26.2, +35.8]": a difference in percentage points with its 95% interval."""
    if share is None or math.isnan(share.value):
        return MISSING
    return f"{100 * share.value:+.1f} [{100 * share.low:+.1f}, {100 * share.high:+.1f}]"


def steps(median: float) -> str:
    """A median number of steps, a dash where nothing succeeded."""
    return MISSING if math.isnan(median) else f"{median:g}"


def seeds_times_episodes(s: Success) -> str:
    """ "3 x 300": seeds and episodes of each, the mean where seeds differ."""
    return f"{s.seeds} x {s.episodes / s.seeds:.0f}"


def terminal_table(results: Iterable[Mapping], terms: ReportLabels) -> str:
    """The success table of result rows as text, at most 100 columns: a block for every level.

    The random baseline comes first, the expert last. Under the conditions of an algorithm stands the difference kalm -
    offline in points, and the share of the way from offline to oracle where an oracle was evaluated. Returns a sentence
    where there are no rows.
    """
    pooled = summary.successes(results)
    if not pooled:
        return "No policy was evaluated, so there is no success table."
    changes = summary.differences(pooled)
    lines = [f"Success in % with 95% intervals; median: {terms.steps} to success; episodes: seeds x episodes of each."]
    several = len({s.environment for s in pooled}) > 1
    for environment in sorted({s.environment for s in pooled}):
        for level in summary.levels_of(vars(s) for s in pooled if s.environment == environment):
            name = summary.LEVEL_NAMES.get(level, level)
            lines += [
                "",
                _line(f"{environment}, {name}" if several else name, "condition", *limits(terms), "median", "episodes"),
                "-" * 94,
            ]
            block = [s for s in pooled if s.level == level and s.environment == environment]
            lines += _level_lines(block, changes, pooled)
    return "\n".join(line.rstrip() for line in lines)


def limits(terms: ReportLabels) -> tuple[str, str]:
    """Titles of the two success columns."""
    return f"within {terms.horizon} {terms.steps}", f"within {terms.early_steps} {terms.steps}"


def _line(name: str, condition: str, within: str, early: str, median: str, episodes: str) -> str:
    return f"{name[:22]:<22} {condition[:13]:<13} {within:>21} {early:>21} {median:>6} {episodes:>8}"


def _level_lines(block: Sequence[Success], changes: Sequence[Difference], pooled: Sequence[Success]) -> list[str]:
    lines, learner = [], None
    for i, s in enumerate(block):
        name = summary.learner_name(s.algorithm, s.action_choice)
        condition = "" if s.algorithm in summary.REFERENCES else s.condition
        numbers = (percent(s.within), percent(s.early), steps(s.median_steps), seeds_times_episodes(s))
        lines.append(_line("" if name == learner else name, condition, *numbers))
        learner = name
        last = i + 1 == len(block) or summary.learner_name(block[i + 1].algorithm, block[i + 1].action_choice) != name
        change = next((d for d in changes if summary.same_learner(d, s)), None)
        if last and change is not None:
            lines.append(_line("", "kalm-offline", points(change.within), points(change.early), "", ""))
            way = summary.share_of_the_way(pooled, change)
            if not math.isnan(way):
                lines.append(_line("", "of the way", f"{100 * way:.0f}% to oracle", "", "", ""))
    return lines


def html_table(
    header: Sequence[str],
    rows: Iterable[Sequence],
    caption: str = "",
    kinds: Sequence[str] = (),
    text_columns: int = 1,
) -> str:
    """An HTML table; every text is escaped.

    Args:
      header: titles of the columns.
      rows: texts or numbers, one for every column; the first heads its row.
      caption: title of the table.
      kinds: CSS classes of the rows, in turn.
      text_columns: 1 or 2, the number of columns from the left that hold words, not numbers.
    """
    rows = list(rows)
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in header)
    body = []
    for i, row in enumerate(rows):
        kind = f' class="{html.escape(kinds[i])}"' if i < len(kinds) and kinds[i] else ""
        cells = "".join(f"<td>{html.escape(str(text))}</td>" for text in row[1:])
        body.append(f'<tr{kind}><th scope="row">{html.escape(str(row[0]))}</th>{cells}</tr>')
    note = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    inside = f"{note}<thead><tr>{head}</tr></thead>\n<tbody>" + "\n".join(body) + "</tbody>"
    look = "two-texts" if text_columns == 2 else "narrow" if len(header) == 2 else ""
    return f'<div class="table"><table class="{look}">{inside}</table></div>'


def success_html(pooled: Sequence[Success], environment: str, level: str, terms: ReportLabels) -> str:
    """The success table of one level of one environment, all algorithms, conditions and action choices."""
    block = [s for s in pooled if s.level == level and s.environment == environment and not s.family]
    rows, kinds, learner = [], [], None
    for s in block:
        reference = s.algorithm in summary.REFERENCES
        name = summary.learner_name(s.algorithm, s.action_choice)
        condition = "" if reference else s.condition
        numbers = (percent(s.within), percent(s.early), steps(s.median_steps), seeds_times_episodes(s))
        rows.append((name, condition, *numbers))
        kinds.append("reference" if reference else " ".join([condition] + ["first"] * (name != learner)))
        learner = name
    header = ("policy", "condition", *(f"% {title}" for title in limits(terms)), f"median {terms.steps}", "episodes")
    return html_table(header, rows, summary.LEVEL_NAMES.get(level, level), kinds, text_columns=2)


def family_html(results: Sequence[Mapping], environment: str, terms: ReportLabels) -> str:
    """Success by goal family, for the levels that have several; empty text where none has."""
    split = [s for s in summary.successes(results, by_family=True) if s.environment == environment]
    several = {
        lv for lv in summary.levels_of(vars(s) for s in split) if len({s.family for s in split if s.level == lv}) > 1
    }
    rows = [
        (
            f"{summary.LEVEL_NAMES.get(s.level, s.level)}: {s.family.replace('_', ' ')}",
            summary.learner_name(s.algorithm, s.action_choice),
            "" if s.algorithm in summary.REFERENCES else s.condition,
            percent(s.within),
            percent(s.early),
            steps(s.median_steps),
            s.episodes,
        )
        for s in split
        if s.level in several
    ]
    header = (
        "family",
        "policy",
        "condition",
        *(f"% {title}" for title in limits(terms)),
        f"median {terms.steps}",
        "episodes",
    )
    return html_table(header, rows, text_columns=2) if rows else ""


def difference_html(pooled: Sequence[Success], environment: str, terms: ReportLabels) -> str:
    """kalm - offline in points for every algorithm and level; empty text where no such pair was evaluated."""
    changes = [d for d in summary.differences(pooled) if d.environment == environment]
    ways = [summary.share_of_the_way(pooled, d) for d in changes]
    oracle = any(s.condition == "oracle" for s in pooled)
    rows, kinds = [], []
    for d, way in zip(changes, ways, strict=True):
        row = (
            summary.LEVEL_NAMES.get(d.level, d.level),
            summary.learner_name(d.algorithm, d.action_choice),
            points(d.within),
            points(d.early),
            verdict(d.within),
        )
        rows.append(row + ((MISSING if math.isnan(way) else f"{100 * way:.0f}%",) if oracle else ()))
        kinds.append("first" if not rows[:-1] or rows[-2][0] != row[0] else "")
    header = (
        "level",
        "policy",
        *(f"points within {n}" for n in (terms.horizon, terms.early_steps)),
        f"verdict at {terms.horizon}",
    )
    return html_table(header + (("of the way",) if oracle else ()), rows, kinds=kinds, text_columns=2) if rows else ""


def verdict(share: Share) -> str:
    """What a difference and its interval allow one to say."""
    if not share.clear_of_zero():
        return "no clear difference"
    return "kalm is ahead" if share.value > 0 else "kalm is behind"


def imagination_html(imagination: Sequence[Mapping], terms: ReportLabels) -> str:
    """Match rates of imagined rollouts by level and family, beside the paper's."""
    rows, kinds = [], []
    for level in summary.levels_of(imagination):
        mine = [row for row in imagination if str(row["level"]) == level]
        total = summary.sum_rows(mine, "level")[0]
        rows.append(_match_row(summary.LEVEL_NAMES.get(level, level), total, terms.paper_match.get(level)))
        kinds.append("first")
        parts = sorted(summary.sum_rows(mine, "family"), key=lambda row: row["family"])
        if len(parts) > 1:
            rows += [_match_row(f"· {part['family'].replace('_', ' ')}", part, None) for part in parts]
            kinds += [""] * len(parts)
    steps_seen = any(cell != MISSING for row in rows for cell in row[3:5])
    header = ["level", "rollouts", "match rate, %", "right push, %", "right movement, %", summary.PAPER_NAME + ", %"]
    if not steps_seen:
        header, rows = header[:3] + header[5:], [row[:3] + row[5:] for row in rows]
    return html_table(header, rows, "", kinds)


def _match_row(name: str, row: Mapping, paper: float | None) -> tuple[str, ...]:
    shares = [percent(summary.rate(row, good, "rollouts")) for good in ("matched", "actions_matched", "states_matched")]
    return name, f"{row['rollouts']:.0f}", *shares, MISSING if paper is None else str(paper)


def realism_html(imagination: Sequence[Mapping], terms: ReportLabels) -> str:
    """Unrealistic transitions of imagined rollouts by level, beside the paper's."""
    totals = {row["level"]: row for row in summary.sum_rows(imagination, "level")}
    rows = []
    for level in summary.levels_of(imagination):
        row = totals[level]
        shares = [percent(summary.rate(row, f"{kind}_transitions", "transitions")) for kind in terms.unrealistic]
        paper = terms.paper_unrealistic.get(level)
        count = f"{row.get('transitions', 0):.0f}"
        beside = MISSING if paper is None else " / ".join(map(str, paper))
        rows.append((summary.LEVEL_NAMES.get(level, level), count, *shares, beside))
    header = ("level", "transitions", *(f"{x}, %" for x in terms.unrealistic.values()), summary.PAPER_NAME + ", %")
    return html_table(header, rows)


def replayed_html(replayed: Sequence[Mapping], terms: ReportLabels) -> str:
    """What becomes of imagined rollouts in the simulator, by level and family, each share beside its random floor."""
    rows, kinds = [], []
    for level in summary.levels_of(replayed):
        mine = [row for row in replayed if str(row["level"]) == level]
        parts = sorted(summary.sum_rows(mine, "family"), key=lambda row: row["family"])
        rows.append(_replayed_row(summary.LEVEL_NAMES.get(level, level), summary.sum_rows(mine, "level")[0]))
        kinds.append("first")
        if len(parts) > 1:
            rows += [_replayed_row(f"· {part['family'].replace('_', ' ')}", part) for part in parts]
            kinds += [""] * len(parts)
    limit = f"{terms.horizon} {terms.steps}"
    header = ("level", "rollouts", "as imagined, %", "open loop, %", "open loop, of those that match, %")
    header += ("closed loop, as many, %", "random, as many, %", f"closed loop, {limit}, %", f"random, {limit}, %")
    return html_table(header, rows, "", kinds)


def _replayed_row(name: str, row: Mapping) -> tuple[str, ...]:
    shares = [summary.rate(row, good, "rollouts") for good in ("matched", "open")]
    shares.append(summary.rate(row, "open_matched", "matched"))
    shares += [summary.rate(row, f"{who}{end}", "rollouts") for end in ("_in_time", "") for who in ("closed", "random")]
    return name, f"{row['rollouts']:.0f}", *map(percent, shares)


def explanation_html(explanation: Sequence[Mapping], terms: ReportLabels) -> str:
    """Explanation accuracy by prompt, beside the paper's."""
    rows = []
    for row in summary.sum_rows(explanation, "prompt"):
        right, exact = (summary.rate(row, key, "rollouts") for key in ("correct", "exact"))
        paper = terms.paper_explanation if row["prompt"] in ("seen", "unseen") else MISSING
        rows.append((f"{row['prompt']} prompt", f"{row['rollouts']:.0f}", percent(right), percent(exact), paper))
    header = ("prompt", "rollouts", *(f"{x}, %" for x in terms.explained), summary.PAPER_NAME + ", %")
    return html_table(header, rows)


def mapping_html(mapping: Mapping, header: tuple[str, str], prefix: str = "") -> str:
    """A two-column table of a mapping; nested mappings are opened, with their names joined by dots."""
    return html_table(header, list(_flat(mapping, prefix)))


def _flat(mapping: Mapping, prefix: str) -> Iterable[tuple[str, str]]:
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, float):
            yield f"{prefix}{key}", f"{value:.6g}"
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", ", ".join(f"{x:.6g}" if isinstance(x, float) else str(x) for x in value)
        else:
            yield f"{prefix}{key}", str(value)
