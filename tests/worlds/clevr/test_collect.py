"""Collected rollouts keep their promises, are a function of the seed alone, and look like the authors' data."""

import numpy as np
import pytest

from kalm_jax.types import LEVELS
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import rewards as clevr_rewards
from kalm_jax.worlds.clevr.behaviors import begin_habits, gains, scripted_actions
from kalm_jax.worlds.clevr.collect import collect, collection_statistics
from kalm_jax.worlds.clevr.instructions import goals_of_level
from kalm_jax.worlds.clevr.simulator import ClevrSimulator, states_of


@pytest.fixture(scope="module")
def collection():
    calls = []
    rollouts, goals = collect(0, 240, progress=lambda done, total: calls.append((done, total)))
    return rollouts, goals, calls


def check_invariants(rollouts, goals):
    rows = np.arange(len(rollouts))
    family, goal = goals.family[rollouts.goal], goals.array[rollouts.goal]
    valid = rollouts.valid()
    held = clevr_goals.satisfied(family[:, None], goal[:, None], rollouts.observations)  # (N, T+1)
    assert held[rows, rollouts.length].all(), "every rollout ends in its goal"
    assert not held[:, :-1][valid].any(), "and was never there before, not at its start either"
    assert rollouts.length.min() >= 2 and rollouts.length.max() <= 49
    reward = clevr_rewards.reward(
        family[:, None], goal[:, None], rollouts.observations[:, :-1], rollouts.actions, rollouts.observations[:, 1:]
    )
    np.testing.assert_array_equal(rollouts.rewards, np.where(valid, reward, 0))
    assert (rollouts.rewards[rows, rollouts.length - 1] == 100).all()
    assert rollouts.terminated.all() and not rollouts.imagined.any()
    assert not rollouts.actions[~valid].any()
    assert not rollouts.observations[np.arange(51) > rollouts.length[:, None]].any()
    assert np.abs(rollouts.observations[..., 0::2]).max() < 0.55


def test_invariants(collection):
    rollouts, goals, calls = collection
    assert rollouts.observations.shape == (240, 51, 10) and rollouts.actions.dtype == np.int32
    check_invariants(rollouts, goals)
    done = [d for d, _ in calls]
    assert done == sorted(done) and calls[-1] == (240, 240)


def test_configurations_equally_often_and_sentences_varied(collection):
    rollouts, goals, _ = collection
    assert len(goals) == 4320 and (goals.level == LEVELS.index("offline")).all()
    assert all(count == 54 for count in np.unique(goals.array, axis=0, return_counts=True)[1])
    _, counts = np.unique(goals.array[rollouts.goal], axis=0, return_counts=True)
    assert counts.tolist() == [3] * 80
    assert len(np.unique(rollouts.goal)) > 200
    # A sentence names the balls of its goal: the index points at the right one.
    for index in rollouts.goal[:50]:
        source, reference, _ = goals.array[index, :3]
        assert {clevr_goals.BALLS[source], clevr_goals.BALLS[reference]} <= set(goals.text[index].split())


def test_actions_lead_from_observation_to_observation(collection):
    # The first push starts at rest, so the simulator must reproduce it from the observation alone.
    rollouts, _, _ = collection
    with ClevrSimulator(1) as simulator:
        after = simulator.push(states_of(rollouts.observations[:, 0]), rollouts.actions[:, 0])
    got = after[:, [7 * i + k for i in range(5) for k in range(2)]]
    np.testing.assert_allclose(got, rollouts.observations[:, 1], atol=1e-4)


def test_statistics_resemble_the_authors_data(collection):
    # Authors, 80 rollouts: lengths 2..49, mean 11.2, median 5, 65% at most 10; 67 / 28 / 5% of the pushes on the
    # reference ball, the source ball, others; 32% repeat the first push. Tolerances: 3 deviations of 240.
    numbers = collection_statistics(*collection[:2])
    assert numbers["length_mean"] == pytest.approx(11.7, abs=2.5)
    assert 4 <= numbers["length_quantile_50"] <= 10
    assert numbers["length_at_most_10"] == pytest.approx(0.63, abs=0.1)
    assert numbers["pushes_on_reference"] == pytest.approx(0.67, abs=0.08)
    assert numbers["pushes_on_source"] == pytest.approx(0.28, abs=0.08)
    assert numbers["pushes_on_others"] == pytest.approx(0.05, abs=0.04)
    assert numbers["repeated_first"] == pytest.approx(0.3, abs=0.1)
    assert numbers["nearer_first"] > 0.9 and numbers["nearer_in_short"] > 0.85
    assert numbers["terminated"] == 1
    shares = [numbers[f"pushes_on_{ball}"] for ball in ("reference", "source", "others")]
    assert sum(shares) == pytest.approx(1)
    assert all(type(value) is float for value in numbers.values())


