"""The charts of a run: success, match rate, realism, loss and learning curves, lengths of rollouts, returns.

Every function takes plain data and returns a matplotlib Figure, made without pyplot: no display, no global state.
Colors are those of Okabe and Ito, which stay apart for color-blind readers; kinds also differ in hatch or line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kalm_jax.report import summary
from kalm_jax.report.axes import (
    draw_legend,
    draw_seed_lines,
    error_lengths,
    level_label,
    make_figure,
    mark_single_point,
    plain_number,
    round_ticks,
)
from kalm_jax.report.films import LABEL_BOX
from kalm_jax.report.measures import Measure, grounding_measures, learning_measures
from kalm_jax.report.summary import Share, Success
from kalm_jax.worlds.labels import ReportLabels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONDITION_LOOKS = {
    "offline": ("#56B4E9", ""),
    "relabel": ("#999999", "++"),
    "translate": ("#0072B2", "--"),
    "relabel+translate": ("#332288", "\\"),
    "kalm": ("#D55E00", "///"),
    "kalm+translate": ("#117733", "xx"),
    "kalm-privileged": ("#E69F00", "oo"),
    "oracle": ("#009E73", "..."),
    "words": ("#CC79A7", "xxx"),
    "plan": ("#F0E442", "\\\\\\"),
}
"""Condition -> color and hatch of its bars."""
LEVEL_COLORS = {"offline": "#999999", "rephrase": "#0072B2", "unseen_easy": "#E69F00", "unseen_hard": "#CC79A7"}
LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", "-.", ":")
GRAY, LIGHT_GRAY = "#444444", "#bbbbbb"
ERROR_BARS = {"ecolor": "black", "elinewidth": 1.2, "capsize": 3}
PAPER_MARKER: Mapping[str, Any] = {"marker": "D", "color": "black", "linestyle": "none", "markersize": 6}


# Success


def success_figure(pooled: Sequence[Success], algorithm: str, labels: ReportLabels) -> Figure:
    """Success of one algorithm by condition and level: above within the stricter limit, below within the horizon.

    A column per action choice. Bars carry 95% intervals; the dotted line of a level is the random baseline, the dashed
    one the expert.

    Raises:
      ValueError: there are no results of this algorithm.
    """
    mine = [s for s in pooled if s.algorithm == algorithm and not s.family]
    if not mine:
        known = sorted({s.algorithm for s in pooled})
        raise ValueError(f"no results of algorithm {algorithm!r}; there are results of {known}")
    levels = summary.in_order(s.level for s in mine)
    choices = sorted({s.action_choice for s in mine})
    conditions = sorted({s.condition for s in mine}, key=lambda name: summary.rank(summary.CONDITION_ORDER, name))
    baselines = [s for s in pooled if s.is_baseline and s.level in levels and not s.family]
    figure, grid = make_figure(max(5.6, 1.1 + 3.7 * len(choices)), 6.2, 2, len(choices), sharex=True, sharey=True)
    for row, (field, limit) in enumerate((("early", labels.early_steps), ("within", labels.horizon))):
        for column, choice in enumerate(choices):
            axes = grid[row, column]
            for s in mine:
                if s.action_choice == choice:
                    _success_bar(axes, s, field, levels.index(s.level), conditions)
            for s in baselines:
                x, style = levels.index(s.level), ":" if s.algorithm == summary.RANDOM else "--"
                axes.hlines(100 * getattr(s, field).value, x - 0.46, x + 0.46, GRAY, style, linewidth=1.6)
            axes.set_xticks(range(len(levels)), [level_label(level) for level in levels])
            axes.set_ylim(0, 104)
            axes.tick_params(axis="x", length=0)
        grid[row, 0].set_ylabel(f"success within {limit} {labels.steps} (%)")
    for axes, choice in zip(grid[0], choices, strict=True):
        axes.set_title(summary.learner_name(algorithm, choice), fontsize=11)
    _success_legend(figure, conditions, {s.algorithm == summary.RANDOM for s in baselines})
    return figure


def _bar_look(condition: str) -> dict[str, Any]:
    color, hatch = CONDITION_LOOKS.get(condition, (LIGHT_GRAY, ""))
    return {"facecolor": color, "hatch": hatch, "edgecolor": "white"}


def _success_bar(axes: Axes, s: Success, field: str, level: int, conditions: Sequence[str]) -> None:
    share: Share = getattr(s, field)
    width = 0.84 / len(conditions)
    x = level - 0.42 + (conditions.index(s.condition) + 0.5) * width
    look: dict[str, Any] = {**_bar_look(s.condition), "linewidth": 0, "error_kw": ERROR_BARS}
    axes.bar(x, 100 * share.value, 0.92 * width, yerr=error_lengths(share), **look)
    # Inside the bar's foot the number never meets the error bar.
    axes.text(x, 2.0, f"{100 * share.value:.0f}", ha="center", va="bottom", fontsize=7.5, bbox=LABEL_BOX)


def _success_legend(figure: Figure, conditions: Sequence[str], baselines: set[bool]) -> None:
    """`baselines` holds True where the random baseline was played, and False where an expert was."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: dict[str, Any] = {name: Patch(**_bar_look(name)) for name in conditions}
    for name, style, random in (("random baseline", ":", True), ("expert", "--", False)):
        if random in baselines:
            look: dict[str, Any] = {"color": GRAY, "linestyle": style, "linewidth": 1.6}
            entries[name] = Line2D([], [], **look)
    draw_legend(figure, entries)


