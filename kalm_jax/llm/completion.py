"""What a language model writes behind a text: its likeliest token, again and again."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from kalm_jax.llm.transformer import Cache, Llama, LlamaConfig, empty_cache
from kalm_jax.programs import program


def complete(
    config: LlamaConfig, params: dict, prompt: Sequence[int], count: int, ends: Collection[int] = ()
) -> list[int]:
    """Token ids that follow the prompt's, at most `count`, up to the first of `ends`, which is left out.

    Args:
      config, params: the model, in any type.
      prompt: token ids, at least one.
      count: most tokens to write, at least one.
      ends: tokens at which a text ends.
    """
    size = len(prompt) + count
    cache = empty_cache(config, 1, size, params["embedding"]["embedding"].dtype)
    written: list[int] = []
    ids, at = np.asarray(prompt, np.int32)[None], 0
    while len(written) < count:
        next_token, cache = _step(params, cache, jnp.asarray(ids), jnp.int32(at), config=config, size=size)
        if (token := int(next_token)) in ends:
            break
        written.append(token)
        at, ids = at + ids.shape[1], np.array([[token]], np.int32)
    return written


@program(static_argnames=("config", "size"), donate_argnames="cache")
def _step(
    params: dict, cache: Cache, ids: Int[Array, "1 T"], at: Int[Array, ""], *, config: LlamaConfig, size: int
) -> tuple[Int[Array, ""], Cache]:
    """The likeliest token behind `ids`, which are written into the cache from slot `at` on."""
    model = Llama(config).bind({"params": params})
    positions = at + jnp.arange(ids.shape[1])
    mask: Bool[Array, "1 T slots"] = (jnp.arange(size)[None] <= positions[:, None])[None]
    hidden, new = model.backbone(model.embed(ids), positions[None], mask, cache, at)
    assert new is not None
    return model.logits(hidden[:, -1])[0].argmax(), new
