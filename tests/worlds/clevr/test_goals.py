"""Goals of CLEVR-Robot against plain Python references, closed forms and the authors' tables."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.worlds.clevr import goals
from kalm_jax.worlds.clevr import rewards as clevr_rewards
from tests.fixtures import authors_goal

TRIPLES = [(s, r, d) for s, r in itertools.permutations(range(5), 2) for d in range(4)]
AUTHORS_PUSHES = {0: {1, 4, 5}, 1: {2, 5, 7}, 2: {3, 6, 7}, 3: {0, 4, 6}}  # direction -> pushes that count


def random_observations(seed, n):
    rng = np.random.default_rng(seed)
    return rng.uniform((-0.5, -0.3), (0.5, 0.6), size=(n, 5, 2)).reshape(n, 10).astype(np.float32)


def relation_holds(observation, source, reference, direction):
    """The authors' test, ball by ball in double precision."""
    at = np.asarray(observation, np.float64).reshape(5, 2)
    x, y = at[source] - at[reference]
    if math.hypot(x, y) >= 0.391:
        return False
    x, y = (0.0 if abs(v) < 1e-3 else v for v in (x, y))
    angle = math.degrees(math.atan2(y, x)) % 360
    sector = {0: 45 <= angle < 135, 1: 135 <= angle < 225, 2: 225 <= angle < 315, 3: angle >= 315 or angle < 45}
    return sector[direction]


def place(**balls):
    """An observation with the named balls at (x, y) and the others far apart."""
    at = {"red": (10, 0), "blue": (20, 0), "green": (30, 5), "purple": (40, 0), "cyan": (50, 9)} | balls
    return np.array([at[name] for name in goals.BALLS], np.float32).reshape(10)


def test_relations_agree_with_the_plain_reference():
    observations = random_observations(0, 60)
    goal = np.stack([goals.make_goal(goals.RELATION, t) for t in TRIPLES])
    got = goals.satisfied(goals.RELATION, goal[None], observations[:, None])  # (60, 80)
    want = np.array([[relation_holds(o, *t) for t in TRIPLES] for o in observations])
    assert want.mean() > 0.03
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("delta", "direction"),
    [
        ((0.2, 0.2), 0), ((0.0, 0.3), 0), ((-0.2, 0.2), 1), ((-0.3, 0.0), 1), ((-0.2, -0.2), 2), ((0.0, -0.3), 2),
        ((0.2, -0.2), 3), ((0.3, 0.0), 3), ((0.3, 0.0009), 3),
    ],
)  # fmt: skip
def test_sectors_are_closed_at_their_clockwise_edge(delta, direction):
    # At exactly 45 degrees one sector holds, never two and never none.
    observation = place(red=delta, blue=(0.0, 0.0))
    holds = [bool(goals.satisfied(0, goals.make_goal(0, (0, 1, d)), observation)) for d in range(4)]
    assert holds == [d == direction for d in range(4)]


def test_a_relation_needs_the_balls_to_be_near():
    goal = goals.make_goal(goals.RELATION, (0, 1, 3))
    assert goals.satisfied(0, goal, place(red=(0.39, 0.0), blue=(0.0, 0.0)))
    assert not goals.satisfied(0, goal, place(red=(0.392, 0.0), blue=(0.0, 0.0)))


@pytest.mark.parametrize("family", [goals.TWO_RELATIONS, goals.THREE_RELATIONS])
def test_several_relations_are_their_conjunction(family):
    rng = np.random.default_rng(family)
    observations = random_observations(family, 3000) * 0.5
    count = family  # codes 2 and 3 are the numbers of relations
    triples = [[TRIPLES[i] for i in rng.choice(80, count, replace=False)] for _ in observations]
    goal = np.stack([goals.make_goal(family, *t) for t in triples])
    each = np.array([[relation_holds(o, *t) for t in row] for o, row in zip(observations, triples)])
    np.testing.assert_array_equal(goals.satisfied(family, goal, observations), each.all(1))
    np.testing.assert_array_equal(goals.completed_parts(family, goal, observations), each.sum(1))
    assert each.all(1).any()


