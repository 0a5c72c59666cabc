"""The charts of a run: success, match rate, realism, loss and learning curves, lengths of rollouts.

Every function takes plain data and returns a matplotlib Figure, made without pyplot: no display, no global state.
Colours are those of Okabe and Ito, which stay apart for colour-blind readers; kinds also differ in hatch or line.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kalm_jax.report import summary
from kalm_jax.worlds.base import ReportLabels

CONDITION_COLOURS = {
    "offline": "#56B4E9",
    "kalm": "#D55E00",
    "oracle": "#009E73",
    "words": "#CC79A7",
    "plan": "#F0E442",
}
CONDITION_HATCHES = {"offline": "", "kalm": "///", "oracle": "...", "words": "xxx", "plan": "\\\\\\"}
LEVEL_COLOURS = {"offline": "#999999", "rephrase": "#0072B2", "unseen_easy": "#E69F00", "unseen_hard": "#CC79A7"}
GREY, PAPER_MARKER = "#444444", {"marker": "D", "color": "black", "linestyle": "none", "markersize": 6}


def _figure(width: float, height: float, rows: int = 1, columns: int = 1, **options):
    """A Figure and its (rows, columns) array of axes, with the look that all charts share."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **options)
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e3e3e3", linewidth=0.8)
        axes.set_axisbelow(True)
    return figure, grid


def _level_label(level: str) -> str:
    return summary.LEVEL_NAMES.get(level, level).replace(" of ", " of\n").replace("unseen ", "unseen\n")


def _error(share: summary.Share) -> list[list[float]]:
    """Error bar lengths in percent; an interval may leave its own centre out by rounding, a bar length may not."""
    return [[max(0.0, 100 * (share.value - share.low))], [max(0.0, 100 * (share.high - share.value))]]


def success_figure(pooled: Sequence[summary.Success], algorithm: str, terms: ReportLabels):
    """Success of every condition of one algorithm by level: above within the horizon, below within the stricter limit.

    A column per action choice. Bars carry 95% intervals; the dotted line of a level is the random floor, the dashed one
    the ceiling.
    """
    mine = [s for s in pooled if s.algorithm == algorithm and not s.family]
    if not mine:
        known = sorted({s.algorithm for s in pooled})
        raise ValueError(f"no results of algorithm {algorithm!r}; there are results of {known}")
    levels = summary.levels_of(vars(s) for s in mine)
    choices = sorted({s.action_choice for s in mine})
    conditions = sorted(
        {s.condition for s in mine}, key=lambda condition: summary.rank(summary.CONDITION_ORDER, condition)
    )
    figure, grid = _figure(max(5.6, 1.1 + 3.7 * len(choices)), 6.2, 2, len(choices), sharex=True, sharey=True)
    for row, (field, limit) in enumerate((("within", terms.horizon), ("early", terms.early_steps))):
        for column, choice in enumerate(choices):
            axes = grid[row, column]
            for s in mine:
                if s.action_choice == choice:
                    _success_bar(axes, s, field, levels.index(s.level), conditions)
            for s in pooled:
                if s.algorithm in summary.REFERENCES and s.level in levels and not s.family:
                    style = ":" if s.algorithm == summary.FLOOR else "--"
                    x = levels.index(s.level)
                    axes.hlines(100 * getattr(s, field).value, x - 0.46, x + 0.46, GREY, style, linewidth=1.6)
            axes.set_xticks(range(len(levels)), [_level_label(level) for level in levels])
            axes.set_ylim(0, 104)
            axes.tick_params(axis="x", length=0)
            if row == 0:
                axes.set_title(summary.learner_name(algorithm, choice), fontsize=11)
            if column == 0:
                axes.set_ylabel(f"success within {limit} {terms.steps} (%)")
    _success_legend(figure, conditions)
    return figure


def _success_bar(axes, s: summary.Success, field: str, level: int, conditions: Sequence[str]) -> None:
    width = 0.84 / len(conditions)
    x = level - 0.42 + (conditions.index(s.condition) + 0.5) * width
    share = getattr(s, field)
    axes.bar(
        x,
        100 * share.value,
        0.92 * width,
        color=CONDITION_COLOURS.get(s.condition, "#bbbbbb"),
        hatch=CONDITION_HATCHES.get(s.condition, ""),
        edgecolor="white",
        linewidth=0,
        yerr=_error(share),
        error_kw={"ecolor": "black", "elinewidth": 1.2, "capsize": 3},
    )
    # White under the number keeps it readable on hatches; inside the bar's foot it never meets the error bar.
    box = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    axes.text(x, 2.0, f"{100 * share.value:.0f}", ha="center", va="bottom", fontsize=7.5, bbox=box)


