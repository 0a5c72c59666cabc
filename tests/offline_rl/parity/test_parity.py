"""Learners against independent torch implementations: identical weights, batches and noise.

The golden files hold what torch computed, so that this needs no torch; `pip install ".[parity]"` adds the direct
comparison, and `python -m tests.offline_rl.parity.oracle` makes the files again.
"""

import jax
import numpy as np
import pytest

from tests.offline_rl.parity.oracle import GOLDEN, GOLDEN_UPDATES, run_torch
from tests.offline_rl.parity.problems import PROBLEMS, make_problem, run, weights


@pytest.fixture
def float64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def assert_metrics(ours, theirs, **tolerance):
    for name, want in theirs.items():
        there = ~np.isnan(want)
        assert there.any()
        np.testing.assert_allclose(ours[name][there], want[there], **tolerance, err_msg=name)


@pytest.mark.parametrize("name", PROBLEMS)
def test_learners_agree_with_golden_files(name, float64):
    golden = np.load(GOLDEN / f"{name}.npz")
    state, metrics = run(make_problem(name, GOLDEN_UPDATES, np.float64))
    final = weights(state)
    for key in golden:
        kind, _, of = key.partition(":")
        if kind == "weight":
            np.testing.assert_allclose(final[of], golden[key], rtol=0, atol=1e-9, err_msg=of)
    theirs = {key.partition(":")[2]: golden[key] for key in golden if key.startswith("metric:")}
    assert_metrics(metrics, theirs, rtol=1e-9, atol=1e-12)
    assert {key.partition(":")[2] for key in golden if key.startswith("weight:")} == {
        k for k in final if not k.startswith("target_")
    }


@pytest.mark.parametrize("name", PROBLEMS)
def test_200_updates_in_float64_agree_with_torch(name, float64):
    pytest.importorskip("torch")
    problem = make_problem(name, 200, np.float64)
    theirs, their_metrics = run_torch(problem)
    state, metrics = run(problem)
    ours = weights(state)
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        np.testing.assert_allclose(ours[key], value, rtol=0, atol=1e-9, err_msg=key)
    assert_metrics(metrics, their_metrics, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", PROBLEMS)
def test_20_updates_in_float32_agree_with_torch(name):
    pytest.importorskip("torch")
    problem = make_problem(name, 20, np.float32)
    theirs, _ = run_torch(problem)
    ours = weights(run(problem)[0])
    assert all(v.dtype == np.float32 for v in ours.values())
    for key, value in theirs.items():
        bound = 1e-5 if "critic" in key or "value" in key else 1e-4
        error = np.abs(ours[key] - value).max() / np.abs(value).max()
        assert error < bound, f"{key}: {error:.2e}"
