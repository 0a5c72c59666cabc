"""Meta-world's Sawyer arm: one task's simulator with starts that are a function of a random generator alone.

It is the published package (v3, reward version v2) with its pitfalls removed. The package ignores `reset(seed=)` and
draws from a pool of goals, clips the goal to cached bounds, and lets parts of a reset depend on the previous episode.
Moving the hand to its start takes 250 physics steps and is the same in every episode of most tasks, so it is done once
for them. Steps are those of the package with the same start, to 1e-13 m (push, whose puck never rests, to 1 mm).
"""

from __future__ import annotations

import functools
import importlib
import os
import reprlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kalm_jax.arguments import refuse_masked
from kalm_jax.worlds.metaworld.render import SceneCamera
from kalm_jax.worlds.metaworld.tasks import ACTION_DIM, compose_observation, task_of

_HELD = ("body_pos", "site_pos")
"""Arrays of the model that the package's resets modify."""
_TOUCHING = ("door-lock", "door-unlock", "locked-door-open")
"""Tasks in which the hand, on its way to its start, touches the safe, whose position differs between episodes."""
_PADS = ("leftpad_geom", "rightpad_geom")
_TOOLS = {"hammer": ("hammer", "nail_link")}
"""Task -> the body of its tool, and the one that the tool is for; the success test reads the second alone."""
_FOREIGN = ("model", "data", "mujoco_renderer", "_np_random", "np_random")
"""Attributes of the package's environment that do not belong to an episode."""
_MOVING = ("_prev_obs", "_last_stable_obs", "_target_pos", "second_stage", "curr_path_length")
"""Attributes that steps change."""


class StepResult(NamedTuple):
    """The result of an action: observation (91,) float32, the package's dense reward, and its success flag."""

    observation: np.ndarray
    native_reward: float
    success: bool


class Snapshot(NamedTuple):
    """An episode that can be continued later; `model` and `attributes` belong to the whole episode and are shared."""

    physics: np.ndarray
    model: tuple[np.ndarray, ...]
    attributes: dict[str, Any]
    moving: dict[str, Any]


