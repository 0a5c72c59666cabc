"""Attention of whole sequences: plain, by cuDNN's kernel on a GPU, or by Pallas' splash kernel on a TPU.

Dimension letters are those of `transformer.py`: B batch, T positions, S keys (T without a cache), N query heads, K
key/value heads, H head width. Arrays are heads-first: queries (B, N, T, H), keys and values (B, K, S, H).

The kernels are JAX's own (`jax.nn.dot_product_attention`, `jax.experimental.pallas.ops.tpu.splash_attention`); they
never hold the (T, S) weights of a head in the device's main memory. By arithmetic that begins to matter at some 200
positions: plain attention keeps for each position 10 N S bytes (a score in float32, its exponential, the weight in
bfloat16), a feed-forward layer 6 F in bfloat16, and in a Llama of 7B (N 32, F 11008) the first is the larger one from
S = 206 on. Neither has been run on its hardware, for there was none, so they are used only where they are asked for and
apply, see `choose`. What the tests show is that the programs lower for `cuda` and for `tpu`, that JAX's plain
implementation of what cuDNN is asked for agrees with ours, and that the splash kernel, interpreted on a CPU, does.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P

from kalm_jax.sharding import BATCH_AXES, MESH_AXES

ATTENTION = ("plain", "cudnn", "splash")
"""What `LlamaConfig.attention` may say."""
_LANES = 128
"""The splash kernel's blocks are multiples of this many positions, and its heads of this many numbers."""
_BLOCK = 512
"""Largest block of the splash kernel, that of MaxText's settings; the kernel's own default is 128."""
_PLATFORMS = {"cudnn": "cuda", "splash": "tpu"}


