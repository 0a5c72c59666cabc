"""The grounding tasks: four ways to fill a training row, plus plain text (KALM, section 4.1 and appendix).

generation    words -> rollout             explanation   rollout -> words
dynamics      (s, a) -> s'                 consequence   s0, words -> final state
text          sentences beside paraphrases, so that fine-tuning does not erase what the words mean

Rollouts are shown to the model whole or from a later step on, which is a rollout of the same goal too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from kalm_jax.data import GoalTable, Rollouts
from kalm_jax.grounding.rows import Rows, RowSequence, pack
from kalm_jax.llm.tokenizer import Tokenizer

TASKS = ("generation", "explanation", "dynamics", "consequence", "text")

GOAL_PROMPT = "goal : {} . start :"
"""Before an imagined rollout."""

EXPLANATION_PROMPTS = ("start :", "the balls were pushed :", "look at the balls :", "what was the goal ? start :")
"""Before a rollout that is to be explained; one is drawn per training sequence. The answer follows ANSWER_PROMPT."""

UNSEEN_EXPLANATION_PROMPT = (
    "five balls with different colours lie on a table and are pushed . explain briefly . trajectory :"
)
"""Never trained on: tests whether explaining depends on the prompt's wording (KALM, figure 7)."""

ANSWER_PROMPT = "goal :"


@dataclasses.dataclass(frozen=True)
class TaskShares:
    """How often each task is drawn; 0 leaves it out. Shares count sequences, not positions."""

    generation: float = 0.5
    explanation: float = 0.25
    dynamics: float = 0.05
    consequence: float = 0.05
    text: float = 0.15

    def probabilities(self) -> np.ndarray:
        """The shares in the order of TASKS, summing to 1."""
        p = np.array([getattr(self, t) for t in TASKS], float)
        if p.min() < 0 or p.sum() <= 0:
            raise ValueError(f"task shares {self} must be non-negative with a positive sum")
        return p / p.sum()


def goal_prompt(tokenizer: Tokenizer, sentence: str) -> list[int]:
    """Token ids before a rollout for `sentence`."""
    return [tokenizer.bos_id, *tokenizer.encode(GOAL_PROMPT.format(sentence))]


class Batches:
    """step -> Rows, a pure function of (seed, step), for `fit`.

    Args:
      rollouts, goals: training data; any sentence whose goal array equals a rollout's goal may describe it.
      tokenizer: of the language model.
      shares: of the tasks.
      text: rng -> document, for the text task; None leaves that task out.
      rows, length: shape of a batch; rows become longer than `length` where the longest sequence needs it.
      width: numbers per position, `NumericSpec.width`.
      seed: of everything drawn.
    """

    def __init__(
        self,
        rollouts: Rollouts | None,
        goals: GoalTable | None,
        tokenizer: Tokenizer,
        shares: TaskShares,
        text: Callable | None,
        rows: int,
        length: int,
        width: int,
        seed: int,
    ):
        self.tokenizer, self.text_source = tokenizer, text
        self.rows, self.length, self.width, self.seed = rows, length, width, seed
        p = shares.probabilities()
        if text is None:
            p[TASKS.index("text")] = 0.0
        if rollouts is None:
            p[: TASKS.index("text")] = 0.0
        if p.sum() == 0:
            raise ValueError("nothing to train on: no rollouts, and no text source or a text share of 0")
        self.probabilities = p / p.sum()
        self.explanation_prompts = [[tokenizer.bos_id, *tokenizer.encode(s)] for s in EXPLANATION_PROMPTS]
        self.answer = tokenizer.encode(ANSWER_PROMPT)
        self.words = {w: tokenizer.encode(w) for w in ("now", "then", "start", "end :")}
        if rollouts is not None:
            self.observations = np.asarray(rollouts.observations)
            self.actions, self.lengths = np.asarray(rollouts.actions), np.asarray(rollouts.length)
            self._index_sentences(rollouts, goals)
            self.length = max(length, -(-self._longest() // 16) * 16)

    def _index_sentences(self, rollouts, goals):
        keys = [(int(f), *map(float, a)) for f, a in zip(goals.family, goals.array)]
        groups: dict = {}
        for i, key in enumerate(keys):
            groups.setdefault(key, []).append(i)
        self.sentences = [groups[keys[g]] for g in np.asarray(rollouts.goal)]
        self.ids = self.tokenizer.encode_all(goals.text)
        self.prompts = self.tokenizer.encode_all([GOAL_PROMPT.format(t) for t in goals.text])

    def _longest(self) -> int:
        """Positions of the longest sequence that any task can make of these rollouts and sentences."""
        words = max(len(ids) for ids in self.prompts) + len(self.answer) + 2
        return words + 2 * int(self.lengths.max()) + 1 + max(len(ids) for ids in self.explanation_prompts)

    def _sequence(self, rng: np.random.Generator, task: str) -> RowSequence:
        if task == "text":
            ids = [self.tokenizer.bos_id, *self.tokenizer.encode(self.text_source(rng)), self.tokenizer.eos_id]
            return RowSequence(self.width).text(ids[: self.length], 1.0)
        i = int(rng.integers(len(self.lengths)))
        n = int(self.lengths[i])
        start = int(rng.integers(n)) if rng.random() < 0.5 else 0
        states, actions = self.observations[i, start : n + 1], self.actions[i, start:n]
        sentence = self.sentences[i][int(rng.integers(len(self.sentences[i])))]
        return getattr(self, f"_{task}")(rng, states, actions, sentence)

    def _generation(self, rng, states, actions, sentence):
        prompt = [self.tokenizer.bos_id, *self.prompts[sentence]]
        return RowSequence(self.width).text(prompt).rollout(states, actions, 1.0, 1.0)

    def _explanation(self, rng, states, actions, sentence):
        prompt = self.explanation_prompts[int(rng.integers(len(self.explanation_prompts)))]
        out = RowSequence(self.width).text(prompt).rollout(states, actions, 1.0, 0.0)
        return out.text(self.answer).text([*self.ids[sentence], self.tokenizer.eos_id], 1.0)

    def _dynamics(self, rng, states, actions, sentence):
        t = int(rng.integers(len(actions)))
        out = RowSequence(self.width).text([self.tokenizer.bos_id, *self.words["now"]]).state(states[t])
        return out.action(actions[t]).text(self.words["then"]).state(states[t + 1], 1.0)

    def _consequence(self, rng, states, actions, sentence):
        # A whole rollout moves balls much further than a step, and only partly predictably: a tenth of the weight.
        out = RowSequence(self.width).text([self.tokenizer.bos_id, *self.words["start"]]).state(states[0])
        out = out.text(self.answer).text(self.ids[sentence])
        return out.text(self.words["end :"]).state(states[-1], 0.1)

    def __call__(self, step: int) -> Rows:
        """The batch of update number `step` (from 0)."""
        rng = np.random.default_rng([self.seed, step])

        def sequences():
            while True:
                for task in rng.choice(len(TASKS), 64, p=self.probabilities):
                    yield self._sequence(rng, TASKS[task])

        return pack(sequences(), self.rows, self.length, self.width)
