"""Rollouts into words: what a grounded model says that a rollout was for, and how likely it would itself act so."""

from __future__ import annotations

import collections
import functools
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

from kalm_jax.data import Rollouts
from kalm_jax.grounding.decode import Spread, answer, chunks
from kalm_jax.grounding.model import GroundedModel
from kalm_jax.grounding.rows import ACTION, Rows, RowSequence, align_right
from kalm_jax.grounding.tasks import ANSWER_PROMPT, GIST_END, goal_prompt
from kalm_jax.llm.tokenizer import Tokenizer

GIST_LIMIT = 12
"""Most tokens of a gist."""


def explain(
    model: GroundedModel, params, tokenizer: Tokenizer, rollouts: Rollouts, prompt: str, gists: Sequence[str] = ()
) -> list[str]:
    """One sentence per rollout, the model's first answer: what it says that the rollout was for.

    Args:
      prompt: stands before the rollout.
      gists: of every rollout, which the sentences then tell, such as `likeliest_gists`; without, or where one is "",
        the model begins with its own.
    """
    rows = _asked(model, tokenizer, rollouts, prompt)
    for row, gist in zip(rows, gists):
        if gist:
            row.text(tokenizer.encode(f"{gist} {GIST_END}"))
    return [text.rsplit(f"{GIST_END} ", 1)[-1] for text in answer(model, params, tokenizer, rows)]


def likeliest_gists(
    model: GroundedModel,
    params,
    tokenizer: Tokenizer,
    rollouts: Rollouts,
    prompt: str,
    short_goal: Callable[[str], str | None],
    draws: int,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """Of several gists of each rollout the one that fits best by what the model knows in both directions.

    Gists are drawn from p(gist | rollout), and the answer is the one with the largest p(gist | rollout)
    p(rollout | gist), the first factor being its share of the draws and the second that of `rollout_likelihood`: what
    it would itself do for it. (Reranking by the reverse direction: Li et al., NAACL 2016, there for dialogue.)

    Args:
      short_goal: gist -> the same goal in words for which the model imagines rollouts; None where it is no gist.
      draws: gists drawn per rollout.
      progress: called with the number of draws done.

    Returns:
      A gist per rollout, "" where no draw was one.
    """
    end = tokenizer.encode(f"x {GIST_END}")[-1]  # as it is after a word
    counts = [collections.Counter() for _ in range(len(rollouts))]
    for k in range(draws):
        asked = _asked(model, tokenizer, rollouts, prompt)
        said = answer(model, params, tokenizer, asked, temperature=1.0, seed=seed + k, limit=GIST_LIMIT, end=end)
        for count, gist in zip(counts, said, strict=True):
            count[gist] += 1
        if progress is not None:
            progress(k + 1)
    known = [(i, gist) for i, count in enumerate(counts) for gist in count if short_goal(gist)]
    prompts = [goal_prompt(tokenizer, short_goal(gist)) for _, gist in known]
    scores = rollout_likelihood(model, params, prompts, rollouts.take(np.array([i for i, _ in known], int)))
    best: dict[int, tuple[float, str]] = {}
    for (i, gist), score in zip(known, scores, strict=True):
        best[i] = max(best.get(i, (-math.inf, "")), (float(score) + math.log(counts[i][gist]), gist))
    return [best[i][1] if i in best else "" for i in range(len(rollouts))]


def _asked(model: GroundedModel, tokenizer: Tokenizer, rollouts: Rollouts, prompt: str) -> list[RowSequence]:
    """Each rollout after `prompt`, and the question what it was for."""
    before, after = [tokenizer.bos_id, *tokenizer.encode(prompt)], tokenizer.encode(ANSWER_PROMPT)
    return [rollout_row(model, before, rollouts, i).text(after) for i in range(len(rollouts))]


@functools.partial(jax.jit, static_argnames=("model",))
def _action_likelihood(params, rows: Rows, *, model: GroundedModel):
    hidden = model.apply({"params": params}, rows, method="hidden")[:, :-1]
    is_action = rows.kind[:, 1:] == ACTION
    out = model.apply({"params": params}, hidden, method="action_head")
    if model.spec.num_actions:
        chosen = jnp.where(is_action, rows.token[:, 1:], 0)
        return -jnp.sum(is_action * optax.softmax_cross_entropy_with_integer_labels(out, chosen), axis=1)
    value = rows.value[:, 1:, : model.spec.action_dim]
    error = model.apply({"params": params}, out, value, method="action_error") * model.spec.action_dim
    return -jnp.sum(is_action * error, axis=1)


def rollout_likelihood(
    model: GroundedModel, params, prompts: Sequence[list[int]], rollouts: Rollouts, batch: int = 256
) -> np.ndarray:
    """(N,) log p(actions, "the goal is reached" at the end and not before | words, states), in nats.

    Of continuous actions it is the density in normalised units, and nothing says that the goal is reached.

    Args:
      prompts: N prompts of token ids, as before a rollout that is to be generated.
      rollouts: N rollouts.

    Raises:
      ValueError: continuous actions whose head predicts a point and no distribution.
    """
    if not (model.spec.num_actions or model.spec.gaussian_actions):
        raise ValueError(
            "the likelihood of a rollout needs discrete actions or gaussian_actions; this model's actions are points"
        )
    sequences = [rollout_row(model, prompt, rollouts, i) for i, prompt in enumerate(prompts)]
    if model.spec.num_actions:
        sequences = [s.action(model.spec.num_actions) for s in sequences]
    width = -(-max((s.length for s in sequences), default=1) // 16) * 16
    out, run = [], Spread(_action_likelihood, params, batch)
    for chunk in chunks(sequences, run.batch, fill=RowSequence(model.spec.width).text([0])):
        out.append(run((align_right(chunk, width, model.spec.width),), model=model))
    return np.concatenate(out)[: len(sequences)] if out else np.zeros(0, np.float32)


def rollout_row(model: GroundedModel, words: list[int], rollouts: Rollouts, i: int) -> RowSequence:
    """Words, then rollout i, as a prompt."""
    n = int(rollouts.length[i])
    states, actions = np.asarray(rollouts.observations[i][: n + 1]), np.asarray(rollouts.actions[i][:n])
    return RowSequence(model.spec.width).text(words).rollout(states, actions, 0.0, 0.0)
