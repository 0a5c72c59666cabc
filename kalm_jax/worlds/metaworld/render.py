"""Pictures of Meta-world's scenes."""

from __future__ import annotations

from typing import Any

import numpy as np

from kalm_jax.worlds.camera import MujocoCamera

CAMERAS = ("corner", "corner2", "corner3", "corner4", "topview", "behindGripper", "gripperPOV")
"""Names of the scenes' cameras."""


class SceneCamera(MujocoCamera):
    """One of `CAMERAS`; pictures of cameras that are mounted upside down are turned."""

    def __init__(self, model: Any, name: str, size: int) -> None:
        """See `MujocoCamera`."""
        import mujoco

        camera = mujoco.MjvCamera()
        camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, model.camera(name).id
        super().__init__(model, camera, size)

    def picture(self, data: Any) -> np.ndarray:
        """(size, size, 3) uint8 of the scene in an `MjData`, with the scene's up at the top."""
        pixels = super().picture(data)
        upright = data.cam_xmat[self._camera.fixedcamid].reshape(3, 3)[2, 1] >= 0
        return pixels if upright else pixels[::-1, ::-1].copy()
