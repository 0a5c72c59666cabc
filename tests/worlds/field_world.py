"""A world of one's own: a robot on a field with three flags. `--world=tests.worlds.field_world` runs it.

A state is the place (x, y) of the robot, then those of the red, the green and the blue flag, all in [-1, 1]; an action
moves the robot by up to 0.2 along each axis.
"""

import gymnasium
import numpy as np

from kalm_jax.types import LEVELS, make_goal_table
from kalm_jax.worlds.gymnasium import gymnasium_world

FLAGS, SIDES = ("red", "green", "blue"), ("left", "right", "front", "back")
FAMILIES = ("flag", "side", "between")
STEP, NEAR, HORIZON = 0.2, 0.15, 30


def sentences():
    """(text, level, family, array) of every goal; the array names one flag, one side, or two flags."""
    rows = []  # levels: 0 of the data, 1 rephrased, 2 unseen easy, 3 unseen hard
    for k, flag in enumerate(FLAGS):
        rows += [(words.format(flag), 0, 0, (k, k)) for words in ("go to the {} flag", "walk to the {} flag now")]
        rows += [
            (words.format(flag), 1, 0, (k, k)) for words in ("be where {} is", "the robot wants to be near {} , please")
        ]
    rows += [(f"go to the {side} side", 2, 1, (d, d)) for d, side in enumerate(SIDES)]
    pairs = [(k, j) for k in range(3) for j in range(k)]
    return rows + [(f"stand between the {FLAGS[k]} and the {FLAGS[j]} flag", 3, 2, (k, j)) for k, j in pairs]


def reached(family, goal, state, action, next_state):
    """Whether a step ends near a flag, at a side, or near the middle of two flags."""
    robot, flags = next_state[:, :2], next_state[:, 2:].reshape(-1, 3, 2)
    chosen = [(goal[:, i : i + 1] == np.arange(3))[..., None] * flags for i in (0, 1)]
    middle = 0.5 * (chosen[0].sum(1) + chosen[1].sum(1))
    far = abs(robot - middle).max(-1)
    sides = ((goal[:, :1] == np.array([[0, 1, 2, 3]])) * robot[:, [0, 0, 1, 1]] * np.array([-1, 1, -1, 1])).sum(1)
    return ((family == 1) & (sides > 0.8)) | ((family != 1) & (far < NEAR))


def reward(family, goal, state, action, next_state):
    """1 for reaching the goal."""
    return reached(family, goal, state, action, next_state).astype(np.float32)


def expert(rng, observations, family, goal):
    """Straight to the goal, with noise."""
    flags = observations[:, 2:].reshape(-1, 3, 2)
    rows = np.arange(len(goal))
    target = 0.5 * (flags[rows, np.minimum(goal[:, 0], 2)] + flags[rows, np.minimum(goal[:, 1], 2)])
    side = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])[goal[:, 0]]
    way = np.where((family == 1)[:, None], side, target - observations[:, :2])
    return np.clip(way / STEP + 0.5 * rng.normal(size=way.shape), -1, 1)


class Field(gymnasium.Env):
    """The simulator."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 (Gymnasium's convention)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Box(-1, 1, (8,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.goal = MEANT[options["instruction"]]
        while True:
            self.state = self.np_random.uniform(-0.9, 0.9, 8).astype(np.float32)
            if not reached(*self.goal, None, None, self.state[None])[0]:
                return self.state.copy(), {}

    def step(self, action):
        before = self.state.copy()
        self.state[:2] = np.clip(self.state[:2] + STEP * np.asarray(action), -1, 1)
        success = bool(reached(*self.goal, None, None, self.state[None])[0])
        gain = float(reward(*self.goal, before[None], None, self.state[None])[0])
        return self.state.copy(), gain, success, False, {"is_success": success}

    def render(self):
        picture = np.full((64, 64, 3), 255, np.uint8)
        colours = ((0, 0, 0), (220, 0, 0), (0, 160, 0), (0, 0, 220))
        for (x, y), colour in zip(self.state.reshape(4, 2)[::-1], colours[::-1], strict=True):
            column, row = int(31.5 + 28 * x), int(31.5 - 28 * y)
            picture[row - 3 : row + 4, column - 3 : column + 4] = colour
        return picture


gymnasium.register("kalm-tests/Field-v0", Field)
GOALS = make_goal_table(*zip(*sentences(), strict=True))
VALIDATION = make_goal_table(
    [f"move to the {flag} flag" for flag in FLAGS], LEVELS.index("rephrase"), 0, [(k, k) for k in range(3)]
)
MEANT = {
    text: (table.family[[i]], table.array[[i]]) for table in (GOALS, VALIDATION) for i, text in enumerate(table.text)
}
WORLD = gymnasium_world(
    "field", "kalm-tests/Field-v0", GOALS, VALIDATION, FAMILIES, reached, reward, expert, horizon=HORIZON, early=10
)
