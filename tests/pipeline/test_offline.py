"""Any learner on any Gymnasium environment: episodes as they are, data that fit, runs that resume, honest tables."""

import csv
import dataclasses
import json
import os
import random

import gymnasium
import h5py
import jax
import numpy as np
import pytest

import kalm_jax
from benchmarks.controllers import CONTROLLERS
from kalm_jax.datasets import read_rollouts, write_rollouts
from kalm_jax.evaluation import mean_interval, returns
from kalm_jax.evaluation.gymnasium import Player, spaces_of
from kalm_jax.evaluation.gymnasium_behaviors import BEHAVIORS, collect_episodes, epsilons, random_actions
from kalm_jax.offline_rl.algorithms import decision_transformer
from kalm_jax.pipeline import offline
from kalm_jax.types import Rollouts, make_goal_table, unnamed_goal


def alone(environment, act, seed):
    """(observations, rewards, terminated) of one episode in one plain environment."""
    env = gymnasium.make(environment)
    observation, _ = env.reset(seed=seed)
    seen, rewards, terminated, truncated = [observation], [], False, False
    while not (terminated or truncated):
        action = act(observation[None].astype(np.float32), None, len(rewards))[0]
        observation, reward, terminated, truncated, _ = env.step(action)
        seen.append(observation)
        rewards.append(reward)
    return np.array(seen, np.float32), np.array(rewards), terminated


@pytest.mark.parametrize("environment", ["CartPole-v1", "Pendulum-v1"])
def test_copies_played_together_equal_episodes_alone(environment):
    """Five episodes on two copies: an unfinished last round, and copies that finish at different times."""

    def act(observations, seeds, step, rewards=None):
        if environment == "CartPole-v1":
            return (observations[:, 2] > 0).astype(np.int32)
        return np.clip(observations[:, 2:], -2, 2)

    with Player(environment, 2) as player:
        rollouts, success = player.play(act, [3, 1, 4, 7, 5])
    assert success is None and len(rollouts) == 5
    for i, seed in enumerate([3, 1, 4, 7, 5]):
        seen, rewards, terminated = alone(environment, act, seed)
        n = rollouts.length[i]
        np.testing.assert_array_equal(rollouts.observations[i, : n + 1], seen)
        np.testing.assert_allclose(rollouts.rewards[i, :n], rewards, rtol=1e-6)
        assert rollouts.terminated[i] == terminated and not rollouts.rewards[i, n:].any()


def test_success_is_read_from_info():
    with Player("kalm/ClevrRobot-v0", 2, max_steps=2) as player:
        rollouts, success = player.play(lambda o, s, t, r: np.zeros(len(o), np.int32), [0, 1, 2])
    np.testing.assert_array_equal(success, rollouts.terminated)


def test_actions_scale_by_the_bounds_and_back():
    spaces = spaces_of("Pendulum-v1")
    np.testing.assert_allclose(spaces.to_unit([[-2.0], [0.0], [1.0]]), [[-1.0], [0.0], [0.5]])
    np.testing.assert_allclose(spaces.from_unit(spaces.to_unit([[1.3]])), [[1.3]], rtol=1e-6)
    assert spaces_of("CartPole-v1").num_actions == 2
    drawn = random_actions(np.random.default_rng(0), spaces, 1000)
    assert drawn.shape == (1000, 1) and -2 <= drawn.min() < -1.9 and 1.9 < drawn.max() <= 2


def test_environments_that_learners_cannot_take_are_named():
    assert spaces_of("kalm_jax.worlds:kalm/ClevrRobot-v0").num_actions == 40
    for wrong in ("Nope-v0", "no_such_module:CartPole-v1"):
        with pytest.raises(ValueError, match=wrong):
            spaces_of(wrong)
    gymnasium.register("test/Unbounded-v0", entry_point=_Unbounded)
    with pytest.raises(ValueError, match="action bounds"):
        spaces_of("test/Unbounded-v0")


class _Unbounded(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,))


