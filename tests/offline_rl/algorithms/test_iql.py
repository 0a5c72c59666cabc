"""IQL's value is an expectile."""

import numpy as np
import pytest

from kalm_jax.offline_rl import make_learner
from kalm_jax.offline_rl.algorithms import iql
from tests.offline_rl.algorithms.toy_problems import FAST, FREQUENCY, REWARD, discrete_bandit, fit, inputs_of


@pytest.mark.parametrize("expectile", [0.5, 0.9])
def test_iql_value_is_the_expectile_of_the_data(expectile):
    stats, batch = discrete_bandit()
    learner = make_learner("iql", **FAST, expectile=expectile)
    state = fit(learner, stats, batch, 600)
    low, high = 0.0, 1.0
    for _ in range(50):  # bisection of sum_a p_a |tau - 1(r_a < m)| (r_a - m) = 0
        m = (low + high) / 2
        above = (FREQUENCY * np.where(m > REWARD, 1 - expectile, expectile) * (REWARD - m)).sum() > 0
        low, high = (m, high) if above else (low, m)
    v = iql.value_network(learner.config).apply(state.value, inputs_of(stats, np.ones((1, 1))))
    np.testing.assert_allclose(v[0, 0], low, atol=0.02)
