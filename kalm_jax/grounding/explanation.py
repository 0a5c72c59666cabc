"""Rollouts into words: what a grounded model says a rollout was for, and how likely the model itself would act so.

Dimension letters: N rollouts, T positions, B rows, D observation, M questions or candidate goal summaries.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from kalm_jax.grounding.decoding import generate_answers, over_rows, round_up, smaller_batch
from kalm_jax.grounding.model import Grounded, GroundedModel
from kalm_jax.grounding.sequences import ACTION, Rows, RowSequence
from kalm_jax.grounding.tasks import ANSWER_PROMPT, STATE_PROMPT, SUMMARY_END, goal_prompt, plan_prompt
from kalm_jax.programs import backend, program
from kalm_jax.types import Rollouts
from kalm_jax.worlds.base import GoalLanguage

SUMMARY_LIMIT = 12
"""Maximum number of tokens of a goal summary."""
ACTION_WEIGHT, STATE_WEIGHT = 0.25, 2.0
"""Exponents of the likelihood of the actions and of the states' answers when goal summaries are weighed, beside 1 for
their share of the samples. They were chosen on the rollouts of a separate seed. A rollout's likelihood multiplies the
errors of many steps, so its exponent is small."""
MAX_ATTEMPTS, NUM_VOTES = 5, 3
"""Maximum number of sentences that are tried for a goal summary, and number of readings that check each."""
NUM_AUGMENTATIONS = 8
"""Number of renamings under which a rollout is shown, where a world has them (`GoalLanguage.renamings`)."""


def explain(grounded: Grounded, rollouts: Rollouts, prompt: str, language: GoalLanguage) -> list[str]:
    """One sentence per rollout, the model's greedy answer to what the rollout, after `prompt`, was for."""
    answers = generate_answers(grounded, _questions(grounded, rollouts, prompt))
    return [_sentence(text, language) for text in answers]


def generate_explanations(
    grounded: Grounded,
    rollouts: Rollouts,
    prompt: str,
    summaries: Sequence[str],
    language: GoalLanguage,
    seed: int = 0,
) -> list[str]:
    """One sentence per rollout that expresses its goal summary, such as one of `likeliest_goal_summaries`.

    A self-consistency check follows: the model writes the plan of each sentence, and a sentence whose plan has another
    goal summary is generated again, under another renaming where the world has renamings, otherwise by sampling. At
    most `MAX_ATTEMPTS` sentences are tried. The first one stays where none passes the check.

    Where a summary is "" the model begins with its own, and there is no check, as there is none without
    `language.summary_of_plan`. `prompt` stands before the rollout.
    """
    tokenizer, renamings = grounded.tokenizer, _renamings(language, MAX_ATTEMPTS)
    texts, open_ = [""] * len(rollouts), list(range(len(rollouts)))
    for attempt in range(MAX_ATTEMPTS if language.summary_of_plan else 1):
        renaming = renamings[attempt % len(renamings)]
        rows = _questions(grounded, _renamed(rollouts.take(np.array(open_, int)), renaming), prompt)
        for row, i in zip(rows, open_, strict=True):
            summary = renaming.goal_summary(summaries[i])
            row.text(tokenizer.encode(f"{summary} {SUMMARY_END}", follows=True) if summary else [])
        found = generate_answers(grounded, rows, temperature=float(attempt >= len(renamings)), seed=seed + attempt)
        found = [text if summaries[i] else _sentence(text, language) for text, i in zip(found, open_, strict=True)]
        found = [renaming.inverse.text(text) for text in found]
        passed = _consistent(grounded, found, [summaries[i] for i in open_], language, renamings)
        for i, text, good in zip(open_, found, passed, strict=True):
            texts[i] = text if good or not attempt else texts[i]
        open_ = [i for i, good in zip(open_, passed, strict=True) if not good and summaries[i]]
    return texts


def _consistent(
    grounded: Grounded, sentences: list[str], summaries: list[str], language: GoalLanguage, renamings: list
) -> list[bool]:
    """Whether most plans that the model writes for each sentence, under different renamings, have its goal summary."""
    if language.summary_of_plan is None:
        return [True] * len(sentences)
    votes = np.zeros(len(sentences), int)
    for renaming in renamings[:NUM_VOTES]:
        prompts = [plan_prompt(grounded.tokenizer, renaming.text(text)) for text in sentences]
        found = [language.summary_of_plan(plan) for plan in generate_answers(grounded, prompts)]
        same = [renaming.inverse.goal_summary(a) == b for a, b in zip(found, summaries, strict=True)]
        votes += np.array(same, int)
    return (2 * votes > min(NUM_VOTES, len(renamings))).tolist()


def _sentence(answer: str, language: GoalLanguage) -> str:
    """The sentence in an answer that begins with a goal summary, where the world has any."""
    _, end, sentence = answer.partition(SUMMARY_END) if language.goal_summary else ("", "", answer)
    return sentence.strip() if end else answer


