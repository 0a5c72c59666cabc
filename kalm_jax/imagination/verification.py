"""Verification of imagined rollouts by the language model itself, without any success test.

Dimension letters: N continuations of rollouts, D observation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from kalm_jax.grounding.explanation import answer_log_probs
from kalm_jax.grounding.model import Grounded
from kalm_jax.imagination.subgoals import Subgoal

ScoreFn = Callable[[Sequence[list[Subgoal]], np.ndarray, np.ndarray], np.ndarray]
"""(plans of N continuations, states (N, D) before, states after) -> (N,) how much of its plan each one has reached."""

MIN_LOG_PROB = -20.0
"""Log-probability of what no state can show, and lower bound of all others."""

REACHED = math.log(0.5)
"""Log-probability from which a subgoal counts as reached."""


def make_verifier(grounded: Grounded, state_queries: Callable) -> ScoreFn:
    """A score function by what the model itself reads off imagined states; it knows no success test.

    A score is the sum over a plan's subgoals of log p(answers | states) to the questions of `state_queries` (see
    `GoalLanguage`), and `MIN_LOG_PROB` for a subgoal about which nothing can be asked.
    """

    def score(plans: Sequence[list[Subgoal]], before: np.ndarray, after: np.ndarray) -> np.ndarray:
        scores = np.zeros(len(plans))
        place: list[int] = []
        queries: list[tuple[np.ndarray, str, str]] = []
        for i, plan in enumerate(plans):
            for subgoal in plan:
                found = state_queries(subgoal.text, before[i], after[i])
                scores[i] += MIN_LOG_PROB if found is None else 0.0
                queries += found or []
                place += [i] * len(found or [])
        states = np.array([state for state, _, _ in queries], np.float32).reshape(len(queries), before.shape[-1])
        pairs = [(question, answer) for _, question, answer in queries]
        log_probs = answer_log_probs(grounded, states, pairs)
        np.add.at(scores, np.array(place, int), np.maximum(log_probs, MIN_LOG_PROB))
        return scores

    return score
