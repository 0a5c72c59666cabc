"""Tables of a run: aligned text for the terminal, at most 100 columns wide, and `Table`s for the page's template.

A function that returns `Table | None` returns None where the run has nothing to show.
"""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from kalm_jax.report import measures, summary
from kalm_jax.report.summary import Difference, Share, Success
from kalm_jax.worlds.labels import ReportLabels

MISSING = "-"
"""What stands where there is no number."""
STAGE_NAMES = {
    "collect": "collecting rollouts",
    "ground": "grounding the language model",
    "planner": "training the language model that writes subgoals",
    "encoder": "reading the language model of goal vectors",
    "encode": "encoding goals",
    "relabel": "looking for novel goals in the real rollouts",
    "relabel+translate": "looking for subgoals of novel goals in the real rollouts",
    "imagine": "imagining rollouts",
    "replayed": "playing imagined rollouts in the simulator",
    "explain": "explaining rollouts",
    "oracle": "collecting rollouts of the novel goals",
    "learn": "learning policies",
    "evaluate": "evaluating policies, baselines and the expert",
    "prompts": "your own prompts",
}
"""Kind of stage, the first part of its folder's name -> what it does."""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
      header: titles of the columns.
      rows: texts or numbers, one for every column; the first heads its row.
      classes: CSS classes of the rows, in turn.
      caption: title of the table.
      text_columns: 1 or 2, the number of columns from the left that hold words, not numbers.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    classes: Sequence[str] = ()
    caption: str = ""
    text_columns: int = 1


def percent(share: Share | None, sign: str = "") -> str:
    """ "71.2 [68.0, 74.1]": percent with its 95% interval; a dash for None or NaN."""
    if share is None or math.isnan(share.value):
        return MISSING
    return f"{100 * share.value:{sign}.1f} [{100 * share.low:{sign}.1f}, {100 * share.high:{sign}.1f}]"


def points(share: Share) -> str:
    """ "+31.0 [+26.2, +35.8]": a difference in percentage points with its 95% interval."""
    return percent(share, "+")


def verdict(change: Difference) -> str:
    """What a difference within the stricter limit and its interval allow one to say."""
    if not change.early.clear_of_zero():
        return "no clear difference"
    return f"{change.new.condition} is {'ahead' if change.early.value > 0 else 'behind'}"


def limits(labels: ReportLabels) -> tuple[str, str]:
    """Titles of the two success columns."""
    return f"within {labels.early_steps} {labels.steps}", f"within {labels.horizon} {labels.steps}"


def _whole_percent(fraction: float) -> str:
    return MISSING if math.isnan(fraction) else f"{100 * fraction:.0f}%"


def _cells(s: Success) -> tuple[str, str, str, str]:
    """Success within both limits, the median number of steps, and "3 x 300": seeds and episodes of each (the mean)."""
    median = MISSING if math.isnan(s.median_steps) else f"{s.median_steps:g}"
    return percent(s.early), percent(s.within), median, f"{s.seeds} x {s.episodes / s.seeds:.0f}"


# For the terminal


def terminal_table(results: Iterable[Mapping], labels: ReportLabels, noise: str | None = None) -> str:
    """The success table of result rows as text, at most 100 columns wide: a block for every level.

    Novel levels are shown for new sentences. A block begins with the random baseline and ends with the expert. Below
    the conditions of a learner are the differences `summary.COMPARED` in points and, where an oracle was evaluated, the
    share of its gain. Returns a sentence where there are no rows. `noise` is the last line (`measures.noise`); None
    judges by the rows alone.
    """
    results = list(results)
    pooled = summary.headline(summary.successes(results))
    if not pooled:
        return "No policy was evaluated, so there is no success table."
    changes = summary.compared(pooled, privileged=False)
    lines = [f"Success in % with 95% intervals; median: {labels.steps} to success; episodes: seeds x episodes of each."]
    if any(s.sentences == "new" for s in pooled):
        lines.append("Novel goals are asked for in new sentences, which nothing was imagined for or trained with.")
    used = [condition for condition in summary.TOLD if condition in {s.condition for s in pooled}]
    for condition in used:
        learned, *_ = summary.TOLD[condition]
        lines += textwrap.wrap(f"{condition}: {learned}.", 100, subsequent_indent="  ")
    for level in summary.in_order(s.level for s in pooled):
        title = summary.level_name(level)
        lines += ["", _line(title, "condition", *limits(labels), "median", "episodes"), "-" * 99]
        lines += _level_lines([s for s in pooled if s.level == level], changes, pooled)
    noise = measures.noise(**measures.amounts_of(results)) if noise is None else noise
    lines += ["", *textwrap.wrap(noise, 100)] if noise else []
    return "\n".join(line.rstrip() for line in lines)