# Imagined rollouts


def match_figure(imagination: Sequence[Mapping], labels: ReportLabels) -> Figure:
    """Match rate of the imagined rollouts: a bar for every level and, where it has several, for its families.

    Bars carry 95% intervals; a diamond is the paper's number for the level.
    """
    bars = summary.by_level_and_family(imagination)
    figure, grid = make_figure(5.8, 1.2 + 0.42 * len(bars))
    axes = grid[0, 0]
    for y, (level, _, whole, row) in enumerate(bars):
        share = summary.rate(row, "matched", "rollouts")
        if share is None:
            continue
        value = 100 * share.value
        axes.barh(y, value, 0.7, color=LEVEL_COLORS.get(level, LIGHT_GRAY), alpha=1.0 if whole else 0.45)
        axes.errorbar(value, y, xerr=error_lengths(share), color="black", elinewidth=1.2, capsize=3)
        axes.text(1, y, f"{value:.0f}", va="center", fontsize=8, color="black", bbox=LABEL_BOX)
        if whole and level in labels.paper_match:
            axes.plot(labels.paper_match[level], y, label=summary.PAPER_NAME, **PAPER_MARKER)
    markers = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    if markers:
        draw_legend(figure, markers, "outside upper right")
    axes.set_yticks(range(len(bars)), [name for _, name, _, _ in bars])
    for label, (_, _, whole, _) in zip(axes.get_yticklabels(), bars, strict=True):
        label.set_fontweight("bold" if whole else "normal")
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color="#e3e3e3")
    axes.set(xlim=(0, 102), xlabel="imagined rollouts that reach the goal they were made for (%)")
    return figure


def realism_figure(imagination: Sequence[Mapping], labels: ReportLabels) -> Figure:
    """Share of imagined transitions that are unrealistic: a panel for every kind, a bar for every level."""
    totals = {row["level"]: row for row in summary.sum_rows(imagination, "level")}
    levels, kinds = summary.in_order(row["level"] for row in imagination), labels.unrealistic
    figure, grid = make_figure(max(7.2, 2.9 * len(kinds)), 3.1, 1, len(kinds))
    markers: list[Any] = []
    for column, (kind, title) in enumerate(kinds.items()):
        axes, top = grid[0, column], 1.0
        for x, level in enumerate(levels):
            share = summary.rate(totals[level], f"{kind}_transitions", "transitions")
            paper = labels.paper_unrealistic.get(level, (math.nan,) * len(kinds))[column]
            if not math.isnan(paper):
                markers = axes.plot(x, paper, **PAPER_MARKER)
                top = max(top, paper)
            if share is None:
                continue
            color = LEVEL_COLORS.get(level, LIGHT_GRAY)
            axes.bar(x, 100 * share.value, 0.6, color=color, yerr=error_lengths(share), error_kw={"capsize": 3})
            top = max(top, 100 * share.high)
            style = {"xytext": (0, 3), "textcoords": "offset points", "ha": "right", "fontsize": 8.5}
            axes.annotate(f"{100 * share.value:.1f}", (x - 0.06, 100 * share.high), **style)
        axes.set_xticks(range(len(levels)), [level_label(level) for level in levels], fontsize=9)
        axes.set_title(title, fontsize=10)
        axes.set_ylim(0, 1.15 * top)
    grid[0, 0].set_ylabel("imagined transitions (%)")
    if markers:
        draw_legend(figure, {summary.PAPER_NAME: markers[0]}, "outside upper right")
    return figure


