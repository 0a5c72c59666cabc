"""The authors' pickled rollouts mean what they should, and faults are named."""

import numpy as np
import pytest

from kalm_jax.datasets import read_rollouts
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import rewards as clevr_rewards
from tests.fixtures import assert_equal
from tests.paths import SHARED_DATA

SAMPLE = SHARED_DATA / "clevr_robot_sample.npy"


def authors_dictionary(n=6, t=8, m=4, seed=0):
    """Rollouts in the layout of the authors' files: padded to `t`, with the final state in next_observations only."""
    rng = np.random.default_rng(seed)
    length = rng.integers(1, t + 1, n)
    step = np.arange(t) < length[:, None]
    positions = rng.uniform(-0.5, 0.5, (n, t + 1, 10)).astype(np.float32)
    goal = np.zeros((n, 6), np.float32)
    for i in range(n):
        source, reference = rng.permutation(5)[:2]
        goal[i, source], goal[i, reference], goal[i, 5] = 1, 2, rng.integers(4)
    configuration = [f"Push ball {np.argmax(g == 1)} {int(g[5])} of ball {np.argmax(g == 2)}" for g in goal]
    data = {
        "num_trajectories": n,
        "observation_type": "continuous",
        "observation_dim": 10,
        "action_type": "discrete",
        "action_dim": 40,
        "number_of_objects": 5,
        "observations": positions[:, :-1] * step[..., None],
        "next_observations": positions[:, 1:] * step[..., None],
        "actions": (rng.integers(0, 40, (n, t)) * step).astype(np.int32),
        "rewards": (rng.normal(size=(n, t, 1)) * step[..., None]).astype(np.float32),
        "terminals": (np.arange(t) == length[:, None] - 1)[..., None],
        "masks": step.astype(np.int32),
        "instructions": np.array([[f"{c} please {k}" for k in range(m)] for c in configuration]),
        "goals": np.repeat(goal[:, None], t, 1),
        "states": np.zeros((n, t, 69), np.float32),
    }
    return data, positions, length


def read(path):
    """The file as the world of its rollouts reads it."""
    return read_rollouts(path, 40, decode_goal=clevr_goals.from_authors)


def save(path, data):
    np.save(path, data, allow_pickle=True)
    return path


def test_authors_rollouts(tmp_path):
    data, positions, length = authors_dictionary()
    data["instructions"][1], data["goals"][1] = data["instructions"][0], data["goals"][0]  # one configuration twice
    rollouts, goals = read(save(tmp_path / "a.npy", data))
    np.testing.assert_array_equal(rollouts.length, length)
    for i in range(len(rollouts)):
        np.testing.assert_array_equal(rollouts.observations[i, : length[i] + 1], positions[i, : length[i] + 1])
        np.testing.assert_array_equal(rollouts.actions[i], data["actions"][i])
        np.testing.assert_array_equal(rollouts.rewards[i], data["rewards"][i, :, 0])
        sentences = [s.lower() for s in data["instructions"][i]]
        family, array = clevr_goals.from_authors(data["goals"][i, 0])
        same = np.flatnonzero((goals.array == array).all(1) & (goals.family == family))
        assert goals.text[rollouts.goal[i]] in sentences
        # Every sentence of the configuration is a goal of its own, found by the equal goal array.
        assert set(sentences) <= {goals.text[k] for k in same}
    assert len(goals) == len(set(zip(goals.text, map(bytes, goals.array)))) == 20
    assert rollouts.terminated.all() and not rollouts.imagined.any() and (goals.level == 0).all()
    again, _ = read(tmp_path / "a.npy")
    np.testing.assert_array_equal(again.goal, rollouts.goal)


@pytest.mark.skipif(not SAMPLE.exists(), reason="the authors' sample is not here")
def test_authors_sample():
    rollouts, goals = read(SAMPLE)
    assert len(rollouts) == 40 and len(goals) == 40 * 54 and rollouts.terminated.all()
    assert (rollouts.length.min(), rollouts.length.max()) == (2, 49)
    rows = np.arange(40)
    array = goals.array[rollouts.goal]
    final = rollouts.observations[rows, rollouts.length]
    assert clevr_goals.satisfied(0, array, final).all()
    step = rollouts.valid()
    reward = clevr_rewards.reward(
        0, array[:, None], rollouts.observations[:, :-1], rollouts.actions, rollouts.observations[:, 1:]
    )
    np.testing.assert_allclose(reward[step], rollouts.rewards[step], atol=2e-6)


def test_authors_faults_are_named(tmp_path):
    def with_change(words, field, change):
        data, _, _ = authors_dictionary()
        if change is None:
            del data[field]
        else:
            data[field] = change(data[field])
        with pytest.raises(ValueError, match=r"a\.npy.*" + words):
            read(save(tmp_path / "a.npy", data))

    def put(index, value):
        def change(x):
            x = x.copy()
            x[index] = value
            return x

        return change

    with_change("lacks goals", "goals", None)
    with_change("observations has shape", "observations", lambda x: x[..., :9])
    with_change("next_observations has shape", "next_observations", lambda x: x[:, 1:])
    with_change("actions has shape", "actions", lambda x: x[:3])
    with_change(r"actions \[2, 0\] is 40", "actions", put((2, 0), 40))
    with_change(r"observations \[3, 0\] is not finite", "observations", put((3, 0, 4), np.nan))
    with_change(r"rewards \[3, 0\] is not finite", "rewards", put((3, 0), np.inf))
    with_change(r"masks: 2 rollouts have no step \(1, 4\)", "masks", put(([1, 4],), 0))
    with_change(r"masks\[0\] has gaps", "masks", put((0, slice(0, 8)), [1, 0, 1, 0, 0, 0, 0, 0]))
    with_change(r"goals\[5\].*more than one source", "goals", put((5, ..., slice(0, 5)), [1, 1, 2, 0, 0]))
    with_change("goals has shape", "goals", lambda x: x[:4])
    with_change("instructions has shape", "instructions", lambda x: x[:4])
    with_change(r"instructions\[1\] has an entry that is no sentence", "instructions", put((1, 2), " "))
    with_change("action_type is 'continuous'", "action_type", lambda _: "continuous")
    with_change("rewards has type", "rewards", lambda x: x.astype("U8"))
    with_change(r"terminals\[0, 0\] is 1, but masks say", "terminals", put((0, 0), 1))
    with_change(r"goals\[2, 0, 1\] is nan", "goals", put((2, 0, 1), np.nan))
    with_change("rewards is no array", "rewards", lambda _: [[1.0], [1.0, 2.0]])
    with_change("action_type is", "action_type", lambda _: np.zeros(3))
    data, _, length = authors_dictionary()
    i = int(np.argmax(length))
    data["next_observations"][i, 0] += 0.1
    with pytest.raises(ValueError, match=rf"next_observations\[{i}, 0\] is not observations\[{i}, 1\]"):
        read(save(tmp_path / "a.npy", data))
    with pytest.raises(ValueError, match=r"b\.npy: holds a ndarray"):
        read(save(tmp_path / "b.npy", np.zeros(3)))


def test_goals_stay_as_they_are_stored_without_a_decoder(tmp_path):
    data, _, _ = authors_dictionary()
    decoded, goals = read(save(tmp_path / "a.npy", data))
    rollouts, stored = read_rollouts(tmp_path / "a.npy")
    assert_equal(rollouts, decoded)
    assert stored.text == goals.text and (stored.family == -1).all()
    np.testing.assert_array_equal(stored.array[rollouts.goal], data["goals"][:, 0])
