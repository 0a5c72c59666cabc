"""The conditions `TRANSLATED`, such as "translate": policies are told the planner's subgoals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kalm_jax.evaluation.policies import SubgoalPolicy
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.grounding.model import Grounded
from kalm_jax.imagination.subgoals import Subgoal
from kalm_jax.pipeline.artifacts import SUBGOALS, encoded_goals, goals_mark, planner_stage
from kalm_jax.pipeline.imagining import is_plan, plans_of, reader
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.types import GoalTable, Policy, concatenate_goals


class Translator:
    """What policies are told in place of a goal's own words.

    A subgoal that the data have is told in the first of their sentences that asks for it, one that they lack, such as a
    single move, in the words of plans. Which subgoal is next is what the grounded model reads off the state. In worlds
    whose states cannot be asked about, the subgoal's own test says it.
    """

    def __init__(self, run: PipelineRun, goals: GoalTable, asked: np.ndarray) -> None:
        """`goals` are those of the episodes, with vectors; `asked` are the numbers of those that are played."""
        world, grounded = run.world, load_grounded(run.path / "ground" / "model")
        tables = [encoded_goals(run, "data"), encoded_goals(run, SUBGOALS), goals]
        self.told, (_, _, own) = concatenate_goals(tables)
        self.plans, known = episode_plans(run, grounded, goals, asked), first_sentences(self.told)
        self.sentences = [
            [known.get(goal_key(s.family, s.array), own + g) for s in plan]
            if is_plan(plan, goals.text[g], world)
            else [own + g]
            for g, plan in enumerate(self.plans)
        ]
        self._score, _ = reader(grounded, world)
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


def episode_plans(run: PipelineRun, grounded: Grounded, goals: GoalTable, asked: np.ndarray) -> list[list[Subgoal]]:
    """`plans_of` a run, written once in a process: every learner plays the same episodes."""
    stages = ("ground", *planner_stage(run.config))
    made = [(run.path / stage / "done.json").read_bytes() for stage in stages]  # the models, wherever the run is
    key = (run.config, *made, goals_mark(goals), np.asarray(asked).tobytes())
    if key not in _plans:
        _plans[key] = plans_of(run.config, grounded, goals, asked, run.path)
    return _plans[key]


_plans: dict[tuple, list[list[Subgoal]]] = {}
"""What `episode_plans` has written."""
Key = tuple[int, tuple[float, ...]]
"""What a goal or a subgoal asks for, whatever its words."""


def goal_key(family: int, array: Sequence[float] | np.ndarray) -> Key:
    """What a goal or a subgoal asks for."""
    return int(family), tuple(np.asarray(array, np.float32).tolist())


def first_sentences(goals: GoalTable) -> dict[Key, int]:
    """What goals ask for -> the number of the first sentence that asks for it."""
    found: dict[Key, int] = {}
    for i, (family, array) in enumerate(zip(goals.family, goals.array, strict=True)):
        found.setdefault(goal_key(family, array), i)
    return found