def likeliest_goal_summaries(
    grounded: Grounded,
    rollouts: Rollouts,
    prompt: str,
    language: GoalLanguage,
    draws: int,
    seed: int = 0,
    progress: Callable[[int], Any] | None = None,
) -> list[str]:
    """The goal summary of each rollout that is the likeliest by all that the model knows.

    Candidates are sampled from p(summary | rollout). The result has the largest product of

      p(summary | rollout), its share of the samples;
      p(rollout | summary), what the model would itself do for it, see `rollout_log_probs` (reranking by the reverse
        direction: Li et al., NAACL 2016, there for dialogue), to the power of `ACTION_WEIGHT`;
      p(a state satisfies it) at the end and of the complement before, by the model's answers about states, where the
        world has questions about them, to the power of `STATE_WEIGHT`: a rollout ends as soon as its goal is reached.

    Where objects can be renamed without changing anything else, the model is asked about a rollout under several
    renamings, and the results are averaged.

    Args:
      prompt: stands before a rollout.
      language: `subgoal_of_summary` separates summaries from other texts and gives the subgoal for which rollouts are
        generated; `summary_question` and `renamings` may be None.
      draws: number of samples per rollout, over all renamings.
      progress: called with the number of samples done.

    Returns:
      A goal summary per rollout, "" where no sample was one.
    """
    assert language.subgoal_of_summary is not None, "this world has no goal summaries"
    tokenizer = grounded.tokenizer
    end = tokenizer.encode(SUMMARY_END, follows=True)[-1]
    renamings = _renamings(language, min(NUM_AUGMENTATIONS, draws))
    views = [_renamed(rollouts, renaming) for renaming in renamings]
    counts: list[collections.Counter] = [collections.Counter() for _ in range(len(rollouts))]
    for k in range(draws):
        rows = _questions(grounded, views[k % len(views)], prompt)
        found = generate_answers(grounded, rows, temperature=1.0, seed=seed + k, limit=SUMMARY_LIMIT, end=end)
        for count, summary in zip(counts, found, strict=True):
            count[renamings[k % len(views)].inverse.goal_summary(summary)] += 1
        if progress is not None:
            progress(k + 1)
    candidates = [(i, text) for i, count in enumerate(counts) for text in count if language.subgoal_of_summary(text)]
    if not candidates:
        return [""] * len(rollouts)
    place = np.array([i for i, _ in candidates], int)
    scores = np.array([math.log(counts[i][text]) for i, text in candidates])
    acting: Any = 0.0
    answers = []
    for renaming, view in zip(renamings, views, strict=True):
        summaries = [renaming.goal_summary(text) for _, text in candidates]
        prompts = [goal_prompt(tokenizer, language.subgoal_of_summary(summary)) for summary in summaries]
        acting = acting + rollout_log_probs(grounded, prompts, view.take(place)) / len(views)
        if language.summary_question is not None:
            questions = [language.summary_question(summary) for summary in summaries]
            answers.append(_answers_of_steps(grounded, view, place, questions))
    scores = scores + ACTION_WEIGHT * acting
    if answers:
        ends = np.cumsum(np.asarray(rollouts.length)[place] + 1)
        scores = scores + STATE_WEIGHT * _satisfied_at_the_end(np.mean(answers, 0), ends)
    best: dict[int, tuple[float, str]] = {}
    for (i, text), score in zip(candidates, scores, strict=True):
        best[i] = max(best.get(i, (-math.inf, "")), (float(score), text))
    return [best[i][1] if i in best else "" for i in range(len(rollouts))]


class _Unchanged:
    """The only renaming of a world whose objects cannot be renamed; see `GoalLanguage.renamings`."""

    def text(self, text: str) -> str:
        return text

    goal_summary = text

    @property
    def inverse(self) -> _Unchanged:
        return self


def _renamings(language: GoalLanguage, count: int) -> list:
    return language.renamings(count) if language.renamings else [_Unchanged()]


def _renamed(rollouts: Rollouts, renaming: Any) -> Rollouts:
    if isinstance(renaming, _Unchanged):
        return rollouts
    observations = renaming.observations(rollouts.observations)
    return dataclasses.replace(rollouts, observations=observations, actions=renaming.actions(rollouts.actions))


def _answers_of_steps(
    grounded: Grounded, rollouts: Rollouts, place: Int[np.ndarray, " M"], questions: Sequence[tuple[str, str]]
) -> np.ndarray:
    """p(answer) of M questions about every state of the rollouts `place`, one rollout after the other."""
    lengths = np.asarray(rollouts.length)[place]
    states = np.concatenate([rollouts.observations[i, : n + 1] for i, n in zip(place, lengths)])
    repeated = [question for question, n in zip(questions, lengths) for _ in range(n + 1)]
    return np.exp(answer_log_probs(grounded, states, repeated))


def _satisfied_at_the_end(p: np.ndarray, ends: Int[np.ndarray, " M"]) -> Float[np.ndarray, " M"]:
    """log p of the last state of each rollout, which ends at `ends`, plus the least log (1 - p) of an earlier one."""
    parts = np.split(np.clip(p, 1e-6, 1 - 1e-6), ends[:-1])
    return np.array([np.log(x[-1]) + np.log1p(-x[:-1]).min(initial=0.0) for x in parts])