@pytest.mark.parametrize("environment", sorted(CONTROLLERS))
def test_controllers_are_far_better_than_chance(environment):
    returns = {
        b: collect_episodes(environment, b, 8, 0, CONTROLLERS[environment])[0].rewards.sum(1).mean()
        for b in ("random", "noisy", "expert")
    }
    # Meta-world gives 10 for success, and the distance that was made up.
    least = {"CartPole-v1": 400, "Pendulum-v1": -300, "Reacher-v5": -10, "kalm/MetaworldReach-v0": 10}
    assert returns["random"] < returns["noisy"] < returns["expert"] and returns["expert"] > least[environment]


def test_collection_is_a_function_of_its_seed_and_files_note_it(tmp_path):
    first, goals, notes = collect_episodes("CartPole-v1", "mixed", 6, 3, CONTROLLERS["CartPole-v1"])
    again, other = (collect_episodes("CartPole-v1", "mixed", 6, seed, CONTROLLERS["CartPole-v1"])[0] for seed in (3, 4))
    np.testing.assert_array_equal(first.observations, again.observations)
    assert first.observations.shape != other.observations.shape or (first.observations != other.observations).any()
    write_rollouts(tmp_path / "r.h5", first, goals, notes)
    with h5py.File(tmp_path / "r.h5") as file:
        assert json.loads(file.attrs["attributes"]) == notes and notes["num_actions"] == 2
    with pytest.raises(ValueError, match="no controller for Acrobot-v1"):
        collect_episodes("Acrobot-v1", "expert", 1, 0)


def test_behaviors_mix_skills():
    assert epsilons("mixed", 6).tolist() == [1.0, 0.5, 0.0] * 2
    replay = epsilons("replay", 5)
    assert replay[0] == 1 and (np.diff(replay) < 0).all()
    assert all(len(epsilons(b, 4)) == 4 for b in BEHAVIORS)


# --- data that fit ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of ten random episodes: CartPole-v1 and Pendulum-v1."""
    folder = tmp_path_factory.mktemp("files")
    for name in ("CartPole-v1", "Pendulum-v1"):
        write_rollouts(folder / f"{name}.h5", *collect_episodes(name, "random", 10, 0)[:2])
    return folder


def test_data_are_scaled_to_the_unit_box(files):
    config = offline.OfflineConfig("Pendulum-v1", str(files / "Pendulum-v1.h5"))
    rollouts, _, spaces = offline.load_data(config)
    raw, _ = read_rollouts(config.data)
    np.testing.assert_allclose(rollouts.actions, raw.actions / 2, atol=1e-6)
    assert spaces.num_actions == 0


@pytest.mark.parametrize(
    ("environment", "file", "words"),
    [
        ("Pendulum-v1", "CartPole-v1", "observations have 4 numbers, those of Pendulum-v1 have 3"),
        ("Reacher-v5", "Pendulum-v1", "observations have 3"),
        ("kalm/ClevrRobot-v0", "Pendulum-v1", "observations have 3"),
    ],
)
def test_data_of_another_environment_are_refused(files, environment, file, words):
    with pytest.raises(ValueError, match=rf"{file}\.h5: {words}"):
        offline.load_data(offline.OfflineConfig(environment, str(files / f"{file}.h5")))


def test_other_kinds_ranges_and_several_goals_are_refused(files, tmp_path):
    def refused(rollouts, goals, words, environment="Pendulum-v1"):
        write_rollouts(tmp_path / "r.h5", rollouts, goals)
        with pytest.raises(ValueError, match=r"r\.h5: .*" + words):
            offline.load_data(offline.OfflineConfig(environment, str(tmp_path / "r.h5")))

    good, _ = read_rollouts(files / "Pendulum-v1.h5")
    far = good.actions.copy()
    far[3, 7] = 2.5
    refused(dataclasses.replace(good, actions=far), unnamed_goal(), r"actions \[3, 7, 0\] is 2.5, want -2..2")
    whole = np.zeros(far.shape[:2], np.int32)
    refused(dataclasses.replace(good, actions=whole), unnamed_goal(), "has discrete actions, Pendulum-v1 takes contin")
    goals = make_goal_table(["up", "down"], 0, 0, np.zeros((2, 1), np.int32), np.eye(2))
    refused(good, goals, "rollouts are for 2 goals")
    cart, _ = read_rollouts(files / "CartPole-v1.h5")
    refused(
        dataclasses.replace(cart, actions=cart.actions + 1), unnamed_goal(), r"actions \[\d+, \d+\] is 2", "CartPole-v1"
    )