def _line(name: str, condition: str, early: str, within: str, median: str, episodes: str) -> str:
    return f"{name[:21]:<21} {condition[:17]:<17} {early:>21} {within:>21} {median:>6} {episodes:>8}"


def _level_lines(block: Sequence[Success], changes: Sequence[Difference], pooled: Sequence[Success]) -> Iterator[str]:
    for i, s in enumerate(block):
        first = i == 0 or block[i - 1].name != s.name
        yield _line(s.name if first else "", s.condition_name, *_cells(s))
        if i + 1 < len(block) and block[i + 1].name == s.name:
            continue
        for change in (d for d in changes if d.base.learner == s.learner):
            names = {"kalm+translate": "k+t", "relabel+translate": "r+t", "kalm-privileged": "k-p"}
            pair = " - ".join(names.get(side.condition, side.condition) for side in (change.new, change.base))
            yield _line("", pair, points(change.early), points(change.within), "", "")
            if change.base.condition != "offline":
                continue
            gain = summary.oracle_gain_share(pooled, change)
            if not math.isnan(gain):
                yield _line("", "oracle's gain", f"{_whole_percent(gain)} of it", "", "", "")


# For the page


def success_table(pooled: Sequence[Success], level: str, labels: ReportLabels) -> Table:
    """Success at one level: all algorithms, conditions and action choices."""
    block = [s for s in pooled if s.level == level and not s.family]
    firsts = [i == 0 or block[i - 1].name != s.name for i, s in enumerate(block)]
    classes = [
        "baseline" if s.is_baseline else " ".join([s.condition] + ["first"] * first)
        for s, first in zip(block, firsts, strict=True)
    ]
    header = ("policy", "condition", *(f"% {title}" for title in limits(labels)), f"median {labels.steps}", "episodes")
    rows = [(s.name, s.condition_name, *_cells(s)) for s in block]
    return Table(header, rows, classes, summary.level_name(level), text_columns=2)


def family_table(results: Sequence[Mapping], labels: ReportLabels) -> Table | None:
    """Success by family of goals, for the levels that have several."""
    split = summary.headline(summary.successes(results, by_family=True))
    families = {s.level: {other.family for other in split if other.level == s.level} for s in split}
    rows = [
        (
            f"{summary.level_name(s.level)}: {s.family.replace('_', ' ')}",
            s.name,
            s.condition_name,
            *_cells(s)[:3],
            s.episodes,
        )
        for s in split
        if len(families[s.level]) > 1
    ]
    titles = (*(f"% {title}" for title in limits(labels)), f"median {labels.steps}", "episodes")
    return Table(("family", "policy", "condition", *titles), rows, text_columns=2) if rows else None


def difference_table(pooled: Sequence[Success], labels: ReportLabels) -> Table:
    """What imagination adds to offline, in points, by algorithm and level, and its share of an oracle's gain."""
    changes = summary.differences(pooled)
    oracle = any(s.condition == "oracle" for s in pooled)
    rows, classes = [], []
    for i, d in enumerate(changes):
        row = (
            summary.level_name(d.new.level),
            d.new.name,
            points(d.early),
            points(d.within),
            verdict(d),
        )
        rows.append(row + ((_whole_percent(summary.oracle_gain_share(pooled, d)),) if oracle else ()))
        classes.append("first" if i == 0 or changes[i - 1].new.level != d.new.level else "")
    header = ["level", "policy", *(f"points {n}" for n in limits(labels)), f"verdict at {labels.early_steps}"]
    return Table(header + ["share of the oracle's gain"] * oracle, rows, classes, text_columns=2)


def control_table(pooled: Sequence[Success], labels: ReportLabels) -> Table | None:
    """Differences in points to conditions other than offline, see `summary.COMPARED`."""
    rows = [
        (
            summary.level_name(d.new.level),
            d.new.name,
            f"{d.new.condition} - {d.base.condition}",
            points(d.early),
            points(d.within),
            verdict(d),
        )
        for d in summary.compared(pooled)
        if d.base.condition != "offline"
    ]
    header = ["level", "policy", "difference", *(f"points {n}" for n in limits(labels))]
    return Table([*header, f"verdict at {labels.early_steps}"], rows, text_columns=3) if rows else None


