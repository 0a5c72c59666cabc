"""Evaluation: policies play episodes in a simulator; success rates and their intervals."""

from kalm_jax.evaluation.policies import learner_policy
from kalm_jax.evaluation.results import (
    episode_rows,
    read_episodes_csv,
    read_results_csv,
    result_rows,
    write_results,
)
from kalm_jax.evaluation.rollout import evaluate, record
from kalm_jax.evaluation.statistics import (
    difference_interval,
    mean_interval,
    pooled_interval,
    wilson_interval,
)

__all__ = [
    "difference_interval",
    "episode_rows",
    "evaluate",
    "learner_policy",
    "mean_interval",
    "pooled_interval",
    "read_episodes_csv",
    "read_results_csv",
    "record",
    "result_rows",
    "wilson_interval",
    "write_results",
]