def _success_legend(figure, conditions: Sequence[str]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries = [
        Patch(
            facecolor=CONDITION_COLOURS.get(a, "#bbbbbb"),
            hatch=CONDITION_HATCHES.get(a, ""),
            edgecolor="white",
            label=a,
        )
        for a in conditions
    ]
    entries.append(Line2D([], [], color=GREY, linestyle=":", linewidth=1.6, label="random floor"))
    entries.append(Line2D([], [], color=GREY, linestyle="--", linewidth=1.6, label="ceiling"))
    figure.legend(
        handles=entries,
        loc="outside upper center",
        ncols=min(5, len(entries)),
        columnspacing=1.4,
        frameon=False,
        fontsize=9,
    )


def match_figure(imagination: Sequence[Mapping], terms: ReportLabels):
    """Match rate of the imagined rollouts: a bar for every level and, where it has several, for its families.

    Bars carry 95% intervals; a diamond is the paper's number for the level.
    """
    bars = []
    for level in summary.levels_of(imagination):
        rows = [row for row in imagination if row["level"] == level]
        families = sorted({str(row["family"]) for row in rows})
        bars.append((level, summary.LEVEL_NAMES.get(level, level), summary.sum_rows(rows, "level")[0]))
        if len(families) > 1:
            by_family = sorted(summary.sum_rows(rows, "family"), key=lambda row: row["family"])
            bars += [(level, f"    {row['family'].replace('_', ' ')}", row) for row in by_family]
    figure, grid = _figure(5.8, 1.2 + 0.42 * len(bars))
    axes = grid[0, 0]
    for y, (level, name, row) in enumerate(bars):
        share = summary.rate(row, "matched", "rollouts")
        if share is None:
            continue
        whole = not name.startswith(" ")
        colour = LEVEL_COLOURS.get(level, "#bbbbbb")
        axes.barh(y, 100 * share.value, 0.7, color=colour, alpha=1.0 if whole else 0.45)
        axes.errorbar(100 * share.value, y, xerr=_error(share), color="black", elinewidth=1.2, capsize=3)
        axes.text(1, y, f"{100 * share.value:.0f}", va="center", fontsize=8, color="black", bbox=_WHITE)
        if whole and level in terms.paper_match:
            axes.plot(terms.paper_match[level], y, **PAPER_MARKER)
    if any(level in terms.paper_match for level, _, _ in bars):
        axes.plot([], [], label=summary.PAPER_NAME, **PAPER_MARKER)
        figure.legend(loc="outside upper right", frameon=False, fontsize=9)
    axes.set_yticks(range(len(bars)), [name.strip() if n else name for n, (_, name, _) in enumerate(bars)])
    for label, (_, name, _) in zip(axes.get_yticklabels(), bars, strict=True):
        label.set_fontweight("normal" if name.startswith(" ") else "bold")
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color="#e3e3e3")
    axes.set(xlim=(0, 102), xlabel="imagined rollouts that reach the goal they were made for (%)")
    return figure


_WHITE = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}


