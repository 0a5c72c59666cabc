"""Evaluation: policies in the simulator, success by level with intervals, the floor and the ceiling."""

from kalm_jax.evaluation.episodes import make_episodes
from kalm_jax.evaluation.policies import learner_policy, lookahead_policy, random_policy
from kalm_jax.evaluation.statistics import (
    difference_interval,
    mean_interval,
    paired_difference_interval,
    pooled_interval,
    wilson_interval,
)
from kalm_jax.evaluation.success import evaluate, read_results_csv, rows, summarise, write_results_csv

__all__ = [
    "difference_interval",
    "evaluate",
    "learner_policy",
    "lookahead_policy",
    "make_episodes",
    "mean_interval",
    "paired_difference_interval",
    "pooled_interval",
    "random_policy",
    "read_results_csv",
    "rows",
    "summarise",
    "wilson_interval",
    "write_results_csv",
]
