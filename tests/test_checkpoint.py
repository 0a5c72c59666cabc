"""Checkpoints of named pytrees: everything comes back bit for bit, whole, and in the caller's types."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kalm_jax.checkpoint import Checkpoints


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class State:
    """A state with everything that a training state may hold."""

    params: dict
    optimizer: optax.OptState
    key: jax.Array
    nothing: jax.Array | None
    empty: jax.Array


def make_state(seed: int = 0) -> State:
    params = {"layer": {"kernel": jax.random.normal(jax.random.key(seed), (2, 3)), "bias": jnp.ones(3, jnp.bfloat16)}}
    keys = jax.random.split(jax.random.key(seed), 2)
    return State(params, optax.adam(1e-3).init(params), keys, None, jnp.zeros((2, 0)))


def assert_same(found: State, want: State) -> None:
    assert jax.tree.structure(found.params) == jax.tree.structure(want.params)
    assert jnp.array_equal(jax.random.key_data(found.key), jax.random.key_data(want.key))
    rest = [dataclasses.replace(x, key=None) for x in (found, want)]
    jax.tree.map(np.testing.assert_array_equal, *rest)


@pytest.mark.parametrize("on_host", [False, True])
def test_trees_come_back_bit_for_bit_with_typed_keys_and_empty_arrays(tmp_path, on_host):
    with Checkpoints(tmp_path / "new" / "folder", on_host=on_host) as checkpoints:
        assert checkpoints.latest_step() is None and checkpoints.steps() == []
        checkpoints.save(3, {"state": make_state(0), "table": {"x": np.arange(3)}}, {"curve": [1.5, {"a": None}]})
    with Checkpoints(tmp_path / "new" / "folder", on_host=on_host) as checkpoints:
        assert checkpoints.steps() == [3] and checkpoints.metadata(3) == {"curve": [1.5, {"a": None}]}
        like = jax.eval_shape(make_state) if on_host else make_state(1)
        found = checkpoints.restore(3, {"state": like, "table": {"x": np.zeros(3, int)}})
    assert_same(found["state"], make_state(0))
    np.testing.assert_array_equal(found["table"]["x"], np.arange(3))
    kind = np.ndarray if on_host else jax.Array
    assert isinstance(found["state"].params["layer"]["kernel"], kind)


def test_the_newest_are_kept_and_a_half_written_one_is_not_seen(tmp_path):
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, {"state": make_state(step)})
        assert checkpoints.steps() == [2, 3]
        checkpoints.save(4, {"state": make_state(4)})
    (tmp_path / "4" / "_CHECKPOINT_METADATA").unlink()
    (tmp_path / "4").rename(tmp_path / "4.orbax-checkpoint-tmp-1")
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() == 3
        assert_same(checkpoints.restore(3, {"state": make_state()})["state"], make_state(3))


def test_another_structure_is_refused(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, {"state": make_state()})
        with pytest.raises(ValueError, match="structures do not match"):
            checkpoints.restore(1, {"state": {"x": jnp.zeros(2)}})
