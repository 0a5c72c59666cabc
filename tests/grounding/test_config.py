"""Shares of tasks, and contradictory numbers of an environment."""

import numpy as np
import pytest

from kalm_jax.grounding.config import TASKS, NumericSpec, TaskShares


@pytest.mark.parametrize(
    "change, message",
    [
        ({"limit": 0.0}, "limit=0.0: nothing would be read"),
        ({"num_actions": 0}, "exactly one"),
        ({"action_dim": 2}, "exactly one"),
        ({"gaussian_actions": True}, "continuous actions"),
        ({"mean": (0.0,)}, "mean has 1 numbers, but there are 2"),
        ({"differences": ((0, 1),)}, "difference_std has 0 numbers, but there are 1"),
        ({"action_low": (0.0,)}, "action_low has 1 numbers, but there are 0"),
    ],
)
def test_contradictory_numbers_are_refused(change, message):
    good = {"state_dim": 2, "num_actions": 3, "mean": (0.0,) * 2, "std": (1.0,) * 2, "change_std": (1.0,) * 2}
    NumericSpec(**good)
    with pytest.raises(ValueError, match=message):
        NumericSpec(**{**good, **change})


def test_a_subset_of_tasks_divides_the_others_shares():
    all_tasks = TaskShares()
    some = all_tasks.only(["generation", "explanation"])
    p = dict(zip(TASKS, some.probabilities(), strict=True))
    assert {t for t in TASKS if p[t] > 0} == {"generation", "explanation"}
    assert np.isclose(p["generation"] / p["explanation"], all_tasks.generation / all_tasks.explanation)
    assert all_tasks.only(TASKS) == all_tasks
    with pytest.raises(ValueError, match=r"'explaining'.*generation"):
        all_tasks.only(["generation", "explaining"])
    for nothing in ([], ["plan"]):
        with pytest.raises(ValueError, match="shares of all grounding tasks are 0"):
            TaskShares(plan=0).only(nothing)


@pytest.mark.parametrize("share", [-0.1, np.nan, np.inf, 1e300, True])
def test_shares_are_numbers_of_at_least_0(share):
    with pytest.raises(ValueError, match=r"TaskShares\.plan is .*, want a finite number from 0"):
        TaskShares(plan=share)
