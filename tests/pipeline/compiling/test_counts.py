"""What programs compute and move, against what was written down by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from kalm_jax.pipeline.compiling.counts import count_program, kernel_of, parse_program, product_flops, size_of


def layers(x, weights):
    return jax.lax.scan(lambda h, w: (jnp.tanh(h @ w), None), x, weights)[0].sum()


X, W = jax.ShapeDtypeStruct((8, 16), np.float32), jax.ShapeDtypeStruct((5, 16, 16), np.float32)
ONCE = 2 * 8 * 16 * 16


@pytest.mark.parametrize(
    "function, flops",
    [
        (layers, 5 * ONCE),
        (jax.grad(layers, argnums=(0, 1)), 3 * 5 * ONCE),
        (jax.grad(jax.checkpoint(layers), argnums=(0, 1)), 4 * 5 * ONCE),
        (lambda x, w: jax.vmap(lambda m: jax.jit(jnp.matmul)(x, m))(w), 5 * ONCE),
        (lambda x, w: jax.lax.cond(x[0, 0] > 0, lambda: (x @ w[0]).sum(), lambda: 0.0), ONCE),
        (lambda x, w: jax.lax.while_loop(lambda h: h[0, 0] < 9, lambda h: h @ w[0], x), ONCE),
    ],
)
def test_products_are_counted_as_often_as_they_run(function, flops):
    assert product_flops(jax.jit(function).trace(X, W).jaxpr) == {"float32": flops}


def test_products_of_every_device_are_counted_by_type():
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:2])
    function = jax.shard_map(
        lambda x, w: x.astype(jnp.bfloat16) @ w[0].astype(jnp.bfloat16),
        mesh=mesh,
        in_specs=(P("data"), P()),
        out_specs=P("data"),
    )
    assert product_flops(jax.jit(function).trace(X, W).jaxpr) == {"bfloat16": ONCE}


@pytest.mark.parametrize(
    "result, size",
    [("f32[8,128]{1,0:T(8,128)}", 4096), ("(bf16[3]{0}, s32[], pred[2,2])", 14), ("f8e4m3fn[7]", 7), ("token[]", 0)],
)
def test_bytes_of_a_type(result, size):
    assert size_of(result) == size


PROGRAM = """HloModule jit_f, is_scheduled=true

%fused_slice (p0: f32[5,16,16], p1: s32[], p2: f32[8,16]) -> f32[8,16] {
  %p0 = f32[5,16,16]{2,1,0} parameter(0)
  %p1 = s32[] parameter(1)
  %p2 = f32[8,16]{1,0} parameter(2)
  %zero = s32[] constant(0)
  %slice = f32[1,16,16]{2,1,0} dynamic-slice(%p0, %p1, %zero, %zero), dynamic_slice_sizes={1,16,16}
  %w = f32[16,16]{1,0} bitcast(%slice)
  ROOT %dot = f32[8,16]{1,0} dot(%p2, %w), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}

%body (state: (s32[], f32[8,16], f32[5,16,16])) -> (s32[], f32[8,16], f32[5,16,16]) {
  %state = (s32[], f32[8,16]{1,0}, f32[5,16,16]{2,1,0}) parameter(0)
  %i = s32[] get-tuple-element(%state), index=0
  %h = f32[8,16]{1,0} get-tuple-element(%state), index=1
  %ws = f32[5,16,16]{2,1,0} get-tuple-element(%state), index=2
  %next = f32[8,16]{1,0} fusion(%ws, %i, %h), kind=kCustom, calls=%fused_slice, backend_config={"fusion_backend_config":{"kind":"__triton_gemm"}}
  %sum = f32[8,16]{1,0} all-reduce(%next), replica_groups={{0,1}}, to_apply=%add
  ROOT %out = (s32[], f32[8,16]{1,0}, f32[5,16,16]{2,1,0}) tuple(%i, %sum, %ws)
}

%condition (state.1: (s32[], f32[8,16], f32[5,16,16])) -> pred[] {
  %state.1 = (s32[], f32[8,16]{1,0}, f32[5,16,16]{2,1,0}) parameter(0)
  ROOT %yes = pred[] constant(true)
}

ENTRY %main (a: f32[8,16], b: f32[5,16,16]) -> f32[8,16] {
  %a = f32[8,16]{1,0} parameter(0)
  %b = f32[5,16,16]{2,1,0} parameter(1)
  %start = s32[] constant(0)
  %packed = (s32[], f32[8,16]{1,0}, f32[5,16,16]{2,1,0}) tuple(%start, %a, %b)
  %loop = (s32[], f32[8,16]{1,0}, f32[5,16,16]{2,1,0}) while(%packed), condition=%condition, body=%body, backend_config={"known_trip_count":{"n":"5"}}
  %last = f32[8,16]{1,0} get-tuple-element(%loop), index=1
  ROOT %kernel = f32[8,16]{1,0} custom-call(%last), custom_call_target="tpu_custom_call"
}
"""  # noqa: E501


def test_a_loop_counts_as_often_as_it_runs_and_a_slice_of_the_weights_once():
    counts = count_program(PROGRAM)
    fusion = 4 * (16 * 16 + 8 * 16 + 8 * 16 + 1)  # a layer's weights, rows in and out, the loop's counter
    assert counts.bytes == 5 * fusion + 2 * 4 * 8 * 16
    assert counts.collective == {"all-reduce": 5 * 4 * 8 * 16}
    assert counts.kernels == {"__triton_gemm": 1, "tpu_custom_call": 1}


TPU_PROGRAM = """HloModule jit_f, is_scheduled=true

