"""Pictures of CLEVR-Robot: the table from above drawn with Pillow, without OpenGL, or MuJoCo's own pictures."""

from __future__ import annotations

import functools
import textwrap
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from kalm_jax.worlds.camera import MujocoCamera
from kalm_jax.worlds.clevr.goals import BALLS
from kalm_jax.worlds.clevr.simulator import BALL_RADIUS, NUM_QPOS, PUSH_START, PUSHER_RADIUS, push_direction

COLORS = {
    "red": (214, 48, 49),
    "blue": (42, 90, 214),
    "green": (34, 153, 62),
    "purple": (137, 56, 184),
    "cyan": (26, 188, 196),
}
_GROUND, _TABLE, _EDGE, _INK, _PUSHER = (247, 247, 248), (232, 233, 236), (176, 178, 184), (40, 42, 48), (120, 122, 130)
_CENTER, _HALF = (0.0, 0.2), 0.66  # meters; the walls are at x = +-0.6, y = -0.3 and 0.7
_WALLS = ((-0.6, -0.3), (0.6, 0.7))
_CAPTION_LINES = 2


@functools.lru_cache(maxsize=8)
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(pixels)


def _pixels(points: ArrayLike, size: int) -> np.ndarray:
    """Points (..., 2) in meters -> pixels (column, row); y goes up on the table and down in a picture."""
    scaled = (np.asarray(points, np.float64) - _CENTER) / (2 * _HALF)
    return (scaled * (1, -1) + 0.5) * size


def _disc(draw: ImageDraw.ImageDraw, point: np.ndarray, radius: float, size: int, **style: Any) -> None:
    x, y = _pixels(point, size)
    r = radius / (2 * _HALF) * size
    draw.ellipse((x - r, y - r, x + r, y + r), **style)


def top_view(
    observation: np.ndarray,
    size: int = 128,
    caption: str | None = None,
    trail: np.ndarray | None = None,
    action: int | None = None,
) -> np.ndarray:
    """A picture (H, W, 3) uint8 of an observation (10,), W = size pixels; back is up.

    Args:
      observation: (10,) the balls' x and y in meters; balls outside the table are clipped at the picture's edge.
      size: width in pixels, at least 16; the height is the same, plus a band of two lines if there is a caption.
      caption: text below the table, wrapped and cut to two lines.
      trail: (T, 10) earlier observations, drawn as a thin line behind each ball.
      action: 0..39, drawn as the pusher and its direction, at its position before the push.
    """
    observation = np.asarray(observation, np.float64)
    if observation.shape != (2 * len(BALLS),) or not np.isfinite(observation).all():
        raise ValueError(f"observation {observation.tolist()} of shape {observation.shape}: use 10 finite numbers")
    if size < 16:
        raise ValueError(f"size is {size} pixels: use at least 16")
    fine = 2 * size  # drawn at twice the size and scaled down, for smooth edges
    picture = Image.new("RGB", (fine, fine), _GROUND)
    draw = ImageDraw.Draw(picture)
    (x0, y1), (x1, y0) = _pixels(_WALLS[0], fine), _pixels(_WALLS[1], fine)
    draw.rectangle((x0, y0, x1, y1), fill=_TABLE, outline=_EDGE, width=max(1, fine // 128))
    balls = observation.reshape(-1, 2)
    if trail is not None:
        path = np.concatenate([np.asarray(trail, np.float64).reshape(-1, len(BALLS), 2), balls[None]])  # (T+1, 5, 2)
        for ball, name in enumerate(BALLS):
            line = [tuple(point) for point in _pixels(path[:, ball], fine)]
            draw.line(line, fill=COLORS[name], width=max(1, fine // 96))
    for ball, name in enumerate(BALLS):
        _disc(draw, balls[ball], BALL_RADIUS, fine, fill=COLORS[name], outline=_INK, width=max(1, fine // 160))
    if action is not None:
        pushed, direction = push_direction(np.asarray(action))
        start = balls[pushed] - PUSH_START * direction
        ends = [tuple(point) for point in _pixels(np.stack([start, start + 0.12 * direction]), fine)]
        draw.line(ends, fill=_INK, width=max(1, fine // 64))
        _disc(draw, start, PUSHER_RADIUS, fine, fill=_PUSHER, outline=_INK, width=max(1, fine // 160))
    image = np.asarray(picture.reduce(2))
    return image if caption is None else np.concatenate([image, _band(caption, size)])


def _band(caption: str, width: int) -> np.ndarray:
    """(height, width, 3) uint8 with up to two lines of text; the height depends on `width` only."""
    pixels = max(8, width // 18)
    font = _font(pixels)
    band = Image.new("RGB", (width, int(_CAPTION_LINES * 1.3 * pixels) + 4), _GROUND)
    characters = max(4, int((width - 6) / max(font.getlength("n"), 1.0)))
    lines = textwrap.wrap(caption, characters, max_lines=_CAPTION_LINES, placeholder=" ...")
    draw = ImageDraw.Draw(band)
    for row, line in enumerate(lines):
        draw.text((3, 2 + row * 1.3 * pixels), line, fill=_INK, font=font)
    return np.asarray(band)


class TableCamera(MujocoCamera):
    """MuJoCo's own pictures of the table, from the front at 45 degrees; they need OpenGL."""

    def __init__(self, model: Any, size: int) -> None:
        """See `MujocoCamera`."""
        import mujoco

        camera = mujoco.MjvCamera()
        camera.type, camera.lookat[:] = mujoco.mjtCamera.mjCAMERA_FREE, (*_CENTER, -0.2)
        camera.distance, camera.azimuth, camera.elevation = 1.9, 90, -45
        super().__init__(model, camera, size)
        self._data = mujoco.MjData(model)

    def state_picture(self, state: np.ndarray) -> np.ndarray:
        """(size, size, 3) uint8 of a state (69,)."""
        import mujoco

        self._data.qpos[:], self._data.qvel[:] = state[:NUM_QPOS], state[NUM_QPOS:]
        mujoco.mj_forward(self._model, self._data)
        return self.picture(self._data)
