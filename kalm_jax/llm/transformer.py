"""A Llama-family transformer in Flax, with a key-value cache.

The model has three parts, so that numbers can enter and leave beside the words: `embed` (tokens -> vectors), `backbone`
(vectors -> hidden states), `logits` (hidden states -> words).

Dimension letters: B rows, T positions, E width of the model, H query heads, H_kv key/value heads, V vocabulary; "slots"
are the keys that can be attended to, which are the positions themselves without a cache.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from kalm_jax.llm.arrays import Angles, Hidden, LayerCache, Mask, MaskOrSegments, PerToken, Vectors
from kalm_jax.llm.attention import ATTENTION, attend
from kalm_jax.programs import compute
from kalm_jax.sharding import constrain

Cache = list[LayerCache] | dict[str, Float[Array, "layers B H_kv slots head_dim"]]
"""One {"k", "v"} per layer; with scanned layers a single {"k", "v"} with a leading axis of layers."""

Heads = Float[Array, "B heads T head_dim"]

Index = int | Int[Array, ""] | None
"""Where in a cache positions are written, the same for all rows."""

RECOMPUTE = {"all": None, "cheap": jax.checkpoint_policies.dots_with_no_batch_dims_saveable}
"""Values of `LlamaConfig.recompute`, and JAX's policies for them."""


@dataclasses.dataclass(frozen=True)
class RopeScaling:
    """How the rotary frequencies of a model were stretched after its first training.

    Attributes:
      kind: "linear" divides all frequencies by `factor`. "llama3" divides only those with a long wavelength, and those
        with a wavelength between `original / high` and `original / low` positions in part (Llama 3.1, section 3.4.2
        and its code).
      factor: divides the frequencies.
      low, high: wavelengths per `original` positions, `low_freq_factor` and `high_freq_factor`.
      original: number of positions in the first training.
    """

    kind: str
    factor: float
    low: float = 1.0
    high: float = 4.0
    original: int = 8192

    def __post_init__(self) -> None:
        if self.kind not in ("linear", "llama3"):
            raise ValueError(f"rotary scaling {self.kind!r} is not one of linear, llama3")


@dataclasses.dataclass(frozen=True)
class LlamaConfig:
    """Shape of a Llama-family model, with shortened names of a Hugging Face `config.json`.

    Attributes:
      vocab_size: V.
      width: E, `hidden_size`.
      layers: `num_hidden_layers`.
      heads: H, `num_attention_heads`.
      kv_heads: H_kv, `num_key_value_heads`; fewer than `heads` is grouped-query attention.
      head_dim: width of a head.
      ffn_dim: `intermediate_size`.
      rope_theta: base of the rotary embedding.
      rope_scaling: see `RopeScaling`, or None.
      norm_eps: epsilon of RMSNorm.
      tie_embeddings: the word head is the transposed embedding.
      qkv_bias: biases on query, key and value projections (Qwen2).
      qk_norm: RMSNorm on queries and keys before the rotation (Qwen3).
      sliding_window: a position sees itself and the `sliding_window - 1` before it (Mistral); 0 is all of them.
      max_positions: number of positions that the model was trained for; only `config.json` uses it.
      scan_layers: a property of the program, not of the model: one compiled layer is applied in a loop to stacked
        parameters (`stack_layers`) and recomputed in the backward pass. It trains large models in little memory;
        decoding is several times faster without.
      recompute: with `scan_layers`, what the backward pass computes again: "all" of a layer, or "cheap", all but its
        products with weights, which are kept. Those are nearly all of the work (a step then has three passes of
        products instead of four) and most of the memory.
      attention: the implementation, one of `attention.ATTENTION`, see `attention.choose`.
    """

    vocab_size: int
    width: int = 128
    layers: int = 4
    heads: int = 4
    kv_heads: int = 4
    head_dim: int = 32
    ffn_dim: int = 320
    rope_theta: float = 10000.0
    norm_eps: float = 1e-5
    tie_embeddings: bool = True
    qkv_bias: bool = False
    qk_norm: bool = False
    sliding_window: int = 0
    max_positions: int = 4096
    rope_scaling: RopeScaling | None = None
    scan_layers: bool = False
    recompute: str = "all"
    attention: str = "plain"

    def __post_init__(self) -> None:
        if self.recompute not in RECOMPUTE:
            raise ValueError(f"recompute {self.recompute!r} is not one of {', '.join(RECOMPUTE)}")
        if self.attention not in ATTENTION:
            raise ValueError(f"attention {self.attention!r} is not one of {', '.join(ATTENTION)}")
        if self.heads % self.kv_heads:
            raise ValueError(f"heads={self.heads} is not a multiple of kv_heads={self.kv_heads}")
        if self.head_dim % 2:
            raise ValueError(f"head_dim={self.head_dim} must be even for the rotary embedding")


