"""Film strips and a GIF of rollouts that come as rendered pictures; `bench.py` and `animation.py` draw CLEVR-Robot's.

A film is a plain dict, see `ReportData.films`. Letters: F frames, H by W pixels.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from kalm_jax.worlds.clevr.figures import INK, key_frames


def filmstrip_figure(films: Sequence[Mapping], frames: int = 6):
    """A matplotlib Figure with a row for every film and up to `frames` of its pictures from left to right."""
    from matplotlib.figure import Figure

    if not films:
        raise ValueError("a film strip needs at least one film, got none")
    figure = Figure(figsize=(1.45 * frames, 1.7 * len(films)))
    row_height = 0.98 / len(films)
    for i, film in enumerate(films):
        base = 0.99 - (i + 1) * row_height
        title = f"{film['kind']}: {film['instruction']}"
        figure.text(0.01, base + 0.97 * row_height, title, va="top", fontsize=8.5, weight="bold")
        figure.text(
            0.99, base + 0.97 * row_height, film["outcome"], va="top", ha="right", fontsize=8.5, color="#555555"
        )
        for column, shown in enumerate(key_frames(len(film["frames"]) - 1, frames)):
            box = (0.006 + 0.99 * column / frames, base + 0.02 * row_height, 0.97 / frames, 0.8 * row_height)
            axes = figure.add_axes(box)
            axes.imshow(film["frames"][shown])
            axes.set(xticks=[], yticks=[])
            axes.text(4, 4, f"{film['steps'][shown]}", va="top", fontsize=7.5, color="white")
    return figure


def gif_bytes(films: Sequence[Mapping], max_films: int = 4, panel_width: int = 220, duration: int = 80) -> bytes:
    """The first films, all moving at once, as one animated GIF of at most four columns.

    Args:
      panel_width: width of one film in pixels. duration: milliseconds of a picture.
    """
    if not films:
        raise ValueError("an animation needs at least one film, got none")
    films = films[:max_films]
    count = max(len(film["frames"]) for film in films)
    pictures = [_picture(films, i, panel_width) for i in range(count)]
    # One palette for all pictures: with a palette of its own each, flat colours would flicker.
    palette = pictures[0].quantize(128)
    pictures = [picture.quantize(palette=palette, dither=0) for picture in pictures]
    durations = [duration] * (count - 1) + [2000]
    buffer = io.BytesIO()
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, disposal=1)
    return buffer.getvalue()


def _picture(films: Sequence[Mapping], index: int, width: int):
    """Frame `index` of every film (its last where it is over), side by side, each under its instruction."""
    from PIL import Image, ImageDraw, ImageFont

    columns, line = min(4, len(films)), 16
    height = width + 5 * line
    image = Image.new("RGB", (columns * width, -(-len(films) // columns) * height), "white")
    draw, font, small = ImageDraw.Draw(image), ImageFont.load_default(12.5), ImageFont.load_default(11)
    for i, film in enumerate(films):
        x, y = (i % columns) * width, (i // columns) * height
        shown = min(index, len(film["frames"]) - 1)
        draw.text((x + 6, y + 3), film["kind"], fill="#666666", font=small)
        lines = textwrap.wrap(film["instruction"], width // 7, max_lines=2, placeholder=" ...")
        for j, part in enumerate(lines):
            draw.text((x + 6, y + 3 + (j + 1) * line), part, fill=INK, font=font)
        image.paste(Image.fromarray(np.asarray(film["frames"][shown])).resize((width, width)), (x, y + 3 * line + 4))
        last = shown == len(film["frames"]) - 1
        note = film["outcome"] if last else f"step {film['steps'][shown]}"
        draw.text((x + 6, y + 3 * line + width + 8), note, fill="#666666", font=small)
    return image
