"""Kernels of attention: where they are used, that they compute what plain attention does, that they lower.

No GPU or TPU is available: cuDNN's kernel stands for JAX's plain implementation called with the same arguments, the
splash kernel is interpreted, and programs for both are lowered here without being run.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.llm import attention
from kalm_jax.llm.transformer import Llama, LlamaConfig, _window, packed_mask, prefix_mask
from kalm_jax.sharding import MeshShape, make_mesh

T = 128
PACKED = np.repeat([[1, 2, 3, 0], [1, 1, 2, 2]], [50, 30, 40, 8], axis=1)  # (2, T), one row with padding at its end
LEFT = (np.arange(T) >= np.array([[0], [70]])).astype(np.int32)


def arrays(heads=4, kv_heads=2, width=128, dtype=jnp.float32):
    """Queries, keys and values (2, heads, T, width) of some size."""
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.normal(size=(2, n, T, width)), dtype) for n in (heads, kv_heads, kv_heads)]


def value_and_gradients(function, q, k, v, segments):
    """Attention of real positions, and its gradients by queries, keys and values."""
    real = (jnp.asarray(segments) > 0)[:, None, :, None]

    def total(q, k, v):
        y = jnp.where(real, function(q, k, v), 0)
        return jnp.sum(jnp.sin(y.astype(jnp.float32))), y

    (_, y), gradients = jax.jit(jax.value_and_grad(total, (0, 1, 2), has_aux=True))(q, k, v)
    return [y, *gradients]


def assert_same(function, segments, window):
    """Whether `function` is plain attention within the segments, in float32: an older CPU knows no other products."""
    q, k, v = arrays()
    mask = masked(segments, window)
    want = value_and_gradients(lambda *x: attention.plain(*x, mask), q, k, v, segments)
    got = value_and_gradients(lambda *x: function(*x, mask), q, k, v, segments)
    for x, y in zip(got, want):
        assert np.abs(y).max() > 0.1
        np.testing.assert_allclose(x, y, atol=2e-5, rtol=2e-5)


def masked(segments, window):
    mask = packed_mask(jnp.asarray(segments))
    return mask & _window((T, T), 0, window) if window else mask


@pytest.mark.parametrize("segments", [PACKED, LEFT], ids=["packed", "left padded"])
@pytest.mark.parametrize("window", [0, 20])
def test_what_cudnn_is_asked_for_is_plain_attention(segments, window):
    asked = lambda q, k, v, mask: attention.cudnn(q, k, v, mask, True, implementation="xla")  # noqa: E731
    assert_same(asked, segments, window)


@pytest.mark.parametrize(("segments", "window"), [(PACKED, 0), (LEFT, 20)], ids=["packed", "left padded, window"])
def test_the_splash_kernel_is_plain_attention(segments, window):
    assert_same(
        lambda q, k, v, mask: attention.splash(q, k, v, jnp.asarray(segments), window, interpret=True), segments, window
    )


def test_the_splash_kernel_on_two_devices_is_plain_attention(monkeypatch):
    kernel = functools.partial(attention.splash, interpret=True)
    monkeypatch.setattr(attention, "splash", kernel)
    q, k, v = arrays(dtype=jnp.bfloat16)
    want = attention.plain(q, k, v, masked(PACKED, 0)).astype(jnp.float32)
    for layout in (MeshShape(data=2), MeshShape(data=1, tensor=2)):
        with jax.set_mesh(make_mesh(layout)):
            call = jax.jit(functools.partial(attention.attend, "splash", window=0))
            got = call(q, k, v, masked(PACKED, 0), jnp.asarray(PACKED)).astype(jnp.float32)
        np.testing.assert_allclose(got[:, :, :120], want[:, :, :120], atol=0.02)


def test_segments_are_the_mask_that_is_made_of_them():
    config = LlamaConfig(50, 16, 1, 4, 2, 8, 32, sliding_window=30)
    model, x = Llama(config), jax.random.normal(jax.random.key(1), (2, T, 16))
    params = jax.jit(model.init)(jax.random.key(0), *[jnp.ones((1, 4), int)] * 3)
    positions = jnp.arange(T)[None].repeat(2, 0)
    for segments, mask in ((PACKED, packed_mask(jnp.asarray(PACKED))), (LEFT, prefix_mask(jnp.asarray(LEFT > 0), T))):
        run = jax.jit(lambda mask: model.bind(params).backbone(x, positions, mask)[0])
        np.testing.assert_array_equal(run(jnp.asarray(segments)), run(mask))


def chosen(setting, t=256, s=None, h=128, dtype=jnp.bfloat16, segments=True, heads=4):
    q, k = jax.ShapeDtypeStruct((2, heads, t, h), dtype), jax.ShapeDtypeStruct((2, heads, s or t, h), dtype)
    return attention.choose(setting, q, k, jnp.ones((2, t), int) if segments else None)


@pytest.mark.parametrize(
    ("options", "cudnn", "splash"),
    [
        ({}, True, True),
        ({"t": 128}, True, True),
        ({"s": 300}, False, False),  # a cache
        ({"dtype": jnp.float32}, False, False),
        ({"dtype": jnp.float16}, True, False),
        ({"h": 64}, True, False),
        ({"h": 12}, False, False),
        ({"h": 256}, False, True),
        ({"t": 1000}, True, False),
        ({"t": 1001}, False, False),
        ({"segments": False}, True, False),
    ],
    ids=str,
)
def test_a_kernel_is_taken_where_it_applies(options, cudnn, splash):
    assert chosen("cudnn", **options) == ("cudnn" if cudnn else "plain")
    assert chosen("splash", **options) == ("splash" if splash else "plain")
    assert chosen("plain", **options) == "plain"


def test_splash_needs_whole_blocks_and_evenly_divided_heads():
    assert chosen("splash", t=96) == "plain"
    with jax.set_mesh(make_mesh(MeshShape(data=1, tensor=2))):
        assert chosen("splash", heads=3) == "plain"


def test_a_kernel_that_could_never_be_used_is_refused(monkeypatch):
    attention.check("plain", "float32")
    for setting, platform in (("cudnn", "cuda"), ("splash", "tpu")):
        with pytest.raises(ValueError, match=rf"attention={setting} needs .* computes on cpu; leave it plain"):
            attention.check(setting, "bfloat16")
        with monkeypatch.context() as patch:
            patch.setattr(attention, "platform", lambda platform=platform: platform)
            attention.check(setting, "bfloat16")
            with pytest.raises(ValueError, match="set the precision to bfloat16"):
                attention.check(setting, "float32")
    with pytest.raises(ValueError, match="attention 'flash' is not one of plain, cudnn"):
        attention.check("flash", "bfloat16")
    with pytest.raises(ValueError, match="attention 'flash' is not one of plain, cudnn"):
        LlamaConfig(50, attention="flash")


def lowered(config, platform, mesh):
    """The training program of a small model, for a platform that need not be here, as text."""
    model = Llama(config)
    ints = jax.ShapeDtypeStruct((2, 256), jnp.int32)
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 4), int), *[jnp.ones((1, 4), int)] * 2))
    params = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, jnp.bfloat16), params)

    def total(params, tokens, positions, segments):
        return model.apply(params, tokens, positions, segments).sum()

    with jax.set_mesh(mesh):
        traced = jax.jit(jax.grad(total)).trace(params, ints, ints, ints)
        return traced.lower(lowering_platforms=(platform,)).as_text()


def pretend_that_cudnn_is_here(monkeypatch):
    """JAX asks the library for its version, and the GPU for its kind, when it traces."""
    from jax._src.cudnn import fused_attention_stablehlo as jaxs

    monkeypatch.setattr(jaxs, "check_cudnn_version", lambda: 91000)
    monkeypatch.setattr(jaxs, "check_compute_capability", lambda capability: True)


@pytest.mark.parametrize("layout", [MeshShape(1), MeshShape(1, 2), MeshShape(1, 1, 2)], ids=str)
@pytest.mark.parametrize(("setting", "platform"), [("cudnn", "cuda"), ("splash", "tpu")])
def test_the_backward_pass_of_a_model_with_a_kernel_lowers(setting, platform, layout, monkeypatch):
    pretend_that_cudnn_is_here(monkeypatch)
    config = LlamaConfig(50, 16, 2, 4, 2, 128, 32, scan_layers=True, attention=setting)
    # The forward pass, again where layers are recomputed, and the backward pass, which are two kernels of splash. That
    # of cuDNN is divided among devices by JAX, later.
    call = (
        "tpu_custom_call"
        if setting == "splash"
        else "@CustomSPMDPartitioning"
        if layout.fsdp * layout.tensor > 1
        else "@__cudnn$fmha"
    )
    mesh = make_mesh(layout)
    assert lowered(config, platform, mesh).count(call) >= (4 if setting == "splash" else 3)
    assert call not in lowered(dataclasses.replace(config, attention="plain"), platform, mesh)
