"""Measuring: rates are what the clock says, baselines do the same work, and a slower run is seen."""

import importlib
import re

import jax
import numpy as np
import pytest

from benchmarks import throughput
from benchmarks.throughput import SUITES, env, main, measure, offline_rl, problems, roofline
from benchmarks.throughput.baselines import d3rlpy as d3rlpy_baseline
from benchmarks.throughput.baselines import jax_unrolled
from benchmarks.throughput.measure import Benchmark, MissingError
from kalm_jax.cli.flags import UsageError
from kalm_jax.worlds.clevr import simulator as clevr


class Bench:
    """Benchmarks whose work takes as long as they say, on a clock of their own."""

    def __init__(self):
        self.now, self.log = 0.0, []

    def clock(self):
        return self.now

    def benchmark(self, name, rate, step=1):
        def prepare():
            self.now += 3.0

            def run(n):
                assert n % step == 0
                self.now += n / rate
                self.log.append(name)

            return run

        return Benchmark("work", name, prepare, step=step)


def test_a_group_that_is_not_there_is_refused_with_those_that_are():
    both, first = (main.chosen_groups(env, only) for only in ((), ("CLEVR",)))
    assert [g[0].group for g in first] == [g[0].group for g in both if "CLEVR" in g[0].group] != []
    assert len(main.chosen_groups(env, ("CLEVR", "Meta"))) == len(both)
    with pytest.raises(UsageError, match=r"--only=zzz: no group .* there are CLEVR-Robot, 1 tables, 64 "):
        main.chosen_groups(env, ("CLEVR", "zzz"))


@pytest.mark.parametrize("suite", throughput.WORDS)
def test_a_word_of_no_group_is_refused_before_a_suite_is_imported(suite, monkeypatch):
    for group in importlib.import_module(throughput.SUITES[suite]).groups():
        main.check_words(suite, re.findall(r"\w+|\b\w+, \w+", group[0].group))
    monkeypatch.setattr(main.importlib, "import_module", lambda name: pytest.fail(f"{name} is imported"))
    with pytest.raises(UsageError, match=f"--only=zzz: no group of {suite} has a word .*; there are [a-zC]"):
        main.main([f"--suite={suite}", "--only=zzz"])


def test_nothing_is_measured_before_a_wrong_group_is_refused(monkeypatch):
    monkeypatch.setattr(roofline, "measure_roofline", lambda **_: pytest.fail("measured"))
    with pytest.raises(UsageError, match="--only=zzz"):
        main.measure_rates(main.ThroughputSettings(only=("zzz",)), offline_rl, None)


def test_rates_and_ratios_are_those_of_the_clock():
    bench, lines = Bench(), []

    def missing():
        raise MissingError("not installed")

    benchmarks = [bench.benchmark("ours", 50.0), bench.benchmark("slow", 10.0, step=8)]
    benchmarks.append(Benchmark("work", "absent", missing))
    rows = measure.measure(benchmarks, repeats=4, seconds=2.0, clock=bench.clock, say=lines.append)
    assert [row["name"] for row in rows] == ["ours", "slow"]
    np.testing.assert_allclose([row["median"] for row in rows], [50, 10])
    np.testing.assert_allclose([row["ratio"] for row in rows], [1, 5])
    np.testing.assert_allclose(rows[0]["first"], 3 + 1 / 50)
    assert lines == ["work: no row for absent: not installed"]
    # They take turns, and neither always goes first.
    assert bench.log[-8:] == ["ours", "slow", "slow", "ours"] * 2


def test_blocks_take_about_the_time_asked_for():
    bench = Bench()
    run = bench.benchmark("x", 1000.0, step=8).prepare()
    n = measure._block_size(run, 8, 2.0, bench.clock)
    assert n % 8 == 0 and abs(n / 1000 - 2) < 0.1


def row(group, name, low, median, high):
    return {"group": group, "name": name, "low": low, "median": median, "high": high}


def test_a_regression_is_seen_and_noise_is_not():
    old = [row("a", "kalm_jax", 90, 100, 110), row("b", "kalm_jax", 60, 100, 110), row("a", "baseline", 9, 10, 11)]
    new = [row("a", "kalm_jax", 70, 75, 85), row("b", "kalm_jax", 70, 75, 85), row("a", "baseline", 4, 5, 6)]
    lines, slower = measure.compare(old, new)
    assert slower == ["a"] and "-25%)  SLOWER" in lines[0] and "SLOWER" not in lines[1]
    assert measure.compare(old, old)[1] == []
    assert measure.compare(old[:1], old[1:])[0][-1] == "a | kalm_jax: not measured this time"


