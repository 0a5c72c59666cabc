"""What users bring themselves: a world (`examples/own_world.py`) and a learner (`own_learner.py`)."""

import csv
import dataclasses

import gymnasium
import numpy as np
import pytest

import kalm_jax as kalm
from examples import own_world
from kalm_jax.datasets import write_rollouts
from kalm_jax.evaluation import evaluate
from kalm_jax.evaluation.gymnasium import GymnasiumSimulator
from kalm_jax.offline_rl import make_buffer, make_learner, state_of, sweepable
from kalm_jax.offline_rl.trainer import train
from kalm_jax.pipeline import config
from kalm_jax.pipeline import run as pipeline
from kalm_jax.types import LEVELS, Episodes, make_goal_table
from kalm_jax.worlds.base import get_world
from tests.offline_rl.data import goal_table, one_step_rollouts, random_buffer
from tests.pipeline.test_run import small_llm

FIELD, OWN = "examples.own_world", "examples.own_learner"


@pytest.fixture(scope="module")
def data():
    return get_world(FIELD).collect(0, 100, "expert", lambda done, total: None)


def test_a_collection_is_what_the_simulator_does_again(data):
    world, (rollouts, goals) = get_world(FIELD), data
    assert len(rollouts) == 100 and rollouts.terminated.all() and goals.text == world.goals("offline").text
    assert (rollouts.rewards.sum(1) == 1).all() and set(rollouts.goal) == set(range(6))
    again, _ = world.collect(0, 100, "expert", lambda done, total: None)
    np.testing.assert_array_equal(again.observations, rollouts.observations)
    # By hand: a robot goes where its action sends it, and flags stay.
    i, t = np.nonzero(rollouts.valid())
    before, after = rollouts.observations[i, t], rollouts.observations[i, t + 1]
    moved = np.clip(before[:, :2] + own_world.STEP * rollouts.actions[i, t], -1, 1)
    np.testing.assert_allclose(after[:, :2], moved, atol=1e-6)
    np.testing.assert_array_equal(after[:, 2:], before[:, 2:])


def test_episodes_begin_unsolved_and_lie_between_floor_and_ceiling():
    world = get_world(FIELD)
    for level in LEVELS:
        episodes = world.make_episodes(level, 40, 3)
        _, counts = np.unique(episodes.family, return_counts=True)
        assert counts.max() - counts.min() <= 1 and (np.asarray(episodes.goals.level) == LEVELS.index(level)).all()
        with world.simulator() as simulator:
            play = simulator.start(episodes)
            assert not world.satisfied(episodes.family, episodes.array, play.states).any()
            play.close()
            policies = world.random_policy(0), world.expert_policy(simulator, 0)
            random, expert = (evaluate(policy, episodes, simulator) for policy in policies)
        assert random.success.mean() < 0.5 and expert.success.mean() == 1.0


def test_steps_that_no_data_showed_are_counted(data):
    world, (rollouts, goals) = get_world(FIELD), data
    (row,) = world.quality_rows(rollouts, goals, rollouts)
    assert (row["matched"], row["kept"], row["outside_transitions"], row["dynamics_transitions"]) == (100, 100, 0, 0)
    # What stands still in the data trembles a little in imagination.
    trembling = rollouts.observations + np.random.default_rng(0).normal(0, 0.02, rollouts.observations.shape)
    assert world.filter_realistic(dataclasses.replace(rollouts, observations=trembling), goals, rollouts).all()
    seen = rollouts.observations.copy()
    far, outside = np.argmax(rollouts.length >= 3), np.argmax(rollouts.length == 1)
    seen[far, 1, 2] += 0.5  # a flag jumps and comes back: two steps
    seen[far, 1] = np.clip(seen[far, 1], -1, 1)
    seen[outside, 1, 7] = 3.0
    wrong = dataclasses.replace(rollouts, observations=seen)
    (row,) = world.quality_rows(wrong, goals, rollouts)
    assert row["dynamics_transitions"] == 3 and row["outside_transitions"] == 1 and row["kept"] == 98
    assert np.flatnonzero(~world.filter_realistic(wrong, goals, rollouts)).tolist() == sorted({int(far), int(outside)})


def test_explanations_count_the_goal_in_any_words(data):
    world, (rollouts, goals) = get_world(FIELD), data
    red = rollouts.take(np.flatnonzero(np.asarray(goals.array)[rollouts.goal][:, 0] == 0)[:3])
    said = ["Walk to the red flag now.", "be where red is", "go to the blue flag"]
    assert world.explanation_row(said, red, goals, "seen") == {
        "prompt": "seen",
        "rollouts": 3,
        "correct": 2,
        "exact": 1,
    }


def test_wrong_worlds_are_named(data, tmp_path):
    world, (rollouts, goals) = get_world(FIELD), data
    with pytest.raises(ValueError, match=r"unknown world 'tests.no_world' .*the import path of a module with a WORLD"):
        get_world("tests.no_world")
    with pytest.raises(ValueError, match=r"examples.own_learner has no WORLD"):
        get_world(OWN)
    table = own_world.FieldWorld.goal_table

    def changed(**attributes):
        return type("Changed", (own_world.FieldWorld,), attributes)()

    with pytest.raises(ValueError, match=r"no goal is of the level unseen_hard"):
        changed(goal_table=table.take(np.asarray(table.level) != 3))
    with pytest.raises(ValueError, match=r"1 sentences stand twice .* 'be where red is'"):
        changed(validation_table=make_goal_table(["be where red is"], 1, 0, [(0, 0)]))
    with pytest.raises(ValueError, match=r"names for 1"):
        changed(families=("flag",))
    with pytest.raises(ValueError, match=r"want 1 <= early_steps < horizon"):
        changed(early_steps=30)
    lazy = changed(expert=lambda self, rng, seen, family, goal: np.zeros((len(seen), 2)), horizon=3, early_steps=1)
    with pytest.raises(ValueError, match=r"field: the expert reached no goal in the last 1280 episodes"):
        lazy.collect(0, 4, "expert", lambda done, total: None)
    write_rollouts(tmp_path / "mine.h5", rollouts, goals)
    assert len(world.read_data(tmp_path / "mine.h5")[0]) == 100
    write_rollouts(tmp_path / "novel.h5", rollouts, table)
    with pytest.raises(ValueError, match=r"novel.h5 holds .* sentences of evaluation levels"):
        world.read_data(tmp_path / "novel.h5")


