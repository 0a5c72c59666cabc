"""The two Meta-world tasks that the package lacks, composed of its parts: make-coffee and locked-door-open.

Both have two stages. The observed target is that of the current stage; success is possible in the second only, whose
reward is added to 10 for the finished first one. Importing this module imports MuJoCo and Meta-world.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from metaworld.envs.sawyer_coffee_button_v3 import SawyerCoffeeButtonEnvV3
from metaworld.envs.sawyer_coffee_push_v3 import SawyerCoffeePushEnvV3
from metaworld.envs.sawyer_door_unlock_v3 import SawyerDoorUnlockEnvV3
from metaworld.envs.sawyer_door_v3 import SawyerDoorEnvV3
from scipy.spatial.transform import Rotation

from kalm_jax.worlds.metaworld.goals import FINISHED_STAGE, HANDLE_TARGET
from kalm_jax.worlds.metaworld.tasks import task_of

_UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0])


class _TwoStages:
    """A scene with two stages: the second one begins, permanently, once the first one's distance is small enough."""

    second_stage = False
    first_radius: float
    second_radius: float
    _first_distance: Any
    _first_reward: Any
    _second_distance: Any
    _second_reward: Any
    _begin_second_stage: Any

    def evaluate_state(self, obs: np.ndarray, action: np.ndarray) -> tuple[float, dict[str, float]]:
        """Native reward and info["success"] of the package's observation (39,)."""
        first, second = obs.copy(), obs.copy()
        first[11:18], second[4:11] = 0.0, obs[11:18]
        if not self.second_stage and self._first_distance(first) <= self.first_radius:
            self._begin_second_stage()
        if not self.second_stage:
            return self._first_reward(action, first), {"success": 0.0}
        success = float(self._second_distance(second) <= self.second_radius)
        return FINISHED_STAGE + self._second_reward(action, second), {"success": success}


class MakeCoffee(_TwoStages, SawyerCoffeePushEnvV3):
    """Push the mug under the machine, then press the machine's button."""

    first_radius, second_radius = task_of("coffee-push").radius, task_of("coffee-button").radius
    max_dist = 0.03  # meters that the button moves; the package's reward for pressing it reads this

    def reset_model(self) -> np.ndarray:
        """Places mug and machine as coffee-push does."""
        self.second_stage = False
        return super().reset_model()

    def _begin_second_stage(self) -> None:
        self.second_stage = True
        machine = self.model.body("coffee_machine").pos
        self._target_pos = machine + np.array([0.0, -0.22 + self.max_dist, 0.3])

    def _get_pos_objects(self) -> np.ndarray:
        return np.hstack((super()._get_pos_objects(), self._get_site_pos("buttonStart")))

    def _get_quat_objects(self) -> np.ndarray:
        return np.hstack((super()._get_quat_objects(), _UPRIGHT))

    def _first_distance(self, obs: np.ndarray) -> float:
        return float(np.linalg.norm(obs[4:7] - self._target_pos))

    def _first_reward(self, action: np.ndarray, obs: np.ndarray) -> float:
        return SawyerCoffeePushEnvV3.compute_reward(self, action, obs)[0]

    def _second_distance(self, obs: np.ndarray) -> float:
        return abs(obs[5] - self._target_pos[1])

    def _second_reward(self, action: np.ndarray, obs: np.ndarray) -> float:
        return SawyerCoffeeButtonEnvV3.compute_reward(self, action, obs)[0]


class LockedDoorOpen(_TwoStages, SawyerDoorUnlockEnvV3):
    """Turn the lock of a safe, then open its door, which an equality constraint keeps shut until then.

    The package's safe with a lock has no hinge, and the one with a hinge has no lock; the first gets a hinge here.
    """

    first_radius, second_radius = task_of("door-unlock").radius, task_of("locked-door-open").radius

    def _initialize_simulation(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
        spec = mujoco.MjSpec.from_file(self.fullpath)
        door = spec.body("door_link")
        hinge = door.add_joint(name="doorjoint", type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0, 0, 1], range=[-2.0, 0.0])
        hinge.armature, hinge.damping, hinge.limited = 0.001, 2.0, mujoco.mjtLimited.mjLIMITED_TRUE
        for geom in door.geoms:
            if geom.meshname == "door_handle":
                geom.name = "handle"
        for geom in spec.body("doorlockA").geoms:
            # The safe's walls overlap the closed door; a hinge between them would jam.
            geom.contype = geom.conaffinity = 0
        bolt = spec.add_equality(name="bolt", type=mujoco.mjtEq.mjEQ_JOINT, objtype=mujoco.mjtObj.mjOBJ_JOINT)
        bolt.name1, bolt.active = "doorjoint", True
        model = spec.compile()
        return model, mujoco.MjData(model)

    def reset_model(self) -> np.ndarray:
        """Places the safe as door-unlock does, locked and shut."""
        self.second_stage = False
        self.data.eq_active[self.model.equality("bolt").id] = 1
        return super().reset_model()

    def _set_obj_xyz(self, pos: np.ndarray) -> None:
        qpos, qvel = self.data.qpos.copy(), self.data.qvel.copy()
        lock = self.model.body("lock_link").jntadr[0]
        qpos[self.model.jnt_qposadr[lock]], qvel[self.model.jnt_dofadr[lock]] = pos, 0.0
        self.set_state(qpos, qvel)

    def _begin_second_stage(self) -> None:
        self.second_stage = True
        self.data.eq_active[self.model.equality("bolt").id] = 0
        self._target_pos = self.model.body("door").pos + np.array(HANDLE_TARGET)

    def _get_pos_objects(self) -> np.ndarray:
        return np.hstack((super()._get_pos_objects(), self.data.geom("handle").xpos))

    def _get_quat_objects(self) -> np.ndarray:
        handle = Rotation.from_matrix(self.data.geom("handle").xmat.reshape(3, 3)).as_quat()
        return np.hstack((super()._get_quat_objects(), handle))

    @property
    def _target_site_config(self) -> list[Any]:
        return []

    def _first_distance(self, obs: np.ndarray) -> float:
        return abs(obs[4] - self._target_pos[0])

    def _first_reward(self, action: np.ndarray, obs: np.ndarray) -> float:
        return SawyerDoorUnlockEnvV3.compute_reward(self, action, obs)[0]

    def _second_distance(self, obs: np.ndarray) -> float:
        return abs(obs[4] - self._target_pos[0])

    def _second_reward(self, action: np.ndarray, obs: np.ndarray) -> float:
        return SawyerDoorEnvV3.compute_reward(self, action, obs)[0]