# --- evaluation ---------------------------------------------------------------------------------------------------


def test_each_training_seed_has_episodes_of_its_own(monkeypatch):
    """Each seed's rows are the means over its own episodes, however many copies play them."""

    def act(observations, step, rewards):
        assert observations.shape[0] == 2 and observations.shape[2] == 4
        return (observations[..., 2] > 0).astype(np.int32)

    rows = []
    for copies in (2, 4, 64):
        monkeypatch.setattr(returns, "COPIES", copies)
        with returns.Evaluator("CartPole-v1", spaces_of("CartPole-v1"), [0, 1], 3) as evaluator:
            rows.append(evaluator.play(act))
    assert rows[0] == rows[1] == rows[2]

    def one(observation, seeds, step):
        return (observation[:, 2] > 0).astype(np.int32)

    for i in range(2):
        want = [alone("CartPole-v1", one, returns.EPISODE_SEEDS + 3 * i + j)[1].sum() for j in range(3)]
        assert rows[0][i]["return_mean"] == np.mean(want) and rows[0][i]["episodes"] == 3


def test_mean_interval_is_students_within_what_is_possible():
    mean, low, high = mean_interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    np.testing.assert_allclose([low, high], 2 + np.array([-1, 1]) * 4.302653 / np.sqrt(3), rtol=1e-6)
    for few in ([1.0], [1.0, 3.0]):
        mean, low, high = mean_interval(few)
        assert mean == np.mean(few) and np.isnan(low) and np.isnan(high)
    # Three seeds of Pendulum, whose returns cannot exceed 0: Student's interval alone would end at +594.
    returns, plain = [-150.0, -900.0, -1200.0], mean_interval([-150.0, -900.0, -1200.0])
    assert plain[2] > 590
    np.testing.assert_allclose(mean_interval(returns, -1900.0, -1.5), (-750.0, -1900.0, -1.5))
    assert mean_interval([0.1] * 3, 0.0, 0.1)[1:] == pytest.approx((0.1, 0.1))


def recorded(lengths, ended):
    """Rollouts of reward 1 at each step."""
    steps = np.arange(max(lengths)) < np.array(lengths)[:, None]
    count, horizon = steps.shape
    zeros, no = np.zeros((count, horizon + 1, 1), np.float32), np.zeros(count, bool)
    arrays = zeros, zeros[:, 1:], steps.astype(np.float32), np.array(lengths, np.int32), np.array(ended)
    return Rollouts(*arrays, np.zeros(count, np.int32), no)


@pytest.mark.parametrize(
    ("lengths", "ended", "limit", "returns"),
    [
        ([200, 200], [False, False], 200, [200, 200]),
        ([200, 150], [False, True], 50, [50, 50]),  # an evaluation of 50 steps gets no more
        ([200, 30], [False, True], 50, [50, 30]),
        ([20] * 19 + [7], [True] * 19 + [False], 50, [20] * 19),  # the file's last episode was cut off
    ],
)
def test_the_datas_returns_count_as_many_steps_as_an_evaluation(lengths, ended, limit, returns):
    found, why_not = offline.data_returns(recorded(lengths, ended), limit)
    assert found.tolist() == returns and why_not == ""


@pytest.mark.parametrize("behind", [999, np.nan])
def test_what_stands_behind_an_episodes_end_is_no_return(behind):
    rollouts = recorded([1, 3], [True, True])
    rollouts.rewards[0, 1:] = behind
    assert offline.data_returns(rollouts, 200)[0].tolist() == [1, 3]


def test_returns_of_episodes_that_were_cut_off_early_normalize_nothing():
    returns, why_not = offline.data_returns(recorded([50, 50], [False, False]), 200)
    assert returns.tolist() == [50, 50] and "last up to 200" in why_not and "--max_steps=50 plays" in why_not
    rows = [
        {"algorithm": name, "seed": 0, "update": 1, "return_mean": value, "return_min": 0.0, "return_max": 200.0,
         "length_mean": 5.0, "success": ""}
        for name, value in (("random", 10.0), ("bc", 90.0))
    ]  # fmt: skip
    assert [row["normalized"] for row in offline.summarize(rows, returns, comparable=False)] == ["", "", ""]


