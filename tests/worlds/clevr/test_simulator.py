"""The CLEVR-Robot simulator against the authors' recorded states, our own recorded transitions, and measured pushes."""

import subprocess
import sys

import numpy as np
import pytest

from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import rewards as clevr_rewards
from kalm_jax.worlds.clevr import simulator as clevr
from kalm_jax.worlds.clevr.behaviors import lookahead_actions
from tests.paths import ROOT, SHARED_DATA

SAMPLE = SHARED_DATA / "clevr_robot_sample.npy"


@pytest.fixture(scope="module")
def simulator():
    with clevr.ClevrSimulator(threads=2) as made:
        yield made


@pytest.fixture(scope="module")
def recorded():
    with np.load(ROOT / "tests" / "data" / "clevr_transitions.npz") as file:
        return dict(file)


@pytest.mark.skipif(not SAMPLE.exists(), reason="the authors' sample is not beside the repository")
def test_the_authors_rollouts_replay_exactly(simulator):
    from kalm_jax.datasets import safe_pickle

    data = safe_pickle.load(SAMPLE)
    valid = data["masks"].astype(bool)
    assert valid.shape[0] == 40
    after = clevr.observation_of(simulator.push(data["states"][valid], data["actions"][valid]))
    assert np.abs(after - data["next_observations"][valid]).max() < 1e-5
    np.testing.assert_array_equal(clevr.observation_of(data["states"][valid]), data["observations"][valid])

    goal = [clevr_goals.from_authors(vectors[0]) for vectors in data["goals"]]
    row = np.nonzero(valid)[0]
    family, goal = np.array([f for f, _ in goal])[row], np.stack([g for _, g in goal])[row]
    # On the simulator's own next observation, so that dynamics, reward and success are checked together.
    step = (family, goal, data["observations"][valid], data["actions"][valid], after)
    assert np.abs(clevr_rewards.reward(*step) - data["rewards"][valid][:, 0]).max() < 1e-4
    np.testing.assert_array_equal(clevr_goals.success(*step), data["terminals"][valid][:, 0])


def test_our_own_recorded_transitions_replay(simulator, recorded):
    after = simulator.push(recorded["states"], recorded["actions"])
    assert len(after) >= 40
    assert np.abs(clevr.observation_of(after) - clevr.observation_of(recorded["next_states"])).max() < 1e-5


def test_the_pushers_inverse_weights_equal_their_formula():
    model = clevr.build_model()
    mass = 0.5 * 4 / 3 * np.pi * 0.05**3
    pusher = model.body("pusher").id
    np.testing.assert_allclose(model.body_mass[pusher], mass, rtol=1e-9)
    np.testing.assert_allclose(model.body_invweight0[pusher], [2 / 3 / (mass + 0.04), 0])
    np.testing.assert_allclose(model.dof_invweight0[-2:], 1 / (mass + 0.04))
    np.testing.assert_allclose(clevr.pusher_inverse_weights(), (16.55829, 24.83744), rtol=1e-6)


def test_without_the_inverse_weights_pushes_are_centimetres_off(recorded):
    import mujoco

    stock = clevr.ClevrSimulator(threads=1)
    stock.model = mujoco.MjModel.from_xml_string(clevr.scene_xml())
    after = clevr.observation_of(stock.push(recorded["states"], recorded["actions"]))
    assert np.median(np.abs(after - clevr.observation_of(recorded["next_states"])).max(1)) > 0.005


@pytest.mark.parametrize("push", range(8))
def test_an_isolated_ball_goes_as_far_as_measured(simulator, push):
    observation = np.array([0.0, 0.2, 0.45, 0.5, 0.45, -0.1, -0.45, 0.5, -0.45, -0.1])
    state = simulator.push(clevr.states_of(observation)[None], np.array([push]))
    direction = clevr.push_direction(push)[1]
    moved = clevr.observation_of(state)[0] - observation
    np.testing.assert_allclose(moved[:2], (0.2504 if push < 4 else 0.1956) * np.sign(direction), atol=2e-4)
    assert np.abs(moved[2:]).max() < 0.01  # nothing but what the walls push back
    pushed_velocity = state[0, clevr.NUM_QPOS : clevr.NUM_QPOS + 2]
    np.testing.assert_allclose(np.hypot(*pushed_velocity), 0.79 if push < 4 else 0.86, atol=0.01)


def test_hidden_velocities_carry_over(simulator, recorded):
    state = simulator.push(clevr.states_of(np.array([[0, 0.2, 0.4, 0.5, 0.4, -0.1, -0.4, 0.5, -0.4, -0.1]])), [0])
    at_rest = state.copy()
    at_rest[:, clevr.NUM_QPOS :] = 0
    away = np.array([8 * 4 + 2])  # push another ball
    moved, stayed = (simulator.push(s, away)[0, 0] - state[0, 0] for s in (state, at_rest))
    assert moved > 0.03 and abs(stayed) < 1e-3


def test_a_batch_is_its_members_in_any_order_and_on_any_number_of_threads(simulator, recorded, monkeypatch):
    states, actions = recorded["states"], recorded["actions"]
    together = simulator.push(states, actions)
    order = np.random.default_rng(0).permutation(len(states))
    np.testing.assert_array_equal(simulator.push(states[order], actions[order]), together[order])
    monkeypatch.setattr(clevr, "_CHUNK", 7)
    with clevr.ClevrSimulator(threads=1) as single:
        np.testing.assert_array_equal(single.push(states, actions), together)
        np.testing.assert_array_equal(single.push(states[3:4], actions[3:4]), together[3:4])
        assert single.push(states[:0], actions[:0]).shape == (0, 69)