def sentences_table(every: Sequence[Success], labels: ReportLabels) -> Table | None:
    """Success with sentences that policies were trained with beside new ones; None in a run without new ones."""
    met = {(s.learner[0], s.level, s.action_choice, s.condition): s for s in every if s.sentences == "met"}
    rows = []
    for s in every:
        other = met.get((s.learner[0], s.level, s.action_choice, s.condition))
        if s.sentences == "new" and other is not None:
            cells = [percent(x) for x in (s.early, other.early, s.within, other.within)]
            rows.append((summary.level_name(s.level), s.name, s.condition, *cells))
    titles = [f"{kind} sentences, {title}" for title in limits(labels) for kind in ("new", "met")]
    return Table(["level", "policy", "condition", *titles], rows, text_columns=3) if rows else None


def told_table(conditions: Collection[str], readings: str, real_alone: Collection[str] = ()) -> Table:
    """What each condition learns from, and what it is told; `readings` is `ReportLabels.readings`.

    Of the conditions in `real_alone` it says that nothing that was imagined was kept.
    """
    header = ("condition", "learns from", "what training is told", "what policies are told in tests")
    rows = []
    for name, (learned, *told) in summary.TOLD.items():
        if name in conditions:
            learned = "real rollouts alone, as no imagined one was kept" if name in real_alone else learned
            rows.append((name, learned, *(text.format(readings=readings) for text in told)))
    return Table(header, rows, text_columns=4)


def _level_rows(
    counts: Sequence[Mapping], cells: Callable[[Mapping, str], tuple[str, ...]]
) -> tuple[list[tuple[str, ...]], list[str]]:
    """Rows and classes: one row for every level and, where it has several, one for every family below it.

    `cells` makes the cells from the added-up counts and the level ("" for a family).
    """
    parts = summary.by_level_and_family(counts)
    rows = [(name if whole else f"· {name}", *cells(row, level if whole else "")) for level, name, whole, row in parts]
    return rows, ["first" if whole else "" for _, _, whole, _ in parts]


def match_table(imagination: Sequence[Mapping], labels: ReportLabels) -> Table:
    """Match rates of imagined rollouts by level and family, with the floors of other goals, beside the paper's."""
    shown = {"matched": ("rollouts", "match rate, %")}
    if any("matched_early" in row for row in imagination):
        early = f"within {labels.early_steps}"
        shown = {"matched_early": ("rollouts", f"match rate {early}, %"), **shown}
        floors = [key.removesuffix("_early") for row in imagination for key in row if key.endswith("_early")]
        for floor in dict.fromkeys(floor for floor in floors if floor != "matched"):
            shown[f"{floor}_early"] = (f"{floor}_rollouts", f"a random {floor} {early}, %")
            shown[f"{floor}_matched"] = (f"{floor}_rollouts", f"a random {floor}, %")
    if any("actions_matched" in row for row in imagination):
        shown["actions_matched"] = ("rollouts", "right action, %")
        shown["states_matched"] = ("rollouts", "right movement, %")

    def cells(row: Mapping, level: str) -> tuple[str, ...]:
        shares = [percent(summary.rate(row, good, total)) for good, (total, _) in shown.items()]
        return f"{row['rollouts']:.0f}", *shares, str(labels.paper_match.get(level, MISSING))

    header = ["level", "rollouts", *(title for _, title in shown.values())]
    return Table([*header, f"{summary.PAPER_NAME}, %"], *_level_rows(imagination, cells))


def realism_table(imagination: Sequence[Mapping], labels: ReportLabels) -> Table:
    """Unrealistic transitions of imagined rollouts by level, beside the paper's."""
    totals = {row["level"]: row for row in summary.sum_rows(imagination, "level")}
    rows = []
    for level in summary.in_order(row["level"] for row in imagination):
        row, paper = totals[level], labels.paper_unrealistic.get(level)
        shares = [percent(summary.rate(row, f"{kind}_transitions", "transitions")) for kind in labels.unrealistic]
        beside = MISSING if paper is None else " / ".join(map(str, paper))
        rows.append((summary.level_name(level), f"{row.get('transitions', 0):.0f}", *shares, beside))
    kinds = [f"{name}, %" for name in labels.unrealistic.values()]
    return Table(["level", "transitions", *kinds, f"{summary.PAPER_NAME}, %"], rows)