def test_the_table_averages_the_last_five_evaluations():
    rows = [{"algorithm": "random", "seed": s, "update": 0, "return_mean": 10.0} for s in range(3)]
    for seed in range(3):
        for update in range(1, 9):
            rows.append({"algorithm": "bc", "seed": seed, "update": update, "return_mean": 100.0 * (update > 3) + seed})
    extremes = {"return_min": -50.0, "return_max": 102.5}
    rows = [{"length_mean": 5.0, "success": "", **extremes, **row} for row in rows]
    random, data, bc = offline.summarize(rows, np.array([40.0, 60.0, 80.0]))
    assert (random["return"], data["return"], bc["return"]) == (10.0, 60.0, 101.0)
    assert (random["normalized"], data["normalized"], bc["normalized"]) == (0, 100, 100 * 91 / 50)
    assert bc["return_low"] < 100 and bc["return_high"] == 102.5  # Student's would end at 103.5, beyond any episode
    assert "| bc | 101 |" in offline.table_text([random, data, bc])
    two = offline.summarize([row for row in rows if row["seed"] < 2], np.array([40.0, 60.0, 80.0]))
    assert "| bc | 100.5 | - |" in offline.table_text(two)


@pytest.mark.parametrize(
    ("amounts", "said"),
    [
        ({}, ""),
        ({"seeds": 2}, "An interval over training seeds needs 3"),
        ({"updates": 20}, "noise: this run has 20 updates of a policy, and"),
        ({"episodes": 1, "evaluations": 1}, "noise: this run has 3 episodes behind a return, and"),
    ],
)
def test_a_small_run_says_what_its_numbers_are(amounts, said):
    text = offline.remarks(offline.OfflineConfig("CartPole-v1", "x", **amounts))
    assert said in text if said else not text


def test_evaluations_are_evenly_spaced_after_what_is_trained_first():
    from types import SimpleNamespace

    config = offline.OfflineConfig("x", "y", updates=10, evaluations=4)
    plain, model_based = (SimpleNamespace(config=SimpleNamespace(**c)) for c in ({}, {"dynamics_updates": 7}))
    assert offline.evaluation_points(config, plain) == [2, 5, 8, 10]
    assert offline.evaluation_points(config, model_based) == [8, 9, 10]


# --- runs ---------------------------------------------------------------------------------------------------------


def tiny(files, **changes):
    settings = (("", "hidden", (8, 8)), ("bc", "batch_size", 4), ("td3bc", "batch_size", 4))
    config = offline.OfflineConfig("CartPole-v1", str(files / "CartPole-v1.h5"), ("bc", "td3bc"), 2, settings=settings)
    return dataclasses.replace(config, **{"updates": 6, "evaluations": 3, "episodes": 2, "max_steps": 20} | changes)


