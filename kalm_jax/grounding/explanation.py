"""Rollouts into words: what a grounded model says that a rollout was for, and how likely it would itself act so."""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

from kalm_jax.grounding.decoding import Spread, answer, chunks, fitting
from kalm_jax.grounding.model import GroundedModel
from kalm_jax.grounding.sequences import ACTION, Rows, RowSequence, align_right
from kalm_jax.grounding.tasks import ANSWER_PROMPT, GIST_END, STATE_PROMPT, goal_prompt, plan_prompt
from kalm_jax.llm.tokenizer import Tokenizer
from kalm_jax.types import Rollouts
from kalm_jax.worlds.base import GoalLanguage

GIST_LIMIT = 12
"""Most tokens of a gist."""
ACTING_WEIGHT, READING_WEIGHT = 0.25, 2.0
"""Powers of what the model would itself do and of what states show among what gists are weighed by, beside their shares
of the draws. Chosen on rollouts of a seed of its own: a rollout's likelihood multiplies errors of many steps."""
SAYINGS, LISTENINGS = 5, 3
"""Sentences that are tried for one gist, and how often one is listened to."""
VIEWS = 8
"""Ways in which a rollout is shown, where a world has several (`GoalLanguage.renamings`)."""


def explain(model: GroundedModel, params, tokenizer: Tokenizer, rollouts: Rollouts, prompt: str) -> list[str]:
    """One sentence per rollout, the model's first answer: what it says that the rollout was for.

    Args:
      prompt: stands before the rollout.
    """
    return _say(model, params, tokenizer, _asked(model, tokenizer, rollouts, prompt), 0.0, 0)


def tell(
    model: GroundedModel,
    params,
    tokenizer: Tokenizer,
    rollouts: Rollouts,
    prompt: str,
    gists: Sequence[str],
    words: GoalLanguage,
    seed: int = 0,
) -> list[str]:
    """One sentence per rollout that tells its gist, such as one of `likeliest_gists`.

    The model listens to itself: a sentence whose plan, which it writes too, has another gist is said anew, in other
    names where the world has such, otherwise drawn; at most `SAYINGS` are tried. The first sentence stays where none is
    understood as it was meant.

    Args:
      prompt: stands before the rollout.
      gists: of every rollout; where one is "", the model begins with its own and is not listened to.
      words: `summary_of_plan` says what is understood; None takes every sentence as it comes. `renamings` may be None.
    """
    renamings = words.renamings(SAYINGS) if words.renamings else [None]
    told, open_ = [""] * len(rollouts), list(range(len(rollouts)))
    for k in range(SAYINGS if words.summary_of_plan else 1):
        renaming = renamings[k % len(renamings)]
        rows = _asked(model, tokenizer, _renamed(rollouts.take(np.array(open_, int)), renaming), prompt)
        for row, i in zip(rows, open_, strict=True):
            gist = renaming.gist(gists[i]) if renaming else gists[i]
            row.text(tokenizer.encode(f"{gist} {GIST_END}") if gist else [])
        said = _say(model, params, tokenizer, rows, float(k >= len(renamings)), seed + k)
        said = [renaming.inverse.text(text) for text in said] if renaming else said
        clear = _understood(model, params, tokenizer, said, [gists[i] for i in open_], words, renamings)
        for i, text, good in zip(open_, said, clear, strict=True):
            told[i] = text if good or not k else told[i]
        open_ = [i for i, good in zip(open_, clear, strict=True) if not good and gists[i]]
    return told


def _understood(
    model, params, tokenizer, said: list[str], gists: list[str], words: GoalLanguage, renamings
) -> list[bool]:
    """Whether sentences have their gists, as most of the times that the model reads them, each time in other names."""
    if words.summary_of_plan is None:
        return [True] * len(said)
    votes = np.zeros(len(said), int)
    for renaming in renamings[:LISTENINGS]:
        heard = [renaming.text(text) for text in said] if renaming else said
        plans = answer(model, params, tokenizer, [plan_prompt(tokenizer, text) for text in heard])
        found = [words.summary_of_plan(plan) for plan in plans]
        found = [renaming.inverse.gist(gist) for gist in found] if renaming else found
        votes += np.array([a == b for a, b in zip(found, gists, strict=True)], int)
    return (2 * votes > min(LISTENINGS, len(renamings))).tolist()


