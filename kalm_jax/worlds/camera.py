"""Pictures of MuJoCo scenes without a display, by EGL or OSMesa."""

from __future__ import annotations

import importlib
import os
import warnings
from typing import Any

import numpy as np

from kalm_jax.settings import Setting

PICTURE_SIZE = Setting("pixels", low=1, high=4096)
"""Width and height of an environment's pictures."""


def open_context(size: int) -> Any:
    """An OpenGL context of `size` x `size` pixels, from the back end that MUJOCO_GL names or the first that works.

    GLFW is tried only if it is named: without a display it fails, and MuJoCo aborts the process at the next context.
    The RuntimeError where none works names the packages to install.
    """
    chosen = os.environ.get("MUJOCO_GL", "").lower()
    backends = (chosen,) if chosen in ("egl", "osmesa", "glfw") else ("egl", "osmesa")
    problems = []
    for backend in backends:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the error below reports it
                context = importlib.import_module(f"mujoco.{backend}").GLContext(size, size)
                context.make_current()
            return context
        except Exception as error:  # each back end fails in its own way: missing library, no device, no display
            problems.append(f"{backend}: {type(error).__name__} {error}")
    raise RuntimeError(
        f"MuJoCo cannot draw on this machine ({'; '.join(problems)}). Install EGL (Debian: libegl1 libegl-mesa0 "
        "libgl1-mesa-dri) or OSMesa (Debian: libosmesa6); the variable MUJOCO_GL=egl or MUJOCO_GL=osmesa chooses one"
    )


class MujocoCamera:
    """A camera of a MuJoCo model; `close` frees its OpenGL context."""

    def __init__(self, model: Any, camera: Any, size: int) -> None:
        """A `mujoco.MjvCamera` for an `MjModel`, with pictures of `size` x `size` pixels; see `open_context`."""
        import mujoco

        model.vis.global_.offwidth = max(model.vis.global_.offwidth, size)
        model.vis.global_.offheight = max(model.vis.global_.offheight, size)
        self.size, self._model, self._camera = size, model, camera
        self._window = open_context(size)
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(model, maxgeom=1000)

    def picture(self, data: Any) -> np.ndarray:
        """(size, size, 3) uint8 of the scene in an `MjData`, the first row at the top."""
        import mujoco

        self._window.make_current()
        every = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, data, mujoco.MjvOption(), None, self._camera, every, self._scene)
        area = mujoco.MjrRect(0, 0, self.size, self.size)
        mujoco.mjr_render(area, self._scene, self._context)
        pixels = np.zeros((self.size, self.size, 3), np.uint8)
        mujoco.mjr_readPixels(pixels, None, area, self._context)
        return pixels[::-1].copy()  # OpenGL's rows go from the bottom up

    def close(self) -> None:
        """Frees the OpenGL context."""
        self._context.free()
        self._window.free()
