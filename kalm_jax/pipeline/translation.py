"""The conditions "translate" and "kalm+translate": policies are told the planner's subgoals in the data's words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kalm_jax.evaluation.policies import SubgoalPolicy
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.imagination.subgoals import Subgoal
from kalm_jax.imagination.verification import MIN_LOG_PROB, make_verifier
from kalm_jax.pipeline.artifacts import encoded_goals
from kalm_jax.pipeline.imagining import plans_of
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.types import GoalTable, Policy, concatenate_goals


class Translator:
    """What policies are told in place of a goal's own words.

    A subgoal that the data have is told in the first of their sentences that asks for it. One that they lack, such as a
    single move, has no words in them, and the goal's own words stand for it. Which subgoal is next is what the
    grounded model reads off the state. In worlds whose states cannot be asked about, the subgoal's own test says it.
    """

    def __init__(self, run: PipelineRun, goals: GoalTable, asked: np.ndarray) -> None:
        """`goals` are those of the episodes, with vectors; `asked` are the numbers of those that are played."""
        world, grounded = run.world, load_grounded(run.path / "ground" / "model")
        data = encoded_goals(run, "data")
        self.told, (_, own) = concatenate_goals([data, goals])
        self.plans, known = plans_of(run.config, grounded, goals, asked, run.path), first_sentences(data)
        self.sentences = [[known.get(goal_key(s), own + g) for s in plan] for g, plan in enumerate(self.plans)]
        queries = world.language.state_queries
        self._score = make_verifier(grounded, queries) if queries is not None else _by_test(world.satisfied)
        self._observe = world.observe

    def __call__(self, policy: Policy) -> Policy:
        """The policy, told subgoals."""
        return SubgoalPolicy(policy, self.told, self.sentences, self._reads, self._observe)

    def texts(self, goal: int) -> list[str]:
        """The sentences that are told in turn for a goal."""
        return [self.told.text[i] for i in self.sentences[goal]]

    def _reads(self, goal: np.ndarray, place: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """(N,) log-probability that subgoal number `place` of goal number `goal` is reached, by what is read."""
        return self._score([[self.plans[g][k]] for g, k in zip(goal, place, strict=True)], before, after)


Key = tuple[int, tuple[float, ...]]
"""What a goal or a subgoal asks for, whatever its words."""


def goal_key(subgoal: Subgoal) -> Key:
    """What a subgoal asks for."""
    return int(subgoal.family), tuple(map(float, subgoal.array))


def first_sentences(goals: GoalTable) -> dict[Key, int]:
    """What goals ask for -> the number of the first sentence that asks for it."""
    found: dict[Key, int] = {}
    for i, (family, array) in enumerate(zip(goals.family, goals.array, strict=True)):
        found.setdefault((int(family), tuple(map(float, array))), i)
    return found


def _by_test(satisfied: Callable) -> Callable:
    """A score function by the subgoals' own tests."""

    def score(plans: list[list[Subgoal]], before: np.ndarray, after: np.ndarray) -> np.ndarray:
        family = np.array([plan[0].family for plan in plans], np.int32)
        array = np.array([plan[0].array for plan in plans])
        return np.where(satisfied(family, array, after), 0.0, MIN_LOG_PROB)

    return score
