"""Differences between our logits and those of `transformers`' torch model of the same folder.

Dimension letters: B prompts, T positions, V vocabulary.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from kalm_jax.llm.arrays import Mask, PerToken
from kalm_jax.llm.transformer import Cache, Index, Llama, LlamaConfig, empty_cache, prefix_mask

Ids = Int[np.ndarray, "B T"]
Valid = Bool[np.ndarray, "B T"]
Logits = Float[np.ndarray, "B T V"]


def torch_logits(folder: str | pathlib.Path, ids: Ids, valid: Valid) -> Logits:
    """Logits of `transformers` for left-padded ids, in float32 on the CPU.

    Raises:
      ImportError: torch is missing, with the command that installs it.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "comparing with transformers needs torch, which is missing: pip install '.[parity]' in a clone"
        ) from error
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    # "eager" is the reference implementation of attention.
    model = AutoModelForCausalLM.from_pretrained(
        str(folder), local_files_only=True, dtype=torch.float32, attn_implementation="eager"
    )
    position = np.maximum(np.cumsum(valid, axis=1) - 1, 0)
    with torch.no_grad():
        out = model.eval()(
            input_ids=torch.from_numpy(ids.astype(np.int64)),
            attention_mask=torch.from_numpy(valid.astype(np.int64)),
            position_ids=torch.from_numpy(position),
        )
    return out.logits.float().numpy()


def full_logits(config: LlamaConfig, params: dict, ids: Ids, valid: Valid) -> Logits:
    """Our logits of one pass over left-padded ids."""
    return _exact(_full, config, params, ids, valid)


def cached_logits(config: LlamaConfig, params: dict, ids: Ids, valid: Valid) -> Logits:
    """The same logits, the first half of the positions in one pass, the others one by one with a cache."""
    return _exact(_cached, config, params, ids, valid)


def largest_difference(ours: Logits, theirs: Logits, valid: Valid) -> float:
    """Largest |ours - theirs| over the valid positions; NaN where either is."""
    return float(np.abs(ours - theirs)[valid].max())


def _exact(logits: Callable, config: LlamaConfig, params: dict, ids: Ids, valid: Valid) -> Logits:
    """`logits` with matrix products in full float32, where accelerators would round their inputs."""
    if any(x.dtype != jnp.float32 for x in jax.tree.leaves(params)):
        raise ValueError("parity is measured in float32; load the model with dtype=float32")
    position, mask = np.maximum(np.cumsum(valid, axis=1) - 1, 0), prefix_mask(jnp.asarray(valid), valid.shape[1])
    with jax.default_matmul_precision("highest"):
        return np.asarray(logits(params, jnp.asarray(ids), jnp.asarray(position), mask, config=config))


@functools.partial(jax.jit, static_argnames="config")
def _full(params: dict, ids: PerToken, position: PerToken, mask: Mask, *, config: LlamaConfig) -> Float[Array, "B T V"]:
    return Llama(config).bind({"params": params})(ids, position, mask)


@functools.partial(jax.jit, static_argnames="config")
def _cached(
    params: dict, ids: PerToken, position: PerToken, mask: Mask, *, config: LlamaConfig
) -> Float[Array, "B T V"]:
    (batch, length), first = ids.shape, max(1, ids.shape[1] // 2)
    model = Llama(config).bind({"params": params})

    def run(cache: Cache, index: Index, ids: Array, position: Array, mask: Array) -> tuple[Cache, Array]:
        hidden, new = model.backbone(model.embed(ids), position, mask, cache, index)
        assert new is not None
        return new, model.logits(hidden)

    cache, start = run(empty_cache(config, batch, length), 0, ids[:, :first], position[:, :first], mask[:, :first])

    def step(cache: Cache, t: Array) -> tuple[Cache, Array]:
        column, at, seen = (jax.lax.dynamic_slice_in_dim(x, t, 1, axis=1) for x in (ids, position, mask))
        return run(cache, t, column, at, seen)

    _, rest = jax.lax.scan(step, cache, jnp.arange(first, length))
    return jnp.concatenate([start, rest[:, :, 0].swapaxes(0, 1)], axis=1)