def test_pushing_changes_nothing_it_was_given(simulator, recorded):
    states = recorded["states"].copy()
    kept = simulator.push(states, recorded["actions"])
    copy = kept.copy()
    simulator.push(kept, recorded["actions"])
    np.testing.assert_array_equal(states, recorded["states"])
    np.testing.assert_array_equal(kept, copy)


def test_balls_stay_between_the_walls(simulator):
    rng = np.random.default_rng(1)
    states = clevr.sample_states(rng, 32)
    for _ in range(10):
        states = simulator.push(states, rng.integers(clevr.NUM_ACTIONS, size=32))
    balls = clevr.observation_of(states).reshape(-1, 2)
    assert np.abs(balls[:, 0]).max() < 0.5 and balls[:, 1].min() > -0.2 and balls[:, 1].max() < 0.6


def test_observations_and_states_convert():
    observations = np.random.default_rng(2).uniform(-0.5, 0.5, (4, 3, 10)).astype(np.float32)
    states = clevr.states_of(observations)
    assert states.shape == (4, 3, 69) and states.dtype == np.float64
    np.testing.assert_array_equal(clevr.observation_of(states), observations)
    np.testing.assert_array_equal(states[..., clevr.NUM_QPOS :], 0)
    assert clevr.NUM_ACTIONS == 40 and clevr.OBSERVATION_DIM == 10 and clevr.STATE_DIM == 69


def test_initial_states_follow_the_authors_rules():
    states = clevr.sample_states(np.random.default_rng(3), 2000)
    balls = clevr.observation_of(states).reshape(-1, 5, 2).astype(np.float64)
    assert balls[..., 0].min() >= -0.5 and balls[..., 0].max() <= 0.5
    assert balls[..., 1].min() >= -0.3 and balls[..., 1].max() <= 0.5
    first, second = np.triu_indices(5, 1)
    gap = np.abs(balls[:, first] - balls[:, second])
    assert np.hypot(gap[..., 0], gap[..., 1]).min() >= 0.36 - 1e-6 and gap.min() >= 0.01 - 1e-6
    # No place is preferred: left and right are symmetric, for the first and the last ball alike.
    assert np.abs(balls[..., 0].mean(0)).max() < 0.03
    np.testing.assert_array_equal(states, clevr.sample_states(np.random.default_rng(3), 2000))
    assert clevr.sample_states(np.random.default_rng(3), 1).shape == (1, 69)


@pytest.mark.parametrize(
    ("states", "actions", "message"),
    [
        (np.zeros((2, 68)), [0, 0], "want .N, 69."),
        (np.zeros((2, 69)), [0], "one integer for each of 2"),
        (np.zeros((2, 69)), [0.0, 1.0], "one integer"),
        (np.zeros((2, 69)), [0, 40], r"actions\[1\] is 40"),
        (np.full((1, 69), np.nan), [0], r"states\[0\]"),
    ],
)
def test_wrong_input_is_named(simulator, states, actions, message):
    with pytest.raises(ValueError, match=message):
        simulator.push(states, actions)


def test_importing_the_module_starts_no_simulator():
    code = "import sys, kalm_jax.worlds.clevr.behaviors; sys.exit('mujoco' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def play(simulator, family, goal, states, choose, steps):
    """Steps to success of each state, `steps + 1` where it was not reached."""
    taken = np.full(len(states), steps + 1)
    for step in range(1, steps + 1):
        actions = choose(states)
        after = simulator.push(states, actions)
        reached = clevr_goals.success(family, goal, clevr.observation_of(states), actions, clevr.observation_of(after))
        taken = np.where(reached, np.minimum(taken, step), taken)
        states = after
    return taken


def test_lookahead_reaches_relations_that_random_pushes_do_not(simulator):
    rng = np.random.default_rng(4)
    triples = [(*rng.choice(5, 2, replace=False).tolist(), int(rng.integers(4))) for _ in range(24)]
    goal = np.stack([clevr_goals.make_goal(0, t) for t in triples])
    states = clevr.sample_states(rng, 24)
    fresh = ~clevr_goals.satisfied(0, goal, clevr.observation_of(states))
    goal, states = goal[fresh], states[fresh]
    greedy = play(simulator, 0, goal, states, lambda s: lookahead_actions(simulator, s, 0, goal, rng), 6)
    random = play(simulator, 0, goal, states, lambda s: rng.integers(40, size=len(s)), 6)
    assert (greedy <= 6).mean() >= 0.85 and (random <= 6).mean() <= 0.4


def test_lookahead_solves_moves_at_once_and_explores_as_told(simulator):
    rng = np.random.default_rng(5)
    states, family = clevr.sample_states(rng, 40), np.full(40, clevr_goals.MOVE)
    goal = np.stack([clevr_goals.make_goal(clevr_goals.MOVE, (i % 5, -1, i % 4)) for i in range(40)])
    actions = lookahead_actions(simulator, states, family, goal, rng, epsilon=0.0)
    assert clevr_goals.move_by_action(goal, actions).all() and actions.dtype == np.int32
    wandering = lookahead_actions(simulator, states, family, goal, rng, epsilon=1.0)
    assert clevr_goals.move_by_action(goal, wandering).mean() < 0.3
    with pytest.raises(ValueError, match="tries is 0"):
        lookahead_actions(simulator, states, family, goal, rng, tries=0)