class RMSNorm(nn.Module):
    """Root-mean-square norm, in float32, scaled after the cast back (as Llama does)."""

    eps: float

    @nn.compact
    def __call__(self, x: Float[Array, "*batch E"]) -> Float[Array, "*batch E"]:
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        h = x.astype(jnp.float32)
        h = h * jax.lax.rsqrt(jnp.mean(h * h, axis=-1, keepdims=True) + self.eps)
        return h.astype(x.dtype) * scale.astype(x.dtype)


def rotary_frequencies(config: LlamaConfig) -> Float[Array, " half"]:
    """Radians per position of the head_dim / 2 planes, after `config.rope_scaling`."""
    h, scaling = config.head_dim, config.rope_scaling
    frequency = config.rope_theta ** (-jnp.arange(0, h, 2, dtype=jnp.float32) / h)
    if scaling is None:
        return frequency
    if scaling.kind == "linear":
        return frequency / scaling.factor
    wavelengths = scaling.original * frequency / (2 * math.pi)
    kept = jnp.clip((wavelengths - scaling.low) / (scaling.high - scaling.low), 0.0, 1.0)
    return frequency * (kept + (1.0 - kept) / scaling.factor)


def rotary_tables(positions: PerToken, config: LlamaConfig) -> tuple[Angles, Angles]:
    """Cosines and sines in float32: bfloat16 would round position 257 to 256."""
    angle = positions.astype(jnp.float32)[..., None] * rotary_frequencies(config)
    return jnp.cos(angle), jnp.sin(angle)


def rotate(x: Heads, cos: Angles, sin: Angles) -> Heads:
    """Rotary embedding of x in the halves convention: number i of the first half with number i of the second."""
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    cos, sin = cos[:, None], sin[:, None]
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1).astype(x.dtype)


def add_adapter(
    module: nn.Module, name: str, x: Float[Array, "B T *inputs"], y: Float[Array, "B T *outputs"]
) -> Float[Array, "B T *outputs"]:
    """The output `y` of the matrix `name` for the input `x`, plus that of its LoRA adapter, if there is one.

    The adapter, {"a": (inputs, rank), "b": (rank, outputs)}, is in the module's collection "lora"; see `lora.py`.
    """
    if not module.has_variable("lora", name):
        return y
    factor: Any = module.get_variable("lora", name)["kernel"]
    a, b = (factor[k].astype(x.dtype) for k in "ab")
    inputs = x.reshape(*x.shape[:2], a.shape[0])
    return y + ((inputs @ a) @ b).reshape(y.shape)


class Context(NamedTuple):
    """What all layers know of the positions: rotary tables, mask, and segments; see `attention.attend`."""

    cos: Angles
    sin: Angles
    mask: Mask
    segments: PerToken | None


class Attention(nn.Module):
    """Causal self-attention with grouped key/value heads and an optional cache; see `attention.attend`."""

    config: LlamaConfig

    @nn.compact
    def __call__(
        self, x: Vectors, context: Context, cache: LayerCache | None = None, index: Index = None
    ) -> tuple[Vectors, LayerCache | None]:
        c = self.config

        def project(name: str, heads: int) -> Heads:
            y = nn.DenseGeneral((heads, c.head_dim), use_bias=c.qkv_bias, dtype=x.dtype, name=name)(x)
            y = add_adapter(self, name, x, y)
            return y.transpose(0, 2, 1, 3)

        q, k, v = project("q", c.heads), project("k", c.kv_heads), project("v", c.kv_heads)
        if c.qk_norm:
            q, k = RMSNorm(c.norm_eps, name="q_norm")(q), RMSNorm(c.norm_eps, name="k_norm")(k)
        q, k = rotate(q, context.cos, context.sin), rotate(k, context.cos, context.sin)
        if cache is not None and index is not None:
            k = jax.lax.dynamic_update_slice(cache["k"], k.astype(cache["k"].dtype), (0, 0, index, 0))
            v = jax.lax.dynamic_update_slice(cache["v"], v.astype(cache["v"].dtype), (0, 0, index, 0))
            cache = {"k": k, "v": v}
        y = attend(c.attention, q, k, v, context.mask, context.segments, c.sliding_window)
        y = y.transpose(0, 2, 1, 3)  # [B, T, H, head_dim]
        out = nn.DenseGeneral(c.width, axis=(-2, -1), use_bias=False, dtype=x.dtype, name="o")(y)
        return add_adapter(self, "o", y, out), cache