def _say(model, params, tokenizer, rows: list[RowSequence], temperature: float, seed: int) -> list[str]:
    """What follows the gist of each row's answer."""
    said = answer(model, params, tokenizer, rows, temperature=temperature, seed=seed)
    return [text.rsplit(f"{GIST_END} ", 1)[-1] for text in said]


def likeliest_gists(
    model: GroundedModel,
    params,
    tokenizer: Tokenizer,
    rollouts: Rollouts,
    prompt: str,
    words: GoalLanguage,
    draws: int,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """Of several gists of each rollout the one that fits best by all that the model knows.

    Gists are drawn from p(gist | rollout). The answer has the largest product of

      p(gist | rollout), its share of the draws;
      p(rollout | gist), what the model would itself do for it, see `rollout_likelihood` (reranking by the reverse
        direction: Li et al., NAACL 2016, there for dialogue), to the power of `ACTING_WEIGHT`;
      p(a state fulfils it) at the end and its complement before, by what the model says that each state shows, where
        the world has questions about states, to the power of `READING_WEIGHT`: a rollout ends as soon as its goal is
        reached.

    Where things can be given other names without changing anything, the model is asked about a rollout under several
    of their names, and all that it says is averaged.

    Args:
      words: `subgoal_of_summary` tells gists from other texts and for what rollouts are imagined;
        `summary_question` and `renamings` may be None.
      draws: gists drawn per rollout, over all names.
      progress: called with the number of draws done.

    Returns:
      A gist per rollout, "" where no draw was one.
    """
    end = tokenizer.encode(f"x {GIST_END}")[-1]  # as it is after a word
    renamings = words.renamings(min(VIEWS, draws)) if words.renamings else [None]
    views = [_renamed(rollouts, renaming) for renaming in renamings]
    counts = [collections.Counter() for _ in range(len(rollouts))]
    for k in range(draws):
        renaming = renamings[k % len(views)]
        asked = _asked(model, tokenizer, views[k % len(views)], prompt)
        said = answer(model, params, tokenizer, asked, temperature=1.0, seed=seed + k, limit=GIST_LIMIT, end=end)
        for count, gist in zip(counts, said, strict=True):
            count[renaming.inverse.gist(gist) if renaming else gist] += 1
        if progress is not None:
            progress(k + 1)
    known = [(i, gist) for i, count in enumerate(counts) for gist in count if words.subgoal_of_summary(gist)]
    if not known:
        return [""] * len(rollouts)
    place = np.array([i for i, _ in known], int)
    scores, acting, reading = np.array([math.log(counts[i][gist]) for i, gist in known]), 0.0, []
    for renaming, view in zip(renamings, views, strict=True):
        gists = [renaming.gist(gist) if renaming else gist for _, gist in known]
        prompts = [goal_prompt(tokenizer, words.subgoal_of_summary(gist)) for gist in gists]
        acting = acting + rollout_likelihood(model, params, prompts, view.take(place)) / len(views)
        if words.summary_question is not None:
            questions = [words.summary_question(gist) for gist in gists]
            reading.append(_step_answers(model, params, tokenizer, view, place, questions))
    scores = scores + ACTING_WEIGHT * acting
    if reading:
        ends = np.cumsum(np.asarray(rollouts.length)[place] + 1)
        scores = scores + READING_WEIGHT * _fulfilled_at_the_end(np.mean(reading, 0), ends)
    best: dict[int, tuple[float, str]] = {}
    for (i, gist), score in zip(known, scores, strict=True):
        best[i] = max(best.get(i, (-math.inf, "")), (float(score), gist))
    return [best[i][1] if i in best else "" for i in range(len(rollouts))]


def _renamed(rollouts: Rollouts, renaming) -> Rollouts:
    if renaming is None:
        return rollouts
    observations = renaming.observations(rollouts.observations)
    return dataclasses.replace(rollouts, observations=observations, actions=renaming.actions(rollouts.actions))


def _step_answers(model, params, tokenizer, rollouts: Rollouts, place, questions) -> np.ndarray:
    """p(answer) of `questions` (M pairs) about every state of rollouts `place` (M,), one after the other."""
    lengths = np.asarray(rollouts.length)[place]
    states = np.concatenate([rollouts.observations[i, : n + 1] for i, n in zip(place, lengths)])
    repeated = [question for question, n in zip(questions, lengths) for _ in range(n + 1)]
    return np.exp(state_answers(model, params, tokenizer, states, repeated))


def _fulfilled_at_the_end(p: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(M,) log p of the last of each rollout's states, plus the least log (1 - p) of a state before.

    Args:
      p: of all states of M rollouts, one after the other. ends: (M,) where each rollout's states end.
    """
    parts = np.split(np.clip(p, 1e-6, 1 - 1e-6), ends[:-1])
    return np.array([np.log(x[-1]) + np.log1p(-x[:-1]).min(initial=0.0) for x in parts])


def state_answers(
    model: GroundedModel, params, tokenizer: Tokenizer, states, questions: Sequence[tuple[str, str]], batch: int = 512
) -> np.ndarray:
    """(M,) log p(answer | state, question) for states (M, D) and M (question, answer) of `GoalLanguage.describe`."""
    ids = {text: tokenizer.encode(text) for text in {STATE_PROMPT, *(part for pair in questions for part in pair)}}
    now, rows = [tokenizer.bos_id, *ids[STATE_PROMPT]], []
    for state, (question, said) in zip(states, questions, strict=True):
        rows.append(RowSequence(model.spec.width).text(now).state(state).text(ids[question]).text(ids[said], 1.0))
    return _over_rows(_text_likelihood, model, params, rows, batch, step=8)


def _asked(model: GroundedModel, tokenizer: Tokenizer, rollouts: Rollouts, prompt: str) -> list[RowSequence]:
    """Each rollout after `prompt`, and the question what it was for."""
    before, after = [tokenizer.bos_id, *tokenizer.encode(prompt)], tokenizer.encode(ANSWER_PROMPT)
    return [rollout_row(model, before, rollouts, i).text(after) for i in range(len(rollouts))]


@functools.partial(jax.jit, static_argnames=("model",))
def _action_likelihood(params, rows: Rows, *, model: GroundedModel):
    model = model.speaker
    hidden = model.apply({"params": params}, rows, method="hidden")[:, :-1]
    is_action = rows.kind[:, 1:] == ACTION
    out = model.apply({"params": params}, hidden, method="action_head")
    if model.spec.num_actions:
        chosen = jnp.where(is_action, rows.token[:, 1:], 0)
        return -jnp.sum(is_action * optax.softmax_cross_entropy_with_integer_labels(out, chosen), axis=1)
    value = rows.value[:, 1:, : model.spec.action_dim]
    error = model.apply({"params": params}, out, value, method="action_error") * model.spec.action_dim
    return -jnp.sum(is_action * error, axis=1)


@functools.partial(jax.jit, static_argnames=("model",))
def _text_likelihood(params, rows: Rows, *, model: GroundedModel):
    model = model.speaker
    hidden = model.apply({"params": params}, rows, method="hidden")[:, :-1]
    logits = model.apply({"params": params}, hidden, method="text_logits")
    error = optax.softmax_cross_entropy_with_integer_labels(logits, rows.token[:, 1:])
    return -jnp.sum(jnp.where(rows.weight[:, :-1] > 0, error, 0.0), axis=1)


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
    return _over_rows(_action_likelihood, model, params, sequences, batch, step=16)


def text_log_probs(
    model: GroundedModel, params: dict, texts: Sequence[tuple[Sequence[int], Sequence[int]]], batch: int = 256
) -> np.ndarray:
    """(M,) log p(continuation | prompt) of M pairs (prompt, continuation) of token ids, in nats."""
    rows = [RowSequence(model.spec.width).text(prompt).text(said, 1.0) for prompt, said in texts]
    return _over_rows(_text_likelihood, model, params, rows, batch, step=8)


def _over_rows(function: Callable, model: GroundedModel, params, rows: list[RowSequence], batch: int, step: int):
    """(N,) `function` of N rows, filled up to a multiple of `step` positions."""
    width = -(-max((row.length for row in rows), default=1) // step) * step
    out, run = [], Spread(function, params, fitting(batch, len(rows)))
    for chunk in chunks(rows, run.batch, fill=RowSequence(model.spec.width).text([0])):
        out.append(run((align_right(chunk, width, model.spec.width),), model=model))
    return np.concatenate(out)[: len(rows)] if out else np.zeros(0, np.float32)


def rollout_row(model: GroundedModel, words: list[int], rollouts: Rollouts, i: int) -> RowSequence:
    """Words, then rollout i, as a prompt."""
    n = int(rollouts.length[i])
    states, actions = np.asarray(rollouts.observations[i][: n + 1]), np.asarray(rollouts.actions[i][:n])
    return RowSequence(model.spec.width).text(words).rollout(states, actions, 0.0, 0.0)