def length_figure(lengths: Mapping[str, Iterable[int]], labels: ReportLabels) -> Figure:
    """Histograms of the number of steps of named sets of rollouts, such as "recorded" and "imagined (rephrase)".

    Raises:
      ValueError: there is no set.
    """
    if not lengths:
        raise ValueError("histograms of lengths need at least one named set of rollouts, got none")
    figure, grid = make_figure(7.2, 1.35 * len(lengths) + 0.6, len(lengths), 1, sharex=True)
    arrays = {name: np.asarray(list(values)) for name, values in lengths.items()}
    longest = max([labels.horizon, *(int(values.max()) for values in arrays.values() if len(values))])
    for i, (axes, (name, values)) in enumerate(zip(grid.flat, arrays.items(), strict=True)):
        share = 100 * np.bincount(values, minlength=longest + 1)[1:] / max(1, len(values))
        axes.bar(np.arange(1, longest + 1), share, 0.9, color="#999999" if i == 0 else "#0072B2")
        note = f"{name}: {len(values)} rollouts"
        if len(values):
            note += f", mean {values.mean():.1f}, median {np.median(values):g}"
            axes.axvline(np.median(values), color="black", linestyle="--", linewidth=1)
        axes.set_title(note, fontsize=9.5, loc="left")
        axes.set_ylabel("%")
    grid[-1, 0].set_xlabel(f"{labels.steps} in a rollout (dashed: median)")
    return figure


# Training


def grounding_figure(curve: Sequence[Mapping], measures: Mapping[str, Measure] | None = None) -> Figure:
    """Losses of the language model's training against its steps: a panel per loss, training and held-out rollouts.

    Rows have `step` and losses. Those of `measures` (None: as of discrete actions) are drawn, and `val_<name>` is drawn
    into the panel of `<name>`.

    Raises:
      ValueError: the rows have none of the losses.
    """
    measures = grounding_measures() if measures is None else measures
    there = {name.removeprefix("val_") for row in curve for name in row}
    shown = {name: measure for name, measure in measures.items() if name in there}
    if not shown:
        raise ValueError(f"the grounding curve has no column beside 'step' that is one of {', '.join(measures)}")
    figure, panels = _panels([measure.title for measure in shown.values()])
    for axes, name in zip(panels, shown, strict=True):
        for key, style, color, label in (
            (name, "-", "#0072B2", "training"),
            (f"val_{name}", "--", "#D55E00", "held out"),
        ):
            rows = [row for row in curve if row.get(key) not in (None, "")]
            if rows:
                steps, values = ([summary.number(row[column]) for row in rows] for column in ("step", key))
                axes.plot(steps, values, style, color=color, label=label, linewidth=1.6, **mark_single_point(steps))
        _log_scale(axes)
    _label_panels(figure, panels, "training step")
    return figure


def learning_figure(curves: Sequence[Mapping], algorithm: str) -> Figure:
    """Metrics of one algorithm's training against its updates: a panel per metric, thin lines of seeds, bold means.

    Rows have algorithm, condition, seed, update, metric and value.

    Raises:
      ValueError: there is no row of this algorithm.
    """
    mine = [row for row in curves if row["algorithm"] == algorithm]
    names = list(dict.fromkeys(str(row["metric"]) for row in mine))
    if not names:
        known = sorted({str(row["algorithm"]) for row in curves})
        raise ValueError(f"no learning curve of algorithm {algorithm!r}; there are curves of {known}")
    conditions = {str(row["condition"]) for row in mine}
    figure, panels = _panels([measure.title for measure in learning_measures(names).values()])
    for axes, name in zip(panels, names, strict=True):
        for condition in sorted(conditions, key=lambda c: summary.rank(summary.CONDITION_ORDER, c)):
            points = [
                (str(row["seed"]), summary.number(row["update"]), summary.number(row["value"]))
                for row in mine
                if str(row["metric"]) == name and str(row["condition"]) == condition
            ]
            color, style = CONDITION_LOOKS.get(condition, ("#777777", ""))[0], "-"
            if condition == "offline":
                color, style = "#0072B2", "--"
            draw_seed_lines(axes, points, condition, color, style)
    _label_panels(figure, panels, "update")
    return figure