def replay_table(replayed: Sequence[Mapping], labels: ReportLabels) -> Table:
    """What imagined rollouts reach in the simulator, by level and family, beside random actions."""
    counts = [("matched", "rollouts"), ("open", "rollouts"), ("open_matched", "matched")]
    counts += [(f"{who}{end}", "rollouts") for end in ("_in_time", "") for who in ("closed", "random")]

    def cells(row: Mapping, level: str) -> tuple[str, ...]:
        return f"{row['rollouts']:.0f}", *(percent(summary.rate(row, good, total)) for good, total in counts)

    limit = f"{labels.horizon} {labels.steps}"
    header = ["level", "rollouts", "as imagined, %", "open loop, %", "open loop, of those that match, %"]
    header += ["closed loop, as many, %", "random, as many, %", f"closed loop, {limit}, %", f"random, {limit}, %"]
    return Table(header, *_level_rows(replayed, cells))


def explanation_table(explanation: Sequence[Mapping], labels: ReportLabels) -> Table:
    """Explanation accuracy by prompt, beside the paper's."""
    rows = []
    for row in summary.sum_rows(explanation, "prompt"):
        shares = [percent(summary.rate(row, key, "rollouts")) for key in ("correct", "exact")]
        paper = labels.paper_explanation if row["prompt"] in ("seen", "unseen") else MISSING
        wording, _, choice = str(row["prompt"]).partition(",")
        name = f"{wording} prompt,{choice}" if choice else f"{wording} prompt"
        rows.append((name, f"{row['rollouts']:.0f}", *shares, paper))
    kinds = [f"{name}, %" for name in labels.explained]
    return Table(["prompt", "rollouts", *kinds, f"{summary.PAPER_NAME}, %"], rows)


def prompt_table(prompts: Sequence[Mapping]) -> Table:
    """The rows of prompts.csv, rates in percent."""
    columns = list(dict.fromkeys(key for row in prompts for key in row))
    rates = {name for name in columns if name == "match_rate" or name.startswith("success_")}

    def cell(row: Mapping, name: str) -> Any:
        value = row.get(name)
        return "" if value is None else f"{100 * float(value):.1f}" if name in rates and value != "" else value

    rows = [[cell(row, name) for name in columns] for row in prompts]
    return Table([name.replace("_", " ") + ", %" * (name in rates) for name in columns], rows)


def stage_table(seconds: Mapping[str, float]) -> Table:
    """How long each kind of stage took, its share, and all together; the parts of a kind are counted."""
    total, kinds = sum(seconds.values()), dict[str, list[float]]()
    for stage, time in seconds.items():
        kinds.setdefault(stage.partition("/")[0], []).append(time)
    rows = [
        (
            STAGE_NAMES.get(kind, kind),
            len(times),
            duration(sum(times)),
            _whole_percent(sum(times) / total if total else 0),
        )
        for kind, times in kinds.items()
    ]
    rows.append(("together", len(seconds), duration(total), _whole_percent(1)))
    return Table(("stage", "parts", "time", "share"), rows, [""] * len(kinds) + ["first"])


def stage_parts_table(seconds: Mapping[str, float]) -> Table:
    """How long every single stage took, under the name of its folder."""
    return Table(("folder", "time"), [(stage, duration(time)) for stage, time in seconds.items()])


def duration(seconds: float) -> str:
    """ "45 s", "3 min 5 s" or "1 h 20 min"; "0.4 s" below ten seconds."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def statistics_table(statistics: Mapping, names: Mapping[str, str]) -> Table:
    """What the recorded data are like: the statistics of a world, in the order and words of `ReportLabels.statistics`.

    A name that ends in "%" makes percent of a share. Where a value is a mapping, "{}" in its name stands for each key.
    A statistic without a name is shown last, under its key in words.
    """
    order = [key for key in names if key in statistics] + [key for key in statistics if key not in names]
    rows = []
    for key in order:
        name, value = names.get(key, ""), statistics[key]
        for part, number in value.items() if isinstance(value, Mapping) else [("", value)]:
            text = name.replace("{}", _words(part)) if name else f"{_words(key)} {_words(part)}".strip()
            rows.append((text, _statistic(number, text.endswith("%"))))
    return Table(("of the recorded rollouts", "value"), rows)


def _words(key: Any) -> str:
    return str(key).replace("_", " ").strip()


def _statistic(value: Any, share: bool) -> str:
    """A number with few digits; percent of a share; a dash where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if not math.isfinite(value):
        return MISSING
    if share:
        return f"{100 * value:.1f}"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def mapping_table(mapping: Mapping, header: tuple[str, str]) -> Table:
    """A two-column table of a mapping; nested mappings are opened, with their names joined by dots."""
    return Table(header, list(_flat(mapping, "")))


def _flat(mapping: Mapping, prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", ", ".join(map(_text, value))
        else:
            yield f"{prefix}{key}", _text(value)


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