def test_line_needs_every_link_within_thirty_degrees_of_right():
    goal, step = goals.make_goal(goals.LINE), np.arange(5)

    def line(degrees):
        angle = np.deg2rad(degrees)
        at = np.concatenate([[[0, 0]], np.cumsum(np.stack([np.cos(angle), np.sin(angle)], 1) * 0.27, 0)])
        return at.reshape(10).astype(np.float32)

    assert goals.satisfied(goals.LINE, goal, np.stack([0.3 * step, 0 * step], 1).reshape(10).astype(np.float32))
    assert goals.satisfied(goals.LINE, goal, line([29, -29, 29.9, -29.9]))
    for bad in range(4):
        angles = [10.0] * 4
        angles[bad] = -31.0
        assert not goals.satisfied(goals.LINE, goal, line(angles))
        assert goals.completed_parts(goals.LINE, goal, line(angles)) == 3
        np.testing.assert_allclose(goals.distance_to_goal(goals.LINE, goal, line(angles)), np.deg2rad(1), atol=1e-5)
    assert not goals.satisfied(goals.LINE, goal, line([180.0] * 4))


def test_gather_needs_every_ball_close_to_green():
    goal = goals.make_goal(goals.GATHER)
    ring = {name: (0.32 * math.cos(k), 0.32 * math.sin(k)) for k, name in enumerate(("red", "blue", "purple", "cyan"))}
    assert goals.satisfied(goals.GATHER, goal, place(green=(0, 0), **ring))
    for name in ring:
        apart = place(green=(0, 0), **(ring | {name: (-0.335, 0.0)}))
        assert not goals.satisfied(goals.GATHER, goal, apart)
        np.testing.assert_allclose(goals.distance_to_goal(goals.GATHER, goal, apart), 0.01, atol=1e-6)


