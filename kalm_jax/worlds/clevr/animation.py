"""Rollouts in motion: a player inside the page (SVG and a little script) and an animated GIF for a README."""

from __future__ import annotations

import html
import importlib.resources
import io
import json
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from kalm_jax.worlds.clevr.figures import (
    BALL_COLOURS,
    BENCH,
    BENCH_COLOUR,
    EDGE_COLOUR,
    INK,
    LETTERS,
    RADIUS,
    VIEW,
    Example,
    pair_examples,
    push_of,
)
from kalm_jax.worlds.clevr.goals import PUSHES

KINDS = {False: "recorded in the simulator", True: "imagined by the language model"}
MOVING_FRAMES = 5
"""Pictures of a GIF for one push, between one state and the next."""


def asset(name: str) -> str:
    """The text of a file in `assets/`, which travels with the package."""
    return importlib.resources.files("kalm_jax.report").joinpath("assets", name).read_text("utf-8")


def players_html(rows: Sequence[Mapping]) -> str:
    """HTML of one player for every pair of rollouts (see `bench.read_example`); `page_script` brings them to life."""
    return "\n".join(_player(pair) for pair in pair_examples(rows))


def page_script() -> str:
    """The script of the page, to be placed once behind the players."""
    return asset("page.js")


def _player(pair: tuple[Example | None, Example | None]) -> str:
    shown = [example for example in pair if example is not None]
    panels = "\n".join(_panel(example) for example in shown)
    data = {
        "pushes": (PUSHES / np.linalg.norm(PUSHES, axis=1, keepdims=True)).round(4).tolist(),
        "rollouts": [
            {
                "states": np.round(example.observations, 3).tolist(),
                "actions": example.actions.tolist(),
                "outcome": example.outcome,
            }
            for example in shown
        ],
    }
    # "<" inside a script element could end it early, whatever the instruction says.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    steps = max(len(example.actions) for example in shown)
    return f"""<figure class="player">
<div class="panels">{panels}</div>
<div class="controls">
<button type="button" class="play">Play</button>
<button type="button" class="back" aria-label="one push back">&#8592;</button>
<button type="button" class="forward" aria-label="one push forward">&#8594;</button>
<input type="range" min="0" max="{steps}" value="0" step="0.01" aria-label="time, in pushes">
</div>
<script type="application/json">{text}</script>
</figure>"""


def _panel(example: Example) -> str:
    kind = "imagined" if example.imagined else "real"
    return f"""<div class="panel {kind}">
<p class="kind">{KINDS[example.imagined]}</p>
<p class="instruction">{html.escape(example.instruction)}</p>
{state_svg(example.observations[0], example.actions[0] if len(example.actions) else None)}
<p class="readout">start; {html.escape(example.outcome)}</p>
</div>"""


def state_svg(observation: np.ndarray, action: int | None = None) -> str:
    """An SVG picture of one state (10,), with the arrow of `action`. SVG counts y downwards, so y is negated."""
    left, right, front, back = BENCH
    balls = "".join(
        f'<g class="ball" transform="translate({x:.3f} {-y:.3f})"><circle r="{RADIUS}" fill="{colour}"/>'
        f'<text dy="0.04">{letter}</text></g>'
        for (x, y), colour, letter in zip(observation.reshape(-1, 2), BALL_COLOURS, LETTERS, strict=True)
    )
    place = 'visibility="hidden"'
    if action is not None:
        ball, (ux, uy) = push_of(action)
        angle = np.degrees(np.arctan2(-uy, ux))
        place = (
            f'transform="translate({observation[2 * ball]:.3f} {-observation[2 * ball + 1]:.3f}) rotate({angle:.1f})"'
        )
    return (
        f'<svg viewBox="{VIEW[0]} {-VIEW[3]} {VIEW[1] - VIEW[0]:.2f} {VIEW[3] - VIEW[2]:.2f}" role="img" '
        f'aria-label="the bench from above"><rect x="{left}" y="{-back}" width="{right - left:.2f}" '
        f'height="{back - front:.2f}" fill="{BENCH_COLOUR}" stroke="{EDGE_COLOUR}" stroke-width="0.008"/>{balls}'
        f'<path class="arrow" d="M0.08 -0.014H0.23V-0.05L0.33 0L0.23 0.05V0.014H0.08Z" {place}/></svg>'
    )


