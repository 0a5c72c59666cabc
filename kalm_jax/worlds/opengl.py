"""Where MuJoCo draws without a display: EGL, else OSMesa."""

from __future__ import annotations

import importlib
import os
import warnings


def open_context(size: int):
    """An OpenGL context of `size` x `size` pixels: of the back end that MUJOCO_GL names, else of the first that works.

    GLFW is not tried unless named: without a display it fails, and MuJoCo then aborts the process at the next context.

    Raises:
      RuntimeError: none works; the message says what to install.
    """
    chosen = os.environ.get("MUJOCO_GL", "").lower()
    backends = (chosen,) if chosen in ("egl", "osmesa", "glfw") else ("egl", "osmesa")
    problems = []
    for backend in backends:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the error below says it once
                context = importlib.import_module(f"mujoco.{backend}").GLContext(size, size)
                context.make_current()
            return context
        except Exception as error:  # each back end fails in its own way: missing library, no device, no display
            problems.append(f"{backend}: {type(error).__name__} {error}")
    raise RuntimeError(
        f"MuJoCo cannot draw on this machine ({'; '.join(problems)}). Install EGL (Debian: libegl1 libegl-mesa0 "
        "libgl1-mesa-dri) or OSMesa (Debian: libosmesa6); the variable MUJOCO_GL=egl or MUJOCO_GL=osmesa chooses one"
    )