def answer_log_probs(
    grounded: Grounded,
    states: Float[np.ndarray, "M D"],
    questions: Sequence[tuple[str, str]],
    batch: int | None = None,
) -> Float[np.ndarray, " M"]:
    """log p(answer | state, question) of M pairs (question, answer), such as those of `GoalLanguage.describe`.

    `batch` pairs are read at a time; None is 128 on a CPU, where more are not faster, and 512 elsewhere.
    """
    tokenizer, width = grounded.tokenizer, grounded.model.spec.width
    texts = list({part for pair in questions for part in pair})
    ids = dict(zip(texts, tokenizer.encode_all(texts, follows=True)))
    now, rows = [tokenizer.bos_id, *tokenizer.encode(STATE_PROMPT)], []
    for state, (question, answer) in zip(states, questions, strict=True):
        rows.append(RowSequence(width).text(now).state(state).text(ids[question]).text(ids[answer], 1.0))
    # Answers stand at the ends of right-aligned rows: words are weighed there alone.
    longest = round_up(max((len(ids[answer]) for _, answer in questions), default=1), 4)
    batch = smaller_batch(batch or (128 if backend() == "cpu" else 512), len(rows))
    return over_rows(_last_log_probs, grounded, rows, batch, last=longest)


def _questions(grounded: Grounded, rollouts: Rollouts, prompt: str) -> list[RowSequence]:
    """Each rollout after `prompt`, and the question what it was for."""
    tokenizer = grounded.tokenizer
    before, after = [tokenizer.bos_id, *tokenizer.encode(prompt)], tokenizer.encode(ANSWER_PROMPT, follows=True)
    return [_rollout_row(grounded, before, rollouts, i).text(after) for i in range(len(rollouts))]


@program(static_argnames="model")
def _action_log_probs(params: dict, rows: Rows, *, model: GroundedModel) -> Float[Array, " B"]:
    bound = model.text_model.bind({"params": params})
    hidden = bound.hidden(rows)[:, :-1]
    is_action = rows.kind[:, 1:] == ACTION
    out = bound.action_head(hidden)
    if model.spec.num_actions:
        taken = jnp.where(is_action, rows.token[:, 1:], 0)
        return -jnp.sum(is_action * optax.softmax_cross_entropy_with_integer_labels(out, taken), axis=1)
    error = bound.action_error(out, rows.value[:, 1:, : model.spec.action_dim]) * model.spec.action_dim
    return -jnp.sum(is_action * error, axis=1)


@program(static_argnames=("model", "last"))
def _last_log_probs(params: dict, rows: Rows, *, model: GroundedModel, last: int) -> Float[Array, " B"]:
    """Log-probabilities of the words with a weight, which are among the last so many positions of each row."""
    bound, last = model.text_model.bind({"params": params}), min(last, rows.kind.shape[1] - 1)
    logits = bound.text_logits(bound.hidden(rows)[:, -1 - last : -1])
    error = optax.softmax_cross_entropy_with_integer_labels(logits, rows.token[:, -last:])
    return -jnp.sum(jnp.where(rows.weight[:, -1 - last : -1] > 0, error, 0.0), axis=1)


def rollout_log_probs(
    grounded: Grounded, prompts: Sequence[list[int]], rollouts: Rollouts, batch: int = 256
) -> Float[np.ndarray, " N"]:
    """log p(actions, "the goal is reached" at the end and not before | words, states), in nats.

    Of continuous actions it is the density in normalized units, and nothing states that the goal is reached. `prompts`
    are token ids, as before rollouts that are to be generated.

    Raises:
      ValueError: the head of continuous actions predicts a point and no distribution.
    """
    spec = grounded.model.spec
    if not (spec.num_actions or spec.gaussian_actions):
        raise ValueError(
            "the likelihood of a rollout needs discrete actions or gaussian_actions; this model's actions are points"
        )
    rows = [_rollout_row(grounded, prompt, rollouts, i) for i, prompt in enumerate(prompts)]
    if spec.num_actions:
        rows = [row.action(spec.num_actions) for row in rows]
    return over_rows(_action_log_probs, grounded, rows, smaller_batch(batch, len(rows)), step=16)


def text_log_probs(
    grounded: Grounded, texts: Sequence[tuple[Sequence[int], Sequence[int]]], batch: int = 256
) -> Float[np.ndarray, " M"]:
    """log p(continuation | prompt) of M pairs (prompt, continuation) of token ids, in nats."""
    rows = [RowSequence(grounded.model.spec.width).text(prompt).text(text, 1.0) for prompt, text in texts]
    longest = round_up(max((len(text) for _, text in texts), default=1), 8)
    return over_rows(_last_log_probs, grounded, rows, smaller_batch(batch, len(rows)), last=longest)


def _rollout_row(grounded: Grounded, words: list[int], rollouts: Rollouts, i: int) -> RowSequence:
    """Words, then rollout i, as a prompt."""
    n = int(rollouts.length[i])
    states, actions = np.asarray(rollouts.observations[i][: n + 1]), np.asarray(rollouts.actions[i][:n])
    return RowSequence(grounded.model.spec.width).text(words).rollout(states, actions, 0.0, 0.0)