def test_the_seed_decides_and_the_threads_do_not():
    one, _ = collect(3, 90, threads=1)
    two, _ = collect(3, 90, threads=3)
    other, _ = collect(4, 90, threads=1)
    for field in ("observations", "actions", "rewards", "length", "goal"):
        np.testing.assert_array_equal(getattr(one, field), getattr(two, field))
    assert not np.array_equal(one.goal, other.goal)
    counts = np.unique(goals_of_level("offline").array[one.goal], axis=0, return_counts=True)[1]
    assert len(counts) == 80 and counts.max() <= 2  # 90 = 80 + 10


def test_lookahead_is_shorter_and_keeps_the_invariants():
    rollouts, goals = collect(0, 16, behavior="lookahead")
    check_invariants(rollouts, goals)
    assert rollouts.length.mean() < 9


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"'random'.*scripted, lookahead"):
        collect(0, 10, behavior="random")
    with pytest.raises(ValueError, match="count is 0"):
        collect(0, 0)


def test_goals_of_level_match_their_families():
    for level in LEVELS:
        goals = goals_of_level(level)
        assert (goals.level == LEVELS.index(level)).all() and len(goals.text) == len(goals) > 0
        for family, array in zip(goals.family[::37], goals.array[::37]):
            triples = [tuple(t) for t in array.reshape(3, 3).tolist() if t != [-1] * 3]
            np.testing.assert_array_equal(clevr_goals.make_goal(int(family), *triples), array)


def test_gains_are_what_free_pushes_do():
    # Far from walls and neighbours the geometric gain is the gain in the simulator, to a centimetre.
    goal = np.tile(clevr_goals.make_goal(0, (0, 4, 3)), (40, 1))
    observation = np.tile(np.array([0.0, 0.2, -0.45, -0.15, 0.45, -0.15, -0.45, 0.55, 0.45, 0.55], np.float32), (40, 1))
    actions = np.arange(40)
    with ClevrSimulator(1) as simulator:
        after = simulator.push(states_of(observation), actions)
    after = after[:, [7 * i + k for i in range(5) for k in range(2)]]
    distance = [
        np.linalg.norm(o[:, 0:2] - o[:, 8:10] - [clevr_goals.REWARD_POINT, 0], axis=1) for o in (observation, after)
    ]
    free = actions // 8 == 0  # the red ball, in the middle of the table
    np.testing.assert_allclose(gains(observation, goal)[0][free], (distance[0] - distance[1])[free], atol=0.01)
    assert (gains(observation, goal)[0][8:32] == 0).all(), "balls that the goal does not name change nothing"


def test_habits_repeat_while_the_scene_stands_still():
    # The same scene twice: much more often the same push than in two scenes half a metre apart.
    rng = np.random.default_rng(0)
    goal = np.tile(clevr_goals.make_goal(0, (0, 1, 2)), (500, 1))
    habits = begin_habits(rng, 500)
    observation = rng.uniform(-0.3, 0.3, (500, 10)).astype(np.float32)
    first, again, elsewhere = (
        scripted_actions(rng, o, goal, habits, np.zeros(500)) for o in (observation, observation, -observation)
    )
    assert (first == again).mean() > 0.5 > (first == elsewhere).mean() + 0.2


def test_statistics_refuse_other_goals(collection):
    rollouts, goals, _ = collection
    easy = goals_of_level("unseen_easy")
    with pytest.raises(ValueError, match="rollout 0 has a goal of family 1"):
        collection_statistics(rollouts.take(slice(0, 5)), easy.take(np.resize(np.arange(len(easy)), len(goals))))
