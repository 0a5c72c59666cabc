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

from kalm_jax.grounding.automaton import Automaton
from kalm_jax.grounding.decoding import generate_answers
from kalm_jax.grounding.model import Grounded
from kalm_jax.grounding.tasks import plan_prompt
from kalm_jax.progress import Progress
from kalm_jax.types import GoalTable
from kalm_jax.worlds.base import Subgoals


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
    grounded: Grounded, goals: GoalTable, read_plan: Callable[[str], Subgoals], allowed: Automaton | None = None
) -> list[list[Subgoal]]:
    """The language model's own decomposition of each goal into subgoals; success tests of the goals are not used.

    Where `read_plan` (see `GoalLanguage`) finds no plan in the model's answer, the goal's own words are its plan.
    `allowed` are the only answers that the model may give, None for any.
    """
    prompts = [plan_prompt(grounded.tokenizer, text) for text in goals.text]
    with Progress("write subgoals", len(prompts), unit="sentence") as progress:
        answers = generate_answers(grounded, prompts, automaton=allowed, progress=progress.update)
    return [
        [Subgoal(*s) for s in read_plan(text)] or direct
        for text, direct in zip(answers, direct_plans(goals), strict=True)
    ]


def next_subgoals(
    plans: Sequence[list[Subgoal]], state: np.ndarray, satisfied: Callable[..., Any], rounds: int
) -> list[Subgoal]:
    """The first subgoal of each plan that its state (N, D) does not satisfy (see `World.satisfied`).

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
