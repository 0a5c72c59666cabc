"""A custom world: a robot on a field with three flags.

    python -m experiments.world --world=examples.own_world --preset=smoke --algo=td3bc

A state is the position (x, y) of the robot, then those of the red, the green and the blue flag, all in [-1, 1]; an
action moves the robot by up to 0.2 along each axis. The data's sentences ask for a flag; sides of the field and places
between flags are novel goals.
"""

import gymnasium
import numpy as np

from kalm_jax.types import LEVELS, make_goal_table
from kalm_jax.worlds.gymnasium import GymnasiumWorld

FLAGS, SIDES = ("red", "green", "blue"), ("left", "right", "front", "back")
STEP, NEAR = 0.2, 0.15


def sentences():
    """(text, level, family, goal array) of every sentence; levels: 0 the data's, 1 rephrased, 2 unseen easy, 3 hard."""
    rows = []
    for k, flag in enumerate(FLAGS):
        rows += [(words.format(flag), 0, 0, (k, k)) for words in ("go to the {} flag", "walk to the {} flag now")]
        rephrased = ("be where {} is", "the robot wants to be near {} , please")
        rows += [(words.format(flag), 1, 0, (k, k)) for words in rephrased]
    rows += [(f"go to the {side} side", 2, 1, (d, d)) for d, side in enumerate(SIDES)]
    pairs = [(k, j) for k in range(3) for j in range(k)]
    return rows + [(f"stand between the {FLAGS[k]} and the {FLAGS[j]} flag", 3, 2, (k, j)) for k, j in pairs]


class FieldWorld(GymnasiumWorld):
    """The world: what the goals are, when they are reached, and an expert that collects data."""

    name, environment, horizon, early_steps = "field", "kalm-examples/Field-v0", 30, 10
    families = ("flag", "side", "between")
    goal_table = make_goal_table(*zip(*sentences(), strict=True))
    validation_table = make_goal_table(
        [f"move to the {flag} flag" for flag in FLAGS], LEVELS.index("rephrase"), 0, [(k, k) for k in range(3)]
    )

    def success(self, family, goal, state, action, next_state):
        """Whether the robot is near a flag, at a side, or near the middle of two flags; NumPy and JAX arrays alike."""
        robot, flags = next_state[:, :2], next_state[:, 2:].reshape(-1, 3, 2)
        chosen = [(goal[:, i : i + 1] == np.arange(3))[..., None] * flags for i in (0, 1)]
        middle = 0.5 * (chosen[0].sum(1) + chosen[1].sum(1))
        distance = abs(robot - middle).max(-1)
        sides = ((goal[:, :1] == np.array([[0, 1, 2, 3]])) * robot[:, [0, 0, 1, 1]] * np.array([-1, 1, -1, 1])).sum(1)
        return ((family == 1) & (sides > 0.8)) | ((family != 1) & (distance < NEAR))

    def reward(self, family, goal, state, action, next_state):
        """1 for reaching the goal."""
        return self.success(family, goal, state, action, next_state).astype(np.float32)

    def expert(self, rng, observations, family, goal):
        """Straight to the goal, with noise."""
        flags, rows = observations[:, 2:].reshape(-1, 3, 2), np.arange(len(goal))
        target = 0.5 * (flags[rows, np.minimum(goal[:, 0], 2)] + flags[rows, np.minimum(goal[:, 1], 2)])
        side = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])[goal[:, 0]]
        direction = np.where((family == 1)[:, None], side, target - observations[:, :2])
        return np.clip(direction / STEP + 0.5 * rng.normal(size=direction.shape), -1, 1)


class Field(gymnasium.Env):
    """The environment; `reset` takes the instruction, and the info of `step` has `is_success`."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    observation_space = gymnasium.spaces.Box(-1, 1, (8,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        text, tables = options["instruction"], (FieldWorld.goal_table, FieldWorld.validation_table)
        table = next(table for table in tables if text in table.text)
        i = table.text.index(text)
        self.goal, self.state = (table.family[[i]], table.array[[i]]), None
        while self.state is None or WORLD.satisfied(*self.goal, self.state)[0]:
            self.state = self.np_random.uniform(-0.9, 0.9, 8).astype(np.float32)
        return self.state.copy(), {}

    def step(self, action):
        self.state[:2] = np.clip(self.state[:2] + STEP * np.asarray(action), -1, 1)
        success = bool(WORLD.satisfied(*self.goal, self.state)[0])
        return self.state.copy(), float(success), success, False, {"is_success": success}

    def render(self):
        picture = np.full((64, 64, 3), 255, np.uint8)
        colors = ((0, 0, 0), (220, 0, 0), (0, 160, 0), (0, 0, 220))
        for (x, y), color in zip(self.state.reshape(4, 2)[::-1], colors[::-1], strict=True):
            column, row = int(31.5 + 28 * x), int(31.5 - 28 * y)
            picture[row - 3 : row + 4, column - 3 : column + 4] = color
        return picture


gymnasium.register("kalm-examples/Field-v0", Field)
WORLD = FieldWorld()