def test_discrete_actions_reach_the_environment_as_they_are():
    goals = get_world("clevr").goals("offline").take([3, 40])
    episodes = Episodes(np.array([7, 8]), np.array([0, 1]), goals)
    with GymnasiumSimulator("kalm/ClevrRobot-v0", 5) as simulator:
        play = simulator.start(episodes)
        alone = gymnasium.make("kalm/ClevrRobot-v0")
        for i in range(2):
            seen, _ = alone.reset(seed=7 + i, options={"instruction": goals.text[i]})
            np.testing.assert_allclose(play.states[i], seen, atol=1e-6)
        reached = play.step(np.array([False, True]), np.array([3, 21]))
        after, _, _, _, info = alone.step(21)
        np.testing.assert_allclose(play.states[1], after, atol=1e-6)
        assert not reached[0] and reached[1] == info["is_success"] and (play.horizon == 5).all()
        play.close()


def test_a_learner_of_ones_own():
    own, cloned = (
        make_learner(OWN, weight=0.0, hidden=(8,), batch_size=8),
        make_learner("bc", hidden=(8,), batch_size=8),
    )
    states = [state_of(train(learner, random_buffer(), [3], 5)[0], 0) for learner in (own, cloned)]
    np.testing.assert_allclose(*(state.policy["params"]["Dense_0"]["kernel"] for state in states), rtol=1e-6)
    assert {"weight", "learning_rate"} <= set(sweepable(own))
    # The rarer action is the rewarded one: 20 x (1 + 10) against 80.
    actions = np.repeat([0, 1], [80, 20])
    buffer = make_buffer([(one_step_rollouts(actions, actions.astype(float)), 1.0)], goal_table(1))
    learner = make_learner(OWN, hidden=(8,), learning_rate=1e-2)
    state, stats = state_of(train(learner, buffer, [0], 300)[0], 0), learner.stats(buffer)
    assert learner.act(state, stats, np.zeros((1, 2), np.float32), buffer.goal_vectors[:1], state.key, True)[0] == 1
    with pytest.raises(ValueError, match=r"'tests.no_learner' cannot be imported"):
        make_learner("tests.no_learner")
    with pytest.raises(ValueError, match=r"'examples.own_world': its module has no Config, init, update, act"):
        make_learner(FIELD)
    with pytest.raises(ValueError, match=r"examples.own_learner has no setting alhpa"):
        make_learner(OWN, alhpa=1)


@pytest.mark.slow
def test_the_main_job_in_a_world_and_with_a_learner_of_ones_own(tmp_path):
    smoke = config.load_presets(FIELD)["smoke"]
    assert smoke.imagine.plan is False
    tiny = dataclasses.replace(
        smoke,
        ground=dataclasses.replace(smoke.ground, steps=4, rows=8, llm=small_llm(tmp_path / "llm")),
        metrics=config.MetricsConfig(every=0),
        imagine=dataclasses.replace(smoke.imagine, rephrase=8, unseen_easy=8, unseen_hard=8, explained=4, replayed=3),
        learn=dataclasses.replace(
            smoke.learn, algorithms=(OWN,), conditions=("kalm-privileged", "oracle"), seeds=1, updates=20, checkpoints=1
        ),
        evaluate=config.EvaluateConfig(episodes=3, expert_episodes=3),
    )
    pipeline.run(tmp_path / "run", tiny)
    rows = list(csv.DictReader((tmp_path / "run" / "results.csv").open()))
    played = {(row["algorithm"], row["condition"]) for row in rows}
    assert played == {(OWN, "kalm-privileged"), (OWN, "oracle"), ("random", "random"), ("expert", "expert")}
    assert {row["level"] for row in rows} == set(LEVELS) and {row["environment"] for row in rows} == {"field"}
    page = (tmp_path / "run" / "report.html").read_text()
    assert "KALM on field" in page and "The paper has no results in this world" in page
    assert "ball" not in page.split("<script>")[0].partition("<body")[2] and "film strips" in page
    run = kalm.load_run(tmp_path / "run")
    action = run.policy(OWN).act(np.zeros(8), "go to the red flag")
    assert run.world.name == "field" and gymnasium.make("kalm-examples/Field-v0").action_space.contains(action)
    assert len(run.imagine("go to the left side", count=2)) == 2
    with pytest.raises(ValueError, match=r"does not understand|no sentence of the world"):
        run.imagine("make me a sandwich")


def test_films_show_what_the_actions_do(data):
    world, (rollouts, goals) = get_world(FIELD), data
    seeds = np.arange(len(rollouts))
    shown = world.illustrate((rollouts, goals), (rollouts, goals, seeds)).films
    assert [film.kind for film in shown] == ["expert", "imagined actions, replayed"] * 2
    for film in shown:
        assert film.frames.shape == (len(film.steps), 64, 64, 3) and film.steps[0] == 0
        assert "goal reached" in film.outcome or film.kind != "expert"
    red = (shown[0].frames == (220, 0, 0)).all(-1).sum((1, 2))
    assert (red > 0).all()  # flags stay in the picture