def gif_bytes(rows: Sequence[Mapping], max_pairs: int = 2, panel_width: int = 220, max_pushes: int = 20) -> bytes:
    """The first pairs of rollouts, all moving at once, as one animated GIF; a recorded one stands left of its partner.

    Args:
      rows: example rollouts as plain dicts.
      max_pairs: number of pairs shown.
      panel_width: width of one rollout in pixels.
      max_pushes: where longer rollouts are cut, so that the file stays small; the counter tells how many there are.
    """
    examples = [e for pair in pair_examples(rows)[:max_pairs] for e in pair if e is not None]
    if not examples:
        raise ValueError("an animation needs at least one example rollout, got none")
    steps = min(max_pushes, max(len(e.actions) for e in examples))
    times = np.linspace(0, steps, steps * MOVING_FRAMES + 1)
    frames = [_gif_frame(examples, time, panel_width) for time in times]
    # One palette for all pictures: with a palette of its own each, flat colours would flicker.
    palette = frames[0].quantize(96)
    frames = [frame.quantize(palette=palette, dither=0) for frame in frames]
    durations = [420 if i % MOVING_FRAMES == 0 else 70 for i in range(len(frames))]
    durations[-1] = 2000
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, disposal=1)
    return buffer.getvalue()


def _gif_frame(examples: Sequence[Example], time: float, width: int):
    """One picture of all rollouts at a time in pushes, drawn three times too large and made smooth by shrinking."""
    from PIL import Image, ImageDraw, ImageFont

    scale = 3
    side = width * scale
    bench_height = round(side * (VIEW[3] - VIEW[2]) / (VIEW[1] - VIEW[0]))
    line = 16 * scale
    columns = min(4, len(examples))
    rows = -(-len(examples) // columns)
    height = bench_height + 5 * line
    image = Image.new("RGB", (columns * side, rows * height), "white")
    draw = ImageDraw.Draw(image)
    font, small = ImageFont.load_default(12.5 * scale), ImageFont.load_default(11 * scale)
    for i, example in enumerate(examples):
        x0, y0 = (i % columns) * side, (i // columns) * height
        draw.text((x0 + 8 * scale, y0 + 4 * scale), KINDS[example.imagined], fill="#666666", font=small)
        for j, part in enumerate(textwrap.wrap(example.instruction, width // 7, max_lines=2, placeholder=" ...")):
            draw.text((x0 + 8 * scale, y0 + 4 * scale + (j + 1) * line), part, fill=INK, font=font)
        _draw_bench(draw, example, time, (x0, y0 + round(3.3 * line)), side, small)
        step, total = min(int(time + 1e-9), len(example.actions)), len(example.actions)
        note = f"push {step} of {total}" if step < total else example.outcome
        draw.text((x0 + 8 * scale, y0 + round(3.4 * line) + bench_height), note, fill="#666666", font=small)
    return image.reduce(scale)


def state_at(example: Example, time: float) -> tuple[np.ndarray, int | None]:
    """Ball centres (5, 2) at a time in pushes, and the action under way (None at the end); straight between states."""
    step = min(int(time + 1e-9), len(example.actions))
    if step == len(example.actions):
        return example.observations[step].reshape(-1, 2), None
    share = time - step
    state = (1 - share) * example.observations[step] + share * example.observations[step + 1]
    return state.reshape(-1, 2), int(example.actions[step])


def _draw_bench(draw, example: Example, time: float, corner: tuple[int, int], side: int, font) -> None:
    """Draws one rollout at a time into the square panel whose upper left corner is `corner`, in pixels."""
    pixels = side / (VIEW[1] - VIEW[0])

    def at(point):
        return corner[0] + (point[0] - VIEW[0]) * pixels, corner[1] + (VIEW[3] - point[1]) * pixels

    left, right, front, back = BENCH
    draw.rectangle((*at((left, back)), *at((right, front))), fill=BENCH_COLOUR, outline=EDGE_COLOUR, width=3)
    centres, action = state_at(example, time)
    for centre, colour, letter in zip(centres, BALL_COLOURS, LETTERS, strict=True):
        x, y = at(centre)
        r = RADIUS * pixels
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour, outline="white", width=3)
        draw.text((x, y), letter, fill="white", font=font, anchor="mm")
    if action is not None:
        ball, unit = push_of(action)
        across = np.array([-unit[1], unit[0]])
        outline = [(0.08, 0.014), (0.23, 0.014), (0.23, 0.05), (0.33, 0), (0.23, -0.05), (0.23, -0.014), (0.08, -0.014)]
        draw.polygon([at(centres[ball] + along * unit + side_ * across) for along, side_ in outline], fill=INK)
