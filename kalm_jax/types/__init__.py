"""The types that every package passes: rollouts, goals, evaluation episodes and who plays them."""

from kalm_jax.types.episodes import EpisodeResults, Episodes, Play, Policy, Simulator
from kalm_jax.types.goals import (
    LEVELS,
    GoalTable,
    check_goal_numbers,
    concatenate_goals,
    make_goal_table,
    rows_by_family,
    unnamed_goal,
    validate_goals,
)
from kalm_jax.types.rollouts import (
    Episode,
    Rollouts,
    concatenate,
    fractional,
    last_steps,
    make_rollouts,
    stack_episodes,
    validate,
    with_declared_types,
)

__all__ = [
    "LEVELS",
    "Episode",
    "EpisodeResults",
    "Episodes",
    "GoalTable",
    "Play",
    "Policy",
    "Rollouts",
    "Simulator",
    "check_goal_numbers",
    "concatenate",
    "concatenate_goals",
    "fractional",
    "last_steps",
    "make_goal_table",
    "make_rollouts",
    "rows_by_family",
    "stack_episodes",
    "unnamed_goal",
    "validate",
    "validate_goals",
    "with_declared_types",
]
