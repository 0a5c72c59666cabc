"""Subgoals of a goal: written by the language model, and chosen one after the other.

A goal is imagined in its own words, as in the paper, or by a plan that the language model writes first: the goal's
subgoals ("line the balls up" -> "blue right red and green right blue and ..."), imagined one after the other. The paper
names such hierarchies as an outlook (its section 6).

Dimension letters: N rollouts, D observation, G goal array.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kalm_jax.grounding.decoding import generate_answers
from kalm_jax.grounding.model import GroundedModel
from kalm_jax.grounding.tasks import plan_prompt
from kalm_jax.llm.tokenizer import Tokenizer
from kalm_jax.types import GoalTable

Satisfied = Callable[[np.ndarray, np.ndarray, np.ndarray], Any]
"""(family (N,), goal (N, G), state (N, D)) -> (N,) bool, whether nothing more has to be done for the goal."""


@dataclasses.dataclass(frozen=True)
class Subgoal:
    """A goal on the way to a goal.

    Attributes:
      text: what the language model is asked for.
      family, array: define its success test, as in a `GoalTable`; array holds G numbers.
    """

    text: str
    family: int
    array: tuple[float, ...]


def direct_plans(goals: GoalTable) -> list[list[Subgoal]]:
    """Plans without a decomposition: the only subgoal of every goal is the goal in its own words."""
    rows = zip(goals.text, goals.family, goals.array, strict=True)
    return [[Subgoal(text, int(family), tuple(array.tolist()))] for text, family, array in rows]


def write_plans(
    model: GroundedModel, params: dict, tokenizer: Tokenizer, goals: GoalTable, read_plan: Callable
) -> list[list[Subgoal]]:
    """The language model's own decomposition of each goal into subgoals.

    Args:
      model, params, tokenizer: the grounded model.
      goals: goals, whose success tests are not used.
      read_plan: text -> [(text, family, array), ...], [] where the text is no plan; see `GoalLanguage.read_plan`. The
        goal's own words are then its plan.
    """
    prompts = [plan_prompt(tokenizer, text) for text in goals.text]
    answers = generate_answers(model, params, tokenizer, prompts)
    return [
        [Subgoal(*s) for s in read_plan(text)] or direct
        for text, direct in zip(answers, direct_plans(goals), strict=True)
    ]


def next_subgoals(
    plans: Sequence[list[Subgoal]], state: np.ndarray, satisfied: Satisfied, rounds: int
) -> list[Subgoal]:
    """The first subgoal of each plan that its state (N, D) does not satisfy.

    Where all are satisfied it is number `rounds`, counted from the start again after the last one.
    """
    out = [plan[rounds % len(plan)] for plan in plans]
    for k in reversed(range(max(map(len, plans)))):
        has = np.array([i for i, plan in enumerate(plans) if len(plan) > k])
        family = np.array([plans[i][k].family for i in has], np.int32)
        open_ = ~np.asarray(satisfied(family, np.array([plans[i][k].array for i in has]), state[has]))
        for i in has[open_]:
            out[i] = plans[i][k]
    return out
