"""What all charts of a report share: their look, ticks, legends, error bars, and lines of seeds."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kalm_jax.report import summary
from kalm_jax.report.summary import Share

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def make_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, np.ndarray]:
    """A Figure and its (rows, columns) array of axes, with the look that all charts share."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **options)
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e3e3e3", linewidth=0.8)
        axes.set_axisbelow(True)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(round_ticks())
            axis.set_major_formatter(plain_number)
    return figure, grid


def round_ticks(count: int = 6) -> Any:
    """At most so many ticks, at 1, 2 and 5 times powers of ten."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(count, steps=[1, 2, 5, 10])


def plain_number(value: float, _: Any = None) -> str:
    """A tick's number: 40,000 or 0.002, never a power or an offset."""
    return f"{value:,.10g}".replace("-", "\N{MINUS SIGN}")


def mark_single_point(points: Sequence[Any]) -> dict[str, Any]:
    """How a line shows its points: a single one, which has no line, by a marker."""
    return {"marker": "o", "markersize": 5} if len(points) == 1 else {}


def draw_legend(figure: Figure, entries: Mapping[str, Any], place: str = "outside upper center") -> None:
    """A legend of the whole figure: label -> what it looks like."""
    look: dict[str, Any] = {"loc": place, "ncols": min(5, len(entries)), "columnspacing": 1.4}
    figure.legend(list(entries.values()), list(entries), frameon=False, fontsize=9, **look)


def level_label(level: str) -> str:
    return summary.level_name(level).replace(" of ", " of\n").replace("unseen ", "unseen\n")


def error_lengths(share: Share) -> list[list[float]]:
    """Error bar lengths in percent; an interval may leave its own center out by rounding, a bar length may not."""
    return [[max(0.0, 100 * (share.value - share.low))], [max(0.0, 100 * (share.high - share.value))]]


def draw_seed_lines(
    axes: Axes, points: Iterable[tuple[str, float, float]], label: str, color: str, style: str, width: float = 1.8
) -> None:
    """A thin line for every seed and a bold one for their mean; a point is (seed, x, y)."""
    by_seed, by_x = collections.defaultdict(list), collections.defaultdict(list)
    for seed, x, y in points:
        by_seed[seed].append((x, y))
        by_x[x].append(y)
    for line in by_seed.values():
        axes.plot(*np.array(sorted(line)).T, style, color=color, alpha=0.3, linewidth=0.8, **mark_single_point(line))
    if by_x:
        means = [np.mean(by_x[x]) for x in sorted(by_x)]
        axes.plot(sorted(by_x), means, style, color=color, linewidth=width, label=label, **mark_single_point(means))