def metrics_figure(rows: Sequence[Mapping], labels: ReportLabels) -> Figure:
    """The language model's metrics against the steps of its grounding, with bands of their 95% intervals.

    Three panels: match rate, explanations, unrealistic transitions. Rows have step, metric, rate, low and high.
    """
    panels = {
        "match rate": {"match_rate": "validation sentences"},
        "explanations": {
            f"explanation_{prompt}{end}": f"{prompt} prompt, {what}"
            for end, what in zip(("", "_exact"), labels.explained, strict=True)
            for prompt in ("seen", "unseen")
        },
        "unrealistic transitions": {f"{kind}_transitions": name for kind, name in labels.unrealistic.items()},
    }
    looks = (("#0072B2", "-"), ("#D55E00", "--"), ("#56B4E9", ":"), ("#E69F00", "-."))
    figure, grid = make_figure(9.6, 3.6, 1, len(panels))
    for axes, (title, lines) in zip(grid.flat, panels.items(), strict=True):
        for (metric, label), (color, style) in zip(lines.items(), looks, strict=False):
            mine = sorted((row for row in rows if row["metric"] == metric), key=lambda row: summary.number(row["step"]))
            if mine:
                step, rate, low, high = (
                    np.array([summary.number(r[k]) for r in mine]) for k in ("step", "rate", "low", "high")
                )
                axes.plot(step, 100 * rate, style, color=color, marker="o" if len(mine) == 1 else ".", label=label)
                if len(mine) == 1:  # a band needs two points
                    axes.vlines(step, 100 * low, 100 * high, color=color, alpha=0.4)
                axes.fill_between(step, 100 * low, 100 * high, color=color, alpha=0.15, linewidth=0)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("training step")
        axes.xaxis.set_major_locator(round_ticks(4))
        axes.set_xlim(left=0)
        axes.set_ylim(0, None if title == "unrealistic transitions" else 102)
        if axes.lines:
            axes.legend(frameon=False, fontsize=7.5)
    grid[0, 0].set_ylabel("%")
    return figure


def return_figure(rows: Sequence[Mapping], random_return: float, data_return: float | None, title: str) -> Figure:
    """Mean return of every evaluation against updates: a thin line per seed, the mean of the seeds bold.

    Rows have algorithm, seed, update and return_mean; those of the algorithm "random" are not drawn. Two lines mark the
    mean return of the random policy and of the data's rollouts, the latter unless it is None.
    """
    figure, grid = make_figure(6.4, 4.0)
    axes = grid[0, 0]
    names = [name for name in dict.fromkeys(row["algorithm"] for row in rows) if name != summary.RANDOM]
    for i, name in enumerate(names):
        points = [(r["seed"], r["update"], r["return_mean"]) for r in rows if r["algorithm"] == name]
        color, style = LINE_COLORS[i % len(LINE_COLORS)], LINE_STYLES[i % len(LINE_STYLES)]
        draw_seed_lines(axes, points, name, color, style, width=2)
    if data_return is not None:
        axes.axhline(data_return, color=GRAY, linestyle="--", linewidth=1.2, label="mean of the data")
    axes.axhline(random_return, color=GRAY, linestyle=":", linewidth=1.2, label="random policy")
    axes.set(title=title, xlabel="update", ylabel="return of an episode")
    axes.set_xlim(left=0)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure


def _panels(names: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """A figure with a titled panel for every name, up to three in a row."""
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    figure, grid = make_figure(2.7 * columns + 0.4, 2.3 * rows + 0.5, rows, columns, sharex=True)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    panels = list(grid.flat)[: len(names)]
    for axes, name in zip(panels, names, strict=True):
        axes.set_title(name, fontsize=9)
        axes.xaxis.set_major_locator(round_ticks(4))
    return figure, panels


def _label_panels(figure: Figure, panels: Sequence[Axes], xlabel: str) -> None:
    """Names the x axis of the lowest panels and draws one legend for all."""
    entries: dict[str, Any] = {}
    panels[0].set_xlim(left=0)
    for i, axes in enumerate(panels):
        if i + min(len(panels), 3) >= len(panels):
            axes.set_xlabel(xlabel)
            axes.tick_params(labelbottom=True)
        entries.update(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    if entries:
        draw_legend(figure, entries)


def _log_scale(axes: Axes) -> None:
    """A logarithmic y axis where values are positive and span a factor of five, with plain numbers, not powers."""
    from matplotlib.ticker import LogLocator, NullFormatter

    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines])
    if values.min() <= 0 or values.max() < 5 * values.min():
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if values.max() < 1000 * values.min() else (1,)))
    axes.yaxis.set_major_formatter(plain_number)
    axes.yaxis.set_minor_formatter(NullFormatter())


