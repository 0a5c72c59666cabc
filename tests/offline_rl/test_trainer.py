"""The training loop: seeds together and alone, on several devices, resumed, and what it reports."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.offline_rl import LEARNERS, make_learner, state_of
from kalm_jax.offline_rl.trainer import learner_for, train, update_many
from tests.offline_rl.data import (
    SMALL,
    advance,
    assert_same,
    differs,
    first_states,
    random_buffer,
    raw,
)


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_a_loop_of_n_equals_n_single_updates(name):
    learner, buffer = make_learner(name, **SMALL[name]), random_buffer()
    looped, _ = advance(first_states(learner, buffer, [3]), buffer, 7, learner)
    single = first_states(learner, buffer, [3])
    for _ in range(7):
        single, _ = advance(single, buffer, 1, learner)
    assert_same(looped, single)


def assert_close(a, b):
    """Equal but for rounding, which Adam magnifies where a gradient is nearly 0: its steps have the learning rate."""
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=3e-4), raw(a), raw(b))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_seeds_together_equal_seeds_alone(name):
    learner, buffer = make_learner(name, **SMALL[name]), random_buffer()
    alone = [state_of(train(learner, buffer, [seed], 11, updates_per_call=4)[0], 0) for seed in (5, 6, 7)]
    ways = [("threads", 2)]  # the others do not depend on the learner
    if name == "td3bc":
        ways += [("threads", 1), ("map", None)]
    for way, workers in ways:
        together, _ = train(learner, buffer, [5, 6, 7], 11, updates_per_call=4, seed_parallelism=way, workers=workers)
        for i, state in enumerate(alone):
            assert_same(state_of(together, i), state)
    batched, _ = train(learner, buffer, [5, 6, 7], 11, seed_parallelism="vmap")
    for i, state in enumerate(alone):
        assert_close(state_of(batched, i), state)
    assert differs(alone[0], alone[1])


@pytest.mark.parametrize("way", ["map", "vmap"])
def test_seeds_on_several_devices_are_those_of_one(way, tmp_path):
    """Three seeds on two devices: the fourth place is filled up. A checkpoint does not know of devices."""
    learner, buffer = make_learner("td3bc", **SMALL["td3bc"]), random_buffer()
    options = {"updates_per_call": 4, "seed_parallelism": way}
    on_one, want = train(learner, buffer, [5, 6, 7], 8, **options)
    options |= {"shard_seeds": True, "checkpoint_dir": tmp_path}
    train(learner, buffer, [5, 6, 7], 4, **options)
    sharded, curve = train(learner, buffer, [5, 6, 7], 8, **options)
    assert_close(sharded, on_one)
    assert [row["seed"] for row in curve] == [row["seed"] for row in want]
    np.testing.assert_allclose([row["value"] for row in curve], [row["value"] for row in want], rtol=1e-3, atol=1e-4)
    alone, _ = train(learner, buffer, [5, 6, 7], 8, updates_per_call=4, checkpoint_dir=tmp_path)
    assert_same(alone, sharded)
    with pytest.raises(ValueError, match="map or vmap"):
        train(learner, buffer, [5], 8, seed_parallelism="threads", shard_seeds=True)


def test_curve_has_the_means_of_each_call():
    learner, buffer = make_learner("bc", **SMALL["bc"]), random_buffer()
    watched: list[dict] = []
    _, curve = train(learner, buffer, [0, 1], 10, updates_per_call=4, watch=watched.extend)
    assert sorted(watched, key=lambda r: (r["update"], r["seed"])) == curve
    assert [(r["update"], r["seed"]) for r in curve] == [(u, s) for u in (4, 8, 10) for s in (0, 1)]
    state, losses = first_states(learner, buffer, [0]), []
    for _ in range(4):
        state, metrics = advance(state, buffer, 1, learner)
        losses.append(float(metrics["policy_loss"][0]))
    np.testing.assert_allclose(curve[0]["value"], np.mean(losses), rtol=1e-5)


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_a_resumed_run_equals_an_uninterrupted_one(name, tmp_path):
    learner, buffer = make_learner(name, **SMALL[name]), random_buffer()
    settings = {"updates_per_call": 4, "checkpoint_every": 6}
    whole, curve = train(learner, buffer, [0, 1], 20, **settings)

    def kill(done, total, **metrics):
        if done >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(learner, buffer, [0, 1], 20, checkpoint_dir=tmp_path / "run", progress=kill, **settings)
    resumed, resumed_curve = train(learner, buffer, [0, 1], 20, checkpoint_dir=tmp_path / "run", **settings)
    assert_same(whole, resumed)
    last = {(r["seed"], r["metric"]): r["value"] for r in curve if r["update"] == 20}
    assert last == {(r["seed"], r["metric"]): r["value"] for r in resumed_curve if r["update"] == 20}
    again, again_curve = train(learner, buffer, [0, 1], 20, checkpoint_dir=tmp_path / "run", **settings)
    assert_same(whole, again)
    assert again_curve == resumed_curve
    with pytest.raises(ValueError, match="seeds"):
        train(learner, buffer, [0, 2], 20, checkpoint_dir=tmp_path / "run", **settings)


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_nothing_is_compiled_after_the_first_call(name):
    learner, buffer = make_learner(name, **SMALL[name]), random_buffer()
    compiled = []

    def progress(done, total, **metrics):
        compiled.append(update_many._cache_size())

    train(learner, buffer, [0, 1], 11, updates_per_call=3, seed_parallelism="threads", workers=1, progress=progress)
    assert len(compiled) == 8 and len(set(compiled)) == 1


def test_a_new_state_holds_no_buffer_twice():
    for name in LEARNERS:
        learner, buffer = make_learner(name, **SMALL[name]), random_buffer()
        state = first_states(learner, buffer, [0])
        leaves = [x for x in jax.tree.leaves(raw_device(state)) if x.size > 1]
        assert len({x.unsafe_buffer_pointer() for x in leaves}) == len(leaves)
        after, _ = advance(state, buffer, 1, learner)
        assert jax.tree.leaves(state)[0].is_deleted()
        assert not buffer.observations.is_deleted() and not jax.tree.leaves(after)[0].is_deleted()


def raw_device(state):
    return dataclasses.replace(state, key=jax.random.key_data(state.key))


def test_a_loss_that_is_not_finite_stops_the_run():
    buffer = random_buffer()
    buffer = dataclasses.replace(buffer, reward=jnp.full(len(buffer), 3e37))
    with pytest.raises(FloatingPointError, match="critic_loss"):
        train(make_learner("td3bc", **SMALL["td3bc"]), buffer, [0], 4)


def test_dynamics_models_leave_updates_for_the_policy():
    assert learner_for("combo", 1000).config.dynamics_updates == 200  # by default 5000
    assert learner_for("combo", 10_000) == make_learner("combo") and learner_for("bc", 3) == make_learner("bc")
    with pytest.raises(ValueError, match=r"first 1000 updates .* there are 1000 updates: lower combo\.dynamics_upd"):
        learner_for("combo", 1000, dynamics_updates=1000)
