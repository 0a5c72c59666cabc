"""Sweeps: settings that are trained together, like seeds, equal the same settings trained alone."""

import jax
import numpy as np
import pytest

from kalm_jax.offline_rl import LEARNERS, grid, make_buffer, make_learner, state_of, sweepable, write_stream
from kalm_jax.offline_rl.trainer import train, update_many
from tests.offline_rl.data import SMALL, assert_same, differs, goal_table, random_buffer, random_rollouts, raw


def everything(learner, factor):
    """Every setting that can be swept, moved by a factor; what is at 0 is moved away from it."""
    return {name: (getattr(learner.config, name) or 0.01) * factor for name in sweepable(learner)}


CLOSE = {"rtol": 1e-3, "atol": 1e-4}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["td3bc", "cql", *(pytest.param(n, marks=pytest.mark.nightly) for n in sorted({*LEARNERS} - {"td3bc", "cql"}))],
)
def test_a_sweep_over_every_setting_equals_single_runs(name):
    learner, buffer = make_learner(name, **SMALL[name]), random_buffer()
    sweep = [everything(learner, 0.9), everything(learner, 0.8)]  # shares stay below 1
    # One way for each learner, so that each is compiled no more than twice.
    swept, curve = train(
        learner, buffer, [5, 6], 6, sweep=sweep, seed_parallelism="vmap" if name in ("td3bc", "iql") else "map"
    )
    assert differs(state_of(swept, 0), state_of(swept, 2))
    want, want_curve = train(make_learner(name, **SMALL[name] | sweep[1]), buffer, [6], 6)
    got, want = raw(state_of(swept, 3)), raw(state_of(want, 0))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **CLOSE), got, want)
    mine = [row for row in curve if row["seed"] == 6 and all(row[k] == v for k, v in sweep[1].items())]
    assert [row["metric"] for row in mine] == [row["metric"] for row in want_curve]
    np.testing.assert_allclose(*([row["value"] for row in rows] for rows in (mine, want_curve)), rtol=1e-3, atol=1e-5)


def test_each_swept_setting_reaches_the_update():
    """A setting that an update did not read from the sweep would leave the result as it is."""
    settings = {"alpha": 9.0, "tau": 0.5, "discount": 0.5, "policy_noise": 0.9, "reward_scale": 3.0, "noise_clip": 0.01}
    learner, buffer = make_learner("td3bc", **SMALL["td3bc"]), random_buffer()
    plain = {name: getattr(learner.config, name) for name in settings}
    sweep = [plain] + [plain | {name: value} for name, value in settings.items()]
    states, _ = train(learner, buffer, [0], 6, sweep=sweep)
    for i in range(1, len(sweep)):
        assert differs(state_of(states, 0), state_of(states, i)), sweep[i]


def test_settings_together_equal_each_alone_to_the_bit_and_compile_once():
    learner, buffer = make_learner("td3bc", **SMALL["td3bc"]), random_buffer()
    sweep = grid(learning_rate=(1e-3, 1e-2), alpha=(1.0, 2.5))
    assert sweep[1] == {"learning_rate": 1e-3, "alpha": 2.5} and len(sweep) == 4
    together, _ = train(learner, buffer, [3], 6, sweep=sweep, updates_per_call=2)
    compiled = update_many._cache_size()
    for i, setting in enumerate(sweep):
        alone, _ = train(learner, buffer, [3], 6, sweep=[setting], updates_per_call=2)
        assert_same(state_of(together, i), state_of(alone, 0))
    assert update_many._cache_size() == compiled


def test_a_resumed_sweep_equals_an_uninterrupted_one(tmp_path):
    learner, buffer = make_learner("bc", **SMALL["bc"]), random_buffer()
    sweep = grid(learning_rate=(1e-3, 1e-2))
    whole, _ = train(learner, buffer, [0, 1], 12, sweep=sweep)
    train(learner, buffer, [0, 1], 5, sweep=sweep, checkpoint_dir=tmp_path / "run")
    resumed, _ = train(learner, buffer, [0, 1], 12, sweep=sweep, checkpoint_dir=tmp_path / "run")
    assert_same(whole, resumed)
    for other in (grid(learning_rate=(1e-3, 2e-2)), grid(logit_penalty=(0.0, 0.1))):
        with pytest.raises(ValueError, match="sweep"):
            train(learner, buffer, [0, 1], 12, sweep=other, checkpoint_dir=tmp_path / "run")


@pytest.mark.slow
def test_a_sweep_from_files_equals_one_on_the_device(tmp_path):
    learner, rollouts = make_learner("td3bc", **SMALL["td3bc"]), random_rollouts(0)
    stream = write_stream(tmp_path, [([rollouts], 1.0)], goal_table(), 4)
    sweep = grid(alpha=(1.0, 5.0))
    buffer = make_buffer([(rollouts, 1.0)], goal_table(), 4)
    for seed_parallelism in ("threads", "vmap"):
        here, there = (
            train(learner, data, [0], 8, sweep=sweep, seed_parallelism=seed_parallelism)[0] for data in (buffer, stream)
        )
        for i in range(2):
            a, b = (raw(state_of(s, i)) for s in (here, there))
            jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **CLOSE), a, b)


@pytest.mark.parametrize(
    ("name", "sweep", "message"),
    [
        ("td3bc", [{"batch_size": 8.0}], "cannot sweep batch_size, only learning_rate"),
        ("combo", [{"imagined_share": 0.5}], "cannot sweep imagined_share"),
        ("td3bc", [{"alpha": 1.0}, {"tau": 0.1}], "sets tau after alpha"),
        ("td3bc", [{"alpha": 1.0}, {"alpha": 1.0}], "twice"),
        ("td3bc", [{}], "empty"),
        ("td3bc", [{"alpha": 1.0}, {"alpha": np.nan}], "td3bc.alpha is nan"),
        ("iql", [{"expectile": 1.5}], "iql.expectile is 1.5, want a finite number above 0 and below 1"),
    ],
)
def test_a_sweep_that_cannot_be_is_told(name, sweep, message):
    with pytest.raises(ValueError, match=message):
        train(make_learner(name, **SMALL[name]), random_buffer(), [0], 3, sweep=sweep)