def results(folder):
    with (folder / "results.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_results(files, tmp_path, monkeypatch, capsys):
    config = tiny(files)
    table = offline.run(tmp_path / "whole", config)
    rows = results(tmp_path / "whole")
    assert [r["policy"] for r in table] == ["random", "data", "bc", "td3bc"]
    assert len(rows) == 2 + 2 * 2 * 3 and {r["update"] for r in rows} == {"0", "2", "4", "6"}
    assert (tmp_path / "whole" / "figures" / "returns.png").stat().st_size > 1000

    play, count = offline.Evaluator.play, [0]

    def dying(self, *args):
        count[0] += 1
        if (
            count[0] == 6
        ):  # the random policy, three of bc, one of td3bc: killed after a checkpoint, before its evaluation
            raise KeyboardInterrupt
        return play(self, *args)

    monkeypatch.setattr(offline.Evaluator, "play", dying)
    with pytest.raises(KeyboardInterrupt):
        offline.run(tmp_path / "killed", config)
    assert not (tmp_path / "killed" / "results.csv").exists()
    offline.run(tmp_path / "killed", config)
    assert results(tmp_path / "killed") == rows
    played = count[0]
    capsys.readouterr()
    offline.run(tmp_path / "killed", config)
    assert count[0] == played and "learn/bc: done before" in capsys.readouterr().out


class Killed(BaseException):
    """In the place of a kill."""


@pytest.mark.slow
def test_killed_between_any_two_writes_it_ends_with_the_same_results(files, tmp_path, monkeypatch):
    """The moments are drawn by a seed; a run is also killed again where it was killed before."""
    settings = (("bc", "hidden", (8,)), ("bc", "batch_size", 4))
    config = tiny(files, algorithms=("bc",), settings=settings, seeds=1)
    replace, writes, last = os.replace, [], [-1]

    def counted(source, target):
        if len(writes) == last[0]:
            raise Killed
        writes.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", counted)
    offline.run(tmp_path / "whole", config)
    names = ("results.csv", "learn/bc/curve.json", "learn/bc/rows.json", "table.md")
    found = {name: (tmp_path / "whole" / name).read_bytes() for name in names}
    stages = [i for i, target in enumerate(writes) if "bc" in str(target)]
    assert len(stages) > 8
    for moment in random.Random(0).sample(stages, 4):
        folder = tmp_path / str(moment)
        for moment_now in (moment, 3):
            writes.clear()
            last[0] = moment_now
            with pytest.raises(Killed):
                offline.run(folder, config)
        last[0] = -1
        offline.run(folder, config)
        assert {name: (folder / name).read_bytes() for name in names} == found, f"killed before write {moment}"


@pytest.mark.parametrize("name", ["random/rows.json", "learn/bc/rows.json", "learn/bc/goal.npy", "learn/bc/done.json"])
def test_a_damaged_file_of_a_finished_run_is_made_again_or_named(files, tmp_path, name, capsys):
    config = tiny(files, algorithms=("bc",), settings=(("bc", "hidden", (8,)), ("bc", "batch_size", 4)), seeds=1)
    offline.run(tmp_path, config)
    rows = results(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:9])
    if name.startswith("learn"):
        with pytest.raises(ValueError, match=r"learn/bc: .*run the command that made the run again"):
            kalm_jax.load_run(tmp_path).policy("bc")
    capsys.readouterr()
    offline.run(tmp_path, config)
    assert f"{name.rpartition('/')[0]}: starts again, because {name.rpartition('/')[2]} " in capsys.readouterr().out
    assert results(tmp_path) == rows == kalm_jax.load_run(tmp_path).results
    (tmp_path / "results.csv").write_text("")
    with pytest.raises(ValueError, match=r"results\.csv has 0 bytes"):
        print(kalm_jax.load_run(tmp_path).results)


def test_damage_in_the_middle_of_training_leads_to_the_same_results(files, tmp_path, monkeypatch, capsys):
    config = tiny(files, algorithms=("bc",), settings=(("bc", "hidden", (8,)), ("bc", "batch_size", 4)), seeds=1)
    offline.run(tmp_path / "whole", config)
    play, count = offline.Evaluator.play, [0]

    def dying(self, *args):
        count[0] += 1
        if count[0] == 4:  # the random policy, then the third evaluation
            raise Killed
        return play(self, *args)

    monkeypatch.setattr(offline.Evaluator, "play", dying)
    folder = tmp_path / "damaged"
    with pytest.raises(Killed):
        offline.run(folder, config)
    stage = folder / "learn" / "bc"
    newest = stage / "checkpoints" / "6" / "metadata" / "metadata"
    newest.write_text(newest.read_text()[:40])
    capsys.readouterr()
    count[0] = 10
    rows = (stage / "rows.json").read_text()
    (stage / "rows.json").write_text(rows[:-9])
    with pytest.raises(ValueError, match=r"rows\.json is damaged .*delete it and run the same command again"):
        offline.run(folder, config)
    (stage / "rows.json").unlink()
    offline.run(folder, config)
    assert "deleted and made again" in capsys.readouterr().out
    assert results(folder) == results(tmp_path / "whole")


