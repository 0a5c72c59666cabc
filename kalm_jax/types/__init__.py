"""Rollouts and goals: the types that everything passes, readers and writers, and collection."""

from kalm_jax.types.rollouts import (
    LEVELS,
    GoalTable,
    Rollouts,
    concatenate,
    concatenate_goals,
    last_steps,
    make_goal_table,
    unnamed_goal,
    validate,
)

__all__ = [
    "LEVELS",
    "GoalTable",
    "Rollouts",
    "concatenate",
    "concatenate_goals",
    "last_steps",
    "make_goal_table",
    "unnamed_goal",
    "validate",
]
