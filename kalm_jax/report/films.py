"""Film strips and an animated GIF of rollouts that a world has drawn as `Film`s."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kalm_jax.types.pictures import Film

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

INK, SOFT_INK = "#1f2328", "#666666"
LABEL_BOX = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
"""White under a label, which keeps it readable on any picture."""
LAST_MILLISECONDS = 2000
"""How long the GIF rests before it starts again."""


def key_frames(film: Film, limit: int) -> np.ndarray:
    """Indices of at most `limit` stills of a film, evenly spread, always with the first and the last."""
    stills = np.unique(np.asarray(film.steps), return_index=True)[1]
    return stills[np.linspace(0, len(stills) - 1, min(limit, len(stills))).round().astype(int)]


def filmstrip_figure(films: Sequence[Film], frames: int = 6) -> Figure:
    """A figure with a row for every film and up to `frames` of its stills from left to right.

    Raises:
      ValueError: there is no film.
    """
    from matplotlib.figure import Figure

    if not films:
        raise ValueError("a film strip needs at least one film, got none")
    figure = Figure(figsize=(1.45 * frames, 1.7 * len(films)))
    # The margins are set by hand: a title that stands over a whole row confuses the automatic layout.
    height = 0.98 / len(films)
    for i, film in enumerate(films):
        base = 0.99 - (i + 1) * height
        top, style = base + 0.97 * height, {"va": "top", "fontsize": 8.5}
        figure.text(0.01, top, f"{film.kind}: {film.instruction}", {**style, "weight": "bold"})
        figure.text(0.99, top, film.outcome, {**style, "ha": "right", "color": SOFT_INK})
        for column, index in enumerate(key_frames(film, frames)):
            box = (0.006 + 0.99 * column / frames, base + 0.02 * height, 0.97 / frames, 0.8 * height)
            axes = figure.add_axes(box)
            axes.imshow(film.frames[index])
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color("#dddddd")
            axes.text(4, 4, f"{film.steps[index]}", va="top", fontsize=7.5, color=INK, bbox=LABEL_BOX)
    return figure


def gif_bytes(films: Sequence[Film], max_films: int = 4, panel_width: int = 220) -> bytes:
    """The first `max_films` films, all moving at once, as one animated GIF of at most four columns.

    Frames of the same index take the same number of milliseconds in all films, which are `panel_width` pixels wide.

    Raises:
      ValueError: there is no film.
    """
    from PIL import Image

    if not films:
        raise ValueError("an animation needs at least one film, got none")
    films = films[:max_films]
    longest = max(films, key=lambda film: len(film.frames))
    count = len(longest.frames)
    pictures = [_picture(films, i, panel_width) for i in range(count)]
    # One palette for all pictures: with a palette of its own each, flat colors would flicker.
    palette = pictures[0].quantize(128)
    pictures = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    durations = [*np.broadcast_to(longest.milliseconds, count).tolist()[:-1], LAST_MILLISECONDS]
    buffer = io.BytesIO()
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, disposal=1)
    return buffer.getvalue()


def _picture(films: Sequence[Film], index: int, width: int) -> Image.Image:
    """Frame `index` of every film (its last where it is over), next to each other, each under its instruction."""
    from PIL import Image, ImageDraw, ImageFont

    columns, line = min(4, len(films)), 16
    heights = [round(width * film.frames.shape[1] / film.frames.shape[2]) for film in films]
    panel_height = max(heights) + 5 * line
    image = Image.new("RGB", (columns * width, -(-len(films) // columns) * panel_height), "white")
    draw, font, small = ImageDraw.Draw(image), ImageFont.load_default(12.5), ImageFont.load_default(11)
    for i, (film, height) in enumerate(zip(films, heights, strict=True)):
        x, y = (i % columns) * width, (i // columns) * panel_height
        shown = min(index, len(film.frames) - 1)
        draw.text((x + 6, y + 3), film.kind, fill=SOFT_INK, font=small)
        for j, part in enumerate(textwrap.wrap(film.instruction, width // 7, max_lines=2, placeholder=" ...")):
            draw.text((x + 6, y + 3 + (j + 1) * line), part, fill=INK, font=font)
        image.paste(Image.fromarray(film.frames[shown]).resize((width, height)), (x, y + 3 * line + 4))
        over = shown == len(film.frames) - 1
        note = film.outcome if over else f"step {film.steps[shown]}"
        draw.text((x + 6, y + 3 * line + height + 8), note, fill=SOFT_INK, font=small)
    return image
