"""Learners by name."""

import pytest

from kalm_jax.offline_rl import make_learner


def test_unknown_names_are_told():
    with pytest.raises(ValueError, match=r"td4.*awac, bc, combo, cql, decision_transformer, iql, td3bc"):
        make_learner("td4")
    with pytest.raises(ValueError, match="alpha_bc"):
        make_learner("td3bc", alpha_bc=1.0)
