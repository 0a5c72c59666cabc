"""The grounded language model as a policy: a_t from the words and s_0, a_0, ..., s_t, the states those of a simulator.

The first three arguments of every function after `params` have one entry per episode; see `ShardedBatchRunner`.

Dimension letters: B episodes, D observation, A action.
"""

from __future__ import annotations

from functools import partial

import jax

from kalm_jax.grounding.decoding import (
    Actions,
    DecodingState,
    Keys,
    Observations,
    Step,
    Temperature,
    advance_action,
    advance_state,
    prefill,
    sample_actions,
)
from kalm_jax.grounding.model import GroundedModel
from kalm_jax.grounding.sequences import Rows


@partial(jax.jit, static_argnames=("model", "steps"))
def start_episodes(params: dict, rows: Rows, *, model: GroundedModel, steps: int) -> DecodingState:
    """Reads right-aligned rows that end in a state, with room in the cache for `steps` more steps."""
    return prefill(model.text_model, params, rows, rows.kind.shape[1] + 2 * steps)


@partial(jax.jit, static_argnames="model")
def act(
    params: dict, keys: Keys, decoding: DecodingState, step: Step, temperature: Temperature, *, model: GroundedModel
) -> Actions:
    """Actions after the newest states; `keys` are one per episode, and temperature 0 is greedy."""
    return sample_actions(model.text_model, params, decoding.hidden, keys, step, temperature)


@partial(jax.jit, static_argnames="model", donate_argnames="decoding")
def observe(
    params: dict, action: Actions, state: Observations, decoding: DecodingState, *, model: GroundedModel
) -> DecodingState:
    """Reads actions and the raw states that followed them."""
    decoding = advance_action(model.text_model, params, decoding, action)
    return advance_state(model.text_model, params, decoding, state)
