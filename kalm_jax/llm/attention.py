"""Attention of whole sequences: plain, by cuDNN's kernel on a GPU, or by Pallas' splash kernel on a TPU.

Dimension letters: B rows, T positions, H query heads, H_kv key/value heads; "slots" are keys (T without a cache).
Arrays are heads-first: queries (B, H, T, head_dim), keys and values (B, H_kv, slots, head_dim).

The kernels are JAX's own (`jax.nn.dot_product_attention`, `jax.experimental.pallas.ops.tpu.splash_attention`). They
never store the (T, slots) weights of a head in the device's main memory. By arithmetic that begins to matter at about
200 positions: plain attention stores 10 H slots bytes for each position (a score in float32, its exponential, the
weight in bfloat16), a feed-forward layer 6 bytes per hidden unit in bfloat16, and in a Llama of 7B (32 heads, 11,008
hidden units) the first is larger from 206 slots on. Neither kernel has been run on its hardware, so each is used only
where it is asked for and applies, see `choose`. The tests show that the programs lower for `cuda` and for `tpu`, that
JAX's plain implementation of the call to cuDNN agrees with ours, and so does the splash kernel, interpreted on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float

from kalm_jax.llm.arrays import Mask, PerToken
from kalm_jax.sharding import BATCH_AXES, MESH_AXES

ATTENTION = ("plain", "cudnn", "splash")
"""Values of `LlamaConfig.attention`."""
_LANES = 128
"""The splash kernel's block sizes and head widths are multiples of this."""
_BLOCK = 512
"""Largest block of the splash kernel, as in MaxText's settings; the kernel's own default is 128."""
_PLATFORMS = {"cudnn": "cuda", "splash": "tpu"}

Queries = Float[Array, "B H T head_dim"]
Keys = Float[Array, "B H_kv slots head_dim"]
ArrayLike = jax.Array | jax.ShapeDtypeStruct


def platform() -> str:
    """The platform of compiled programs: "cpu", "tpu", "cuda" (a GPU that cuDNN's kernel runs on) or another name.

    The kernel needs an NVIDIA GPU of compute capability 8.0 (Ampere) or later.
    """
    from jax.extend.backend import get_backend

    name = jax.default_backend()
    if name != "gpu":
        return name
    capability = str(getattr(jax.local_devices()[0], "compute_capability", ""))
    major = capability.partition(".")[0]
    cuda = "cuda" in get_backend().platform_version
    return "cuda" if cuda and major.isdecimal() and int(major) >= 8 else "gpu"


def check(setting: str, compute: str) -> None:
    """Refuses a kernel that could never be used, before anything is computed.

    Raises:
      ValueError: the setting is unknown, or its kernel needs another device or type than `compute`, the type of the
        language model's passes; says how to fix it.
    """
    if setting not in ATTENTION:
        raise ValueError(f"attention {setting!r} is not one of {', '.join(ATTENTION)}")
    wanted = _PLATFORMS.get(setting)
    if wanted and platform() != wanted:
        what = "an NVIDIA GPU (Ampere or later)" if wanted == "cuda" else "a TPU"
        raise ValueError(f"attention={setting} needs {what}, and this process computes on {platform()}; leave it plain")
    if wanted and compute != "bfloat16":
        raise ValueError(f"attention={setting} computes in bfloat16, not in {compute}; set the precision to bfloat16")


def choose(setting: str, q: ArrayLike, k: ArrayLike, segments: ArrayLike | None) -> str:
    """What computes attention of these arrays, or of arrays of these shapes: `setting`, or "plain" if it does not fit.

    Both kernels apply only to whole sequences (as many keys as queries, so never to a cache) in bfloat16 or float16.
    cuDNN's needs an even number of positions and a head width that is a multiple of 8, up to 128. The splash kernel
    needs bfloat16, multiples of 128 positions, head widths that are multiples of 128, and masks made from segments.
    Where the current mesh divides batch or heads unevenly, attention is plain.
    """
    (b, _, t, h), (heads, s) = q.shape, k.shape[1:3]
    if setting == "plain" or t != s or not _divides(b, heads):
        return "plain"
    if setting == "cudnn":
        fits = q.dtype in (jnp.bfloat16, jnp.float16) and t % 2 == 0 and h % 8 == 0 and h <= 128
    else:
        fits = q.dtype == jnp.bfloat16 and t % _LANES == 0 and h % _LANES == 0 and segments is not None
    return setting if fits else "plain"


