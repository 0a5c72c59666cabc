"""`experiments.replay` on files in the authors' format: what passes, what fails, and what it says of broken files."""

import re

import numpy as np
import pytest

from kalm_jax.cli.replay import load_recorded, replay, run
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import rewards as clevr_rewards
from kalm_jax.worlds.clevr import simulator as clevr
from tests.fixtures import authors_goal
from tests.paths import SHARED_DATA

SAMPLE = SHARED_DATA / "clevr_robot_sample.npy"


@pytest.fixture(scope="module")
def recorded():
    """Six rollouts of five pushes from our simulator in the authors' format, the last one padded after two."""
    rng = np.random.default_rng(0)
    n, t = 6, 5
    goals = np.stack([clevr_goals.make_goal(0, (i % 5, (i + 1) % 5, i % 4)) for i in range(n)])
    states = clevr.sample_states(rng, n)
    data = {k: [] for k in ("states", "actions", "observations", "next_observations", "rewards", "terminals")}
    with clevr.ClevrSimulator(threads=1) as simulator:
        for _ in range(t):
            actions = rng.integers(40, size=n)
            after = simulator.push(states, actions)
            judged = (0, goals, clevr.observation_of(states), actions, clevr.observation_of(after))
            data["states"].append(states.astype(np.float32))
            data["actions"].append(actions.astype(np.int32))
            data["observations"].append(judged[2])
            data["next_observations"].append(judged[4])
            data["rewards"].append(clevr_rewards.reward(*judged)[:, None])
            data["terminals"].append(clevr_goals.success(*judged)[:, None])
            states = after
    data = {key: np.stack(value, 1) for key, value in data.items()}
    vectors = np.stack([authors_goal(*g[:3]) for g in goals])
    masks = np.ones((n, t), np.int32)
    masks[-1, 2:] = 0
    return data | {"goals": np.repeat(vectors[:, None], t, 1), "masks": masks}


def save(path, data):
    np.save(path, data)
    return str(path)


def test_a_file_from_this_simulator_passes(recorded, tmp_path, capsys):
    path = save(tmp_path / "rollouts.npy", recorded)
    assert run(path, 1e-5) == 0
    out = capsys.readouterr().out
    assert "27 transitions" in out
    assert "rewards that agree: 100.00%" in out and "terminations that agree: 100.00%" in out
    for quantile in ("median", "95%", "99%", "max"):
        assert quantile in out


def test_a_moved_ball_fails_and_is_measured(recorded, tmp_path, capsys):
    moved = recorded["next_observations"].copy()
    moved[2, 3, 4] += 0.01
    moved[-1, 4] += 5.0  # padding does not count
    path = save(tmp_path / "moved.npy", recorded | {"next_observations": moved})
    assert run(path, 1e-5) == 1
    captured = capsys.readouterr()
    assert "max 1.00e-02" in captured.out and "beyond the tolerance" in captured.err
    assert run(path, 0.02) == 0


def test_wrong_rewards_and_terminations_are_counted(recorded, tmp_path):
    rewards, terminals = recorded["rewards"].copy(), recorded["terminals"].copy()
    rewards[0] += 1.0
    terminals[1, :2] = ~terminals[1, :2]
    path = save(tmp_path / "wrong.npy", recorded | {"rewards": rewards, "terminals": terminals})
    with clevr.ClevrSimulator(threads=1) as simulator:
        result = replay(load_recorded(path), simulator)
    np.testing.assert_allclose(result.reward_agreement, 22 / 27)
    np.testing.assert_allclose(result.termination_agreement, 25 / 27)
    assert result.num_transitions == 27 and result.error.max() < 1e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("states"), "has no states"),
        (lambda d: d.update(states=d["states"][..., :60]), "states has shape"),
        (lambda d: d.update(actions=d["actions"][:, :3]), "actions has shape"),
        (lambda d: d.update(actions=d["actions"] + 40), "actions.* want 0..39"),
        (lambda d: d.update(observations=np.full_like(d["observations"], np.nan)), "observations.* not finite"),
        (lambda d: d.update(masks=0 * d["masks"]), "nothing to replay"),
        (lambda d: d.update(masks=d["masks"] * 0.5), r"masks\[0, 0\] is 0.5, want 0 or 1"),
        (lambda d: d.update(terminals=d["terminals"] - 1.0), r"terminals\[0, 0\] is -1.0, want 0 or 1"),
        (lambda d: d.update(rewards=[[1.0], [1.0, 2.0]]), "rewards is no array"),
        (lambda d: d.update(goals=0 * d["goals"] + 9), r"goals\[0\].* want balls"),
    ],
)
def test_a_broken_file_gets_one_clear_error(recorded, tmp_path, capsys, change, message):
    data = dict(recorded)
    change(data)
    assert run(save(tmp_path / "broken.npy", data), 1e-5) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1 and captured.out == ""
    assert re.search(message, captured.err)


def test_a_missing_file_and_another_kind_of_file_are_named(tmp_path, capsys):
    assert run(str(tmp_path / "nowhere.npy"), 1e-5) == 2
    assert "nowhere.npy" in capsys.readouterr().err
    assert run(save(tmp_path / "array.npy", np.zeros(3)), 1e-5) == 2
    assert "array.npy" in capsys.readouterr().err


@pytest.mark.skipif(not SAMPLE.exists(), reason="the authors' sample is not beside the repository")
def test_the_authors_file_passes():
    assert run(str(SAMPLE), 1e-5) == 0