def realism_figure(imagination: Sequence[Mapping], terms: ReportLabels):
    """Share of imagined transitions that are unrealistic, of every kind and by level."""
    rows = [
        row
        for level in summary.levels_of(imagination)
        for row in summary.sum_rows(imagination, "level")
        if row["level"] == level
    ]
    kinds = terms.unrealistic
    figure, grid = _figure(max(7.2, 2.9 * len(kinds)), 3.1, 1, len(kinds))
    for column, (kind, title) in enumerate(kinds.items()):
        axes, top = grid[0, column], 1.0
        for x, row in enumerate(rows):
            share = summary.rate(row, f"{kind}_transitions", "transitions")
            paper = terms.paper_unrealistic.get(row["level"], (math.nan,) * len(kinds))[column]
            if not math.isnan(paper):
                axes.plot(x, paper, **PAPER_MARKER)
                top = max(top, paper)
            if share is None:
                continue
            axes.bar(
                x,
                100 * share.value,
                0.6,
                color=LEVEL_COLOURS.get(row["level"], "#bbbbbb"),
                yerr=_error(share),
                error_kw={"capsize": 3},
            )
            top = max(top, 100 * share.high)
            text = f"{100 * share.value:.1f}"
            axes.annotate(
                text, (x - 0.06, 100 * share.high), (0, 3), textcoords="offset points", ha="right", fontsize=8.5
            )
        axes.set_xticks(range(len(rows)), [_level_label(row["level"]) for row in rows], fontsize=9)
        axes.set_title(title, fontsize=10)
        axes.set_ylim(0, 1.15 * top)
    grid[0, 0].set_ylabel("imagined transitions (%)")
    grid[0, -1].plot([], [], label=summary.PAPER_NAME, **PAPER_MARKER)
    figure.legend(loc="outside upper right", frameon=False, fontsize=9)
    return figure


def grounding_figure(curve: Sequence[Mapping]):
    """Losses of the language model's training against its steps: a panel per loss, training and held-out rollouts.

    Rows have `step` and any number of losses; `val_<name>` is drawn into the panel of `<name>`.
    """
    names = list(dict.fromkeys(k.removeprefix("val_") for row in curve for k in row if k != "step"))
    if not names:
        raise ValueError("the grounding curve has no column beside 'step'; give it at least a 'loss'")
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    figure, grid = _figure(2.7 * columns + 0.4, 2.3 * rows + 0.5, rows, columns, sharex=True)
    for axes, name in zip(grid.flat, names):
        for key, colour, style, label in (
            (name, "#0072B2", "-", "training"),
            (f"val_{name}", "#D55E00", "--", "held out"),
        ):
            points = [
                (summary.number(row["step"]), summary.number(row[key]))
                for row in curve
                if row.get(key) not in (None, "")
            ]
            if points:
                points = np.array(points)
                axes.plot(*points.T, style, color=colour, label=label, linewidth=1.6)
        axes.set_title(name.replace("_", " "), fontsize=10)
        axes.xaxis.set_major_locator(_few_ticks())
        if all(line.get_ydata().min() > 0 for line in axes.lines):
            _log_scale(axes)
    _tidy(figure, grid, len(names), "training step")
    return figure


def metrics_figure(rows: Sequence[Mapping], terms: ReportLabels):
    """The language model's metrics against the steps of its grounding, with bands of their 95% intervals.

    Three panels: match rate, explanations, unrealistic transitions. Rows have step, metric, rate, low and high.
    """
    panels = {
        "match rate": {"match_rate": "validation sentences"},
        "explanations": {
            f"explanation_{prompt}{end}": f"{prompt} prompt, {what}"
            for end, what in zip(("", "_exact"), terms.explained, strict=True)
            for prompt in ("seen", "unseen")
        },
        "unrealistic transitions": {f"{kind}_transitions": name for kind, name in terms.unrealistic.items()},
    }
    figure, grid = _figure(9.6, 3.6, 1, len(panels))
    for axes, (title, lines) in zip(grid.flat, panels.items()):
        for (metric, label), (colour, style) in zip(lines.items(), _LINES):
            mine = sorted((row for row in rows if row["metric"] == metric), key=lambda row: summary.number(row["step"]))
            if not mine:
                continue
            columns = {k: np.array([summary.number(row[k]) for row in mine]) for k in ("step", "rate", "low", "high")}
            axes.plot(columns["step"], 100 * columns["rate"], style, color=colour, marker=".", label=label)
            axes.fill_between(
                columns["step"], 100 * columns["low"], 100 * columns["high"], color=colour, alpha=0.15, linewidth=0
            )
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("training step")
        axes.xaxis.set_major_locator(_few_ticks())
        if title != "unrealistic transitions":
            axes.set_ylim(0, 102)
        axes.set_ylim(bottom=0)
        if axes.lines:
            axes.legend(frameon=False, fontsize=7.5)
    grid[0, 0].set_ylabel("%")
    return figure


_LINES = (("#0072B2", "-"), ("#D55E00", "--"), ("#56B4E9", ":"), ("#E69F00", "-."))
"""Colour and style of the lines of one panel, which stay apart for colour-blind readers."""


