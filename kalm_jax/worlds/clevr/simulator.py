"""CLEVR-Robot: the MuJoCo scene, one action (a push), the full state, and batched stepping.

Five balls are on a table between four invisible walls, and a pusher is teleported to a ball and pushes for 0.4 s: the
scene that KALM's data were recorded in (one-step replay of their states is exact to float32 rounding). State (69,)
float64: qpos 37 = five balls (x, y, z, quaternion) and the pusher's (x, y), then qvel 32 = five balls (linear, angular)
and the pusher's two. Observation (10,) float32: the balls' (x, y), without velocities. Dimension letters: N states,
S = 69.
"""

from __future__ import annotations

import importlib.resources
import itertools
from typing import TYPE_CHECKING

import numpy as np

from kalm_jax.arguments import plain_array
from kalm_jax.cores import available_cores
from kalm_jax.types import Episodes
from kalm_jax.worlds.clevr.goals import BALLS, MOVE, PUSHES, success

if TYPE_CHECKING:
    from mujoco import MjModel

NUM_ACTIONS = len(BALLS) * len(PUSHES)
OBSERVATION_DIM = 2 * len(BALLS)
NUM_QPOS, NUM_QVEL = 7 * len(BALLS) + 2, 6 * len(BALLS) + 2
STATE_DIM = NUM_QPOS + NUM_QVEL
HORIZON = 50
SUBSTEPS = 40
"""Physics steps of 0.01 s in one action."""
START_HEIGHT, BALL_RADIUS = -0.195, 0.13
"""Height of a resting ball's center and its radius in meters, as in `data/scene.xml`."""
PUSHER_RADIUS, PUSHER_DENSITY, ARMATURE = 0.05, 0.5, 0.04
"""Of the pusher and its joints, as in `data/scene.xml`."""
PUSH_START = 0.15
"""Meters from the ball's center to the pusher's start. They overlap (0.15 < 0.13 + 0.05): contact ejects the ball."""

WALLS = np.array([[-0.6, -0.3], [0.6, 0.7]])
"""(2, 2) meters: the least and the greatest x and y inside the walls, as in `data/scene.xml`."""
FASTEST = 20.0
"""Meters or radians per second that nothing in the scene comes near: pushed balls reach 1, the pusher 2."""

_MARGIN = 0.1
"""Meters by which a ball may be inside a wall, and more than the softness of contacts lets balls overlap."""
_LARGEST = 1000.0
"""Magnitude of a state's numbers up to which MuJoCo computes something."""
_XY = np.arange(len(BALLS))[:, None] * 7 + np.arange(2)  # (5, 2) indices of the balls' x, y in qpos
_BALL, _DIRECTION = np.arange(NUM_ACTIONS) // len(PUSHES), np.tile(PUSHES, (len(BALLS), 1)).astype(np.float64)
_CHUNK = 1024
"""States per call of mujoco.rollout, which writes every substep: 1024 x 40 x 70 doubles are 23 MB."""


def scene_xml() -> str:
    """The scene as MJCF text."""
    return (importlib.resources.files(__package__) / "data" / "scene.xml").read_text("utf-8")


def pusher_inverse_weights() -> tuple[float, float]:
    """Inverse weights (body, degree of freedom) of the pusher in 1/kg, armature included: 16.558 and 24.837."""
    mass = PUSHER_DENSITY * 4 / 3 * np.pi * PUSHER_RADIUS**3
    return 2 / 3 / (mass + ARMATURE), 1 / (mass + ARMATURE)


def build_model() -> MjModel:
    """The compiled `mujoco.MjModel`.

    MuJoCo 3 compiles the pusher's inverse weights without the joints' armature (3819.7 instead of 16.6). They scale the
    softness of each of its contacts; uncorrected, one push ends centimeters away from the recorded data.
    """
    import mujoco

    model = mujoco.MjModel.from_xml_string(scene_xml())
    body, dof = pusher_inverse_weights()
    model.body_invweight0[model.body("pusher").id] = (body, 0.0)
    model.dof_invweight0[-2:] = dof
    return model


def observation_of(states: np.ndarray) -> np.ndarray:
    """Observations (..., 10) float32 of states (..., 69): the balls' x and y in meters."""
    return np.asarray(states)[..., _XY.reshape(-1)].astype(np.float32)