def attend(setting: str, q: Queries, k: Keys, v: Keys, mask: Mask, segments: PerToken | None, window: int) -> Queries:
    """Attention by the implementation that `choose` names.

    Args:
      setting: one of `ATTENTION`.
      mask: True where query t may attend to slot s; a sliding window is applied to it already.
      segments: where the mask, but for the window, is `transformer.packed_mask` of them; None otherwise. In the splash
        kernel padding (segment 0) attends to padding, in the others it is masked; nothing reads the result.
      window: of a sliding window, 0 is none.
    """
    kernel = choose(setting, q, k, segments)
    if kernel == "cudnn":
        return cudnn(q, k, v, mask, causal=segments is not None)
    if kernel == "splash" and segments is not None:
        return _on_each_device(lambda q, k, v, segments: splash(q, k, v, segments, window), q, k, v, segments)
    return plain(q, k, v, mask)


def plain(q: Queries, k: Keys, v: Keys, mask: Mask) -> Queries:
    """Attention as two products and a softmax in float32; see `attend`. A fully masked query attends to all keys."""
    (b, n, t, h), heads = q.shape, k.shape[1]
    # The queries of one key/value head are concatenated: grouped attention is then plain attention.
    q = q.reshape(b, heads, n // heads * t, h) / math.sqrt(h)
    scores = jnp.einsum("bkth,bksh->bkts", q, k).astype(jnp.float32)  # [B, H_kv, H / H_kv * T, slots]
    scores = jnp.where(jnp.tile(mask, (1, n // heads, 1))[:, None], scores, -1e30)
    weights = jax.nn.softmax(scores, axis=-1).astype(q.dtype)
    return jnp.einsum("bkts,bksh->bkth", weights, v).reshape(b, n, t, h)


def cudnn(
    q: Queries, k: Keys, v: Keys, mask: Mask, causal: bool, implementation: Literal["xla", "cudnn"] = "cudnn"
) -> Queries:
    """Attention by `jax.nn.dot_product_attention`; see `attend`.

    Where the mask is `causal`, the kernel skips what is above the diagonal. Any other `implementation` of JAX's
    computes the same, for comparison. JAX passes the mask to cuDNN as a bias. Some versions refuse a bias' gradient for
    several rows (jax-ml/jax#30593; 0.7.2 then asks for none, which is what is needed here).
    """
    q, k, v = (x.transpose(0, 2, 1, 3) for x in (q, k, v))  # [B, T, heads, head_dim]
    y = jax.nn.dot_product_attention(q, k, v, mask=mask[:, None], is_causal=causal, implementation=implementation)
    return y.transpose(0, 2, 1, 3)


def splash(q: Queries, k: Keys, v: Keys, segments: PerToken, window: int, interpret: bool = False) -> Queries:
    """Attention within segments by the splash kernel; see `attend`. `interpret` runs it on a CPU, slowly."""
    from jax.experimental.pallas.ops.tpu import splash_attention as pallas

    n, t, h = q.shape[1:]
    block = max(size for size in range(_LANES, _BLOCK + 1, _LANES) if t % size == 0)
    forward, backward = ("q", "kv", "kv_compute"), ("q_dkv", "kv_dkv", "kv_dkv_compute", "q_dq", "kv_dq")
    blocks: dict[str, Any] = {f"block_{name}": block for name in (*forward, *backward)}
    sizes = pallas.BlockSizes(**blocks)
    seen = pallas.LocalMask((t, t), (window - 1, 0), 0) if window else pallas.CausalMask((t, t))
    kernel = pallas.make_splash_mha(
        pallas.MultiHeadMask([seen] * n), block_sizes=sizes, head_shards=1, q_seq_shards=1, interpret=interpret
    )
    q = q * np.asarray(1 / math.sqrt(h), q.dtype)
    return jax.vmap(kernel)(q, k, v, pallas.SegmentIds(segments, segments))


def _mesh() -> jax.sharding.AbstractMesh | None:
    """The current mesh (`jax.set_mesh`); None where there is none, or one device."""
    mesh = jax.sharding.get_abstract_mesh()
    return None if mesh.empty or mesh.size == 1 else mesh


def _divides(batch: int, heads: int) -> bool:
    """Whether the current mesh (of `MESH_AXES`) gives every device equally many rows and key/value heads."""
    mesh = _mesh()
    if mesh is None:
        return True
    if mesh.axis_names != MESH_AXES:
        return False
    rows = math.prod(mesh.shape[axis] for axis in BATCH_AXES)
    return batch % rows == 0 and heads % mesh.shape["tensor"] == 0


def _on_each_device(kernel: Callable, q: Queries, k: Keys, v: Keys, segments: PerToken) -> Queries:
    """`kernel` on each device's rows and heads: the compiler cannot partition a Pallas kernel."""
    mesh = _mesh()
    if mesh is None:
        return kernel(q, k, v, segments)
    heads, rows = P(BATCH_AXES, "tensor"), P(BATCH_AXES)
    specs = (heads, heads, heads, rows)
    return jax.shard_map(kernel, mesh=mesh, in_specs=specs, out_specs=heads, check_vma=False)(q, k, v, segments)
