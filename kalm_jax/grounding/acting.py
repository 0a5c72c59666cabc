"""The grounded language model as a policy: a_t from the words and s_0, a_0, ..., s_t, the states those of a simulator.

Arguments stand in the order of `decode.Spread`: arrays with an entry for each episode, then the others.
Letters: B episodes, S slots of the cache, W width of the model, D numbers of a state, A of an action.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp

from kalm_jax.grounding.decoding import draw_action, next_position, prefill
from kalm_jax.grounding.model import GroundedModel
from kalm_jax.grounding.sequences import Rows
from kalm_jax.llm.transformer import Cache


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Reading:
    """What the model has read of B episodes up to their newest state.

    Attributes:
      hidden: (B, W) hidden states of the newest state's position, from which the action is drawn.
      cache: keys and values. valid: (B, S) bool, slots that hold a position.
      slot: () int32, the next free slot, the same for all.
    """

    hidden: jax.Array
    cache: Cache
    valid: jax.Array
    slot: jax.Array


@functools.partial(jax.jit, static_argnames=("model", "steps"))
def read(params, rows: Rows, *, model: GroundedModel, steps: int) -> Reading:
    """Reads right-aligned rows that end in a state, with room in the cache for `steps` more steps."""
    length = rows.kind.shape[1]
    hidden, cache, valid = prefill(model.speaker, params, rows, length + 2 * steps)
    return Reading(hidden, cache, valid, jnp.int32(length))


@functools.partial(jax.jit, static_argnames="model")
def draw(params, keys, reading: Reading, step, temperature, *, model: GroundedModel):
    """Actions (B,) int32 or (B, A); `keys` (B,), one per episode, `temperature` 0 is greedy."""
    model = model.speaker
    apply = functools.partial(model.apply, {"params": params})
    return draw_action(model, apply, reading.hidden, keys, step, temperature)


@functools.partial(jax.jit, static_argnames="model", donate_argnames="reading")
def read_on(params, action, state, reading: Reading, *, model: GroundedModel) -> Reading:
    """Reads actions (B,) or (B, A) and the raw states (B, D) that they led to."""
    model, batch = model.speaker, state.shape[0]
    apply = functools.partial(model.apply, {"params": params})
    discrete = bool(model.spec.num_actions)
    value = jnp.zeros((batch, model.spec.width)) if discrete else action
    x = apply(action if discrete else jnp.zeros(batch, jnp.int32), value, method="embed_action")
    _, valid, cache = next_position(model, params, x, reading.slot, reading.valid, reading.cache)
    x = apply(state, method="embed_state")
    hidden, valid, cache = next_position(model, params, x, reading.slot + 1, valid, cache)
    return Reading(hidden, cache, valid, reading.slot + 2)
