"""Contradictory numbers of an environment are refused."""

import pytest

from kalm_jax.grounding.config import NumericSpec


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
