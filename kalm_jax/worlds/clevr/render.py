"""Pictures of CLEVR-Robot: the table from above drawn with Pillow, without OpenGL, or MuJoCo's own pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw

from kalm_jax.worlds.camera import MujocoCamera
from kalm_jax.worlds.clevr.goals import BALLS
from kalm_jax.worlds.clevr.realism import BENCH_HIGH, BENCH_LOW
from kalm_jax.worlds.clevr.simulator import BALL_RADIUS, NUM_QPOS

COLORS = {
    "red": (214, 48, 49),
    "blue": (42, 90, 214),
    "green": (34, 153, 62),
    "purple": (137, 56, 184),
    "cyan": (26, 188, 196),
}
_GROUND, _TABLE, _EDGE, _INK = (247, 247, 248), (232, 233, 236), (176, 178, 184), (40, 42, 48)
_CENTER, _HALF = (0.0, 0.2), 0.66  # of the square that is shown, in meters


def _pixels(points: ArrayLike, size: int) -> np.ndarray:
    """Points (..., 2) in meters -> pixels (column, row); y goes up on the table and down in a picture."""
    scaled = (np.asarray(points, np.float64) - _CENTER) / (2 * _HALF)
    return (scaled * (1, -1) + 0.5) * size


def top_view(observation: np.ndarray, size: int = 128) -> np.ndarray:
    """A picture (size, size, 3) uint8 of an observation (10,) in meters; back is up, and `size` at least 16 pixels.

    Balls outside the table are clipped at the picture's edge. A ValueError says what is wrong with the numbers.
    """
    observation = np.asarray(observation, np.float64)
    if observation.shape != (2 * len(BALLS),) or not np.isfinite(observation).all():
        raise ValueError(f"observation {observation.tolist()} of shape {observation.shape}: use 10 finite numbers")
    if size < 16:
        raise ValueError(f"size is {size} pixels: use at least 16")
    fine = 2 * size  # drawn at twice the size and scaled down, for smooth edges
    picture = Image.new("RGB", (fine, fine), _GROUND)
    draw = ImageDraw.Draw(picture)
    (x0, y1), (x1, y0) = _pixels(BENCH_LOW, fine), _pixels(BENCH_HIGH, fine)
    draw.rectangle((x0, y0, x1, y1), fill=_TABLE, outline=_EDGE, width=max(1, fine // 128))
    radius = BALL_RADIUS / (2 * _HALF) * fine
    for (x, y), name in zip(_pixels(observation.reshape(-1, 2), fine), BALLS):
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill=COLORS[name], outline=_INK, width=max(1, fine // 160))
    return np.asarray(picture.reduce(2))


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
