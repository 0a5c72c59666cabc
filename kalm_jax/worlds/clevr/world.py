"""CLEVR-Robot as a `World`."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from kalm_jax.arguments import checked
from kalm_jax.imagination.rollouts import label_rewards
from kalm_jax.types import GoalTable, Policy, Rollouts, check_goal_numbers
from kalm_jax.types.pictures import Illustrations
from kalm_jax.worlds.base import GoalLanguage, Query, Spaces, Subgoals, World
from kalm_jax.worlds.clevr import figures, instructions, objections, prompts, realism, text
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import rewards as clevr_rewards
from kalm_jax.worlds.clevr import simulator as clevr
from kalm_jax.worlds.clevr.behaviors import behavior_policy, lookahead_policy
from kalm_jax.worlds.clevr.collect import POLICIES, collect, collection_statistics
from kalm_jax.worlds.clevr.episodes import make_episodes, unsatisfied_states
from kalm_jax.worlds.clevr.recover import recover_goals
from kalm_jax.worlds.clevr.simulator import sample_states
from kalm_jax.worlds.clevr.symmetry import renamings
from kalm_jax.worlds.data import check_sentences, read_data
from kalm_jax.worlds.labels import ReportLabels
from kalm_jax.worlds.learner_defaults import LARGE_REWARD_SETTINGS, LearnerDefaults

EARLY_STEPS = 10


def summary_of_plan(plan: str) -> str:
    """The goal summary of a plan of a single relation, "" for other texts."""
    found = text.read_plan(plan)
    return instructions.goal_summary(*found[0][1:]) if len(found) == 1 else ""


def state_queries(subgoal: str, before: np.ndarray, after: np.ndarray) -> list[list[Query]] | None:
    """See `GoalLanguage.state_queries`."""
    found = text.read_plan(subgoal)
    return instructions.state_queries(*found[0][1:], before, after) if len(found) == 1 else None


class ClevrWorld(World):
    """Five balls on a bench, pushed one at a time."""

    name = "clevr"
    title = "KALM on CLEVR-Robot"
    families = clevr_goals.FAMILIES
    spaces = Spaces(clevr.OBSERVATION_DIM, clevr.NUM_ACTIONS, 0, clevr.HORIZON, EARLY_STEPS)
    behaviors = POLICIES
    expert_name = "lookahead"
    language = GoalLanguage(
        document=text.sample_document,
        describe=instructions.describe,
        goal_summary=instructions.goal_summary,
        plan=lambda family, goal: text.plan(clevr_goals.FAMILIES[family], goal),
        read_plan=text.read_plan,
        subgoals=text.subgoals,
        sample_plan=text.sample_plan,
        subgoal_of_summary=text.subgoal_of_summary,
        summary_of_plan=summary_of_plan,
        summary_question=lambda summary: tuple(summary.rsplit(" ", 1)),
        renamings=renamings,
        objection=objections.objection,
        state_queries=state_queries,
        explanation_prompts=(
            "start :",
            "the balls were pushed :",
            "look at the balls :",
            "what was the goal ? start :",
        ),
        unseen_prompt=(
            "five balls with different colours lie on a table and are pushed . explain briefly . trajectory :"
        ),
        builtin_plans=True,
    )
    learning = LearnerDefaults(
        settings=LARGE_REWARD_SETTINGS,
        # Hard goals take many pushes of several balls, single moves one.
        imagined_shares={"rephrase": 0.4, "unseen_easy": 0.1, "unseen_hard": 0.5, "prompts": 0.4},
        # TD3+BC answers with a point of the simplex, CQL and COMBO with softmax Q.
        stochastic=("bc", "td3bc", "cql", "awac", "iql", "combo", "decision_transformer"),
        actions={"td3bc": "sampled"},
        relabel=clevr_rewards.relabel_outcome,
    )
    labels = ReportLabels(
        horizon=clevr.HORIZON,
        early_steps=EARLY_STEPS,
        steps="pushes",
        template=pathlib.Path(__file__).with_name("report.html"),
        unrealistic={"off_bench": "off the bench", "beyond_dynamics": "beyond the dynamics"},
        readings="what it reads off states",
        explained=("right relation", "and right roles"),
        statistics={
            "rollouts": "rollouts",
            "terminated": "rollouts that end at their goal, %",
            "length_mean": "pushes of a rollout, mean",
            "length_min": "pushes of the shortest rollout",
            "length_quantile_25": "pushes that a quarter of the rollouts do not exceed",
            "length_quantile_50": "pushes that half of the rollouts do not exceed (median)",
            "length_quantile_75": "pushes that three quarters of the rollouts do not exceed",
            "length_quantile_90": "pushes that nine tenths of the rollouts do not exceed",
            "length_max": "pushes of the longest rollout",
            "length_at_most_10": "rollouts of at most 10 pushes, %",
            "length_above_40": "rollouts of more than 40 pushes, %",
            "pushes_on_source": "pushes of the ball that the goal is to move, %",
            "pushes_on_reference": "pushes of the ball that the goal names as the place, %",
            "pushes_on_others": "pushes of a ball that the goal does not name, %",
            "nearer": "pushes that bring the ball to be moved nearer to where the goal wants it, %",
            "nearer_first": "the same, of first pushes alone, %",
            "nearer_in_short": "the same, of rollouts of at most 5 pushes, %",
            "blocked": "pushes that move their ball by less than 3 cm, %",
            "repeated_first": "rollouts whose second push repeats the first, %",
        },
        paper_match={"rephrase": 85, "unseen_easy": 36, "unseen_hard": 28},
        paper_unrealistic={"rephrase": (18.4, 0.1), "unseen_easy": (0.0, 0.2), "unseen_hard": (4.3, 0.2)},
        paper_explanation="over 85",
        paper_ablation={
            "all": {"rephrase": 85, "unseen_easy": 36, "unseen_hard": 28},
            "all-explanation": {"rephrase": 83, "unseen_easy": 39, "unseen_hard": 8},
            "all-dynamics": {"rephrase": 83, "unseen_easy": 42, "unseen_hard": 15},
        },
    )
    success = staticmethod(clevr_goals.success)
    satisfied = staticmethod(clevr_goals.satisfied)
    goals = staticmethod(instructions.goals_of_level)
    templates = staticmethod(instructions.SENTENCES.templates)
    make_episodes = staticmethod(make_episodes)
    simulator = clevr.ClevrSimulator
    observe = staticmethod(clevr.observation_of)
    collect = staticmethod(collect)
    statistics = staticmethod(collection_statistics)
    explanation_row = staticmethod(realism.explanation_row)

    def goal_of_subgoals(self, subgoals: Subgoals) -> tuple[int, tuple[float, ...]]:
        """All relations at once (a row and a heap are goals of their own, of others the first three count).

        Without a relation it is the first move.
        """
        if not subgoals:
            return super().goal_of_subgoals(subgoals)
        relations = [array for _, family, array in subgoals if family == clevr_goals.RELATION]
        if not relations:
            _, family, array = subgoals[0]
            return family, tuple(array)
        if len(relations) > 3:
            family, array = super().goal_of_subgoals(subgoals)
            if family != clevr_goals.RELATION:
                return family, array
        families = clevr_goals.RELATION, clevr_goals.TWO_RELATIONS, clevr_goals.THREE_RELATIONS
        triples = [(int(a), int(b), int(direction)) for a, b, direction, *_ in relations[:3]]
        family = families[len(triples) - 1]
        return family, tuple(clevr_goals.make_goal(family, *triples).tolist())

    def check_goals(self, goals: GoalTable) -> None:
        """Also refuses balls, directions and numbers of relations that the family does not have."""
        super().check_goals(goals)
        for family, array in {(int(f), tuple(a)) for f, a in zip(goals.family, goals.array.tolist(), strict=True)}:
            try:
                clevr_goals.check_goal(family, array)
            except ValueError as error:
                raise ValueError(f"goals: the array {[*map(int, array)]} is none of clevr's: {error}") from error

    def read_data(self, path: str) -> tuple[Rollouts, GoalTable]:
        return read_data(path, self, instructions.split_of, recover_goals, clevr_goals.from_authors)

    def read_prompts(self, path: str) -> tuple[GoalTable, np.ndarray, np.ndarray]:
        found, first = prompts.read_prompts(path)
        check_sentences(path, self, found, np.arange(len(found)))
        return found, first, clevr.states_of(first)

    def label_rewards(self, rollouts: Rollouts, goals: GoalTable) -> Rollouts:
        return label_rewards(rollouts, goals, clevr_rewards.reward)

    @checked()
    def first_states(
        self, rng: np.random.Generator, goals: GoalTable, goal: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Random observations (N, 10) in which goal n is not yet satisfied, and the simulator's states (N, 69)."""
        goal = check_goal_numbers(goal, goals)
        states = unsatisfied_states(rng, goals.family[goal], goals.array[goal])
        return clevr.observation_of(states), states

    def scenes(self, rng: np.random.Generator, goals: GoalTable, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Random observations (N, 10), whatever the sentences ask for, and the simulator's states (N, 69)."""
        states = sample_states(rng, len(goal))
        return clevr.observation_of(states), states

    def expert_policy(self, simulator: Any, seed: int) -> Policy:
        return lookahead_policy(simulator, seed)

    def behavior_policy(self, simulator: Any, seed: int) -> Policy:
        return behavior_policy(simulator, seed)

    def imagined_steps(self, family: np.ndarray) -> np.ndarray:
        """(N,) maximum number of steps of imagined rollouts: 1 for single moves."""
        return np.where(np.asarray(family) == clevr_goals.MOVE, 1, clevr.HORIZON)

    def unrealistic_steps(self, rollouts: Rollouts, goals: GoalTable, real: Rollouts) -> Mapping[str, np.ndarray]:
        return realism.unrealistic(rollouts, realism.furthest_move(real))

    def quality_rows(self, rollouts: Rollouts, goals: GoalTable, real: Rollouts) -> list[dict[str, Any]]:
        """Rows by level and family; those of single moves also count the tests of action and state apart."""
        rows = super().quality_rows(rollouts, goals, real)
        return realism.add_move_counts(rows, rollouts, goals)

    def floors(
        self, rng: np.random.Generator, family: np.ndarray, array: np.ndarray
    ) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
        """Random directions with the right balls, and random balls and directions; arrangements have neither."""
        return clevr_goals.random_goals(rng, array)

    def illustrate(
        self, real: tuple[Rollouts, GoalTable], imagined: tuple[Rollouts, GoalTable, np.ndarray]
    ) -> Illustrations:
        return figures.illustrate(*real, *imagined[:2])


WORLD = ClevrWorld()