def platform() -> str:
    """What programs are compiled for: "cpu", "tpu", "cuda" (a GPU that cuDNN's kernel runs on) or another one's name.

    The kernel wants an NVIDIA GPU of compute capability 8.0 (Ampere) or later.
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
    """Refuses a kernel that was asked for by name and could never be used, before anything is computed.

    Args:
      setting: one of `ATTENTION`.
      compute: type of the language model's passes, "float32" or "bfloat16".

    Raises:
      ValueError: the setting is unknown, or its kernel wants another device or type; with the mend.
    """
    if setting not in ATTENTION:
        raise ValueError(f"attention {setting!r} is not one of {', '.join(ATTENTION)}")
    wanted = _PLATFORMS.get(setting)
    if wanted and platform() != wanted:
        what = "an NVIDIA GPU (Ampere or later)" if wanted == "cuda" else "a TPU"
        raise ValueError(f"attention={setting} wants {what}, and this process computes on {platform()}; leave it plain")
    if wanted and compute != "bfloat16":
        raise ValueError(f"attention={setting} computes in bfloat16, not in {compute}; set the precision to bfloat16")


def choose(setting: str, q: jax.Array, k: jax.Array, segments: jax.Array | None, window: int) -> str:
    """Which of "plain", "cudnn" and "splash" computes attention of these arrays: the one asked for where it applies.

    Both kernels apply only to whole sequences (as many keys as queries, so never to a cache) in bfloat16 or float16;
    cuDNN's to an even number of positions and heads of a multiple of 8 numbers, up to 128; the splash kernel to
    bfloat16, multiples of 128 positions, heads of a multiple of 128 numbers, and masks that segments describe. Where
    the mesh in use divides batch or heads unevenly, attention is plain.

    Args:
      setting: one of `ATTENTION`.
      q, k: queries and keys, or their shapes and types.
      segments: (B, T), or None where the mask is something else.
      window: of a sliding window, 0 is none.
    """
    (b, _, t, h), (heads, s) = q.shape, k.shape[1:3]
    if setting == "plain" or t != s or not _divides(b, heads):
        return "plain"
    if setting == "cudnn":
        fits = q.dtype in (jnp.bfloat16, jnp.float16) and t % 2 == 0 and h % 8 == 0 and h <= 128
    else:
        fits = q.dtype == jnp.bfloat16 and t % _LANES == 0 and h % _LANES == 0 and segments is not None
    return setting if fits else "plain"


def attend(
    setting: str, q: jax.Array, k: jax.Array, v: jax.Array, mask: jax.Array, segments: jax.Array | None, window: int
) -> jax.Array:
    """Attention (B, N, T, H) by the implementation that `choose` names.

    Args:
      setting: one of `ATTENTION`.
      q: (B, N, T, H); k, v: (B, K, S, H).
      mask: (B, T, S) bool, True where query t may look at key s; with the window laid over it already.
      segments: (B, T) int where the mask, but for the window, is `transformer.packed_mask` of it; None otherwise.
        Padding (0) then looks at padding in the splash kernel, where it is masked in the others: nothing reads it.
      window: of a sliding window, 0 is none.
    """
    kernel = choose(setting, q, k, segments, window)
    if kernel == "cudnn":
        return cudnn(q, k, v, mask, causal=segments is not None)
    if kernel == "splash":
        return _on_each_device(lambda q, k, v, segments: splash(q, k, v, segments, window), q, k, v, segments)
    return plain(q, k, v, mask)


def plain(q: jax.Array, k: jax.Array, v: jax.Array, mask: jax.Array) -> jax.Array:
    """Attention as two products and a softmax in float32; see `attend`. A query that may see nothing sees all keys."""
    (b, n, t, h), heads = q.shape, k.shape[1]
    # The queries of one key/value head are laid one after the other: grouped attention is plain attention.
    q = q.reshape(b, heads, n // heads * t, h) / math.sqrt(h)
    scores = jnp.einsum("bkth,bksh->bkts", q, k).astype(jnp.float32)  # [B, K, N/K * T, S]
    scores = jnp.where(jnp.tile(mask, (1, n // heads, 1))[:, None], scores, -1e30)
    weights = jax.nn.softmax(scores, axis=-1).astype(q.dtype)
    return jnp.einsum("bkts,bksh->bkth", weights, v).reshape(b, n, t, h)


def cudnn(
    q: jax.Array, k: jax.Array, v: jax.Array, mask: jax.Array, causal: bool, implementation: str = "cudnn"
) -> jax.Array:
    """Attention by `jax.nn.dot_product_attention`; see `attend`.

    That the mask is `causal` is said besides, so that the kernel leaves out what lies above the diagonal. Any other
    `implementation` of JAX's computes the same, for comparison. JAX hands the mask to cuDNN as a bias; some versions
    refuse a bias' gradient for several rows (jax-ml/jax#30593; 0.7.2 then asks for none, which is what is needed here).
    """
    q, k, v = (x.transpose(0, 2, 1, 3) for x in (q, k, v))  # [B, T, heads, H]
    y = jax.nn.dot_product_attention(q, k, v, mask=mask[:, None], is_causal=causal, implementation=implementation)
    return y.transpose(0, 2, 1, 3)


def splash(
    q: jax.Array, k: jax.Array, v: jax.Array, segments: jax.Array, window: int, interpret: bool = False
) -> jax.Array:
    """Attention within segments by the splash kernel; see `attend`. `interpret` runs it on a CPU, slowly."""
    from jax.experimental.pallas.ops.tpu import splash_attention as pallas

    n, t, h = q.shape[1:]
    block = max(size for size in range(_LANES, _BLOCK + 1, _LANES) if t % size == 0)
    forward, backward = ("q", "kv", "kv_compute"), ("q_dkv", "kv_dkv", "kv_dkv_compute", "q_dq", "kv_dq")
    sizes = pallas.BlockSizes(**{f"block_{name}": block for name in (*forward, *backward)})
    seen = pallas.LocalMask((t, t), (window - 1, 0), 0) if window else pallas.CausalMask((t, t))
    kernel = pallas.make_splash_mha(
        pallas.MultiHeadMask([seen] * n), block_sizes=sizes, head_shards=1, q_seq_shards=1, interpret=interpret
    )
    q = q * np.asarray(1 / math.sqrt(h), q.dtype)
    return jax.vmap(kernel)(q, k, v, pallas.SegmentIds(segments, segments))


def _mesh():
    """The mesh in use (`jax.set_mesh`); None where there is none, or one device."""
    mesh = jax.sharding.get_abstract_mesh()
    return None if mesh.empty or mesh.size == 1 else mesh


def _divides(batch: int, heads: int) -> bool:
    """Whether the mesh in use (of `MESH_AXES`) gives every device as many rows and key/value heads."""
    mesh = _mesh()
    if mesh is None:
        return True
    if mesh.axis_names != MESH_AXES:
        return False
    rows = math.prod(mesh.shape[axis] for axis in BATCH_AXES)
    return batch % rows == 0 and heads % mesh.shape["tensor"] == 0


def _on_each_device(kernel, q, k, v, segments):
    """`kernel` on each device's rows and heads: the compiler cannot divide a Pallas kernel by itself."""
    mesh = _mesh()
    if mesh is None:
        return kernel(q, k, v, segments)
    heads, rows = P(BATCH_AXES, "tensor"), P(BATCH_AXES)
    specs = (heads, heads, heads, rows)
    return jax.shard_map(kernel, mesh=mesh, in_specs=specs, out_specs=heads, check_vma=False)(q, k, v, segments)
