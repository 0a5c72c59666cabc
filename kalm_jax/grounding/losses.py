"""The one loss of all grounding tasks: each head is asked where the NEXT position is of its kind."""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
import optax

from kalm_jax.grounding import heads
from kalm_jax.grounding.model import GroundedModel
from kalm_jax.grounding.sequences import ACTION, STATE, TEXT, Rows
from kalm_jax.sharding import BATCH_AXES, constrain, num_shards

LOGITS = 1 << 26
"""Word logits that a device holds at a time, numbers in float32 (256 MiB); see `word_errors`. Chosen by measurement
(`experiments.throughput --suite=memory`): a step of a 0.5B model with 151,936 words needs 3.4 GB less; one of
Llama-2-7B, with 32,000, gains nothing by smaller parts, as its layers need more than its words."""


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Weights of the three terms. The authors use 1 for words and 0.5 for states and actions, whose errors they take in
    raw units; ours are in units of the change's spread."""

    text: float = 1.0
    action: float = 1.0
    state: float = 2.0


def term_weights(rows: Rows) -> dict[str, jax.Array]:
    """(R, T-1) weight of predicting position t + 1 from position t, of each term."""
    next_kind, weight = rows.kind[:, 1:], rows.weight[:, :-1]
    return {name: weight * (next_kind == kind) for name, kind in (("text", TEXT), ("action", ACTION), ("state", STATE))}


def totals(rows: Rows) -> dict[str, jax.Array]:
    """What each term is divided by: the sum of its weights in the whole batch."""
    return {name: jnp.maximum(jnp.sum(weight), 1e-6) for name, weight in term_weights(rows).items()}


def word_errors(
    model: GroundedModel, variables: dict, hidden: jax.Array, token: jax.Array, logits: int = LOGITS
) -> jax.Array:
    """(R, T) cross-entropy of the words `token` (R, T) said from `hidden` (R, T, width).

    The logits of all positions can be the largest activation of a model with many words. Where a device would have more
    than `logits` of them they are computed for a part of each row's positions after the other, and again in the
    backward pass; the errors are the same. The gradients of a trained head's weights add up in float32 (with LoRA,
    "lora" in `variables`, it is frozen).
    """
    rows, positions = token.shape
    size = positions_at_a_time(rows, positions, model.config.vocab_size, logits)
    llm = variables["params"]["llm"]
    head = {name: llm[name] for name in (["embedding"] if model.config.tie_embeddings else ["head"])}

    def errors(head, hidden, token):
        out = model.apply({"params": {"llm": head}}, hidden, method="text_logits")
        return optax.softmax_cross_entropy_with_integer_labels(out, token)

    if size == positions:
        return errors(head, hidden, token)
    kept = head if "lora" in variables else jax.tree.map(lambda x: x.astype(jnp.float32), head)

    @jax.checkpoint
    def part(hidden, token):
        return errors(jax.tree.map(lambda x, like: x.astype(like.dtype), kept, head), hidden, token)

    def cut(x):  # [parts, R, size, ...]
        x = jnp.pad(x, ((0, 0), (0, -positions % size), *((0, 0),) * (x.ndim - 2)))
        return constrain(x.reshape(rows, -1, size, *x.shape[2:]).swapaxes(0, 1), None, BATCH_AXES)

    out = jax.lax.map(lambda x: part(*x), (cut(hidden), cut(token)))
    return out.swapaxes(0, 1).reshape(rows, -1)[:, :positions]


def positions_at_a_time(rows: int, positions: int, words: int, logits: int = LOGITS) -> int:
    """Positions of each row whose logits a device computes at once: all, or so few that it has at most `logits`."""
    fit = max(1, logits * num_shards(rows, words) // (rows * words))
    return -(-positions // -(-positions // fit))


def loss(
    model: GroundedModel,
    variables: dict,
    rows: Rows,
    weights: LossWeights,
    divisors: dict | None = None,
    logits: int = LOGITS,
) -> tuple[jax.Array, dict]:
    """Weighted sum of word cross-entropy, action cross-entropy (or, if continuous, error) and state error.

    Errors are squares, or of Gaussian heads negative log likelihoods (`heads.error`). Each term is a weighted mean over
    the positions of its kind in the whole batch; where `rows` are a part of it, `divisors` are the whole's `totals`, so
    that the losses of the parts add up to the loss of the whole. `variables` are {"params": ...}, with adapters "lora"
    too. Of `logits` see `word_errors`. Returns (loss, metrics).
    """
    hidden = jax.tree.map(lambda h: h[:, :-1], model.apply(variables, rows, method="hidden"))
    next_kind = rows.kind[:, 1:]
    token, value, base = rows.token[:, 1:], rows.value[:, 1:], rows.base[:, :-1]
    d = model.spec.state_dim

    text = word_errors(model, variables, hidden, jnp.where(next_kind == TEXT, token, 0), logits)

    out = model.apply(variables, hidden, method="action_head")
    if model.spec.num_actions:
        action = optax.softmax_cross_entropy_with_integer_labels(out, jnp.where(next_kind == ACTION, token, 0))
    else:
        action = model.apply(variables, out, value[..., : model.spec.action_dim], method="action_error")

    target = model.apply(variables, value[..., :d], base[..., :d], method="normalised_target")
    state = heads.error(model.apply(variables, hidden, method="state_head"), target, model.spec.gaussian_states)

    errors, asked = {"text": text, "action": action, "state": state}, term_weights(rows)
    chex.assert_equal_shape([*errors.values(), *asked.values()])
    divisors = totals(rows) if divisors is None else divisors
    terms = {name: jnp.sum(errors[name] * asked[name]) / divisors[name] for name in errors}
    total = weights.text * terms["text"] + weights.action * terms["action"] + weights.state * terms["state"]
    return total, {"loss": total, **{f"{k}_loss": v for k, v in terms.items()}}
