"""Pictures of the CLEVR-Robot bench from above: film strips of rollouts and maps of where balls lie.

x runs to the right and y to the back, so "behind" is up in every picture. Lengths are metres. matplotlib is imported
when a figure is made, never with this module.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from kalm_jax.worlds.clevr.goals import BALLS, PUSHES
from kalm_jax.worlds.clevr.realism import BENCH_HIGH, BENCH_LOW

BENCH = (BENCH_LOW[0], BENCH_HIGH[0], BENCH_LOW[1], BENCH_HIGH[1])
"""Walls of the bench: smallest and largest x, smallest and largest y."""
RADIUS = 0.13
"""Radius of a ball."""
VIEW = (-0.75, 0.75, -0.45, 0.85)
"""What a picture shows: the bench and a margin, because imagined balls may leave the bench."""
BALL_COLOURS = ("#d4453f", "#3a6fd0", "#3d9950", "#8a4fc4", "#27b3c6")
LETTERS = tuple(name[0].upper() for name in BALLS)
BENCH_COLOUR, EDGE_COLOUR, INK = "#f2eee4", "#8d8676", "#1f2328"


@dataclasses.dataclass(frozen=True)
class Example:
    """A rollout to be shown.

    Attributes:
      instruction: the sentence of its goal.
      imagined: True for a rollout of the language model, False for a recorded one.
      observations: (T+1, 10) ball centres.
      actions: (T,) codes 8 * ball + push direction.
      reached: whether it ends in its goal; None when not known.
    """

    instruction: str
    imagined: bool
    observations: np.ndarray
    actions: np.ndarray
    reached: bool | None = None

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
        steps = f"{len(self.actions)} push" + ("" if len(self.actions) == 1 else "es")
        if self.reached is None:
            return steps
        return f"goal reached after {steps}" if self.reached else f"goal not reached in {steps}"


def read_example(row: Mapping) -> Example:
    """An `Example` from a plain dict, as `ReportData.examples` describes it; `title` may stand for `instruction`.

    Raises ValueError with the name and value of what does not fit.
    """
    text = str(row.get("instruction", row.get("title", "")))
    if row.get("kind") not in ("real", "imagined"):
        raise ValueError(f"example {text!r}: kind is {row.get('kind')!r}, want 'real' or 'imagined'")
    observations = np.asarray(row["observations"], float)
    actions = np.asarray(row["actions"]).astype(int)
    if observations.shape != (len(actions) + 1, 2 * len(BALLS)):
        raise ValueError(
            f"example {text!r}: observations have shape {observations.shape}, want ({len(actions) + 1}, "
            f"{2 * len(BALLS)}): one state more than the {len(actions)} actions; cut the padding off"
        )
    if len(actions) and not 0 <= actions.min() <= actions.max() < len(BALLS) * len(PUSHES):
        raise ValueError(f"example {text!r}: actions {actions.tolist()}, want 0..{len(BALLS) * len(PUSHES) - 1}")
    reached = row.get("reached")
    return Example(text, row["kind"] == "imagined", observations, actions, None if reached is None else bool(reached))


def pair_examples(rows: Sequence[Mapping]) -> list[tuple[Example | None, Example | None]]:
    """(recorded, imagined) pairs to be shown side by side, in the order given: first with first, second with second.

    Where one kind has more rollouts than the other, the missing partner is None.
    """
    examples = [read_example(row) for row in rows]
    real = [e for e in examples if not e.imagined]
    imagined = [e for e in examples if e.imagined]
    size = max(len(real), len(imagined))
    return list(zip(real + [None] * (size - len(real)), imagined + [None] * (size - len(imagined)), strict=True))


def push_of(action: int) -> tuple[int, np.ndarray]:
    """The ball that an action pushes and the unit vector (2,) it pushes along."""
    ball, direction = divmod(int(action), len(PUSHES))
    return ball, PUSHES[direction] / np.linalg.norm(PUSHES[direction])


def key_frames(steps: int, limit: int) -> np.ndarray:
    """Indices of at most `limit` of the states 0..steps, evenly spread, always with the first and the last."""
    return np.unique(np.linspace(0, steps, min(limit, steps + 1)).round().astype(int))


def filmstrip_figure(rows: Sequence[Mapping], frames: int = 6):
    """A matplotlib Figure with a row for every rollout and up to `frames` of its states from left to right.

    The arrow in a frame is the push that is made next.
    """
    from matplotlib.figure import Figure

    examples = [e for pair in pair_examples(rows) for e in pair if e is not None]
    if not examples:
        raise ValueError("a film strip needs at least one example rollout, got none")
    figure = Figure(figsize=(1.45 * frames, 1.62 * len(examples)))
    # Margins by hand: a title that stands over a whole row confuses the automatic layout.
    top, row_height = 0.99, 0.98 / len(examples)
    for i, example in enumerate(examples):
        base = top - (i + 1) * row_height
        kind = "imagined" if example.imagined else "recorded"
        figure.text(
            0.01, base + 0.97 * row_height, f"{kind}: {example.instruction}", va="top", fontsize=8.5, weight="bold"
        )
        figure.text(0.99, base + 0.97 * row_height, example.outcome, va="top", ha="right", fontsize=8.5, color="#555")
        shown = key_frames(len(example.actions), frames)
        for column, step in enumerate(shown):
            box = (0.006 + 0.99 * column / frames, base + 0.02 * row_height, 0.97 / frames, 0.78 * row_height)
            axes = figure.add_axes(box)
            action = example.actions[step] if step < len(example.actions) else None
            draw_state(axes, example.observations[step], action)
            axes.text(VIEW[0] + 0.03, VIEW[3] - 0.03, f"{step}", va="top", fontsize=7.5, color="#555")
    return figure


def draw_state(axes, observation: np.ndarray, action: int | None = None) -> None:
    """Draws the bench, the five balls of one observation (10,) and, if given, the arrow of an action."""
    from matplotlib.patches import Circle, Rectangle

    left, right, front, back = BENCH
    axes.add_patch(Rectangle((left, front), right - left, back - front, facecolor=BENCH_COLOUR, edgecolor=EDGE_COLOUR))
    for (x, y), colour, letter in zip(observation.reshape(-1, 2), BALL_COLOURS, LETTERS, strict=True):
        axes.add_patch(Circle((x, y), RADIUS, facecolor=colour, edgecolor="white", linewidth=0.8))
        axes.text(x, y, letter, ha="center", va="center_baseline", color="white", fontsize=6.5, clip_on=True)
    if action is not None:
        ball, unit = push_of(action)
        start = observation[2 * ball : 2 * ball + 2] + 0.08 * unit
        axes.annotate(
            "",
            xy=start + 0.24 * unit,
            xytext=start,
            arrowprops={
                "arrowstyle": "-|>",
                "color": INK,
                "linewidth": 1.6,
                "mutation_scale": 9,
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
    axes.set(xlim=VIEW[:2], ylim=VIEW[2:], aspect="equal", xticks=[], yticks=[])
    axes.set_facecolor("white")
    for spine in axes.spines.values():
        spine.set_color("#dddddd")


def position_figure(positions: Mapping[str, np.ndarray], bins: int = 60):
    """Maps of where ball centres lie: a matplotlib Figure with one 2-D histogram for every named set (M, 2) of centres.

    Colours show the share of the set's centres in a cell, on one logarithmic scale for all, so that maps of sets of
    different size compare. Outside of the outer dashed line is off the bench; centres of real balls stay inside the
    inner one, a radius from the walls, but for a few starts.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    if not positions:
        raise ValueError("a map of positions needs at least one named set of ball centres, got none")
    columns = 2 if len(positions) == 4 else min(len(positions), 3)
    rows = -(-len(positions) // columns)
    figure = Figure(figsize=(2.6 * columns + 1.0, 2.7 * rows), layout="compressed")
    grid = figure.subplots(rows, columns, squeeze=False)
    edges = [np.linspace(VIEW[0] - 0.1, VIEW[1] + 0.1, bins + 1), np.linspace(VIEW[2] - 0.1, VIEW[3] + 0.1, bins + 1)]
    left, right, front, back = BENCH
    image = None
    for axes, (name, centres) in zip(grid.flat, positions.items()):
        centres = np.asarray(centres, float).reshape(-1, 2)
        share = np.histogram2d(*centres.T, bins=edges)[0] / max(1, len(centres))
        image = axes.pcolormesh(
            *edges, np.where(share > 0, share, np.nan).T, norm=LogNorm(1e-5, 1e-2), cmap="viridis", rasterized=True
        )
        for inset in (0.0, RADIUS):
            corner, size = (left + inset, front + inset), (right - left - 2 * inset, back - front - 2 * inset)
            axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=INK, linewidth=1, linestyle=(0, (4, 3))))
        outside = np.mean(off_bench(centres)) if len(centres) else 0.0
        axes.set_title(f"{name}\n{100 * outside:.1f}% of centres off the bench", fontsize=9)
        axes.set(aspect="equal", xticks=[-0.6, 0, 0.6], yticks=[-0.3, 0.2, 0.7])
        axes.tick_params(labelsize=8)
    for axes in list(grid.flat)[len(positions) :]:
        axes.set_visible(False)
    figure.colorbar(image, ax=grid, label="share of the centres in a cell", shrink=0.85)
    figure.supxlabel("x to the right, y to the back (m)", fontsize=9)
    return figure


def off_bench(centres: np.ndarray) -> np.ndarray:
    """(M,) bool: which of the ball centres (M, 2) lie outside of the walls of the bench."""
    left, right, front, back = BENCH
    x, y = centres[..., 0], centres[..., 1]
    return (x < left) | (x > right) | (y < front) | (y > back)
