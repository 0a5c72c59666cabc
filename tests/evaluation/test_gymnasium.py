"""Action spaces of any type, whose environments get what they contain, and environments whose names are wrong."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from kalm_jax.evaluation.gymnasium import make_environment, spaces_of, take_step
from kalm_jax.evaluation.gymnasium_behaviors import collect_episodes


class Strict(gymnasium.Env):
    """Three steps, of actions that the space contains."""

    observation_space = Box(-1, 1, (2,))

    def __init__(self, space):
        self.action_space, self.time = space, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.time += 1
        return np.zeros(2, np.float32), 0.0, False, self.time == 3, {"is_success": False}


def registered(space):
    """Id of an environment with this action space."""
    name = f"test/Strict{len(gymnasium.registry)}-v0"
    gymnasium.register(name, entry_point=lambda: Strict(space))
    return name


@pytest.mark.parametrize(
    "space",
    [
        Box(0, 5, (1,), np.int64),
        Box(-3, 3, (2,), np.int8),
        Box(0, 255, (1,), np.uint8),
        Box(-0.3, 0.7, (2,), np.float16),
        Box(-3e38, 3e38, (1,), np.float32),
        Box(0.1, 0.3, (1,), np.float64),
        Box(0.1, np.nextafter(0.1, 1), (1,), np.float64),
        Box(np.array([-1, 0.1]), np.array([1, 0.3]), dtype=np.float64),
    ],
    ids=str,
)
def test_an_environment_gets_actions_that_its_space_contains(space):
    name, rng = registered(space), np.random.default_rng(0)
    spaces, copy = spaces_of(name), make_environment(name)
    unit = np.concatenate([rng.uniform(-1, 1, (20, len(space.low))), [-np.ones(len(space.low))], [space.low * 0 + 1]])
    for action in spaces.from_unit(unit.astype(np.float32)):
        assert space.contains(action)
    ends = spaces.from_unit(np.array([[-1.0], [1.0]], np.float32) * np.ones(len(space.low), np.float32))
    np.testing.assert_allclose(ends.astype(float), np.stack([space.low, space.high]).astype(float), rtol=1e-6)
    copy.reset(seed=0)
    take_step(copy, spaces, unit[0])
    rollouts, _, _ = collect_episodes(name, "random", 4, 0)
    assert rollouts.actions.shape == (4, 3, len(space.low))  # all were contained
    if space.dtype.kind == "i":
        many, _, _ = collect_episodes(name, "random", 200, 0)
        values, count = np.unique(many.actions, return_counts=True)
        assert values.tolist() == [*range(space.low[0], space.high[0] + 1)] and count.max() < 2 * count.min()


def test_unit_actions_are_those_of_before_where_the_space_is_of_float32():
    space = Box(np.array([-2.0, 0.1], np.float32), np.array([2.0, 0.3], np.float32))
    spaces, unit = spaces_of(registered(space)), np.array([[0.3, -0.7]], np.float32)
    expected = space.low + (unit + 1) / 2 * (space.high - space.low)
    np.testing.assert_array_equal(spaces.from_unit(unit), expected)


@pytest.mark.parametrize(
    "space, said",
    [
        (Box(-1e300, 1e300, (1,), np.float64), "action bounds"),
        (Box(-(2**60), 2**60, (1,), np.int64), "action bounds"),
        (Box(-np.inf, 1, (1,)), "action bounds"),
        (Box(1, 1, (1,)), "want low < high"),
        (Box(0, 1, (0,)), "Box of one axis"),
        (Box(0, 1, (2, 2)), "Box of one axis"),
        (Discrete(10**9), "at most 65536 actions"),
    ],
)
def test_spaces_that_learners_cannot_take_are_refused_by_name(space, said):
    name = registered(space)
    with pytest.raises(ValueError, match=rf"^{name}: .*{said}"):
        spaces_of(name)


@pytest.mark.parametrize(
    "name, meant",
    [("Pendulum-v2", "Pendulum-v1"), ("Pendulum", "Pendulum-v1"), ("kalm/Clevr-v0", "kalm/ClevrRobot-v0")],
)
def test_an_unknown_environment_is_named_with_the_nearest_one(name, meant):
    for play in (lambda: spaces_of(name), lambda: collect_episodes(name, "expert", 1, 0)):
        with pytest.raises(ValueError, match=rf"environment '{name}' cannot be made: .*did you mean {meant}\?"):
            play()


@pytest.mark.parametrize(
    "environment, answer",
    [
        ("CartPole-v1", lambda x: np.full(len(x), 2)),
        ("CartPole-v1", lambda x: np.full(len(x), 0.5)),
        ("CartPole-v1", lambda x: np.zeros((len(x), 1), int)),
        ("Pendulum-v1", lambda x: np.full((len(x), 1), np.nan)),
        ("Pendulum-v1", lambda x: np.zeros(len(x))),
        ("Pendulum-v1", lambda x: None),
    ],
)
def test_a_controllers_wrong_actions_are_named(environment, answer):
    with pytest.raises(ValueError, match=r"the controller answers .* observations with .*; want \(2"):
        collect_episodes(environment, "expert", 2, 0, answer)
