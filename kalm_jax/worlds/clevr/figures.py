"""CLEVR-Robot's rollouts in pictures, from above: films, a player for the report's page, and maps of ball positions.

x is to the right and y to the back, so "behind" is up in every picture. Lengths are meters.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kalm_jax.types import GoalTable, Rollouts
from kalm_jax.types.pictures import Film, Illustrations, NamedFigure
from kalm_jax.worlds.clevr.goals import BALLS, PUSHES
from kalm_jax.worlds.clevr.realism import BENCH_HIGH, BENCH_LOW
from kalm_jax.worlds.clevr.simulator import BALL_RADIUS as RADIUS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BENCH = (BENCH_LOW[0], BENCH_HIGH[0], BENCH_LOW[1], BENCH_HIGH[1])
"""Walls of the bench: smallest and largest x, smallest and largest y."""
VIEW = (-0.75, 0.75, -0.45, 0.85)
"""What a picture shows: the bench and a margin, because imagined balls may leave the bench."""
ARROW = ((0.08, 0.014), (0.23, 0.014), (0.23, 0.05), (0.33, 0.0), (0.23, -0.05), (0.23, -0.014), (0.08, -0.014))
"""Corners of the arrow of a push, from the ball's center: along the push, and across it."""
BALL_COLORS = ("#d4453f", "#3a6fd0", "#3d9950", "#8a4fc4", "#27b3c6")
LETTERS = tuple(name[0].upper() for name in BALLS)
BENCH_COLOR, EDGE_COLOR, INK = "#f2eee4", "#8d8676", "#1f2328"
MOVING_FRAMES = 5
"""Frames of a film for one push; the first is the state before it."""
STILL_MILLISECONDS, MOVING_MILLISECONDS = 420, 70
PAIRS, SHOWN_LENGTHS = 3, (3, 12)
"""Number of pairs of rollouts that a report shows, and how many pushes they may have."""

POSITIONS_CAPTION = (
    "Positions of the balls, on one logarithmic color scale. The outer dashed line is the walls, the inner one is as "
    "near to them as a ball's center can be. A model that knows the bench fills the same rectangle as the data."
)


@dataclasses.dataclass(frozen=True)
class Example:
    """A rollout to be shown: states (T+1, 10), actions (T,), and whether it is imagined and ends in its goal."""

    instruction: str
    imagined: bool
    observations: np.ndarray
    actions: np.ndarray
    reached: bool

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
        steps = f"{len(self.actions)} push" + ("" if len(self.actions) == 1 else "es")
        return f"goal reached after {steps}" if self.reached else f"goal not reached in {steps}"


def make_example(rollouts: Rollouts, goals: GoalTable, index: int) -> Example:
    """One rollout without its padding."""
    n = int(rollouts.length[index])
    observations, actions = rollouts.observations[index, : n + 1], rollouts.actions[index, :n]
    text, reached = goals.text[rollouts.goal[index]], bool(rollouts.terminated[index])
    return Example(
        text, bool(rollouts.imagined[index]), np.asarray(observations, float), np.asarray(actions, int), reached
    )


def illustrate(real: Rollouts, real_goals: GoalTable, imagined: Rollouts, imagined_goals: GoalTable) -> Illustrations:
    """Recorded rollouts beside imagined ones for the same arrangement, and maps of where balls are."""
    pairs = list(_pairs(real, real_goals, imagined, imagined_goals))
    positions = {
        name: rollouts.observations[:, 1:][rollouts.valid()].reshape(-1, 2)
        for name, rollouts in (("recorded", real), ("imagined (rephrase)", imagined))
    }
    return Illustrations(
        films=[make_film(example) for pair in pairs for example in pair],
        figures=[NamedFigure("positions", position_figure(positions), "maps of where balls are", POSITIONS_CAPTION)],
        player=player_html(pairs) if pairs else "",
    )


def _pairs(
    real: Rollouts, real_goals: GoalTable, imagined: Rollouts, imagined_goals: GoalTable
) -> Iterator[tuple[Example, Example]]:
    """(recorded, imagined) for the same arrangement: both short and successful, each pair of balls once."""
    shortest, longest = SHOWN_LENGTHS
    fits = [np.flatnonzero((r.length >= shortest) & (r.length <= longest) & r.terminated) for r in (real, imagined)]
    arrays = [np.asarray(g.array)[r.goal] for r, g in ((real, real_goals), (imagined, imagined_goals))]
    taken: set[tuple[int, ...]] = set()
    for i in fits[1]:
        key = tuple(arrays[1][i][:3].tolist())
        same = fits[0][(arrays[0][fits[0]] == arrays[1][i]).all(1)]
        if key in taken or not len(same) or len(taken) == PAIRS:
            continue
        taken.add(key)
        yield make_example(real, real_goals, int(same[0])), make_example(imagined, imagined_goals, int(i))


def push_of(action: int) -> tuple[int, np.ndarray]:
    """The ball that an action pushes and the unit vector (2,) it pushes along."""
    ball, direction = divmod(int(action), len(PUSHES))
    return ball, PUSHES[direction] / np.linalg.norm(PUSHES[direction])


# Films


def make_film(example: Example, width: int = 220) -> Film:
    """A film of a rollout, `width` pixels wide: balls move straight from state to state, the arrow is the push."""
    times = np.linspace(0, len(example.actions), len(example.actions) * MOVING_FRAMES + 1)
    still = np.arange(len(times)) % MOVING_FRAMES == 0
    return Film(
        example.instruction,
        "imagined" if example.imagined else "recorded",
        example.outcome,
        np.stack([_frame(*state_at(example, time), width) for time in times]),
        np.floor(times + 1e-9).astype(int),
        np.where(still, STILL_MILLISECONDS, MOVING_MILLISECONDS).tolist(),
    )


