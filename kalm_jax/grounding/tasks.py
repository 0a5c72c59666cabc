"""The grounding tasks: ways to fill a training row (KALM, section 4.1 and appendix; the last three are ours).

generation    words -> rollout             explanation   rollout -> words
dynamics      (s, a) -> s'                 consequence   s_0, words -> final state
description   a state -> facts about it, many short questions each, also about what its last step changed. The paper's
              tasks ask so little about what a single state shows that explanations never learn to name a direction
              from it.
text          sentences beside paraphrases, so that fine-tuning does not erase what words mean.
plan          words -> subgoals, in the words of `GoalLanguage.plan`. Half of the rollouts are generated for a subgoal
              instead of a sentence. What the model knows of words turns any wording into subgoals, and what it knows of
              rollouts begins there. Rollouts alone teach it which objects a new wording is about, but not on which side
              they go.

A sequence shows a rollout whole or from a later step on, which is a rollout of the same goal too. With `window` it
shows that many steps at most, of an explained rollout the last ones.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from kalm_jax.grounding.config import TASKS, NumericSpec, TaskShares
from kalm_jax.grounding.sequences import Rows, RowSequence, pack
from kalm_jax.llm.tokenizer import Tokenizer
from kalm_jax.types import GoalTable, Rollouts
from kalm_jax.worlds.base import GoalLanguage

GOAL_PROMPT = "goal : {} . start :"
"""Stands before an imagined rollout."""

ANSWER_PROMPT, SUMMARY_END = "goal :", ":"
"""What stands before an explanation, and between its goal summary and its sentence."""

STATE_PROMPT, START_PROMPT = "now", "start"
"""Stand before a state that is asked about, and before the first state of which the last one follows."""

PLAN_PROMPT = "{} =>"
"""Stands before the subgoals of a sentence."""

NO_ROLLOUT_SHARE, SUMMARY_ONLY_SHARE = 0.2, 0.6
"""Share of explanations without a rollout, which are only a goal summary and its sentence: these are short, and the
wording is learned from them. And share of those with a rollout that end after the goal summary: the sentence adds
little."""

SUBGOAL_SHARE = 0.5
"""Share of generated rollouts that are for a subgoal instead of a sentence."""

RANDOM_PROMPT_SHARE, RANDOM_PROMPT_TOKENS = 0.5, 32
"""Share of explained rollouts that follow a random piece of plain text, of at most so many tokens, instead of one of
the world's prompts. Those are too few to learn from them that the wording of a prompt does not matter."""

TEXT_WEIGHT, FACT_WEIGHT = 0.5, 3.0
"""Weights of a word of plain text and of a bare fact (an answer about a state, the goal summary of an explanation). A
word of an explanation's sentence has weight 1: most words there say nothing about the rollout."""


def goal_prompt(tokenizer: Tokenizer, sentence: str) -> list[int]:
    """Token ids before a rollout for `sentence`."""
    return [tokenizer.bos_id, *tokenizer.encode(GOAL_PROMPT.format(sentence))]


def plan_prompt(tokenizer: Tokenizer, sentence: str) -> list[int]:
    """Token ids before the subgoals of `sentence`."""
    return [tokenizer.bos_id, *tokenizer.encode(PLAN_PROMPT.format(sentence))]


def plan_answer(tokenizer: Tokenizer, plan: str) -> list[int]:
    """Token ids of a plan after its `plan_prompt`, to the end."""
    return [*tokenizer.encode(plan, follows=True), tokenizer.eos_id]


class _GoalTokens(NamedTuple):
    """Token ids of the ways to express a rollout's goal: prompts as rows begin with them, summary and sentence as they
    follow other text. `sentence` is empty where no sentence expresses it."""

    prompt: Sequence[int]
    subgoal_prompt: Sequence[int]
    summary: Sequence[int]
    sentence: Sequence[int]


class _Shown(NamedTuple):
    """What a sequence is made of: states (N+1, D) and actions (N,) or (N, A) of a rollout, and its goal's tokens."""

    states: np.ndarray
    actions: np.ndarray
    tokens: _GoalTokens


