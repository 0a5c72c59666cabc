"""How networks see observations: differences, scales, limits; every learner trains and acts with them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.offline_rl import make_buffer, make_learner
from kalm_jax.offline_rl.networks import policy_input, seen
from kalm_jax.offline_rl.trainer import train
from kalm_jax.types.transforms import ObservationTransform
from tests.offline_rl.data import SMALL, goal_table, random_rollouts

VIEW = ObservationTransform(differences=((1, 0), (2, 0)), offset=0.05, limit=2.0)


def buffer_of(rollouts, view=VIEW):
    return make_buffer([(rollouts, 1.0)], goal_table(), view=view)


def test_a_view_shows_what_its_formula_says():
    rollouts = random_rollouts(3, n=40, continuous=True)
    rollouts.observations[:20, :, 2] = 0.0  # a thing that half of the scenes do not have
    buffer = buffer_of(rollouts)
    x, spec = np.asarray(buffer.observations, np.float64), buffer.spec()
    there = x[:, 2] != 0
    pairs = np.stack([(x[:, 1] - x[:, 0]), (x[:, 2] - x[:, 0])], 1)
    scale = np.array([pairs[:, 0].std(), pairs[there, 1].std()]) + 0.05
    want = np.concatenate([(x - x.mean(0)) / (x.std(0) + 0.05), pairs / scale], 1).clip(-2, 2)
    np.testing.assert_allclose(seen(spec, buffer.observations), want, atol=1e-5)
    assert (np.abs(want) == 2).any() and (np.abs(want) < 2).any()
    inputs = policy_input(spec, buffer.observations, jnp.broadcast_to(buffer.goal_vectors[0], (len(x), 4)))
    assert inputs.shape == (len(x), spec.input_dim) == (len(x), 3 + 2 + 4)
    np.testing.assert_allclose(inputs[:, :5], want, atol=1e-5)


def test_by_default_nothing_is_added_and_nothing_cut_off():
    buffer = buffer_of(random_rollouts(4), ObservationTransform())
    x, spec = np.asarray(buffer.observations, np.float64), buffer.spec()
    assert spec.difference_std is None and spec.view == ObservationTransform()
    far = 1e6 * jnp.ones((1, 3))
    np.testing.assert_allclose(seen(spec, far), (1e6 - x.mean(0)[None]) / (x.std(0) + 1e-3), rtol=1e-4)


def test_the_scale_of_a_thing_that_no_scene_has_is_harmless():
    rollouts = random_rollouts(5)
    rollouts.observations[:, :, 1] = 0.0
    spec = buffer_of(rollouts).spec()
    np.testing.assert_allclose(spec.difference_std[0], 1.05)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_every_learner_sees_no_further_than_the_limit(name):
    buffer = buffer_of(random_rollouts(6, continuous=True))
    learner = make_learner(name, **SMALL[name])
    state, _ = train(learner, buffer, [0], 4)
    state = jax.tree.map(lambda x: x[0], state)
    base = jnp.zeros((1, 3)).at[0, 0].set(50.0)  # both differences are far beyond the limit, too
    actions = [
        np.asarray(learner.act(state, base.at[0, 0].set(place), buffer.goal_vectors[:1], jax.random.key(0), True))
        for place in (50.0, 5e4, -50.0)
    ]
    assert actions[0].shape == (1, 2) and np.isfinite(actions[0]).all()
    np.testing.assert_array_equal(actions[0], actions[1])
    assert np.abs(actions[0] - actions[2]).max() > 1e-4


def test_a_stream_has_the_plain_view(tmp_path):
    from kalm_jax.offline_rl import write_stream

    stream = write_stream(tmp_path / "s", [([random_rollouts(7)], 1.0)], goal_table())
    assert stream.view == ObservationTransform()
    want = make_buffer([(random_rollouts(7), 1.0)], goal_table()).spec()
    got = stream.spec()
    for field in dataclasses.fields(want):
        a, b = getattr(got, field.name), getattr(want, field.name)
        np.testing.assert_allclose(a, b, rtol=1e-5) if isinstance(b, jax.Array) else None
        assert isinstance(b, jax.Array) or a == b