def _log_scale(axes) -> None:
    """A logarithmic y axis with plain numbers at 1, 2 and 5, not powers."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _few_ticks():
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4, integer=True)


def _tidy(figure, grid, used: int, xlabel: str) -> None:
    """Hides unused panels, names the x axis of the lowest used ones, and draws one legend for all panels."""
    columns = grid.shape[1]
    for i, axes in enumerate(grid.flat):
        axes.set_visible(i < used)
        if i < used and i + columns >= used:
            axes.set_xlabel(xlabel)
            axes.tick_params(labelbottom=True)
    entries = {}
    for axes in list(grid.flat)[:used]:
        entries.update(zip(*reversed(axes.get_legend_handles_labels())))
    if entries:
        figure.legend(
            entries.values(), entries, loc="outside upper center", ncols=len(entries), frameon=False, fontsize=9
        )


def learning_figure(curves: Sequence[Mapping], algorithm: str):
    """Metrics of one algorithm's training against its updates: a panel per metric, a thin line per seed, the mean bold.

    Rows have algorithm, condition, seed, update, metric and value.
    """
    mine = [row for row in curves if row["algorithm"] == algorithm]
    names = list(dict.fromkeys(str(row["metric"]) for row in mine))
    if not names:
        known = sorted({str(row["algorithm"]) for row in curves})
        raise ValueError(f"no learning curve of algorithm {algorithm!r}; there are curves of {known}")
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    figure, grid = _figure(2.7 * columns + 0.4, 2.3 * rows + 0.5, rows, columns, sharex=True)
    for axes, name in zip(grid.flat, names):
        for condition in sorted(
            {str(r["condition"]) for r in mine}, key=lambda a: summary.rank(summary.CONDITION_ORDER, a)
        ):
            _learning_lines(
                axes, [r for r in mine if str(r["metric"]) == name and str(r["condition"]) == condition], condition
            )
        axes.set_title(name.replace("_", " "), fontsize=10)
        axes.xaxis.set_major_locator(_few_ticks())
    _tidy(figure, grid, len(names), "update")
    return figure


def _learning_lines(axes, rows: Sequence[Mapping], condition: str) -> None:
    by_seed, by_update = collections.defaultdict(list), collections.defaultdict(list)
    for row in rows:
        point = summary.number(row["update"]), summary.number(row["value"])
        by_seed[str(row["seed"])].append(point)
        by_update[point[0]].append(point[1])
    if not by_update:
        return
    colour = {**CONDITION_COLOURS, "offline": "#0072B2"}.get(condition, "#777777")
    for points in by_seed.values():
        axes.plot(*np.array(sorted(points)).T, color=colour, alpha=0.3, linewidth=0.8)
    updates = sorted(by_update)
    style = "--" if condition == "offline" else "-"
    axes.plot(updates, [np.mean(by_update[u]) for u in updates], style, color=colour, linewidth=1.8, label=condition)


def length_figure(lengths: Mapping[str, Iterable[int]], terms: ReportLabels):
    """Histograms of the number of steps of named sets of rollouts, such as "recorded" and "imagined, rephrase"."""
    if not lengths:
        raise ValueError("histograms of lengths need at least one named set of rollouts, got none")
    figure, grid = _figure(7.2, 1.35 * len(lengths) + 0.6, len(lengths), 1, sharex=True)
    arrays = {name: np.asarray(list(values)) for name, values in lengths.items()}
    longest = max([terms.horizon, *(int(values.max()) for values in arrays.values() if len(values))])
    for i, (axes, (name, values)) in enumerate(zip(grid.flat, arrays.items(), strict=True)):
        share = 100 * np.bincount(values, minlength=longest + 1)[1:] / max(1, len(values))
        axes.bar(np.arange(1, longest + 1), share, 0.9, color="#999999" if i == 0 else "#0072B2")
        note = f"{name}: {len(values)} rollouts"
        if len(values):
            note += f", mean {values.mean():.1f}, median {np.median(values):.0f}"
            axes.axvline(np.median(values), color="black", linestyle="--", linewidth=1)
        axes.set_title(note, fontsize=9.5, loc="left")
        axes.set_ylabel("%")
    grid[-1, 0].set_xlabel(f"{terms.steps} in a rollout (dashed: median)")
    return figure