def augmented(rollouts: Rollouts, goals: GoalTable, augment: Callable, seed: int) -> Rollouts:
    """Every rollout, changed once by `augment` (see `Batches`); statistics of the training data are measured on
    these."""
    observations, actions = np.array(rollouts.observations), np.array(rollouts.actions)
    family = np.asarray(goals.family)[np.asarray(rollouts.goal)]
    for i, n in enumerate(np.asarray(rollouts.length)):
        rng, shown = np.random.default_rng([seed, i]), (observations[i, : n + 1], actions[i, :n])
        observations[i, : n + 1], actions[i, :n], _ = augment(rng, *shown, int(family[i]))
    return dataclasses.replace(rollouts, observations=observations, actions=actions)


def possible_tasks(shares: TaskShares, language: GoalLanguage, has_rollouts: bool) -> Float[np.ndarray, " tasks"]:
    """The probability of each of `TASKS`; that of a task without data is 0.

    Raises:
      ValueError: no task has data and a positive share.
    """
    p = shares.probabilities()
    sources = {"text": language.document, "description": language.describe, "plan": language.sample_plan}
    for task, source in sources.items():
        if source is None:
            p[TASKS.index(task)] = 0.0
    if not has_rollouts:
        p[: TASKS.index("text")] = 0.0
    if p.sum() == 0:
        wanted = ", ".join(task for task in TASKS if getattr(shares, task))
        raise ValueError(
            f"nothing to train on: there are no data for the grounding tasks {wanted} here; choose others "
            "(--grounding_tasks)"
        )
    return p / p.sum()


