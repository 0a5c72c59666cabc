"""The grounding tasks: ways to fill a training row (KALM, section 4.1 and appendix; the last three are ours).

generation    words -> rollout             explanation   rollout -> words
dynamics      (s, a) -> s'                 consequence   s0, words -> final state
description   a state -> facts about it, many short questions each, also about what its last step changed; the
              paper's tasks ask so little about what a single state shows that explanations never learn to name a
              direction from it
text          sentences beside paraphrases, so that fine-tuning does not erase what the words mean
plan          words -> the short goals that they come to, in the words of `GoalLanguage.plan`. Half of the rollouts are
              shown to the model for a short goal instead of a sentence: what it knows of words turns any wording into
              short goals, and what it knows of rollouts begins there. Rollouts alone teach it which balls a new wording
              is about, but not on which side

Rollouts are shown to the model whole or from a later step on, which is a rollout of the same goal too; where `window`
limits them, `window` steps of them (of an explained one the last).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from kalm_jax.grounding.model import NumericSpec
from kalm_jax.grounding.sequences import Rows, RowSequence, pack
from kalm_jax.grounding.shares import TASKS, TaskShares
from kalm_jax.llm.tokenizer import Tokenizer
from kalm_jax.types import GoalTable, Rollouts
from kalm_jax.worlds.base import GoalLanguage

GOAL_PROMPT = "goal : {} . start :"
"""Before an imagined rollout."""

ANSWER_PROMPT, GIST_END = "goal :", ":"
"""What stands before an explanation, and between its gist and its sentence."""


STATE_PROMPT = "now"
"""Before a state that is asked about."""

PLAN_PROMPT = "{} =>"
"""Before the short goals that a sentence comes to."""

TOLD_SHARE, GIST_ONLY_SHARE = 0.2, 0.6
"""Share of explanations without a rollout, only a gist and its sentence: how to say it in words is learned from these,
which are short. And share of those with a rollout that end after their gist: the sentence says little more."""

SHORT_GOAL_SHARE = 0.5
"""Share of generated rollouts that are for a short goal instead of a sentence."""

ANY_PROMPT_SHARE, ANY_PROMPT_TOKENS = 0.5, 32
"""Share of explained rollouts before which any piece of plain text stands, of at most so many tokens, in the place of
one of the world's prompts: those are too few to learn from them that the wording of a prompt does not matter."""


TEXT_WEIGHT, FACT_WEIGHT = 0.5, 3.0
"""Weights of a word of plain text and of a bare fact (an answer about a state, the gist of an explanation). A word of
an explanation's sentence has 1: most of those say nothing about the rollout, a fact says all."""


def goal_prompt(tokenizer: Tokenizer, sentence: str) -> list[int]:
    """Token ids before a rollout for `sentence`."""
    return [tokenizer.bos_id, *tokenizer.encode(GOAL_PROMPT.format(sentence))]


def plan_prompt(tokenizer: Tokenizer, sentence: str) -> list[int]:
    """Token ids before the short goals that `sentence` comes to."""
    return [tokenizer.bos_id, *tokenizer.encode(PLAN_PROMPT.format(sentence))]


class _Said(NamedTuple):
    """Token ids of the ways to say a rollout's goal; `sentence` is empty where no sentence says it."""

    prompt: Sequence[int]
    short_prompt: Sequence[int]
    gist: Sequence[int]
    sentence: Sequence[int]


def augmented(rollouts: Rollouts, goals: GoalTable, augment: Callable, seed: int) -> Rollouts:
    """Every rollout changed once by `augment` (see `Batches`): what statistics of training data are taken from."""
    observations, actions = np.array(rollouts.observations), np.array(rollouts.actions)
    family = np.asarray(goals.family)[np.asarray(rollouts.goal)]
    for i, n in enumerate(np.asarray(rollouts.length)):
        rng, shown = np.random.default_rng([seed, i]), (observations[i, : n + 1], actions[i, :n])
        observations[i, : n + 1], actions[i, :n], _ = augment(rng, *shown, int(family[i]))
    return dataclasses.replace(rollouts, observations=observations, actions=actions)