def knowledge_chart(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Shares of right subgoals by number of the data's sentences, a line per condition and an axis per level.

    `rows` are those of `pipeline.knowledge.summarize`. Conditions that do not depend on that number are dotted lines.
    """
    levels = list(dict.fromkeys(row["level"] for row in rows))
    figure, grid = make_figure(4.2 * len(levels), 4.0, 1, len(levels), sharey=True)
    names = list(dict.fromkeys(row["condition"] for row in rows))
    counts = sorted({_count(row["sentences"]) for row in rows if row["sentences"]})
    for axes, level in zip(grid[0], levels, strict=True):
        for i, name in enumerate(names):
            color = LINE_COLORS[i % len(LINE_COLORS)]
            mine = [row for row in rows if row["condition"] == name and row["level"] == level]
            line = sorted(
                ((_count(row["sentences"]), row) for row in mine if row["sentences"]), key=lambda pair: pair[0]
            )
            if line:
                x = [counts.index(count) for count, _ in line]
                y = [100 * row["allowed"] for _, row in line]
                ends = [[100 * row["allowed"] - 100 * row["allowed_low"] for _, row in line]]
                ends.append([100 * row["allowed_high"] - 100 * row["allowed"] for _, row in line])
                axes.errorbar(x, y, yerr=ends, color=color, marker="o", capsize=3, label=name)
            for row in mine:
                if not row["sentences"]:
                    axes.axhline(100 * row["allowed"], color=color, linestyle=":", label=name)
        axes.set_title(summary.LEVEL_NAMES.get(level, level))
        axes.set_xlabel("sentences of the data")
        axes.set_xticks(range(len(counts)), ["all" if math.isinf(count) else f"{count:.0f}" for count in counts])
        axes.set_ylim(0, 101)
    grid[0][0].set_ylabel("right subgoals, %")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def _count(sentences: str) -> float:
    return math.inf if sentences == "all" else float(sentences)


def study_figure(rows: Sequence[Mapping[str, Any]], labels: ReportLabels) -> Figure:
    """Success over groundings: a row of panels for each learner, on the left within the early limit.

    Bars are interquartile means with 95% intervals, dots single groundings. `rows` are those of `report.study`.

    Raises:
      ValueError: there is no learner among the rows.
    """
    mine = [r for r in rows if r["algorithm"] != r["condition"] and not r["family"]]
    learners = list(dict.fromkeys((r["algorithm"], r["action_choice"]) for r in mine if r["table"] == "success"))
    if not learners:
        raise ValueError("the rows have no success of a learner")
    tests = list(dict.fromkeys((r["level"], r["sentences"]) for r in mine if r["table"] == "success"))
    conditions = list(dict.fromkeys(r["condition"] for r in mine if r["table"] == "success"))
    limits = {"early": labels.early_steps, "horizon": labels.horizon}
    width = 0.84 / len(conditions)
    figure, grid = make_figure(13, 0.6 + 2.9 * len(learners), len(learners), 2, sharex=True, sharey=True)
    for row in mine:
        learner, test = (row["algorithm"], row["action_choice"]), (row["level"], row["sentences"])
        if learner not in learners or row["table"] not in ("success", "grounding") or row["measure"] == "mean":
            continue
        axes = grid[learners.index(learner), list(limits).index(row["limit"])]
        x, y = tests.index(test) - 0.42 + (conditions.index(row["condition"]) + 0.5) * width, 100 * row["value"]
        if row["table"] == "grounding":
            axes.plot(x, y, "o", color="black", markersize=2.5, zorder=3)
            continue
        error = None if row["low"] == "" else error_lengths(Share(row["value"], row["low"], row["high"]))
        look: dict[str, Any] = {**_bar_look(row["condition"]), "linewidth": 0, "error_kw": ERROR_BARS}
        axes.bar(x, y, 0.92 * width, yerr=error, **look)
        axes.text(x, 2.0, f"{y:.0f}", ha="center", va="bottom", fontsize=7, bbox=LABEL_BOX)
    for (algorithm, choice), line in zip(learners, grid, strict=True):
        line[0].set_ylabel(f"{summary.learner_name(algorithm, choice)}: success (%)")
        for axes, limit in zip(line, limits.values(), strict=True):
            axes.set_xticks(range(len(tests)), [f"{level_label(level)}\n({known})" for level, known in tests])
            axes.set(ylim=(0, 104), title=f"within {limit} {labels.steps}")
            axes.tick_params(axis="x", length=0, labelsize=8)
    _success_legend(figure, conditions, set())
    return figure