def states_of(observations: np.ndarray) -> np.ndarray:
    """States (..., 69) float64 with the balls of observations (..., 10) at rest and the pusher at the origin."""
    observations = np.asarray(observations, np.float64)
    if observations.shape[-1:] != (OBSERVATION_DIM,):
        raise ValueError(f"observations have shape {observations.shape}: use shape (..., {OBSERVATION_DIM})")
    states = np.zeros((*observations.shape[:-1], STATE_DIM))
    states[..., _XY.reshape(-1)] = observations
    states[..., _XY[:, 0] + 2] = START_HEIGHT
    states[..., _XY[:, 0] + 3] = 1.0
    return states


def sample_states(rng: np.random.Generator, n: int) -> np.ndarray:
    """Initial states (n, 69) by the rules of KALM's released generator.

    Balls are placed one after the other, x ~ U(-0.5, 0.5), y ~ U(-0.3, 0.5) meters, at least 0.36 apart and at least
    0.01 apart along each axis; after ten failed tries for a ball its scene starts again. As in the authors' data, many
    balls start inside a wall, which pushes them back during the first action.
    """
    placed = [np.zeros((0, len(BALLS), 2))]
    missing = n
    while missing > 0:
        scenes = np.zeros((min(max(16, 4 * missing), 16384), len(BALLS), 2))
        for ball in range(len(BALLS)):
            tries = rng.uniform((-0.5, -0.3), (0.5, 0.5), size=(len(scenes), 10, 2))
            gap = np.abs(scenes[:, None, :ball] - tries[:, :, None])  # (scenes, tries, earlier balls, 2)
            fits = np.asarray((np.hypot(gap[..., 0], gap[..., 1]) >= 0.36).all(2) & (gap >= 0.01).all((2, 3)))
            first = fits.argmax(1)
            scenes[:, ball] = tries[np.arange(len(scenes)), first]
            scenes = scenes[fits.any(1)]
        placed.append(scenes)
        missing -= len(scenes)
    return states_of(np.concatenate(placed)[:n].reshape(n, OBSERVATION_DIM))


def check_state(state: np.ndarray) -> None:
    """Raises a ValueError for numbers (69,) that no state of the simulator has, naming the first that are wrong."""
    how = "; take states from the environment (get_state), simulator.sample_states or simulator.states_of"
    balls, velocities = state[: 7 * len(BALLS)].reshape(len(BALLS), 7), state[NUM_QPOS:]
    low, high = WALLS[0] - _MARGIN, WALLS[1] + _MARGIN
    for name, ball in zip(BALLS, balls):
        if (ball[:2] < low).any() or (ball[:2] > high).any() or abs(ball[2] - START_HEIGHT) > BALL_RADIUS:
            raise ValueError(f"state: the {name} ball is at {_shown(ball[:3])} m, outside the walls{how}")
        if abs(np.linalg.norm(ball[3:]) - 1) > 0.01:
            raise ValueError(f"state: the {name} ball is turned by {_shown(ball[3:])}, no unit quaternion{how}")
    for i, j in itertools.combinations(range(len(BALLS)), 2):
        if (apart := np.linalg.norm(balls[i, :3] - balls[j, :3])) < 2 * BALL_RADIUS - _MARGIN:
            raise ValueError(
                f"state: the {BALLS[i]} and the {BALLS[j]} ball are {apart:.3g} m apart, which their size "
                f"({2 * BALL_RADIUS:g} m) does not allow{how}"
            )
    if (np.abs(pusher := state[NUM_QPOS - 2 : NUM_QPOS]) > 2).any():
        raise ValueError(f"state: the pusher is at {_shown(pusher)} m, off the table{how}")
    if (np.abs(velocities) > FASTEST).any():
        i = int(np.argmax(np.abs(velocities)))
        raise ValueError(
            f"state[{NUM_QPOS + i}] is a velocity of {velocities[i]:.6g}, and nothing is faster than {FASTEST:g} m/s "
            f"or rad/s{how}"
        )


def _shown(numbers: np.ndarray) -> str:
    return f"({', '.join(f'{x:.4g}' for x in numbers)})"