class Batches:
    """step -> Rows, a pure function of (seed, step), for `fit`.

    Args:
      rollouts, goals: training data; any sentence whose goal array equals a rollout's goal may describe it.
      tokenizer: of the language model.
      shares: of the tasks.
      words: what the world's language can say.
      spec: the numbers that the model reads.
      rows, length: shape of a batch; rows become longer than `length` where the longest sequence needs it.
      seed: of everything drawn.
      window: most steps of a rollout that a sequence shows; 0 for all.
      reading: first steps in which only descriptions of states are drawn, where their share is positive: what a state
        shows is learned in some hundred steps when nothing else is in the batch, hardly in thousands beside the rest.
      augment: (rng, states (T+1, D), actions (T[, A]), family code) -> states, actions, and None where the rollout's
        sentences still describe it, else the short goal that does.
    """

    def __init__(
        self,
        rollouts: Rollouts | None,
        goals: GoalTable | None,
        tokenizer: Tokenizer,
        shares: TaskShares,
        words: GoalLanguage,
        spec: NumericSpec,
        rows: int,
        length: int,
        seed: int,
        window: int = 0,
        reading: int = 0,
        augment: Callable | None = None,
    ):
        self.tokenizer, self.words = tokenizer, words
        self.width, self.end = spec.width, spec.num_actions
        self.rows, self.length, self.seed, self.window = rows, length, seed, window
        self.augment = augment
        p = shares.probabilities()
        for task, source in (("text", words.document), ("description", words.describe), ("plan", words.sample_plan)):
            if source is None:
                p[TASKS.index(task)] = 0.0
        if rollouts is None:
            p[: TASKS.index("text")] = 0.0
        if p.sum() == 0:
            raise ValueError("nothing to train on: no rollouts, and no text source or a text share of 0")
        self.probabilities = p / p.sum()
        self.reading = reading if self.probabilities[TASKS.index("description")] else 0
        self.explanation_prompts = [[tokenizer.bos_id, *tokenizer.encode(s)] for s in words.explanation_prompts]
        self.answer = tokenizer.encode(ANSWER_PROMPT)
        self.encode = functools.lru_cache(tokenizer.encode)
        if rollouts is not None:
            self.observations = np.asarray(rollouts.observations)
            self.actions, self.lengths = np.asarray(rollouts.actions), np.asarray(rollouts.length)
            self.reached = np.asarray(rollouts.terminated)
            self._index_sentences(rollouts, goals)
            longest, prompt = self._longest(), max(map(len, self.explanation_prompts))
            self.length = max(length, -(-longest // 16) * 16)
            self.any_prompt = min(ANY_PROMPT_TOKENS, self.length - longest + prompt - 1)

    def _index_sentences(self, rollouts, goals):
        keys = [(int(f), *map(float, a)) for f, a in zip(goals.family, goals.array)]
        groups: dict = {}
        for i, key in enumerate(keys):
            groups.setdefault(key, []).append(i)
        self.sentences = [groups[keys[g]] for g in np.asarray(rollouts.goal)]
        self.family = np.asarray(goals.family)[np.asarray(rollouts.goal)]
        gists, short = (
            [say(int(f), a) if say else "" for f, a in zip(goals.family, goals.array)]
            for say in (self.words.goal_summary, self.words.plan)
        )
        columns = (
            [GOAL_PROMPT.format(text) for text in goals.text],
            [GOAL_PROMPT.format(text) if text else "" for text in short],
            [f"{text} {GIST_END}" if text else "" for text in gists],
            goals.text,
        )
        self.said = [_Said(*ids) for ids in zip(*map(self.tokenizer.encode_all, columns))]

    def _short(self, text: str) -> _Said:
        prompt = self.encode(GOAL_PROMPT.format(text))
        return _Said(prompt, prompt, self.encode(f"{text} {GIST_END}"), [])

    def _longest(self) -> int:
        """Positions of the longest sequence that any task can make of these rollouts and sentences."""
        words = sum(max(len(getattr(said, part)) for said in self.said) for part in ("prompt", "gist"))
        words += len(self.answer) + 2
        steps = int(self.lengths.max())
        steps = min(steps, self.window) if self.window else steps
        return words + 2 * steps + 2 + max(len(ids) for ids in self.explanation_prompts)

    def _sequence(self, rng: np.random.Generator, task: str) -> RowSequence:
        if task == "text":
            ids = [self.tokenizer.bos_id, *self.tokenizer.encode(self.words.document(rng)), self.tokenizer.eos_id]
            return RowSequence(self.width).text(ids[: self.length], TEXT_WEIGHT)
        if task == "plan":
            wording, plan = self.words.sample_plan(rng)
            answer = [*self.tokenizer.encode(plan), self.tokenizer.eos_id]
            prompt = plan_prompt(self.tokenizer, wording)[: self.length - len(answer)]
            return RowSequence(self.width).text(prompt).text(answer, 1.0)
        i = int(rng.integers(len(self.lengths)))
        n = int(self.lengths[i])
        start = self._start(rng, task, n)
        end = n
        if self.window and n - start > self.window and task in ("generation", "explanation"):
            start, end = (n - self.window, n) if task == "explanation" else (start, start + self.window)
        states, actions = self.observations[i, start : end + 1], self.actions[i, start:end]
        short = None
        if self.augment is not None:
            states, actions, short = self.augment(rng, states, actions, int(self.family[i]))
        said = self.said[self.sentences[i][int(rng.integers(len(self.sentences[i])))]]
        said = said if short is None else self._short(short)
        sequence = getattr(self, f"_{task}")(rng, states, actions, said)
        if task == "generation" and end == n and self.reached[i] and self.actions.ndim == 2:
            sequence.action(self.end, 1.0)
        return sequence

    @staticmethod
    def _start(rng, task: str, n: int) -> int:
        """The step from which a rollout of n actions is shown. What explains it best are its last steps."""
        draw = rng.random()
        if task == "explanation" and draw < 0.5:
            return max(0, n - int(rng.integers(1, 4)))
        return int(rng.integers(n)) if draw > 0.5 else 0

    def _generation(self, rng, states, actions, said):
        short = self.words.plan is not None and rng.random() < SHORT_GOAL_SHARE
        prompt = [self.tokenizer.bos_id, *(said.short_prompt if short else said.prompt)]
        return RowSequence(self.width).text(prompt).rollout(states, actions, 1.0, 1.0)

    def _explanation(self, rng, states, actions, said):
        gist, sentence = said.gist, [*said.sentence, self.tokenizer.eos_id]
        if gist and said.sentence and rng.random() < TOLD_SHARE:
            return RowSequence(self.width).text([self.tokenizer.bos_id, *self.answer, *gist]).text(sentence, 1.0)
        out = RowSequence(self.width).text(self._explanation_prompt(rng)).rollout(states, actions, 1.0, 0.0)
        out = out.text(self.answer).text(gist, FACT_WEIGHT)
        return out if gist and (not said.sentence or rng.random() < GIST_ONLY_SHARE) else out.text(sentence, 1.0)

    def _explanation_prompt(self, rng) -> list[int]:
        if self.words.document is None or rng.random() > ANY_PROMPT_SHARE:
            return self.explanation_prompts[int(rng.integers(len(self.explanation_prompts)))]
        text = self.tokenizer.encode(self.words.document(rng))
        tokens = int(rng.integers(self.any_prompt + 1))
        start = int(rng.integers(max(1, len(text) - tokens)))
        return [self.tokenizer.bos_id, *text[start : start + tokens]]

    def _reading(self, rng, states, actions, said):
        return self._description(rng, states, actions, said, news=False)

    def _description(self, rng, states, actions, said, news=True):
        # Sometimes after the steps that led there, as explanations see states; the questions are about the last one.
        t = int(rng.integers(len(states)))
        start = max(0, t - int(rng.integers(1, 4))) if rng.random() < 0.5 else t
        out = RowSequence(self.width).text([self.tokenizer.bos_id, *self.encode(STATE_PROMPT)])
        out = out.rollout(states[start : t + 1], actions[start:t], 0.0, 0.0)
        for question, answer in self.words.describe(rng, states[t], states[t - 1] if news and start < t else None):
            out = out.text(self.encode(question)).text(self.encode(answer), FACT_WEIGHT)
        return out

    def _dynamics(self, rng, states, actions, said):
        t = int(rng.integers(len(actions)))
        out = RowSequence(self.width).text([self.tokenizer.bos_id, *self.encode(STATE_PROMPT)]).state(states[t])
        return out.action(actions[t]).text(self.encode("then")).state(states[t + 1], 1.0)

    def _consequence(self, rng, states, actions, said):
        # A whole rollout moves balls much further than a step, and only partly predictably: a tenth of the weight.
        out = RowSequence(self.width).text([self.tokenizer.bos_id, *self.encode("start")]).state(states[0])
        out = out.text(self.answer).text(said.sentence or said.gist)
        return out.text(self.encode("end :")).state(states[-1], 0.1)

    def __call__(self, step: int) -> Rows:
        """The batch of update number `step` (from 0)."""
        return pack(self.sequences(step), self.rows, self.length, self.width)

    def sequences(self, step: int) -> Iterator[RowSequence]:
        """What the batch of update number `step` is filled with, without end."""
        rng = np.random.default_rng([self.seed, step])
        while step < self.reading:
            yield self._sequence(rng, "reading")
        while True:
            for task in rng.choice(len(TASKS), 64, p=self.probabilities):
                yield self._sequence(rng, TASKS[task])