def test_data_may_stream_from_files(files, tmp_path):
    """The same curve as from the device, up to rounding."""
    curves, settings = [], (("bc", "hidden", (8,)), ("bc", "batch_size", 4))
    for stream in (False, True):
        folder = tmp_path / str(stream)
        offline.run(folder, tiny(files, algorithms=("bc",), settings=settings, stream=stream, seeds=1))
        curves.append([row["value"] for row in json.loads((folder / "learn" / "bc" / "curve.json").read_text())])
    np.testing.assert_allclose(*curves, rtol=1e-4)
    assert (tmp_path / "True" / "learn" / "bc" / "stream" / "stream.json").is_file()


@pytest.mark.slow
def test_a_recurrent_learner_gets_the_rewards(files, tmp_path, monkeypatch):
    """CartPole gives 1 at every step, so at step t the return still to come is t less than what was asked for."""
    seen, update_carry = [], decision_transformer.update_carry

    def watched(history, action, reward, observation):
        history = update_carry(history, action, reward, observation)
        jax.debug.callback(lambda count, to_go: seen.append((int(count), to_go)), history.count, history.returns_to_go)
        return history

    monkeypatch.setattr(decision_transformer, "update_carry", watched)
    small = {"context": 25, "width": 8, "layers": 1, "batch_size": 4, "target_return": 50.0}
    settings = tuple(("decision_transformer", *item) for item in small.items())
    config = tiny(files, algorithms=("decision_transformer",), settings=settings, seeds=1, evaluations=1)
    table = offline.run(tmp_path, config)
    assert [row["policy"] for row in table] == ["random", "data", "decision_transformer"]
    jax.effects_barrier()
    assert len(seen) > 5
    for count, to_go in seen[:5]:
        np.testing.assert_array_equal(to_go[:, : count + 1], np.tile(50.0 - np.arange(count + 1), (len(to_go), 1)))


def test_a_stream_is_refused_to_what_reads_rollouts(files, tmp_path):
    with pytest.raises(ValueError, match="decision_transformer reads windows of rollouts, which no stream holds"):
        offline.run(tmp_path, tiny(files, algorithms=("decision_transformer",), settings=(), stream=True))
    assert not list(tmp_path.iterdir())


def test_settings_reach_the_learner_and_wrong_ones_are_named(files):
    from kalm_jax.settings import read_setting

    assert read_setting("td3bc.alpha=1.5") == ("td3bc", "alpha", 1.5)
    assert read_setting("hidden=(32, 32)") == ("", "hidden", (32, 32))
    with pytest.raises(ValueError, match="FIELD=VALUE, such as"):
        read_setting("alpha")
    config = tiny(files, settings=(("td3bc", "alpha", 1.5), ("", "learning_rate", 0.01)))
    assert offline.configured_learner(config, "td3bc").config.alpha == 1.5
    whole = offline.configured_learner(tiny(files, settings=(("td3bc", "alpha", 2),)), "td3bc").config
    assert type(whole.alpha) is float and type(whole.batch_size) is int  # 2 and 2.0 are one run
    assert offline.configured_learner(config, "bc").config.learning_rate == 0.01
    # Without a word about it a learner is the paper's, with rewards as they are.
    plain = offline.configured_learner(tiny(files, algorithms=("td3bc",), settings=()), "td3bc").config
    assert (plain.reward_scale, plain.critic_norm, plain.batch_size, plain.learning_rate) == (1.0, False, 256, 3e-4)
    for wrong in (("", "alhpa", 1), ("iqlx", "alpha", 1), ("bc", "alpha", 1)):
        with pytest.raises(ValueError, match=wrong[1]):
            offline.configured_learner(tiny(files, settings=(wrong,)), "td3bc")
    with pytest.raises(ValueError, match=r"algorithms is \('td4',\)"):
        offline.run("unused", tiny(files, algorithms=("td4",)))
    # Those of another kind of actions are refused before the random baseline, too.
    with pytest.raises(ValueError, match="are for continuous actions"):
        offline.run("unused", tiny(files, algorithms=("cql",), settings=(("cql", "threshold", 9.0),)))