def test_move_by_action_is_the_authors_table():
    actions = np.arange(40)
    for ball, direction in itertools.product(range(5), range(4)):
        got = goals.move_by_action(goals.make_goal(goals.MOVE, (ball, -1, direction)), actions)
        want = [a // 8 == ball and a % 8 in AUTHORS_PUSHES[direction] for a in actions]
        np.testing.assert_array_equal(got, want)
        assert got.mean() == 0.075
    assert not goals.move_by_action(goals.make_goal(goals.MOVE, (2, -1, goals.STILL)), actions).any()


def test_move_by_state_looks_at_the_named_ball_alone():
    before, after = np.zeros(10, np.float32), np.zeros(10, np.float32)
    after[2:4] = (-0.2, 0.1)  # blue went left
    holds = {
        (b, d): bool(goals.move_by_state(goals.make_goal(goals.MOVE, (b, -1, d)), before, after))
        for b in range(5)
        for d in range(4)
    }
    assert [key for key, value in holds.items() if value] == [(1, 1)]
    still = goals.make_goal(goals.MOVE, (0, -1, goals.STILL))
    assert not goals.move_by_state(still, before, after)
    assert goals.move_by_state(still, before, before + 0.049)
    assert goals.success(goals.MOVE, still, before, 0, before + 0.049)


def test_move_is_judged_by_the_action_and_never_by_a_state():
    goal, o = goals.make_goal(goals.MOVE, (1, -1, 0)), random_observations(3, 1)[0]
    assert not goals.satisfied(goals.MOVE, goal, o)
    assert goals.success(goals.MOVE, goal, o, 8 + 4, o) and clevr_rewards.reward(goals.MOVE, goal, o, 8 + 4, o) == 1
    assert not goals.success(goals.MOVE, goal, o, 4, o) and clevr_rewards.reward(goals.MOVE, goal, o, 4, o) == 0


def test_relation_reward_is_progress_towards_a_point_beside_the_reference():
    goal = goals.make_goal(goals.RELATION, (0, 1, 0))
    far, nearer = place(red=(0.0, -0.5), blue=(0.1, 0.1)), place(red=(0.0, -0.3), blue=(0.1, 0.1))
    point = np.array([0.1, 0.1 + 0.195])
    want = 10 * (np.hypot(*(point - (0.0, -0.5))) - np.hypot(*(point - (0.0, -0.3))))
    np.testing.assert_allclose(clevr_rewards.reward(0, goal, far, 5, nearer), want, rtol=1e-5)
    assert clevr_rewards.reward(0, goal, far, 5, place(red=(0.1, 0.4), blue=(0.1, 0.1))) == 100


@pytest.mark.parametrize("family", [goals.THREE_RELATIONS, goals.LINE, goals.GATHER])
def test_rewards_of_the_hard_families_count_parts(family):
    goal = goals.make_goal(family, *([(0, 1, 3), (2, 3, 0), (4, 0, 1)] if family == goals.THREE_RELATIONS else []))
    a, b = random_observations(5, 500) * 0.7, random_observations(6, 500) * 0.7
    gain = goals.completed_parts(family, goal, b).astype(float) - goals.completed_parts(family, goal, a)
    want = np.where(goals.satisfied(family, goal, b), 100.0, 10 * gain)
    got = clevr_rewards.reward(family, goal, a, np.zeros(500, int), b)
    assert got.dtype == np.float32 and len(np.unique(gain)) > 2
    np.testing.assert_array_equal(got, want)


def random_problem(seed, n):
    """Mixed families in one batch, with fitting goals."""
    rng = np.random.default_rng(seed)
    family = rng.integers(len(goals.FAMILIES), size=n)
    goal = []
    for code in family:
        count = {0: 1, 1: 1, 2: 2, 3: 3}.get(int(code), 0)
        triples = [TRIPLES[i] for i in rng.choice(80, count, replace=False)]
        goal.append(goals.make_goal(int(code), *([(triples[0][0], -1, triples[0][2])] if code == 1 else triples)))
    scale = rng.uniform(0.2, 1.0, (n, 1)).astype(np.float32)
    return family, np.stack(goal), random_observations(seed, n) * scale, rng.integers(40, size=n)


def test_distance_is_zero_exactly_where_satisfied():
    family, goal, observation, _ = random_problem(7, 4000)
    satisfied = goals.satisfied(family, goal, observation)
    distance = goals.distance_to_goal(family, goal, observation)
    assert satisfied.sum() > 50
    np.testing.assert_array_equal(distance == 0, satisfied)
    assert (distance >= 0).all()


def test_jax_under_jit_gives_what_numpy_gives():
    family, goal, observation, action = random_problem(8, 500)
    following = random_observations(9, 500) * 0.6
    for name, arguments in {
        "satisfied": (family, goal, observation),
        "completed_parts": (family, goal, observation),
        "success": (family, goal, observation, action, following),
        "reward": (family, goal, observation, action, following),
        "distance_to_goal": (family, goal, observation),
        "move_by_action": (goal, action),
        "move_by_state": (goal, observation, following),
    }.items():
        function = getattr(clevr_rewards if name == "reward" else goals, name)
        plain = function(*arguments)
        jitted = jax.jit(function)(*map(jnp.asarray, arguments))
        assert isinstance(plain, np.ndarray) and isinstance(jitted, jax.Array)
        assert plain.dtype == jitted.dtype, name
        np.testing.assert_allclose(jitted, plain, atol=1e-5, err_msg=name)


def test_batches_broadcast_over_time():
    family, goal, _, _ = random_problem(10, 20)
    observation = random_observations(11, 100).reshape(20, 5, 10)
    got = goals.satisfied(family[:, None], goal[:, None], observation)
    want = np.stack([goals.satisfied(family, goal, observation[:, t]) for t in range(5)], 1)
    np.testing.assert_array_equal(got, want)


def test_relation_goals_are_read_from_the_authors():
    for triple in TRIPLES:
        family, goal = goals.from_authors(authors_goal(*triple))
        assert family == goals.RELATION
        np.testing.assert_array_equal(goal, goals.make_goal(goals.RELATION, triple))
    assert tuple(goals.from_authors([2, 0, 0, 1, 0, 2])[1][:3]) == (3, 0, 2)


def test_hard_goals_are_read_from_the_authors():
    parts = [(0, 1, 3), (1, 4, 0), (2, 3, 1)]
    for family, indicator, count in ((goals.TWO_RELATIONS, 0, 2), (goals.THREE_RELATIONS, 1, 3)):
        vectors = [authors_goal(*t) for t in parts[:count]]
        got, goal = goals.from_authors(np.concatenate([[0, 0, 0, 0, 0, indicator], *vectors]))
        assert got == family
        np.testing.assert_array_equal(goal, goals.make_goal(family, *parts[:count]))
    assert goals.from_authors([0, 0, 0, 0, 0, 2])[0] == goals.LINE
    assert goals.from_authors(np.r_[0, 0, 0, 0, 0, 3, np.zeros(12)])[0] == goals.GATHER
    family, goal = goals.from_authors([0, 0, 1, 0, 0, 1])
    assert family == goals.MOVE and goal[:3].tolist() == [2, -1, 1]


@pytest.mark.parametrize(
    "vector",
    [[0, 1, 2], [1, 1, 2, 0, 0, 0], [1, 2, 0, 0, 0, 7], [0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0], [0.0, 0, 0, 0, 0, 9]],
)
def test_goal_vectors_that_say_nothing_are_refused(vector):
    with pytest.raises(ValueError, match=r"goal|want"):
        goals.from_authors(vector)


def test_make_goal_refuses_what_does_not_fit():
    for family, triples in [(0, []), (0, [(1, 1, 0)]), (0, [(0, 5, 0)]), (1, [(0, 1, 0)]), (4, [(0, 1, 0)]), (9, [])]:
        with pytest.raises(ValueError, match=r"want|takes|not one of"):
            goals.make_goal(family, *triples)
