"""The one loss of all grounding tasks: each head predicts the NEXT position where that is of its kind.

Dimension letters: B rows, T positions, V vocabulary; E is the width of the model.
"""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from kalm_jax.grounding import heads
from kalm_jax.grounding.model import GroundedModel
from kalm_jax.grounding.sequences import ACTION, STATE, TEXT, Rows
from kalm_jax.llm.arrays import PerToken, Vectors
from kalm_jax.sharding import BATCH_AXES, constrain, num_shards

MAX_LOGITS = 1 << 26
"""Word logits that a device holds at a time, numbers in float32 (256 MiB); see `word_errors`. By the CPU's
compiler a step of a 0.5B model with 151,936 words needs 3.4 GB less (commit b2b87a5). Smaller parts do not help
Llama-2-7B, with 32,000 words, whose layers need more memory than its words."""


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Weights of the three terms. The authors use 1 for words and 0.5 for states and actions, whose errors they take in
    raw units; ours are in units of the change's standard deviation."""

    text: float = 1.0
    action: float = 1.0
    state: float = 2.0


def term_weights(rows: Rows) -> dict[str, Float[Array, "B T"]]:
    """The weight of predicting position t + 1 from position t, for each term; one position shorter than the rows."""
    next_kind, weight = rows.kind[:, 1:], rows.weight[:, :-1]
    return {name: weight * (next_kind == kind) for name, kind in (("text", TEXT), ("action", ACTION), ("state", STATE))}


def term_totals(rows: Rows) -> dict[str, Float[Array, ""]]:
    """What each term is divided by: the sum of its weights in the whole batch."""
    return {name: jnp.maximum(jnp.sum(weight), 1e-6) for name, weight in term_weights(rows).items()}


def word_errors(
    model: GroundedModel, variables: dict, hidden: Vectors, token: PerToken, max_logits: int = MAX_LOGITS
) -> Float[Array, "B T"]:
    """Cross-entropy of the words `token` predicted from `hidden`.

    The logits of all positions can be the largest activation of a model with many words. Where a device would hold more
    than `max_logits` of them, they are computed for one part of each row's positions after the other, and again in the
    backward pass; the errors are the same. The gradients of a trained head's weights are summed in float32 (with LoRA,
    "lora" in `variables`, the head is frozen).
    """
    rows, positions = token.shape
    size = positions_at_a_time(rows, positions, model.config.vocab_size, max_logits)
    llm = variables["params"]["llm"]
    head = {name: llm[name] for name in (["embedding"] if model.config.tie_embeddings else ["head"])}

    def errors(head: dict, hidden: Vectors, token: PerToken) -> Float[Array, "B T"]:
        out = model.bind({"params": {"llm": head}}).text_logits(hidden)
        return optax.softmax_cross_entropy_with_integer_labels(out, token)

    if size == positions:
        return errors(head, hidden, token)
    kept = head if "lora" in variables else jax.tree.map(lambda x: x.astype(jnp.float32), head)

    @jax.checkpoint
    def part(hidden: Vectors, token: PerToken) -> Float[Array, "B T"]:
        return errors(jax.tree.map(lambda x, like: x.astype(like.dtype), kept, head), hidden, token)

    def cut(x: Array) -> Array:  # [parts, B, size, ...]
        x = jnp.pad(x, ((0, 0), (0, -positions % size), *((0, 0),) * (x.ndim - 2)))
        return constrain(x.reshape(rows, -1, size, *x.shape[2:]).swapaxes(0, 1), None, BATCH_AXES)

    out = jax.lax.map(lambda x: part(*x), (cut(hidden), cut(token)))
    return out.swapaxes(0, 1).reshape(rows, -1)[:, :positions]


def positions_at_a_time(rows: int, positions: int, vocab_size: int, max_logits: int = MAX_LOGITS) -> int:
    """Positions of each row whose logits a device computes at once: so few that it holds `max_logits` at most."""
    fit = max(1, max_logits * num_shards(rows, vocab_size) // (rows * vocab_size))
    return -(-positions // -(-positions // fit))


def grounding_loss(
    model: GroundedModel,
    variables: dict,
    rows: Rows,
    weights: LossWeights,
    divisors: dict[str, Float[Array, ""]] | None = None,
    max_logits: int = MAX_LOGITS,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Weighted sum of word cross-entropy, action cross-entropy (or, if continuous, error) and state error.

    Errors are squares, or negative log likelihoods of Gaussian heads (`heads.error`). Each term is a weighted mean over
    the positions of its kind in the whole batch.

    Args:
      variables: {"params": ...}, with adapters "lora" too.
      rows: a batch, or a part of it.
      divisors: `term_totals` of the whole batch where `rows` are a part of it, so that the losses of the parts add up
        to the loss of the whole; None where they are the whole.
      max_logits: see `word_errors`.

    Returns the loss and metrics.
    """
    bound = model.bind(variables)
    hidden = bound.hidden(rows)[:, :-1]
    next_kind = rows.kind[:, 1:]
    token, value, base = rows.token[:, 1:], rows.value[:, 1:], rows.base[:, :-1]
    d = model.spec.state_dim

    text = word_errors(model, variables, hidden, jnp.where(next_kind == TEXT, token, 0), max_logits)

    out = bound.action_head(hidden)
    if model.spec.num_actions:
        action = optax.softmax_cross_entropy_with_integer_labels(out, jnp.where(next_kind == ACTION, token, 0))
    else:
        action = bound.action_error(out, value[..., : model.spec.action_dim])

    target = bound.normalized_target(value[..., :d], base[..., :d])
    state = heads.error(bound.state_head(hidden), target, model.spec.gaussian_states)

    errors, asked = {"text": text, "action": action, "state": state}, term_weights(rows)
    chex.assert_equal_shape([*errors.values(), *asked.values()])
    divisors = term_totals(rows) if divisors is None else divisors
    terms = {name: jnp.sum(errors[name] * asked[name]) / divisors[name] for name in errors}
    total = weights.text * terms["text"] + weights.action * terms["action"] + weights.state * terms["state"]
    return total, {"loss": total, **{f"{k}_loss": v for k, v in terms.items()}}