def state_at(example: Example, time: float) -> tuple[np.ndarray, int | None]:
    """Ball centers (5, 2) at a time in pushes, and the action under way (None at the end); straight between states."""
    step = min(int(time + 1e-9), len(example.actions))
    if step == len(example.actions):
        return example.observations[step].reshape(-1, 2), None
    share = time - step
    state = (1 - share) * example.observations[step] + share * example.observations[step + 1]
    return state.reshape(-1, 2), int(example.actions[step])


def _frame(centers: np.ndarray, action: int | None, width: int) -> np.ndarray:
    """(H, width, 3) uint8 of ball centers (5, 2), drawn three times too large and made smooth by shrinking."""
    from PIL import Image, ImageDraw, ImageFont

    pixels = 3 * width / (VIEW[1] - VIEW[0])
    height = round(width * (VIEW[3] - VIEW[2]) / (VIEW[1] - VIEW[0]))
    image = Image.new("RGB", (3 * width, 3 * height), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(33)

    def at(point: np.ndarray | tuple[float, float]) -> tuple[float, float]:
        return (point[0] - VIEW[0]) * pixels, (VIEW[3] - point[1]) * pixels

    left, right, front, back = BENCH
    draw.rectangle((*at((left, back)), *at((right, front))), fill=BENCH_COLOR, outline=EDGE_COLOR, width=3)
    for center, color, letter in zip(centers, BALL_COLORS, LETTERS, strict=True):
        draw.circle(at(center), RADIUS * pixels, fill=color, outline="white", width=3)
        draw.text(at(center), letter, fill="white", font=font, anchor="mm")
    if action is not None:
        ball, unit = push_of(action)
        across = np.array([-unit[1], unit[0]])
        draw.polygon([at(centers[ball] + x * unit + y * across) for x, y in ARROW], fill=INK)
    return np.asarray(image.reduce(3))


def player_html(pairs: Sequence[tuple[Example, Example]]) -> str:
    """HTML that plays pairs of rollouts next to each other: SVG drawings that a script moves."""
    import jinja2

    def arrow_place(example: Example) -> str:
        ball, (x, y) = push_of(example.actions[0])
        center = example.observations[0].reshape(-1, 2)[ball]
        # SVG counts y downwards and turns clockwise, so y is negated.
        return f"translate({center[0]:.3f} {-center[1]:.3f}) rotate({np.degrees(np.arctan2(-y, x)):.1f})"

    folder = pathlib.Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.get_template("player.html").render(
        pairs=pairs,
        arrow_place=arrow_place,
        arrow=" ".join(f"{x},{-y}" for x, y in ARROW),
        bench=BENCH,
        view=VIEW,
        radius=RADIUS,
        balls=list(zip(BALL_COLORS, LETTERS, strict=True)),
        bench_color=BENCH_COLOR,
        edge_color=EDGE_COLOR,
        pushes=(PUSHES / np.linalg.norm(PUSHES, axis=1, keepdims=True)).round(4).tolist(),
    )


# Maps


def position_figure(positions: Mapping[str, np.ndarray], bins: int = 60) -> Figure:
    """Maps of where ball centers are: one 2-D histogram for every named set (M, 2) of centers, at least one.

    Colors show the share of the set's centers in a cell, on one logarithmic scale for all, so that maps of sets of
    different size compare.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    if not positions:
        raise ValueError("a map of positions needs at least one named set of ball centers, got none")
    columns = min(len(positions), 3)
    rows = -(-len(positions) // columns)
    figure = Figure(figsize=(2.6 * columns + 1.0, 2.7 * rows), layout="compressed")
    grid = figure.subplots(rows, columns, squeeze=False)
    edges = [np.linspace(VIEW[0] - 0.1, VIEW[1] + 0.1, bins + 1), np.linspace(VIEW[2] - 0.1, VIEW[3] + 0.1, bins + 1)]
    left, right, front, back = BENCH
    scale = {"norm": LogNorm(1e-5, 1e-2), "cmap": "viridis", "rasterized": True}
    for axes, (name, centers) in zip(grid.flat, positions.items(), strict=False):
        share = np.histogram2d(centers[:, 0], centers[:, 1], bins=edges)[0] / max(1, len(centers))
        image = axes.pcolormesh(*edges, np.where(share > 0, share, np.nan).T, **scale)
        for inset in (0.0, RADIUS):
            corner, size = (left + inset, front + inset), (right - left - 2 * inset, back - front - 2 * inset)
            axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=INK, linewidth=1, linestyle=(0, (4, 3))))
        outside = np.mean(off_bench(centers)) if len(centers) else 0.0
        axes.set_title(f"{name}\n{100 * outside:.1f}% of centers off the bench", fontsize=9)
        axes.set(aspect="equal", xticks=[-0.6, 0, 0.6], yticks=[-0.3, 0.2, 0.7])
        axes.tick_params(labelsize=8)
    for axes in list(grid.flat)[len(positions) :]:
        axes.set_visible(False)
    percent = "share of the centers in a cell (%)"
    figure.colorbar(image, ax=grid, label=percent, shrink=0.85, format=lambda share, _: f"{100 * share:g}")
    figure.supxlabel("x to the right, y to the back (m)", fontsize=9)
    return figure


def off_bench(centers: np.ndarray) -> np.ndarray:
    """(M,) bool: which of the ball centers (M, 2) are outside of the walls of the bench."""
    return np.asarray(np.any((centers < BENCH_LOW) | (centers > BENCH_HIGH), axis=-1))