class Batches:
    """step -> Rows, a pure function of (seed, step), for `fit`.

    Args:
      rollouts, goals: training data; any sentence whose goal array equals a rollout's goal may describe it.
      language: what can be said about the world's goals and states; tasks without data are left out.
      rows, length: shape of a batch; rows become longer than `length` where the longest sequence needs it.
      window: maximum number of steps of a rollout that a sequence shows; 0 for all.
      description_steps: number of first updates in which only descriptions of states are drawn, where their share is
        positive. What a state shows is learned in some hundred steps when nothing else is in the batch, and hardly in
        thousands beside the other tasks.
      augment: (rng, states (T+1, D), actions (T,) or (T, A), family code) -> states, actions, and None where the
        rollout's sentences still describe it, otherwise the subgoal that does.

    Raises:
      ValueError: no task has data and a positive share.
    """

    def __init__(
        self,
        rollouts: Rollouts | None,
        goals: GoalTable | None,
        tokenizer: Tokenizer,
        shares: TaskShares,
        language: GoalLanguage,
        spec: NumericSpec,
        *,
        rows: int,
        length: int,
        seed: int,
        window: int = 0,
        description_steps: int = 0,
        augment: Callable | None = None,
    ) -> None:
        self.tokenizer, self.language = tokenizer, language
        self.width, self.end = spec.width, spec.num_actions
        self.rows, self.length, self.seed, self.window = rows, length, seed, window
        self.augment = augment
        self.probabilities = possible_tasks(shares, language, rollouts is not None)
        self.description_steps = description_steps if self.probabilities[TASKS.index("description")] else 0
        self.explanation_prompts = [[tokenizer.bos_id, *tokenizer.encode(s)] for s in language.explanation_prompts]
        self.answer = tokenizer.encode(ANSWER_PROMPT, follows=True)
        self.first_answer = [tokenizer.bos_id, *tokenizer.encode(ANSWER_PROMPT)]
        self.state_prompt, self.start_prompt = (
            [tokenizer.bos_id, *tokenizer.encode(text)] for text in (STATE_PROMPT, START_PROMPT)
        )
        self.encode_prompt = functools.lru_cache(tokenizer.encode)
        self.encode = functools.lru_cache(functools.partial(tokenizer.encode, follows=True))
        if rollouts is not None and goals is not None:
            self.observations = np.asarray(rollouts.observations)
            self.actions, self.lengths = np.asarray(rollouts.actions), np.asarray(rollouts.length)
            self.reached = np.asarray(rollouts.terminated)
            self._index_sentences(rollouts, goals)
            longest, prompt = self._longest(), max(map(len, self.explanation_prompts))
            self.length = max(length, -(-longest // 16) * 16)
            self.random_prompt = min(RANDOM_PROMPT_TOKENS, self.length - longest + prompt - 1)

    def _index_sentences(self, rollouts: Rollouts, goals: GoalTable) -> None:
        keys = [(int(f), *map(float, a)) for f, a in zip(goals.family, goals.array)]
        groups: dict = {}
        for i, key in enumerate(keys):
            groups.setdefault(key, []).append(i)
        self.sentences = [groups[keys[g]] for g in np.asarray(rollouts.goal)]
        self.family = np.asarray(goals.family)[np.asarray(rollouts.goal)]
        summaries, subgoals = (
            [say(int(f), a) if say else "" for f, a in zip(goals.family, goals.array)]
            for say in (self.language.goal_summary, self.language.plan)
        )
        columns = (
            self.tokenizer.encode_all([GOAL_PROMPT.format(text) for text in goals.text]),
            self.tokenizer.encode_all([GOAL_PROMPT.format(text) if text else "" for text in subgoals]),
            self.tokenizer.encode_all([f"{text} {SUMMARY_END}" if text else "" for text in summaries], follows=True),
            self.tokenizer.encode_all(goals.text, follows=True),
        )
        self.goal_tokens = [_GoalTokens(*ids) for ids in zip(*columns)]

    def _subgoal_tokens(self, text: str) -> _GoalTokens:
        prompt = self.encode_prompt(GOAL_PROMPT.format(text))
        return _GoalTokens(prompt, prompt, self.encode(f"{text} {SUMMARY_END}"), [])

    def _longest(self) -> int:
        """Positions of the longest sequence that any task can make from these rollouts and sentences."""
        words = sum(max(len(getattr(tokens, part)) for tokens in self.goal_tokens) for part in ("prompt", "summary"))
        words += len(self.answer) + 2
        steps = int(self.lengths.max())
        steps = min(steps, self.window) if self.window else steps
        return words + 2 * steps + 2 + max(len(ids) for ids in self.explanation_prompts)

    def _sequence(self, rng: np.random.Generator, task: str, **options: bool) -> RowSequence:
        if task == "text" and self.language.document is not None:
            ids = [self.tokenizer.bos_id, *self.tokenizer.encode(self.language.document(rng)), self.tokenizer.eos_id]
            return RowSequence(self.width).text(ids[: self.length], TEXT_WEIGHT)
        if task == "plan" and self.language.sample_plan is not None:
            wording, plan = self.language.sample_plan(rng)
            answer = plan_answer(self.tokenizer, plan)
            prompt = plan_prompt(self.tokenizer, wording)[: self.length - len(answer)]
            return RowSequence(self.width).text(prompt).text(answer, 1.0)
        i = int(rng.integers(len(self.lengths)))
        n = int(self.lengths[i])
        start = self._start(rng, task, n)
        end = n
        if self.window and n - start > self.window and task in ("generation", "explanation"):
            start, end = (n - self.window, n) if task == "explanation" else (start, start + self.window)
        states, actions = self.observations[i, start : end + 1], self.actions[i, start:end]
        subgoal = None
        if self.augment is not None:
            states, actions, subgoal = self.augment(rng, states, actions, int(self.family[i]))
        tokens = self.goal_tokens[self.sentences[i][int(rng.integers(len(self.sentences[i])))]]
        tokens = tokens if subgoal is None else self._subgoal_tokens(subgoal)
        sequence = getattr(self, f"_{task}")(rng, _Shown(states, actions, tokens), **options)
        if task == "generation" and end == n and self.reached[i] and self.actions.ndim == 2:
            sequence.action(self.end, 1.0)
        return sequence

    @staticmethod
    def _start(rng: np.random.Generator, task: str, n: int) -> int:
        """The step from which a rollout of n actions is shown. Its last steps explain it best."""
        draw = rng.random()
        if task == "explanation" and draw < 0.5:
            return max(0, n - int(rng.integers(1, 4)))
        return int(rng.integers(n)) if draw > 0.5 else 0

    def _generation(self, rng: np.random.Generator, shown: _Shown) -> RowSequence:
        for_subgoal = self.language.plan is not None and rng.random() < SUBGOAL_SHARE
        prompt = [self.tokenizer.bos_id, *(shown.tokens.subgoal_prompt if for_subgoal else shown.tokens.prompt)]
        return RowSequence(self.width).text(prompt).rollout(shown.states, shown.actions, 1.0, 1.0)

    def _explanation(self, rng: np.random.Generator, shown: _Shown) -> RowSequence:
        tokens = shown.tokens
        summary, sentence = tokens.summary, [*tokens.sentence, self.tokenizer.eos_id]
        if summary and tokens.sentence and rng.random() < NO_ROLLOUT_SHARE:
            return RowSequence(self.width).text([*self.first_answer, *summary]).text(sentence, 1.0)
        out = RowSequence(self.width).text(self._explanation_prompt(rng)).rollout(shown.states, shown.actions, 1.0, 0.0)
        out = out.text(self.answer).text(summary, FACT_WEIGHT)
        ends = summary and (not tokens.sentence or rng.random() < SUMMARY_ONLY_SHARE)
        return out if ends else out.text(sentence, 1.0)

    def _explanation_prompt(self, rng: np.random.Generator) -> list[int]:
        if self.language.document is None or rng.random() > RANDOM_PROMPT_SHARE:
            return self.explanation_prompts[int(rng.integers(len(self.explanation_prompts)))]
        text = self.tokenizer.encode(self.language.document(rng))
        tokens = int(rng.integers(self.random_prompt + 1))
        start = int(rng.integers(max(1, len(text) - tokens)))
        return [self.tokenizer.bos_id, *text[start : start + tokens]]

    def _description(self, rng: np.random.Generator, shown: _Shown, changes: bool = True) -> RowSequence:
        assert self.language.describe is not None
        # Half of the states follow the steps that led to them, as in explanations. Questions are about the last one.
        t = int(rng.integers(len(shown.states)))
        start = max(0, t - int(rng.integers(1, 4))) if rng.random() < 0.5 else t
        out = RowSequence(self.width).text(self.state_prompt)
        out = out.rollout(shown.states[start : t + 1], shown.actions[start:t], 0.0, 0.0)
        before = shown.states[t - 1] if changes and start < t else None
        for question, answer in self.language.describe(rng, shown.states[t], before):
            out = out.text(self.encode(question)).text(self.encode(answer), FACT_WEIGHT)
        return out

    def _dynamics(self, rng: np.random.Generator, shown: _Shown) -> RowSequence:
        t = int(rng.integers(len(shown.actions)))
        out = RowSequence(self.width).text(self.state_prompt).state(shown.states[t])
        return out.action(shown.actions[t]).text(self.encode("then")).state(shown.states[t + 1], 1.0)

    def _consequence(self, rng: np.random.Generator, shown: _Shown) -> RowSequence:
        # A whole rollout moves objects much further than a step, and only partly predictably: a tenth of the weight.
        out = RowSequence(self.width).text(self.start_prompt).state(shown.states[0])
        out = out.text(self.answer).text(shown.tokens.sentence or shown.tokens.summary)
        return out.text(self.encode("end :")).state(shown.states[-1], 0.1)

    def __call__(self, step: int) -> Rows:
        """The batch of update number `step` (from 0)."""
        return pack(self.sequences(step), self.rows, self.length, self.width)

    def sequences(self, step: int) -> Iterator[RowSequence]:
        """An endless stream of sequences with which the batch of update number `step` is filled."""
        rng = np.random.default_rng([self.seed, step])
        while step < self.description_steps:
            yield self._sequence(rng, "description", changes=False)
        while True:
            for task in rng.choice(len(TASKS), 64, p=self.probabilities):
                yield self._sequence(rng, TASKS[task])
