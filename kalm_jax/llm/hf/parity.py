"""How far our logits are from those of `transformers`' torch model of the same folder.

Dimension letters: B prompts, T positions, V words.
"""

from __future__ import annotations

import contextlib
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.llm.transformer import Llama, LlamaConfig, empty_cache, prefix_mask


def torch_logits(folder: str | pathlib.Path, ids: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Logits (B, T, V) of `transformers`, in float32 on the CPU, of left-padded ids (B, T) with validity (B, T).

    Raises:
      ImportError: torch is missing, with the command that installs it.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "comparing with transformers needs torch, which is missing: pip install 'kalm_jax[parity]'"
        ) from error
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    # "eager" is the attention that the others are measured against.
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


def full_logits(config: LlamaConfig, params: dict, ids: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Logits (B, T, V) of one pass over left-padded ids (B, T) with validity (B, T)."""
    with _exact(params):
        return np.asarray(_full(params, jnp.asarray(ids), jnp.asarray(valid), config=config))


def cached_logits(
    config: LlamaConfig, params: dict, ids: np.ndarray, valid: np.ndarray, first: int | None = None
) -> np.ndarray:
    """The same logits, the first `first` positions (half) in one pass and the others one by one with a cache."""
    first = max(1, ids.shape[1] // 2) if first is None else first
    with _exact(params):
        return np.asarray(_cached(params, jnp.asarray(ids), jnp.asarray(valid), config=config, first=first))


def largest_difference(ours: np.ndarray, theirs: np.ndarray, valid: np.ndarray) -> float:
    """Largest |ours - theirs| over the positions (B, T) that are valid; NaN where either is."""
    return float(np.abs(ours - theirs)[valid].max())


@contextlib.contextmanager
def _exact(params: dict):
    """Matrix products in full float32, where accelerators would round their inputs."""
    if any(x.dtype != jnp.float32 for x in jax.tree.leaves(params)):
        raise ValueError("parity is measured in float32; load the model with dtype=float32")
    with jax.default_matmul_precision("highest"):
        yield


def _positions(valid: jax.Array) -> jax.Array:
    return jnp.maximum(jnp.cumsum(valid, axis=1) - 1, 0)


@functools.partial(jax.jit, static_argnames=("config",))
def _full(params, ids, valid, *, config: LlamaConfig):
    return Llama(config).apply({"params": params}, ids, _positions(valid), prefix_mask(valid, valid.shape[1]))


@functools.partial(jax.jit, static_argnames=("config", "first"))
def _cached(params, ids, valid, *, config: LlamaConfig, first: int):
    batch, length = ids.shape
    position, mask = _positions(valid), prefix_mask(valid, length)

    def run(cache, index, ids, position, mask):
        def call(m):
            hidden, new = m.backbone(m.embed(ids), position, mask, cache, index)
            return m.logits(hidden), new

        logits, cache = Llama(config).apply({"params": params}, method=call)
        return cache, logits

    cache, start = run(empty_cache(config, batch, length), 0, ids[:, :first], position[:, :first], mask[:, :first])

    def step(cache, t):
        columns = (jax.lax.dynamic_slice_in_dim(x, t, 1, axis=1) for x in (ids, position, mask))
        return run(cache, t, *columns)

    _, rest = jax.lax.scan(step, cache, jnp.arange(first, length))
    return jnp.concatenate([start, rest[:, :, 0].swapaxes(0, 1)], axis=1)