def push_direction(actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ball index (N,) and push direction (N, 2), not normalized, of actions (N,) in 0..39."""
    actions = np.asarray(actions)
    return _BALL[actions], _DIRECTION[actions]


class ClevrSimulator:
    """Pushes in batches of states, whose results do not depend on the order or the number of threads.

    Usable as a context manager; `close` ends the threads. It must not be used by two Python threads at the same time.
    """

    def __init__(self, threads: int | None = None) -> None:
        """`threads` defaults to the number of CPU cores this process may use."""
        from mujoco import MjData
        from mujoco.rollout import Rollout

        if threads is None:
            threads = available_cores()
        if threads < 1:
            raise ValueError(f"threads is {threads}: use at least 1")
        self.threads = threads
        self.model = build_model()
        self._data = [MjData(self.model) for _ in range(threads)]
        self._pool = Rollout(nthread=threads if threads > 1 else 0)
        self._out = np.zeros((0, SUBSTEPS, 1 + STATE_DIM))

    def push(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """States (N, 69) float64 after one action each, actions (N,) int in 0..39 = 8 * ball + push.

        The pusher is put behind its ball with zero velocity and driven with a constant force of |direction| newton for
        0.4 s; everything else continues from `states`. A ValueError names a wrong shape, action or state.
        """
        states = np.asarray(plain_array("states", states), np.float64)
        actions = plain_array("actions", actions)
        if states.ndim != 2 or states.shape[1] != STATE_DIM:
            raise ValueError(f"states have shape {states.shape}, want (N, {STATE_DIM})")
        if actions.shape != states.shape[:1] or actions.dtype.kind not in "iu":
            raise ValueError(f"actions are {actions.dtype} {actions.shape}, want one integer for each of {len(states)}")
        if len(actions) and (actions.min() < 0 or actions.max() >= NUM_ACTIONS):
            wrong = int(np.flatnonzero((actions < 0) | (actions >= NUM_ACTIONS))[0])
            raise ValueError(f"actions[{wrong}] is {actions[wrong]}, want 0..{NUM_ACTIONS - 1}")
        if len(wide := np.flatnonzero(~(np.abs(states) <= _LARGEST).all(1))):
            raise ValueError(
                f"states[{wide[0]}] has a number that is not finite or beyond {_LARGEST:g}; the simulator needs states "
                "such as its own"
            )
        ball, direction = push_direction(actions)
        start = np.zeros((len(states), 1 + STATE_DIM))  # time, qpos, qvel
        start[:, 1:] = states
        at = states[np.arange(len(states))[:, None], _XY[ball]]
        start[:, NUM_QPOS - 1 : NUM_QPOS + 1] = at - PUSH_START * direction
        start[:, -2:] = 0.0
        chunks = range(0, len(states), _CHUNK)
        parts = [self._roll(start[i : i + _CHUNK], direction[i : i + _CHUNK]) for i in chunks]
        return parts[0] if len(parts) == 1 else np.concatenate([states[:0], *parts])

    def start(self, episodes: Episodes) -> ClevrPlay:
        """Begins evaluation episodes, which are stepped together; see `evaluation.evaluate`."""
        return ClevrPlay(self, episodes)

    def _roll(self, start: np.ndarray, force: np.ndarray) -> np.ndarray:
        """States (n, 69) after `SUBSTEPS` physics steps from `start` (n, 70) under a constant `force` (n, 2)."""
        n = len(start)
        if len(self._out) < n:
            self._out = np.empty((n, SUBSTEPS, start.shape[1]))
        control = np.repeat(force[:, None], SUBSTEPS, axis=1)
        # Without initial_warmstart each rollout starts its solver cold, as the authors' reset of the simulator does.
        self._pool.rollout(self.model, self._data, start, control, state=self._out[:n])
        # MuJoCo resets a scene, its clock included, where numbers diverge.
        if len(again := np.flatnonzero(self._out[:n, -1, 0] < (SUBSTEPS - 0.5) * self.model.opt.timestep)):
            raise ValueError(
                f"the simulator cannot go on from a state that begins with {_shown(start[again[0], 1:8])}; use states "
                "such as its own"
            )
        return self._out[:n, -1, 1:].copy()

    def close(self) -> None:
        """Ends the threads; the simulator cannot be used afterwards."""
        self._pool.close()

    def __enter__(self) -> ClevrSimulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ClevrPlay:
    """See `types.Play`: `states` are the simulator's, and a `move` goal has one push."""

    def __init__(self, simulator: ClevrSimulator, episodes: Episodes) -> None:
        self._simulator, self._family, self._goal = simulator, episodes.family, episodes.array
        self.states = episodes.states.copy()
        self.horizon = np.where(self._family == MOVE, 1, HORIZON)

    def step(self, active: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Pushes where `active` (n,) bool; `actions` (n,) int are ignored elsewhere. Returns successes (n,) bool."""
        before, actions = self.states[active], np.asarray(actions)[active]
        after = self._simulator.push(before, actions)
        reached = np.zeros(len(self.states), bool)
        step = (self._family[active], self._goal[active], observation_of(before), actions, observation_of(after))
        reached[active] = success(*step)
        self.states[active] = after
        return reached

    def close(self) -> None:
        """Does nothing: no resources are held beyond the states."""
