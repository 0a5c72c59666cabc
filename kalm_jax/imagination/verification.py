"""Verification of imagined rollouts by the language model itself, without any success test.

Dimension letters: N continuations of rollouts, D observation.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from kalm_jax.grounding.explanation import answer_log_probs
from kalm_jax.grounding.model import Grounded
from kalm_jax.imagination.subgoals import Subgoal
from kalm_jax.worlds.base import Query

ScoreFn = Callable[[Sequence[list[Subgoal]], np.ndarray, np.ndarray], np.ndarray]
"""(plans of N continuations, states (N, D) before, states after) -> (N,) how much of its plan each one has reached."""

StateQueries = Callable[[str, np.ndarray, np.ndarray], list[list[Query]] | None]
"""See `GoalLanguage.state_queries`."""

MIN_LOG_PROB = -20.0
"""Log-probability of what no state can show, and lower bound of all others."""

REACHED = math.log(0.5)
"""Log-probability from which a subgoal counts as reached."""


def make_verifier(grounded: Grounded, state_queries: StateQueries) -> ScoreFn:
    """A score function by what the model itself reads off imagined states; it knows no success test.

    A score is the sum over a plan's subgoals of their log-probabilities, and `MIN_LOG_PROB` for a subgoal about which
    nothing can be asked. A subgoal that `state_queries` (see `GoalLanguage`) gives no alternatives for is as probable
    as its answers are together. One with alternatives has the share of its answers' probability in that of all.
    """

    def score(plans: Sequence[list[Subgoal]], before: np.ndarray, after: np.ndarray) -> np.ndarray:
        scores = np.zeros(len(plans))
        row: list[int] = []
        alternatives: list[int] = []
        sets: list[list[Query]] = []
        for i, plan in enumerate(plans):
            for subgoal in plan:
                found = state_queries(subgoal.text, before[i], after[i])
                if found is None:
                    scores[i] += MIN_LOG_PROB
                    continue
                row.append(i)
                alternatives.append(len(found))
                sets += found
        if row:
            np.add.at(scores, row, _log_shares(_log_probs(grounded, sets), np.array(alternatives)))
        return scores

    return score


def _log_probs(grounded: Grounded, sets: Sequence[list[Query]]) -> np.ndarray:
    """(len(sets),) log-probabilities of all answers of a set."""
    queries = list(itertools.chain.from_iterable(sets))
    states = np.array([state for state, _, _ in queries], np.float32)
    log_probs = answer_log_probs(grounded, states, [(question, answer) for _, question, answer in queries])
    of = np.repeat(np.arange(len(sets)), [len(asked) for asked in sets])
    return np.bincount(of, np.maximum(log_probs, MIN_LOG_PROB), len(sets))


def _log_shares(log_probs: np.ndarray, count: np.ndarray) -> np.ndarray:
    """(S,) the first of every `count` (S,) log-probabilities; as its share of all of them, where there are several."""
    first = np.cumsum(count) - count
    return log_probs[first] - np.where(count > 1, np.logaddexp.reduceat(log_probs, first), 0.0)
