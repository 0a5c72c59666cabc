"""Evaluation: policies play episodes in a simulator; success rates and their intervals."""

from kalm_jax.evaluation.policies import learner_policy
from kalm_jax.evaluation.results import read_results_csv, result_rows, write_results_csv
from kalm_jax.evaluation.rollout import evaluate, record
from kalm_jax.evaluation.statistics import (
    difference_interval,
    mean_interval,
    pooled_interval,
    wilson_interval,
)

__all__ = [
    "difference_interval",
    "evaluate",
    "learner_policy",
    "mean_interval",
    "pooled_interval",
    "read_results_csv",
    "record",
    "result_rows",
    "wilson_interval",
    "write_results_csv",
]