def test_of_seconds_more_is_slower_and_a_few_more_are_noise():
    old = [row("ground", "kalm_jax", 50, 50, 52), row("explain", "kalm_jax", 1, 1, 1)]
    new = [row("ground", "kalm_jax", 60, 60, 60), row("explain", "kalm_jax", 1.5, 1.5, 1.5)]
    for r in (*old, *new):
        r["unit"] = measure.SECONDS
    lines, slower = measure.compare(old, new)
    assert slower == ["ground"] and "+20%)  SLOWER" in lines[0] and "SLOWER" not in lines[1]
    assert measure.compare(new, old)[1] == []


SMALL = problems.Shape("small", 4, 3, 2, False)


def test_ours_makes_as_many_updates_as_it_says(monkeypatch):
    train, made = importlib.import_module("kalm_jax.offline_rl.trainer"), []
    monkeypatch.setattr(offline_rl, "UPDATES_PER_CALL", 4)
    update_many = train.update_many

    def counting(state, stats, buffer, count, **options):
        state, metrics = update_many(state, stats, buffer, count, **options)
        made.append(np.asarray(state.step).tolist())
        return state, metrics

    monkeypatch.setattr(train, "update_many", counting)
    offline_rl.ours("bc", SMALL, {"batch_size": 8, "hidden": (8,)}, 2)()(2 * 10)
    assert made == [[4, 4], [8, 8], [10, 10]]


def test_baselines_learn_from_the_same_transitions():
    from kalm_jax.offline_rl import make_buffer

    rollouts, goals = problems.problem(SMALL)
    buffer = make_buffer([(rollouts, 1.0)], goals)
    flat = problems.flat_transitions(SMALL)
    goal = np.asarray(buffer.goal_vectors)[np.asarray(buffer.goal)]
    for name, shift in (("observations", 0), ("next_observations", 1)):
        want = np.concatenate([np.asarray(buffer.observations)[np.asarray(buffer.row) + shift], goal], 1)
        np.testing.assert_array_equal(flat[name], want)
    for name, want in (("actions", buffer.action), ("rewards", buffer.reward), ("terminals", buffer.terminal)):
        np.testing.assert_array_equal(flat[name], want)
    assert (flat["terminals"] + flat["timeouts"]).sum() == len(rollouts)


@pytest.mark.parametrize("name", sorted(jax_unrolled.ALGORITHMS))
def test_the_plain_learners_learn(monkeypatch, name):
    """A bandit whose reward is how near the action is to 0.8: the policy must go there from about 0."""
    monkeypatch.setattr(jax_unrolled, "SAMPLES", 2)
    monkeypatch.setattr(jax_unrolled, "CONSERVATIVE", 0.1)
    action = np.random.default_rng(0).uniform(-1, 1, (32, 1)).astype(np.float32)
    ones = np.ones((32, 4), np.float32)
    data = {"observations": ones, "next_observations": ones, "actions": action, "terminals": ones[:, 0]}
    data["rewards"] = -10 * (action[:, 0] - 0.8) ** 2
    state, update = jax_unrolled.ALGORITHMS[name](4, 1)
    update, key = jax.jit(update, static_argnums=3), jax.random.key(0)
    for i in range(250):
        state = update(state, jax.random.fold_in(key, i), data, 1)
    mean = jax_unrolled.mlp(2 if name == "cql" else 1).apply(state["policy"], ones[:1])[0, 0]
    assert np.tanh(mean) > 0.4


def test_baselines_without_a_counterpart_say_so():
    for baseline in (d3rlpy_baseline, jax_unrolled):
        with pytest.raises(MissingError, match="td3bc"):
            baseline.prepare("td3bc", problems.SHAPES[0], 8)()


def test_every_learner_is_measured_at_every_shape():
    from kalm_jax.offline_rl import LEARNERS

    groups = [group[0].group for group in offline_rl.groups()]
    assert len(groups) == len(set(groups)) == len(LEARNERS) * len(problems.SHAPES)
    assert "td3bc, Meta-World: 91+768, 4 continuous, batch 256" in groups
    assert set(SUITES) == {"offline_rl", "env", "llm_train", "llm_decode", "pretrained", "pipeline"}


def test_mujoco_alone_makes_the_pushes_that_ours_makes(monkeypatch):
    import mujoco.rollout

    outs = []
    original = mujoco.rollout.Rollout.rollout

    def keeping(self, *args, state, **options):
        original(self, *args, state=state, **options)
        outs.append(state[:, -1, 1:].copy())

    monkeypatch.setattr(mujoco.rollout.Rollout, "rollout", keeping)
    env._mujoco(8)()(8)
    with clevr.ClevrSimulator(threads=1) as simulator:
        np.testing.assert_array_equal(outs[0], simulator.push(*env._problem(8)))
