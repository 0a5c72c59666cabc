"""The one loss of all grounding tasks: each head is asked where the NEXT position is of its kind."""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
import optax

from kalm_jax.grounding import heads
from kalm_jax.grounding.model import GroundedModel
from kalm_jax.grounding.rows import ACTION, STATE, TEXT, Rows


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Weights of the three terms. The authors use 1 for words and 0.5 for states and actions, whose errors they take in
    raw units; ours are in units of the change's spread."""

    text: float = 1.0
    action: float = 1.0
    state: float = 2.0


def weighted_mean(x: jax.Array, weight: jax.Array) -> jax.Array:
    """Mean of x under non-negative weights of the same shape; 0 where all weights are 0."""
    chex.assert_equal_shape([x, weight])
    return jnp.sum(x * weight) / jnp.maximum(jnp.sum(weight), 1e-6)


def loss(model: GroundedModel, params: dict, rows: Rows, weights: LossWeights) -> tuple[jax.Array, dict]:
    """Weighted sum of word cross-entropy, action cross-entropy (or, if continuous, error) and state error.

    Errors are squares, or of Gaussian heads negative log likelihoods (`heads.error`).

    Each term is a weighted mean over the positions of its kind in the whole batch. Returns (loss, metrics).
    """
    variables = {"params": params}
    hidden = model.apply(variables, rows, method="hidden")[:, :-1]
    next_kind, weight = rows.kind[:, 1:], rows.weight[:, :-1]
    token, value, base = rows.token[:, 1:], rows.value[:, 1:], rows.base[:, :-1]
    d = model.spec.state_dim

    is_text = weight * (next_kind == TEXT)
    logits = model.apply(variables, hidden, method="text_logits")
    text = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.where(next_kind == TEXT, token, 0))

    is_action = weight * (next_kind == ACTION)
    out = model.apply(variables, hidden, method="action_head")
    if model.spec.num_actions:
        action = optax.softmax_cross_entropy_with_integer_labels(out, jnp.where(next_kind == ACTION, token, 0))
    else:
        action = model.apply(variables, out, value[..., : model.spec.action_dim], method="action_error")

    is_state = weight * (next_kind == STATE)
    target = model.apply(variables, value[..., :d], base[..., :d], method="normalised_target")
    state = heads.error(model.apply(variables, hidden, method="state_head"), target, model.spec.gaussian_states)

    terms = {
        "text": weighted_mean(text, is_text),
        "action": weighted_mean(action, is_action),
        "state": weighted_mean(state, is_state),
    }
    total = weights.text * terms["text"] + weights.action * terms["action"] + weights.state * terms["state"]
    return total, {"loss": total, **{f"{k}_loss": v for k, v in terms.items()}}
