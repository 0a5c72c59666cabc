"""Buffers on disk: the same batches, the same training and the same errors as on the device."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.datasets import read_pieces, write_rollouts
from kalm_jax.offline_rl import make_buffer, make_learner, open_stream, sample, stream, write_stream
from kalm_jax.offline_rl.algorithms.dynamics_model import dynamics_stats
from kalm_jax.offline_rl.trainer import train
from kalm_jax.types import Rollouts, make_goal_table, unnamed_goal, validate


def random_rollouts(seed, n=30, horizon=6, continuous=False):
    rng = np.random.default_rng(seed)
    length = rng.integers(1, horizon + 1, n).astype(np.int32)
    step = np.arange(horizon) < length[:, None]
    actions = rng.uniform(-1, 1, (n, horizon, 2)).astype(np.float32)
    return Rollouts(
        observations=rng.normal(size=(n, horizon + 1, 3)).astype(np.float32),
        actions=actions if continuous else (rng.integers(0, 4, (n, horizon)) * step).astype(np.int32),
        rewards=rng.normal(size=(n, horizon)).astype(np.float32),
        length=length,
        terminated=rng.random(n) < 0.5,
        goal=rng.integers(0, 3, n).astype(np.int32),
        imagined=np.zeros(n, bool),
    )


def goal_table():
    """Three goals, two of them wordings of one."""
    array, vector = np.array([[0], [0], [1]]), np.random.default_rng(9).normal(size=(3, 5))
    return make_goal_table(["a", "b", "c"], 0, 0, array, vector)


def pieces(rollouts, size):
    return [rollouts.take(slice(i, i + size)) for i in range(0, len(rollouts), size)]


def pair(folder, draw="transitions", continuous=False, size=7):
    """The same two sources on the device, and on disk in pieces."""
    parts = [random_rollouts(seed, continuous=continuous) for seed in (0, 1)]
    actions = None if continuous else 4
    whole = make_buffer([(parts[0], 0.7), (parts[1], 0.3)], goal_table(), actions, draw)
    sources = [(pieces(parts[0], size), 0.7), (iter(pieces(parts[1], size)), 0.3)]
    return whole, write_stream(folder, sources, goal_table(), actions, draw)


def raw(state):
    return jax.tree.map(np.asarray, dataclasses.replace(state, key=jax.random.key_data(state.key)))


def assert_same(a, b):
    jax.tree.map(np.testing.assert_array_equal, raw(a), raw(b))


@pytest.mark.parametrize("draw", ["transitions", "rollouts"])
@pytest.mark.parametrize("continuous", [False, True])
def test_files_hold_what_the_device_would(tmp_path, draw, continuous):
    whole, streamed = pair(tmp_path, draw, continuous)
    # What windows of rollouts need is left out: learners that read those refuse a stream.
    assert streamed.time is None and streamed.returns_to_go is None
    for name in {field.name for field in dataclasses.fields(whole)} - {"time", "returns_to_go"}:
        np.testing.assert_array_equal(getattr(streamed, name), getattr(whole, name), name)
    assert isinstance(streamed.observations, np.memmap) and len(streamed) == len(whole)
    for a, b in zip(jax.tree.leaves(dynamics_stats(streamed)), jax.tree.leaves(dynamics_stats(whole)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    np.testing.assert_allclose(streamed.sums(), whole.sums(), rtol=1e-9)
    again = open_stream(tmp_path)
    np.testing.assert_array_equal(again.action, whole.action)
    assert again.num_actions == (0 if continuous else 4)


@pytest.mark.parametrize("draw", ["transitions", "rollouts"])
def test_the_same_batches_are_drawn_from_the_same_keys(tmp_path, draw):
    whole, streamed = pair(tmp_path, draw)
    keys = jax.random.split(jax.random.key(5), 2)
    drawn = stream.read_batches(streamed, keys, np.arange(3, 7, dtype=np.int32), 16)
    assert drawn.observation.shape == (2, 4, 16, 3) and drawn.goal.shape == (2, 4, 16)
    for i, key in enumerate(keys):
        for j, step in enumerate(range(3, 7)):
            sample_key, _ = jax.random.split(jax.random.fold_in(key, step))
            want = sample(whole, sample_key, 16)
            got = jax.tree.map(lambda x, i=i, j=j: x[i, j], drawn)
            got = dataclasses.replace(got, goal=np.asarray(whole.goal_vectors)[got.goal])
            jax.tree.map(np.testing.assert_array_equal, got, want)


@pytest.mark.slow
@pytest.mark.parametrize("seed_parallelism", ["map", "vmap"])
def test_training_from_disk_equals_training_on_the_device(tmp_path, monkeypatch, seed_parallelism):
    """Chunks of three updates, the last one cut short; TD3+BC has delayed updates and noise.

    Statistics taken in pieces may differ from the device's in the last bit; training is compared without that.
    """
    whole, streamed = pair(tmp_path)
    monkeypatch.setattr(stream, "chunk_size", lambda *_: 3)
    learner, stats = make_learner("td3bc", hidden=(8, 8), batch_size=8), whole.stats()
    options = {"stats": stats, "updates_per_call": 7, "seed_parallelism": seed_parallelism}
    (state, want), (streamed_state, got) = (train(learner, data, [0, 1], 11, **options) for data in (whole, streamed))
    assert [row | {"value": 0} for row in got] == [row | {"value": 0} for row in want]
    np.testing.assert_allclose([row["value"] for row in got], [row["value"] for row in want], rtol=1e-5, atol=1e-6)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5), raw(state), raw(streamed_state))


def test_a_resumed_run_from_disk_equals_an_uninterrupted_one(tmp_path):
    whole, streamed = pair(tmp_path / "stream", continuous=True)
    learner = make_learner("bc", hidden=(8, 8), batch_size=8)
    settings = {"stats": whole.stats(), "updates_per_call": 4, "checkpoint_every": 6}
    state, curve = train(learner, streamed, [0, 1], 14, **settings)

    def kill(done, total, **metrics):
        if done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(learner, streamed, [0, 1], 14, checkpoint_dir=tmp_path / "run", progress=kill, **settings)
    reopened = open_stream(tmp_path / "stream")
    resumed, _ = train(learner, reopened, [0, 1], 14, checkpoint_dir=tmp_path / "run", **settings)
    assert_same(state, resumed)
    on_device, device_curve = train(learner, whole, [0, 1], 14, updates_per_call=4)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5), raw(state), raw(on_device))
    np.testing.assert_allclose(curve[-1]["value"], device_curve[-1]["value"], rtol=1e-5)


def test_chunks_fit_their_budget(tmp_path):
    _, streamed = pair(tmp_path)
    wide = dataclasses.replace(streamed, observations=np.zeros((1, 859), np.float32))
    size = stream.chunk_size(wide, 256, 4)
    assert 1 <= size and size * 256 * 4 * 2 * 859 * 4 <= stream.CHUNK_BYTES < (size + 2) * 256 * 4 * 2 * 859 * 4
    assert stream.chunk_size(wide, 10**9, 1) == 1 and stream.chunk_size(streamed, 8, 1) == 500


def test_rollouts_come_in_pieces_from_a_file(tmp_path):
    rollouts = random_rollouts(0)
    write_rollouts(tmp_path / "r.h5", rollouts, goal_table())
    rollouts = validate(rollouts)  # with zeros behind their ends, as files have them
    goals, parts = read_pieces(tmp_path / "r.h5", 8)
    parts = list(parts)
    assert [len(p) for p in parts] == [8, 8, 8, 6] and goals.text == ("a", "b", "c")
    for field in dataclasses.fields(rollouts):
        joined = np.concatenate([getattr(p, field.name) for p in parts])
        np.testing.assert_array_equal(joined, getattr(rollouts, field.name))
    np.savez(tmp_path / "r.npz", a=1)
    with pytest.raises(ValueError, match=r"r\.npz: only our own HDF5"):
        read_pieces(tmp_path / "r.npz")
    bad = dataclasses.replace(rollouts, rewards=np.where(np.arange(30)[:, None] == 11, np.nan, rollouts.rewards))
    import h5py

    with h5py.File(tmp_path / "r.h5", "a") as file:
        file["rollouts/rewards"][...] = bad.rewards
    with pytest.raises(ValueError, match=r"r\.h5 \(from rollout 8 on\): rewards \[3, 0\] is not finite"):
        list(read_pieces(tmp_path / "r.h5", 8)[1])


def test_errors_are_those_of_a_buffer(tmp_path):
    rollouts = random_rollouts(0)
    for sources, goals, words in (
        ([], goal_table(), "no source"),
        ([([rollouts], -1.0)], goal_table(), "shares"),
        ([([], 1.0)], goal_table(), "source 0 has no rollouts"),
        ([([rollouts], 1.0)], unnamed_goal(), "goal table has 1"),
        ([([random_rollouts(0, continuous=True), rollouts], 1.0)], goal_table(), "action has entries of shape"),
    ):
        with pytest.raises(ValueError, match=words):
            write_stream(tmp_path / "s", sources, goals)
    with pytest.raises(FileNotFoundError, match="no complete stream"):
        open_stream(tmp_path / "s")


def test_a_single_goal_without_a_vector_streams(tmp_path):
    rollouts = dataclasses.replace(random_rollouts(0), goal=np.zeros(30, np.int32))
    streamed = write_stream(tmp_path, [([rollouts], 1.0)], unnamed_goal())
    learner = make_learner("bc", hidden=(8,), batch_size=4)
    _, curve = train(learner, streamed, [0], 3)
    assert jnp.isfinite(curve[-1]["value"])