class FeedForward(nn.Module):
    """SwiGLU."""

    config: LlamaConfig

    @nn.compact
    def __call__(self, x: Vectors) -> Vectors:
        c = self.config

        def project(name: str, width: int, x: Array) -> Array:
            return add_adapter(self, name, x, nn.Dense(width, use_bias=False, dtype=x.dtype, name=name)(x))

        h = nn.silu(project("gate", c.ffn_dim, x)) * project("up", c.ffn_dim, x)
        return project("down", c.width, h)


class Layer(nn.Module):
    """One pre-norm block: attention, then feed-forward."""

    config: LlamaConfig

    @nn.compact
    def __call__(
        self, x: Vectors, context: Context, cache: LayerCache | None = None, index: Index = None
    ) -> tuple[Vectors, LayerCache | None]:
        x = constrain(x)
        h = RMSNorm(self.config.norm_eps, name="attention_norm")(x)
        h, cache = Attention(self.config, name="attention")(h, context, cache, index)
        x = x + h
        h = RMSNorm(self.config.norm_eps, name="ffn_norm")(x)
        return x + FeedForward(self.config, name="ffn")(h), cache


def _scanned(config: LlamaConfig) -> nn.Module:
    """All layers as one module, over parameters and caches with a leading axis of layers."""
    return nn.scan(
        nn.remat(Layer, prevent_cse=False, policy=RECOMPUTE[config.recompute]),
        variable_axes={"params": 0, "lora": 0},
        split_rngs={"params": True},
        in_axes=(nn.broadcast, 0, nn.broadcast),
        length=config.layers,
    )(config)


class Llama(nn.Module):
    """The model; see the module's first lines for its three parts."""

    config: LlamaConfig

    def setup(self) -> None:
        c = self.config
        self.embedding = nn.Embed(c.vocab_size, c.width, embedding_init=nn.initializers.normal(0.02))
        self.layers = _scanned(c) if c.scan_layers else [Layer(c, name=f"layer_{i}") for i in range(c.layers)]
        self.norm = RMSNorm(c.norm_eps)
        if not c.tie_embeddings:
            self.head = nn.Dense(c.vocab_size, use_bias=False)

    def embed(self, tokens: Int[Array, "*batch"]) -> Hidden:
        """Word vectors of token ids."""
        # A sharded table is gathered first: a device can look up words in its own rows only.
        table = constrain(self.embedding.embedding, "tensor", None)
        return constrain(jnp.take(table, tokens, axis=0))

    def backbone(
        self, x: Vectors, positions: PerToken, mask: MaskOrSegments, cache: Cache | None = None, index: Index = None
    ) -> tuple[Vectors, Cache | None]:
        """Hidden states after the last norm, and the cache with these positions written.

        Computed in the type of the model's weights, with rotation, norms and attention weights in float32.

        Args:
          mask: True where query t may attend to slot s; without a cache there are T slots. Or the segments from which
            `packed_mask` makes such a mask (left-padded rows without a cache are one segment each): more kernels can
            use segments, see `attention.choose`. The model's sliding window, if any, is applied to the mask: neighbors
            in a row or cache are neighbors in position.
          cache: keys and values of earlier positions, or None.
          index: where in the cache these T positions are written (left-padded rows share it).
        """
        chex.assert_rank([x, positions, mask], [3, 2, {2, 3}])
        c, x = self.config, x.astype(self.embedding.embedding.dtype)
        segments = mask if mask.ndim == 2 else None
        if segments is not None:
            mask = packed_mask(segments)
        if c.sliding_window:
            mask &= _window(mask.shape[1:], 0 if index is None else index, c.sliding_window)
        context = Context(*rotary_tables(positions, c), mask, segments)
        if not isinstance(self.layers, (list, tuple)):  # scanned
            x, cache = self.layers(x, context, cache, index)
            return self.norm(x), cache
        new_cache = []
        for i, layer in enumerate(self.layers):
            x, entry = layer(x, context, cache[i] if isinstance(cache, list) else None, index)
            new_cache += [] if entry is None else [entry]
        return self.norm(x), None if cache is None else new_cache

    def logits(self, hidden: Hidden) -> Float[Array, "*batch V"]:
        """Word logits in float32."""
        if self.config.tie_embeddings:
            return self.embedding.attend(hidden).astype(jnp.float32)
        return self.head(hidden).astype(jnp.float32)

    def __call__(self, tokens: PerToken, positions: PerToken, mask: MaskOrSegments) -> Float[Array, "B T V"]:
        """Word logits of token ids: the whole model at once."""
        hidden, _ = self.backbone(self.embed(tokens), positions, mask)
        return self.logits(hidden)