class TaskSimulator:
    """One Meta-world task. `reset` starts an episode, `step` advances it; `save` and `load` switch between episodes."""

    def __init__(self, name: str) -> None:
        """Builds the scene (0.2 s, 5 to 20 MB); ValueError: no such task, RuntimeError: MuJoCo cannot be imported."""
        self.task = task_of(name)
        self._camera: SceneCamera | None = None
        env = self._env = _environment_class(name)()
        env._set_task_called, env._partially_observable, env.seeded_rand_vec = True, False, True
        env.max_path_length = np.iinfo(np.int64).max  # the caller limits the steps
        env.__dict__.pop("sawyer_observation_space", None)
        self._built = tuple(getattr(env.model, field).copy() for field in _HELD)
        self._settle()
        env._reset_hand = self._put_hand
        self._tool = [env.model.body(name).id for name in _TOOLS.get(name, ())]
        env.touching_object = functools.partial(touching, env.data, [env.data.geom(pad).id for pad in _PADS])

    def _settle(self) -> None:
        """Moves the hand to its start as the package does and keeps the resulting state."""
        import mujoco

        env = self._env
        self._physics_size = mujoco.mj_stateSize(env.model, mujoco.mjtState.mjSTATE_INTEGRATION)
        mujoco.mj_resetData(env.model, env.data)
        env._reset_hand()
        self._settled, self._init_tcp = self._physics(), env.init_tcp.copy()

    def _put_hand(self, steps: int = 0) -> None:
        import mujoco

        del steps
        env = self._env
        if self.task.name in _TOUCHING and env._freeze_rand_vec:
            mujoco.mj_resetData(env.model, env.data)
            type(env)._reset_hand(env)
            return
        mujoco.mj_setState(env.model, env.data, self._settled, mujoco.mjtState.mjSTATE_INTEGRATION)
        mujoco.mj_forward(env.model, env.data)
        env.init_tcp = self._init_tcp.copy()

    def reset(self, rng: np.random.Generator) -> np.ndarray:
        """Starts an episode with objects and goal drawn from `rng`; returns the observation (91,) float32."""
        import mujoco

        env = self._env
        for field, values in zip(_HELD, self._built):
            getattr(env.model, field)[:] = values
        mujoco.mj_resetData(env.model, env.data)
        env.np_random = rng
        env.curr_path_length = 0
        # The first pass draws and moves the scene's fixed parts; the second computes from their new positions.
        env._freeze_rand_vec = False
        env.reset_model()
        env._freeze_rand_vec = True
        env.reset_model()
        mujoco.mj_forward(env.model, env.data)
        self._model = tuple(getattr(env.model, field).copy() for field in _HELD)
        self._attributes = {k: v for k, v in vars(env).items() if k not in _FOREIGN + _MOVING}
        return self.observation()

    def step(self, action: np.ndarray) -> StepResult:
        """One action of 4 finite numbers, which are cut to [-1, 1], 0.0125 s; ValueError for others."""
        action = check_actions(action, (ACTION_DIM,), "action", np.inf).astype(np.float64)
        _, reward, _, _, info = self._env.step(np.minimum(np.maximum(action, -1.0), 1.0))
        return StepResult(self._compose(self._env._prev_obs), float(reward), bool(info["success"]))

    def tool_touches(self) -> bool | None:
        """Whether the task's tool touches what it is for (the hammer the nail); None where the task has no tool."""
        if not self._tool:
            return None
        pairs = np.sort(self._env.model.geom_bodyid[self._env.data.contact.geom], 1)
        return bool((pairs == np.sort(self._tool)).all(1).any())

    def observation(self) -> np.ndarray:
        """The current observation (91,) float32."""
        return self._compose(self._env._get_curr_obs_combined_no_goal())

    def _compose(self, now: np.ndarray) -> np.ndarray:
        """From the package's current frame (18,): hand 3, opening 1, two poses of 7."""
        poses = list(now[4:].reshape(2, 7)[: len(self.task.entities)])
        if "wall" in self.task.entities:
            wall = self._env.data.body("wall")
            poses[1] = np.concatenate([wall.xpos, wall.xquat])
        return compose_observation(self.task, now[:4], self._env._target_pos, poses)

    def save(self) -> Snapshot:
        """The current episode, for `load`."""
        moving = {name: vars(self._env)[name] for name in _MOVING if name in vars(self._env)}
        return Snapshot(self._physics(), self._model, self._attributes, moving)

    def load(self, snapshot: Snapshot) -> None:
        """Continues a saved episode of this simulator; steps are bit for bit those of an uninterrupted episode."""
        import mujoco

        env = self._env
        if snapshot.attributes is not self._attributes:
            for field, values in zip(_HELD, snapshot.model):
                getattr(env.model, field)[:] = values
            vars(env).update(snapshot.attributes)
            self._model, self._attributes = snapshot.model, snapshot.attributes
        mujoco.mj_setState(env.model, env.data, snapshot.physics, mujoco.mjtState.mjSTATE_INTEGRATION)
        vars(env).update(snapshot.moving)

    def _physics(self) -> np.ndarray:
        import mujoco

        physics = np.empty(self._physics_size)
        mujoco.mj_getState(self._env.model, self._env.data, physics, mujoco.mjtState.mjSTATE_INTEGRATION)
        return physics

    def picture(self, camera: str = "corner2", size: int = 256) -> np.ndarray:
        """(size, size, 3) uint8 from one of `render.CAMERAS`; RuntimeError where there is no OpenGL."""
        if self._camera is None:
            self._camera = SceneCamera(self._env.model, camera, size)
        return self._camera.picture(self._env.data)

    def close(self) -> None:
        """Frees the camera."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None


def check_actions(actions: Any, shape: tuple[int, ...], name: str, largest: float = 1.0) -> np.ndarray:
    """Actions as an array of this shape; a ValueError about `name` where it has others than finite real numbers.

    Nor may they be larger than `largest` by more than rounding.
    """
    refuse_masked(name, actions)
    try:
        array = np.asarray(actions)
    except ValueError:  # rows of several lengths
        array = np.zeros(0)
    good = array.dtype.kind in "iuf" and array.shape == shape
    if not good or not np.isfinite(array).all() or (np.abs(array) > largest + 1e-5).any():
        raise ValueError(
            f"{name} {reprlib.repr(actions)} of type {array.dtype} and shape {array.shape}: pass {shape} finite "
            "numbers in [-1, 1]"
        )
    return array


def touching(data: Any, pads: Sequence[int], geom: int) -> bool:
    """Whether both finger pads press on a geom, given their ids in an `MjData`; the package's test without loops."""
    pairs, rows = data.contact.geom, data.contact.efc_address
    touched = (pairs == geom).any(1)
    return all(0 < data.efc_force[rows[touched & (pairs == pad).any(1)]].sum() for pad in pads)


def _environment_class(name: str) -> Any:
    """The class of a task's scene, in the package or in `scenes.py`."""
    try:
        importlib.import_module("mujoco")
    except Exception as error:  # with MUJOCO_GL=osmesa and no OSMesa, the import fails inside PyOpenGL
        raise RuntimeError(
            f"MuJoCo cannot be imported ({type(error).__name__}: {error}); MUJOCO_GL is "
            f"{os.environ.get('MUJOCO_GL', 'not set')!r}: unset it, or install what it names (Debian: libegl1 "
            "libegl-mesa0 libgl1-mesa-dri, or libosmesa6)"
        ) from error
    if task_of(name).first_stage:
        scenes = importlib.import_module("kalm_jax.worlds.metaworld.scenes")
        return {"make-coffee": scenes.MakeCoffee, "locked-door-open": scenes.LockedDoorOpen}[name]
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS

    return ALL_V3_ENVIRONMENTS[f"{name}-v3"]
