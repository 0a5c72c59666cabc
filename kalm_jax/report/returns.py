"""The chart of returns against updates, for learners in a Gymnasium environment."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence

import numpy as np

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Of Okabe and Ito, which stay apart for colour-blind readers; lines also differ in style."""
STYLES = ("-", "--", "-.", ":")


def return_figure(rows: Sequence[Mapping], floor: float, data: float, title: str):
    """Mean return of every evaluation: a thin line per seed, the mean of the seeds bold.

    Args:
      rows: with algorithm, seed, update and return_mean; the algorithm "random" is drawn as the floor alone.
      floor: the random policy's return. data: mean return of the data's rollouts.
      title: of the chart, such as the environment's id.

    Returns:
      A matplotlib Figure, made without pyplot.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e3e3e3", linewidth=0.8)
    names = [name for name in dict.fromkeys(row["algorithm"] for row in rows) if name != "random"]
    for i, name in enumerate(names):
        colour, style = COLOURS[i % len(COLOURS)], STYLES[i % len(STYLES)]
        by_seed, by_update = collections.defaultdict(list), collections.defaultdict(list)
        for row in rows:
            if row["algorithm"] == name:
                by_seed[row["seed"]].append((row["update"], row["return_mean"]))
                by_update[row["update"]].append(row["return_mean"])
        for points in by_seed.values():
            axes.plot(*np.array(sorted(points)).T, style, color=colour, alpha=0.3, linewidth=0.8)
        updates = sorted(by_update)
        axes.plot(updates, [np.mean(by_update[u]) for u in updates], style, color=colour, linewidth=2, label=name)
    axes.axhline(data, color="#444444", linestyle="--", linewidth=1.2, label="mean of the data")
    axes.axhline(floor, color="#444444", linestyle=":", linewidth=1.2, label="random policy")
    axes.set(title=title, xlabel="update", ylabel="return of an episode")
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    return figure
