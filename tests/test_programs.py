"""Programs as they are described for devices that are not there: shapes, places, and where a description stops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from kalm_jax import programs
from kalm_jax.grounding import decoding
from kalm_jax.grounding.decoding import encode_goals
from kalm_jax.pipeline.planner import text_model
from kalm_jax.programs import describe, described_for, program
from kalm_jax.sharding import MeshShape, default_mesh, shard_batch, using_mesh_shape


@program(static_argnames="times")
def scaled(x, *, times):
    """A program."""
    return x * times


@program
def total(x):
    """Another one, without options."""
    return {"total": x.sum()}


def test_outside_of_a_description_a_program_is_jax_jit():
    assert scaled(np.ones(3), times=2).tolist() == [2, 2, 2]
    assert float(total(jnp.arange(4.0))["total"]) == 6
    assert total.__doc__ == "Another one, without options."
    assert jax.jit(lambda x: total(x)["total"])(np.ones(2)) == 2
    assert scaled.lower(np.ones(3), times=2).compile()(np.ones(3)).tolist() == [2, 2, 2]


def test_arrays_that_would_be_placed_are_shapes_and_the_wanted_program_is_not_run():
    ran = []

    def job():
        rows = shard_batch(default_mesh(), {"x": np.ones((4, 3), np.float64)})["x"]
        ran.append(total(scaled(rows, times=3)))

    with described_for(jax.devices()[:2], "gpu"), using_mesh_shape(MeshShape()):
        assert programs.backend() == "gpu" and default_mesh().size == 2
        found, last = describe(job, "scaled"), describe(job, "total")
    assert not ran and programs.backend() == jax.default_backend()
    (x,) = found.args
    assert (x.shape, x.dtype, x.sharding.spec) == ((4, 3), np.float32, P(("data", "fsdp")))
    assert found.kwargs == {"times": 3} and last.args[0].shape == (4, 3)
    compiled = found.traced.lower().compile()
    assert compiled.input_shardings[0][0].device_set == set(jax.devices()[:2])


def test_what_is_on_this_process_is_computed_and_a_program_without_places_is_of_one_device():
    seen = []

    def job():
        seen.append(float(total(np.ones(5))["total"]))
        scaled(jnp.ones(2), times=1)

    with described_for(jax.devices()[1:], "tpu"):
        found = describe(job, "scaled")
    assert seen == [5.0] and found.args[0].sharding.device_set == {jax.devices()[1]}


def test_results_have_the_places_that_the_program_gives_them():
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:2])
    split = NamedSharding(mesh, P("data"))
    double = program(lambda x: {"y": 2 * x}, out_shardings=split)
    with described_for(jax.devices()[:2], "cpu"):
        assert double(jax.ShapeDtypeStruct((4,), np.float32, sharding=split))["y"].sharding == split


def test_a_program_that_is_never_called_is_an_error():
    with described_for(jax.devices(), "cpu"), pytest.raises(LookupError, match="no program scaled was called"):
        describe(lambda: None, "scaled")


def test_what_is_described_is_what_runs(monkeypatch):
    """The program of a real call, lowered with its real arrays, is the same text as the described one."""
    grounded, lowered = text_model(""), []
    real = decoding._goal_vectors

    def spy(params, **arguments):
        lowered.append(real.lower(params, **arguments).as_text())
        return real(params, **arguments)

    texts = ["push the red ball left", "move the blue ball behind the green ball"]
    with monkeypatch.context() as patched:
        patched.setattr(decoding, "_goal_vectors", spy)
        encode_goals(grounded, texts, batch=4)
    with described_for(jax.devices(), "cpu"), using_mesh_shape(MeshShape()):
        found = describe(lambda: encode_goals(grounded, texts, batch=4), "_goal_vectors")
    assert found.traced.lower().as_text() == lowered[0]