%all-reduce-scatter.1 (input: bf16[64,64]) -> bf16[8,64] {
  %input = bf16[64,64]{1,0:T(8,128)(2,1)} parameter(0)
  %all-reduce.4 = bf16[64,64]{1,0:T(8,128)(2,1)} all-reduce(%input), channel_id=6, to_apply=%add
  %zero.1 = s32[]{:T(128)} constant(0)
  ROOT %slice.1 = bf16[8,64]{1,0:T(8,128)(2,1)} dynamic-slice(%all-reduce.4, %zero.1, %zero.1), dynamic_slice_sizes={8,64}
}

%start (w.1: bf16[8,64]) -> bf16[64,64] {
  %w.1 = bf16[8,64]{1,0:T(8,128)(2,1)S(1)} parameter(0)
  ROOT %gathered.1 = bf16[64,64]{1,0:T(8,128)(2,1)S(1)} all-gather(%w.1), channel_id=8, dimensions={0}
}

%done (w.2: bf16[8,64]) -> bf16[64,64] {
  %w.2 = bf16[8,64]{1,0:T(8,128)(2,1)S(1)} parameter(0)
  ROOT %gathered.2 = bf16[64,64]{1,0:T(8,128)(2,1)S(1)} all-gather(%w.2), channel_id=8, dimensions={0}
}

%body (state: (s32[], bf16[8,64])) -> (s32[], bf16[8,64]) {
  %state = (s32[]{:T(128)}, bf16[8,64]{1,0:T(8,128)(2,1)S(1)}) parameter(0)
  %i = s32[]{:T(128)} get-tuple-element(%state), index=0
  %w = bf16[8,64]{1,0:T(8,128)(2,1)S(1)} get-tuple-element(%state), index=1
  %async-collective-start = bf16[64,64]{1,0:T(8,128)(2,1)S(1)} fusion(%w), kind=kCustom, calls=%start
  %async-collective-done = bf16[64,64]{1,0:T(8,128)(2,1)S(1)} fusion(%w), kind=kCustom, calls=%done
  %fusion.24 = bf16[8,64]{1,0:T(8,128)(2,1)S(1)} fusion(%async-collective-done), kind=kCustom, calls=%all-reduce-scatter.1
  ROOT %out = (s32[]{:T(128)}, bf16[8,64]{1,0:T(8,128)(2,1)S(1)}) tuple(%i, %fusion.24)
}

%condition (state.1: (s32[], bf16[8,64])) -> pred[] {
  %limit = s32[]{:T(128)} constant(12)
  %state.1 = (s32[]{:T(128)}, bf16[8,64]{1,0:T(8,128)(2,1)S(1)}) parameter(0)
  %i.1 = s32[]{:T(128)} get-tuple-element(%state.1), index=0
  ROOT %lt = pred[]{:T(512)} compare(%i.1, %limit), direction=LT
}

ENTRY %main (a: bf16[8,64]) -> bf16[8,64] {
  %a = bf16[8,64]{1,0:T(8,128)(2,1)} parameter(0)
  %near = bf16[8,64]{1,0:T(8,128)(2,1)S(1)} copy(%a)
  %start.1 = s32[]{:T(128)} constant(0)
  %packed = (s32[]{:T(128)}, bf16[8,64]{1,0:T(8,128)(2,1)S(1)}) tuple(%start.1, %near)
  %loop = (s32[]{:T(128)}, bf16[8,64]{1,0:T(8,128)(2,1)S(1)}) while(%packed), condition=%condition, body=%body
  %last = bf16[8,64]{1,0:T(8,128)(2,1)S(1)} get-tuple-element(%loop), index=1
  ROOT %end = bf16[8,64]{1,0:T(8,128)(2,1)} copy(%last)
}
"""  # noqa: E501


def test_a_tpus_program_hides_its_operations_between_devices_in_fusions_and_keeps_arrays_near():
    """As libtpu writes them: the loop's limit is in its condition, an operation in pieces has one channel."""
    counts = count_program(TPU_PROGRAM)
    whole = 2 * 64 * 64
    assert counts.collective == {"all-gather": 12 * whole, "reduce-scatter": 12 * whole}
    assert counts.bytes == 2 * 2 * 8 * 64 + 12 * (4 + 4 + 1)  # in and out once, and the counter; the rest stays near


def test_a_program_compiled_here_is_read():
    compiled = jax.jit(layers).lower(X, W).compile()
    computations, entry = parse_program(compiled.as_text())
    assert {i.operation for i in computations[entry]} >= {"parameter"}
    least = 4 * (8 * 16 + 5 * 16 * 16)
    assert least <= count_program(compiled.as_text()).bytes < 20 * least


def test_bytes_between_devices_of_a_program_compiled_here():
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:2])
    x = jax.ShapeDtypeStruct((8, 16), np.float32, sharding=NamedSharding(mesh, P("data")))
    compiled = jax.jit(lambda x: x.sum(0), out_shardings=NamedSharding(mesh, P())).lower(x).compile()
    assert count_program(compiled.as_text()).collective == {"all-reduce": 4 * 16}


def test_text_that_is_no_program_is_refused():
    with pytest.raises(ValueError, match="not the text of a compiled program"):
        count_program("nothing")


def test_a_plain_fusion_is_no_kernel():
    computations, entry = parse_program(PROGRAM)
    assert not any(kernel_of(i) for i in computations[entry] if i.operation != "custom-call")
