"""Subgoal decompositions of any sentence, with the confidence that the language model understands the sentence.

A language model answers every sentence, and for "make me a sandwich" as for "line the balls up" it writes subgoals. Two
numbers separate the two. The sentence itself is unlikely under a model whose text is about the world, and its subgoals
are less certain than those of a sentence that asks for a goal:

    score = log p(sentence) / tokens of the sentence + PLAN_WEIGHT log p(subgoals | sentence)

The score is compared with those of the world's validation sentences, which ask for goals of the data in other words.
Their mean and standard deviation make it independent of the model, of its tokenizer and of the world.

Near a goal the score tells little: for "push the yellow ball left" the model pushes another ball, and is sure. So the
world compares what the sentence says literally with the subgoals (`GoalLanguage.objection`), and may refuse them.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np

from kalm_jax.grounding.automaton import Automaton
from kalm_jax.grounding.decoding import generate_answers
from kalm_jax.grounding.explanation import text_log_probs
from kalm_jax.grounding.model import Grounded
from kalm_jax.grounding.tasks import plan_answer, plan_prompt
from kalm_jax.imagination.subgoals import Subgoal
from kalm_jax.llm.tokenizer import Tokenizer
from kalm_jax.worlds.base import Subgoals

PLAN_WEIGHT = 2.0
"""Weight of the subgoals' log-probability beside that of the sentence per token."""
LIMIT, SLOPE = -4.25, 1.5
"""Standard deviations from the mean of validation sentences at which the confidence is one half, and how fast it
changes there. Of the built-in model in CLEVR-Robot, see `tests/pipeline/test_plans.py`."""
LIMIT_AFTER_OBJECTIONS = -7.0
"""The same where the world has objections of its own: these refuse most of what asks for nothing, and a model finds
short or mistyped sentences unlikely that do ask for a goal."""
MIN_DEVIATION = 0.3
"""Smallest standard deviation assumed, where there are few validation sentences."""
REFERENCES = 128
"""Validation sentences that are scored at most."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the language model understands a sentence to ask for.

    Attributes:
      sentence: the sentence.
      subgoals: in the world's formal words, such as "red left blue", to be reached one after the other; the sentence
        itself where the run imagines goals in their own words; empty where the sentence was not understood.
      confidence: from 0 to 1, that the sentence asks for a goal of the world; 0.5 is the limit. 0 where there are no
        subgoals, or they cannot be what the sentence asks for.
      understood: whether `confidence` is at least 0.5 and the model wrote subgoals.
      reason: why the sentence was not understood, in words that follow "the sentence ..."; "" where it was.
      steps: the model's subgoals with their success tests, also where the sentence was not understood; empty where it
        wrote none, or nothing was asked.
    """

    sentence: str
    subgoals: tuple[str, ...]
    confidence: float
    understood: bool
    reason: str = ""
    steps: tuple[Subgoal, ...] = dataclasses.field(default=(), repr=False)


def check_length(tokenizer: Tokenizer, sentence: str, most: int) -> None:
    """Raises a ValueError for a sentence of more than `most` tokens."""
    # A token has at least one character of its own, so that a text of a megabyte need not be tokenized.
    shown = sentence if len(sentence) <= 60 else f"{sentence[:57]}..."
    count = len(tokenizer.encode(sentence[: 32 * most]))
    if count > most:
        raise ValueError(
            f"the sentence {shown!r} has {len(sentence)} characters, {count} tokens or more; the limit is {most} "
            "tokens: say it in fewer words"
        )


class Planner:
    """Writes plans with a language model, and measures how well it understands sentences."""

    def __init__(
        self,
        grounded: Grounded,
        read_plan: Callable[[str], Subgoals] | None,
        references: Sequence[str],
        max_tokens: int,
        objection: Callable[[str, Subgoals], str] | None = None,
        allowed: Automaton | None = None,
    ) -> None:
        """Nothing is computed before the first sentence.

        Args:
          grounded: the language model that writes the plans.
          read_plan: see `GoalLanguage`; None where goals are imagined in their own words: then the sentence alone is
            scored.
          references: sentences that ask for goals of the world, such as the validation sentences.
          max_tokens: length of the longest sentence.
          objection: see `GoalLanguage`; None where the score alone tells.
          allowed: the only answers that the model may give; None for any.
        """
        self.grounded, self.tokenizer = grounded, grounded.tokenizer
        self.read_plan, self.max_tokens, self.objection, self.allowed = read_plan, max_tokens, objection, allowed
        index = np.linspace(0, len(references) - 1, min(REFERENCES, len(references))).round().astype(int)
        self._references = [references[i] for i in index]

    def plans(self, sentences: Sequence[str]) -> list[Plan]:
        """The plan of each sentence.

        Raises:
          ValueError: a sentence is longer than `max_tokens`.
        """
        for sentence in sentences:
            check_length(self.tokenizer, sentence, self.max_tokens)
        scores, found = self._scored(sentences)
        mean, deviation = self._reference
        limit = LIMIT if self.objection is None else LIMIT_AFTER_OBJECTIONS
        plans = []
        for sentence, score, steps in zip(sentences, scores, found, strict=True):
            confidence = 1 / (1 + np.exp(-np.clip(SLOPE * ((score - mean) / deviation - limit), -60, 60)))
            steps = steps if sentence.strip() else ()
            reason = self._objection(sentence, steps)
            confidence = 0.0 if reason else float(confidence)
            understood = bool(confidence >= 0.5)
            said = tuple(step.text for step in steps) if self.read_plan is not None else (sentence,)
            reason = reason or ("" if understood else "is unlike those that ask for a goal")
            plans.append(Plan(sentence, said if understood else (), confidence, understood, reason, steps))
        return plans

    def _objection(self, sentence: str, steps: Sequence[Subgoal]) -> str:
        """Why `steps` cannot be what the sentence asks for, however likely the model finds them; "" for no reason."""
        if not sentence.strip():
            return "is empty"
        if self.read_plan is not None and not steps:
            return "led the language model to nothing that is a subgoal"
        if self.objection is None:
            return ""
        return self.objection(sentence, [(step.text, step.family, step.array) for step in steps])

    @functools.cached_property
    def _reference(self) -> tuple[float, float]:
        """Mean and standard deviation of the validation sentences' scores."""
        scores, _ = self._scored(self._references)
        return float(np.mean(scores)), max(MIN_DEVIATION, float(np.std(scores)))

    def _scored(self, sentences: Sequence[str]) -> tuple[np.ndarray, list[tuple[Subgoal, ...]]]:
        """(N,) scores, and the subgoals that the model writes for each sentence."""
        prompts = [plan_prompt(self.tokenizer, sentence) for sentence in sentences]
        tokens = np.array([max(1, len(prompt) - 1) for prompt in prompts])
        scores = text_log_probs(self.grounded, [(prompt[:1], prompt[1:]) for prompt in prompts]) / tokens
        if self.read_plan is None:
            return scores, [() for _ in sentences]
        written = generate_answers(self.grounded, prompts, automaton=self.allowed)
        ends = [plan_answer(self.tokenizer, text) for text in written]
        scores = scores + PLAN_WEIGHT * text_log_probs(self.grounded, list(zip(prompts, ends, strict=True)))
        return scores, [tuple(Subgoal(*step) for step in self.read_plan(text)) for text in written]
