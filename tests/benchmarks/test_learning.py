"""The learning comparison: data, training and table from one command, resumed, with and without d3rlpy."""

import dataclasses
import sys

import numpy as np
import pytest

from benchmarks import learning
from benchmarks.controllers import CONTROLLERS
from kalm_jax.evaluation.gymnasium import Player
from kalm_jax.offline_rl import LEARNERS, make_learner
from kalm_jax.pipeline import offline

SMALL = (("bc", "hidden", (8,)), ("td3bc", "hidden", (8,)), ("", "batch_size", 4))


def tiny(**changes):
    trained = offline.OfflineConfig(
        "each", "each", ("bc", "td3bc"), 2, settings=SMALL, updates=6, evaluations=3, episodes=2
    )
    return learning.LearningConfig(("CartPole-v1",), "mixed", 4, dataclasses.replace(trained, **changes))


def test_wrong_settings_are_refused_before_anything_is_collected(tmp_path):
    with pytest.raises(ValueError, match=r"--set: bc\.batch_size is 1\.5, want an integer"):
        learning.run(tmp_path / "run", tiny(settings=(("bc", "batch_size", 1.5),)))
    assert not (tmp_path / "run").exists()


def test_small_settings_are_those_of_the_learners_and_give_way_to_others():
    for name in LEARNERS:
        config = offline.OfflineConfig("each", "each", (name,), settings=learning.small_settings((name,), 12_000))
        offline.configured_learner(config, name)
    both = ("cql", "decision_transformer")
    settings = (*learning.small_settings(both, 12_000), ("", "batch_size", 3))
    config = offline.OfflineConfig("each", "each", both, settings=settings)
    cql, transformer = (offline.configured_learner(config, name).config for name in both)
    assert (cql.hidden, cql.policy_learning_rate, cql.conservative_weight, cql.batch_size) == ((64, 64), 1e-3, 1.0, 3)
    assert (transformer.width, transformer.learning_rate, transformer.batch_size) == (64, 3e-4, 3)


def test_small_settings_leave_updates_for_the_policy():
    for updates in (1500, 2001):
        settings = learning.small_settings(("combo",), updates)
        config = offline.OfflineConfig("each", "each", ("combo",), updates=updates, settings=settings)
        assert offline.configured_learner(config, "combo").config.dynamics_updates == {1500: 300, 2001: 2000}[updates]


@pytest.mark.slow
def test_a_comparison_says_what_its_rows_say_and_finds_them_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "d3rlpy", None)  # as if it were not installed
    text = learning.run(tmp_path, tiny(max_steps=20, seeds=3), "the command")
    assert (tmp_path / "learning.md").read_text() == text and "`the command`" in text and "## CartPole-v1" in text
    assert "no rows of d3rlpy" in capsys.readouterr().out
    clone, ours = (np.array(learning.last_returns(tmp_path / "CartPole-v1", name)) for name in ("bc", "td3bc"))
    (line,) = [line for line in text.splitlines() if line.startswith("| td3bc")]
    assert f"| {ours.mean():.4g} |" in line and f"| {(ours - clone).mean():+.4g} [" in line
    assert learning.run(tmp_path, tiny(max_steps=20, seeds=3), "the command") == text
    assert "learn/td3bc: done before" in capsys.readouterr().out


def test_the_last_five_evaluations_of_each_seed_count():
    rows = [{"seed": s, "update": u, "return_mean": 100.0 * (u > 2) + s} for s in (0, 1) for u in range(1, 8)]
    assert learning.mean_of_last(rows) == [100.0, 101.0]


def test_the_table_judges_against_the_interval_of_the_baseline():
    def row(policy, mean, values):
        return {"policy": policy, "return": mean, "return_low": mean - 1, "return_high": mean + 1, "values": values}

    results = [row("bc", 2.0, [1.0, 2.0, 3.0]), row("td3bc", 9.0, [8.0, 9.0, 10.0]), row("iql", 4.0, [3.0, 4.0, 5.0])]
    others = {"td3bc": [8.0, 9.0, 11.0], "iql": [30.0, 30.5, 31.0]}
    bc, td3bc, iql = learning.table_lines(results, others, (0.0, 12.0))[2:]
    assert td3bc.endswith("| yes |") and "| +7 [7, 7] |" in td3bc and "5.539 to 12 |" in td3bc
    assert iql.endswith("| no |") and "| 30.5 |" in iql
    assert bc.endswith("|  |  |  |  |")


def test_the_baseline_is_told_what_the_run_sets_and_what_it_has_no_name_for():
    known = {"batch_size", "gamma", "reward_scaler", "critic_learning_rate", "actor_learning_rate", "weight_temp"}
    iql = make_learner("iql", hidden=(8,), beta=5.0, learning_rate=0.1, critic_norm=True)
    told, missing = learning.baseline_settings(iql, {"hidden", "beta", "learning_rate", "critic_norm"}, known)
    rates = {"critic_learning_rate": 0.1, "actor_learning_rate": 0.1}
    assert told == {"batch_size": 256, "gamma": 0.99, "reward_scaler": 1.0, "weight_temp": 5.0, **rates}
    assert missing == ["critic_norm", "hidden"]
    told, missing = learning.baseline_settings(
        iql, {"hidden"}, {*known, "actor_encoder_factory", "critic_encoder_factory"}
    )
    assert told["actor_encoder_factory"] == told["critic_encoder_factory"] == [8] and not missing
    assert "weight_temp" not in told  # what the run leaves alone is the baseline's own
    # CQL's policy has a rate of its own.
    told, _ = learning.baseline_settings(make_learner("cql", learning_rate=0.1), {"learning_rate"}, known)
    assert told["critic_learning_rate"] == 0.1 and "actor_learning_rate" not in told
    discrete = learning.baseline_settings(make_learner("cql", learning_rate=0.1), {"learning_rate"}, {"learning_rate"})
    assert discrete == ({"learning_rate": 0.1}, ["batch_size", "discount", "reward_scale"])


def test_every_setting_that_the_baseline_knows_is_one_of_ours():
    ours = {field.name for _, config in LEARNERS.values() for field in dataclasses.fields(config)}
    assert set(learning.BASELINE_NAMES) <= ours


def test_the_expert_of_reach_collects():
    with Player("kalm/MetaworldReach-v0", 2) as player:
        spaces = player.spaces
        assert (spaces.observation_dim, spaces.num_actions, spaces.low.tolist()) == (91, 0, [-1.0] * 4)
        rollouts, success = player.play(lambda o, *_: CONTROLLERS["kalm/MetaworldReach-v0"](o), [0, 1])
    assert success.all() and rollouts.length.max() < 100


def test_an_environment_without_a_controller_is_named(tmp_path):
    config = dataclasses.replace(tiny(), environments=("Acrobot-v1",))
    with pytest.raises(ValueError, match="no controller collects in Acrobot-v1"):
        learning.run(tmp_path, config)