def empty_cache(config: LlamaConfig, batch: int, size: int, dtype: Any = jnp.float32) -> Cache:
    """A cache of zeros for `batch` rows of `size` slots; see `Cache`."""
    shape = (batch, config.kv_heads, size, config.head_dim)
    if config.scan_layers:
        return {k: jnp.zeros((config.layers, *shape), dtype) for k in "kv"}
    return [{k: jnp.zeros(shape, dtype) for k in "kv"} for _ in range(config.layers)]


def stack_layers(params: dict) -> dict:
    """The parameters `layer_0`, `layer_1`, ... as one `layers` with a leading axis, for `scan_layers`."""
    layers = [params[f"layer_{i}"] for i in range(sum(name.startswith("layer_") for name in params))]
    rest = {name: x for name, x in params.items() if not name.startswith("layer_")}
    return {**rest, "layers": jax.tree.map(lambda *x: jnp.stack(x), *layers)}


def unstack_layers(params: dict) -> dict:
    """The inverse of `stack_layers`."""
    stacked = params["layers"]
    rest = {name: x for name, x in params.items() if name != "layers"}
    for i in range(jax.tree.leaves(stacked)[0].shape[0]):
        rest[f"layer_{i}"] = jax.tree.map(operator.itemgetter(i), stacked)
    return rest


def first_layers(config: LlamaConfig, params: dict, count: int) -> tuple[LlamaConfig, dict]:
    """The model of the first `count` layers, with the last one's norm and word head; the other layers are left out.

    Raises:
      ValueError: it has fewer layers.
    """
    if not 1 <= count <= config.layers:
        raise ValueError(f"the language model has {config.layers} layers, so its first {count} cannot be kept")
    kept = {
        name: compute(lambda x: jax.tree.map(lambda y: y[:count], x), x) if name == "layers" else x
        for name, x in params.items()
        if not name.startswith("layer_") or int(name.removeprefix("layer_")) < count
    }
    return dataclasses.replace(config, layers=count), kept


def _window(shape: tuple[int, ...], first: int | Int[Array, ""], window: int) -> Bool[Array, "T slots"]:
    """Whether slot s is fewer than `window` positions before query t, which is at slot `first` + t."""
    query, key = first + jnp.arange(shape[0])[:, None], jnp.arange(shape[1])[None]
    return key > query - window


def packed_mask(segments: PerToken) -> Bool[Array, "B T T"]:
    """Causal mask within segments; segment 0 is padding."""
    t = segments.shape[1]
    same = (segments[:, :, None] == segments[:, None, :]) & (segments[:, None, :] > 0)
    return same & jnp.tril(jnp.ones((t, t), bool))


def prefix_mask(valid: Bool[Array, "B T"], size: int) -> Mask:
    """Causal mask over the valid positions of left-padded prompts, with `size` slots, at least T."""
    t = valid.shape[1]
    mask = valid[:, None, :] & jnp.tril(jnp.ones((t, t), bool))
    return jnp.pad(mask, ((0, 0), (0, 0), (0, size - t)))
