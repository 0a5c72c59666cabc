"""Pictures of a MuJoCo scene without a display: EGL, else OSMesa; Meta-world's upside-down cameras are turned."""

from __future__ import annotations

import numpy as np

from kalm_jax.worlds.opengl import open_context

CAMERAS = ("corner", "corner2", "corner3", "corner4", "topview", "behindGripper", "gripperPOV")


class Camera:
    """One camera of one model; `close` frees its OpenGL context."""

    def __init__(self, model, name: str, size: int):
        """Opens a context of `size` x `size` pixels; RuntimeError with the mend where neither EGL nor OSMesa works."""
        import mujoco

        model.vis.global_.offwidth = max(model.vis.global_.offwidth, size)
        model.vis.global_.offheight = max(model.vis.global_.offheight, size)
        self.size, self._model = size, model
        self._window = open_context(size)
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(model, maxgeom=1000)
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = model.camera(name).id

    def picture(self, data) -> np.ndarray:
        """(size, size, 3) uint8 of the scene as `data` has it, the world's up at the top."""
        import mujoco

        self._window.make_current()
        every = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, data, mujoco.MjvOption(), None, self._camera, every, self._scene)
        area = mujoco.MjrRect(0, 0, self.size, self.size)
        mujoco.mjr_render(area, self._scene, self._context)
        pixels = np.zeros((self.size, self.size, 3), np.uint8)
        mujoco.mjr_readPixels(pixels, None, area, self._context)
        upright = data.cam_xmat[self._camera.fixedcamid].reshape(3, 3)[2, 1] >= 0
        return (pixels[::-1] if upright else pixels[:, ::-1]).copy()  # OpenGL's rows go from the bottom up

    def close(self) -> None:
        """Frees the context."""
        self._context.free()
        self._window.free()
