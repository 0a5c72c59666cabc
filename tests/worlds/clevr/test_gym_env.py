"""CLEVR-Robot through Gymnasium: its own checker, seeds, options, the batch against single tables, and pictures."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import kalm_jax  # noqa: F401 (registers the environments)
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import simulator as clevr
from kalm_jax.worlds.clevr.behaviors import lookahead_actions
from kalm_jax.worlds.clevr.gym_env import ClevrRobotEnv
from kalm_jax.worlds.clevr.instructions import SENTENCES, sentences
from kalm_jax.worlds.clevr.render import COLORS, top_view
from kalm_jax.worlds.registration import register_environments

ID = "kalm/ClevrRobot-v0"
LEVELS = ("offline", "rephrase", "unseen_easy", "unseen_hard")


@pytest.mark.parametrize("level", LEVELS)
def test_gymnasiums_own_checker_passes(level):
    env = gymnasium.make(ID, level=level, render_mode="rgb_array", render_size=64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    env.close()


def test_registering_again_changes_nothing():
    spec = gymnasium.spec(ID)
    register_environments()
    assert gymnasium.spec(ID) is spec and spec.max_episode_steps == clevr.HORIZON == 50


@pytest.mark.parametrize("level", LEVELS)
def test_goals_are_sentences_of_the_level_and_not_yet_satisfied(level):
    texts = {entry.text: entry for entry in sentences(level)}
    env = gymnasium.make(ID, level=level)
    for seed in range(40):
        observation, info = env.reset(seed=seed)
        entry = texts[info["instruction"]]
        assert clevr_goals.FAMILIES[info["family"]] == entry.family and tuple(info["goal"]) == tuple(entry.goal)
        assert not clevr_goals.satisfied(info["family"], info["goal"], observation) and not info["is_success"]
        again, same = env.reset(seed=seed)
        np.testing.assert_array_equal(observation, again)
        assert same["instruction"] == info["instruction"]
    env.close()


def test_an_episode_ends_in_its_goal_or_after_fifty_pushes():
    env = gymnasium.make(ID, level="offline")
    rng = np.random.default_rng(0)
    simulator = clevr.ClevrSimulator(threads=1)
    _, info = env.reset(seed=5)
    for _ in range(20):
        state = env.unwrapped.get_state()[None]
        action = lookahead_actions(simulator, state, info["family"], info["goal"], rng)[0]
        observation, reward, terminated, truncated, info = env.step(action)
        assert terminated == info["is_success"] == bool(clevr_goals.satisfied(0, info["goal"], observation))
        assert (reward == 100) == terminated
        if terminated:
            break
    assert terminated and not truncated

    # Pushing one ball against the wall never brings two others together.
    goal = (clevr_goals.RELATION, clevr_goals.make_goal(clevr_goals.RELATION, (0, 1, 3)))
    apart = clevr.states_of(np.array([-0.45, 0.5, 0.45, -0.1, 0.0, 0.2, 0.45, 0.5, -0.45, -0.1]))
    env.reset(options={"goal": goal, "state": apart})
    ends = [env.step(8 * 4 + 2)[2:4] for _ in range(50)]
    assert ends == [(False, False)] * 49 + [(False, True)]
    env.close()


def test_reset_options_fix_sentence_goal_and_state():
    env = ClevrRobotEnv(level="offline")
    text = sentences("unseen_hard")[-1].text
    state = clevr.sample_states(np.random.default_rng(1), 1)[0]
    state[clevr.NUM_QPOS :] = 0.1
    observation, info = env.reset(seed=0, options={"instruction": text.upper() + ".", "state": state})
    np.testing.assert_array_equal(env.get_state(), state)
    np.testing.assert_array_equal(observation, clevr.observation_of(state))
    assert clevr_goals.FAMILIES[info["family"]] == sentences("unseen_hard")[-1].family
    env.get_state()[:] = 0  # a copy
    np.testing.assert_array_equal(env.get_state(), state)

    # A random sentence for a fixed state is one that the state does not satisfy.
    for seed in range(30):
        observation, info = env.reset(seed=seed, options={"state": state})
        assert not clevr_goals.satisfied(info["family"], info["goal"], observation)

    stepped, *_ = env.step(3)
    env.set_state(state)
    np.testing.assert_array_equal(env.step(3)[0], stepped)
    env.close()


def test_every_level_and_validation_can_be_asked_for_by_sentence():
    for level in LEVELS:
        entry = sentences(level)[7]
        assert SENTENCES.find("  " + entry.text.title() + "! ") == entry


RESTING = clevr.sample_states(np.random.default_rng(0), 1)[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"instruction": "make me a coffee"}, "none of the library's sentences"),
        ({"state": np.zeros(10)}, "pass 69 finite"),
        ({"goal": (0, np.zeros(6, int))}, "want .family code"),
        ({"goal": (17, np.zeros(9, int))}, "want .family code"),
        ({"goal": 3}, '"goal" is 3; want .family code'),
        ({"goal": ("a", np.zeros(9, int))}, "want .family code"),
        ({"goal": (0, np.full(9, np.nan))}, "want .family code"),
        ({"goal": (0, None)}, "want .family code"),
        ({"state": "here"}, "pass 69 finite"),
        ({"state": np.full(69, np.inf)}, "pass 69 finite"),
        ({"state": np.full(69, 1e308)}, "the red ball is at .*outside the walls"),
        ({"state": RESTING + 1e6}, "the red ball is at .*outside the walls; take states from the environment"),
        ({"state": np.append(RESTING[:37], np.full(32, 1e9))}, r"state\[37\] is a velocity of 1e\+09"),
        ({"state": RESTING + 30.0 * (np.arange(69) == 67)}, r"state\[67\] is a velocity of 30"),
        ({"state": RESTING + (np.arange(69) == 16)}, "the green ball is at"),
        ({"state": RESTING * (np.arange(69) != 10)}, r"the blue ball is turned by \(0, 0, 0, 0\), no unit quaternion"),
        ({"state": np.where(np.arange(69) % 7 < 2, 0.1, RESTING)}, "the red and the blue ball are 0 m apart"),
        ({"state": RESTING + 5.0 * (np.arange(69) == 36)}, "the pusher is at"),
        ({"state": np.zeros(69, bool)}, "state of type bool .*pass 69 finite"),
        ({"state": RESTING + 1j}, "state of type complex128 .*pass 69 finite"),
        ({"state": RESTING.astype(str)}, "pass 69 finite"),
        ({"state": [[0.0], 1.0]}, "pass 69 finite"),
        ({"goal": (0, [99] * 9)}, "relation takes 1"),
        ({"goal": (0, [-7] * 9)}, "want .family code"),
        ({"goal": (0, [2**40] + [0] * 8)}, "want .family code"),
        ({"goal": (0, [0, 0, 1] + [-1] * 6)}, "want balls 0..4 that differ"),
        ({"goal": (5, [0, 1, 1] + [-1] * 6)}, "gather takes 0"),
        ({"goal": (True, [0, -1, 1] + [-1] * 6)}, "want .family code"),
        ({"goal": (1, np.ones(9, bool))}, "want .family code"),
        ({"goal": (1.5, [0, -1, 1] + [-1] * 6)}, "want .family code"),
        ({"instruction": 3}, "none of the library's sentences"),
        ({"speed": 3}, "unknown reset options"),
        ({3: 3}, "unknown reset options"),
        ([3], r"reset options are \[3\]; want a dictionary"),
        (3, "reset options are 3; want a dictionary"),
    ],
)
def test_wrong_options_are_named(options, message):
    env = ClevrRobotEnv()
    with pytest.raises(ValueError, match=message):
        env.reset(options=options)
    env.close()


def test_states_of_the_simulator_pass():
    rng = np.random.default_rng(0)
    with clevr.ClevrSimulator(threads=1) as simulator:
        states = clevr.sample_states(rng, 100)
        for _ in range(5):
            for state in states:
                clevr.check_state(state)
            states = simulator.push(states, rng.integers(clevr.NUM_ACTIONS, size=len(states)))


@pytest.mark.parametrize("wild", [1e9, 1e308, np.nan])
def test_the_simulator_never_starts_a_scene_again_unasked(wild, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with clevr.ClevrSimulator(threads=1) as simulator:
        with pytest.raises(ValueError, match=r"states\[1\] has a number that is not finite or beyond 1000"):
            simulator.push(np.stack([RESTING, RESTING + wild]), np.array([0, 0]))
    assert not list(tmp_path.iterdir())  # MuJoCo writes its warnings there


@pytest.mark.parametrize(
    ("settings", "words"),
    [(dict(render_size=size), "render_size") for size in (0, -5, 2.5, np.nan, "64", True, 10**9)]
    + [(dict(simulator=3), "simulator is 3, want kalm_jax's ClevrSimulator or None")]
    + [(dict(level=3), "level is 3")],
)
def test_wrong_settings_are_named_when_it_is_made(settings, words):
    with pytest.raises((TypeError, ValueError), match=words):
        gymnasium.make("kalm/ClevrRobot-v0", **settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_envs": 0}, "num_envs is 0, want an integer from 1"),
        ({"num_envs": -1}, "num_envs is -1, want an integer from 1"),
        ({"num_envs": 2, "threads": 2.5}, "threads is 2.5, want an integer from 1"),
        ({"num_envs": 2, "threads": "2"}, "threads is '2', want an integer from 1"),
        ({"num_envs": 2, "threads": 0}, "threads is 0, want an integer from 1"),
        ({"num_envs": 2, "render_size": "64"}, "render_size is '64', want an integer from 1 to 4096"),
        ({"num_envs": 2, "max_episode_steps": 0}, "max_episode_steps is 0, want an integer from 1"),
        ({"num_envs": 2, "max_episode_steps": 2.5}, "max_episode_steps is 2.5, want an integer from 1"),
    ],
)
def test_wrong_settings_of_the_batch_are_named(settings, words):
    with pytest.raises((TypeError, ValueError), match=words):
        gymnasium.make_vec("kalm/ClevrRobot-v0", **settings)


def test_the_batch_refuses_goals_and_states_that_there_are_not():
    envs = gymnasium.make_vec("kalm/ClevrRobot-v0", num_envs=2, threads=1)
    for options in ({"goal": (0, [99] * 9)}, {"state": np.full(69, 1e308)}):
        with pytest.raises(ValueError, match=r"relation takes 1|outside the walls"):
            envs.reset(options=options)
    envs.close()


def test_wrong_use_is_named():
    with pytest.raises(ValueError, match="unknown level 'hard'"):
        ClevrRobotEnv(level="hard")
    with pytest.raises(ValueError, match="renderer 'opengl'"):
        ClevrRobotEnv(renderer="opengl")
    env = ClevrRobotEnv()
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action 40"):
        env.step(40)
    env.close()


@pytest.mark.parametrize("mode", list(AutoresetMode)[:2])
def test_the_batch_goes_through_the_episodes_of_single_tables(mode):
    settings = {"num_envs": 5, "level": "offline", "max_episode_steps": 4}
    batch = gymnasium.make_vec(ID, autoreset_mode=mode, **settings)
    single = gymnasium.make_vec(ID, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **settings)
    assert batch.single_observation_space == single.single_observation_space
    assert batch.observation_space == single.observation_space and batch.action_space == single.action_space
    assert batch.metadata["autoreset_mode"] == mode
    one, two = batch.reset(seed=11), single.reset(seed=11)
    rng, ended = np.random.default_rng(2), 0
    for _ in range(12):
        np.testing.assert_array_equal(one[0], two[0])
        for key in ("instruction", "family", "goal", "is_success"):
            np.testing.assert_array_equal(one[-1][key], two[-1][key])
        actions = rng.integers(40, size=5)
        one, two = batch.step(actions), single.step(actions)
        for got, want in zip(one[1:4], two[1:4]):
            np.testing.assert_allclose(got, want, rtol=1e-6)
        ended += int((one[2] | one[3]).sum())
        assert ("final_obs" in one[-1]) == ("final_obs" in two[-1])
        if "final_obs" in one[-1]:
            np.testing.assert_array_equal(one[-1]["_final_obs"], two[-1]["_final_obs"])
            finished = np.flatnonzero(one[-1]["_final_obs"])
            for i in finished:
                np.testing.assert_array_equal(one[-1]["final_obs"][i], two[-1]["final_obs"][i])
            for key in ("is_success", "goal"):
                np.testing.assert_array_equal(
                    one[-1]["final_info"][key][finished], two[-1]["final_info"][key][finished]
                )
    assert ended >= 5
    batch.close()
    single.close()


def test_the_batch_resets_the_tables_it_is_told_to():
    env = gymnasium.make_vec(ID, num_envs=4, max_episode_steps=1, autoreset_mode=AutoresetMode.DISABLED)
    observation, _ = env.reset(seed=[3, 1, 4, 1])
    np.testing.assert_array_equal(observation[1], observation[3])
    env.step(np.zeros(4, int))
    with pytest.raises(AssertionError):
        env.step(np.zeros(4, int))
    kept = np.stack(env.call("get_state"))
    env.reset(options={"reset_mask": np.array([True, False, True, False])})
    changed = (np.stack(env.call("get_state")) != kept).any(1)
    np.testing.assert_array_equal(changed, [True, False, True, False])
    with pytest.raises(ValueError, match="reset_mask"):
        env.reset(options={"reset_mask": np.zeros(4, bool)})
    with pytest.raises(ValueError, match="length=3"):
        env.reset(seed=[1, 2, 3])
    env.close()


def test_the_batch_draws_every_table():
    env = gymnasium.make_vec(ID, num_envs=3, render_mode="rgb_array", render_size=32)
    env.reset(seed=0)
    frames = env.render()
    assert len(frames) == 3 and all(f.shape == (32, 32, 3) and f.dtype == np.uint8 for f in frames)
    assert (frames[0] != frames[1]).any()
    env.close()


def test_the_top_view_shows_each_ball_where_it_is():
    observation = np.array([-0.4, 0.5, 0.4, 0.5, 0.0, 0.2, -0.4, -0.1, 0.4, -0.1], np.float32)
    picture = top_view(observation, size=100)
    assert picture.shape == (100, 100, 3) and picture.dtype == np.uint8
    for ball, name in enumerate(clevr_goals.BALLS):
        x, y = observation.reshape(5, 2)[ball]
        column, row = round((x / 1.32 + 0.5) * 100), round((0.5 - (y - 0.2) / 1.32) * 100)
        np.testing.assert_array_equal(picture[row, column], COLORS[name])
    # The picture is of the table alone; the rest does not hide a ball.
    corner = picture[50, 90]
    assert tuple(corner) not in COLORS.values()


def test_the_top_view_refuses_numbers_that_are_not_finite():
    with pytest.raises(ValueError, match="use 10 finite numbers"):
        top_view(np.full(10, np.nan))


def test_mujocos_renderer_gives_a_picture_or_one_clear_error():
    env = gymnasium.make(ID, render_mode="rgb_array", renderer="mujoco", render_size=48)
    env.reset(seed=0)
    try:
        picture = env.render()
    except RuntimeError as error:
        assert "MUJOCO_GL" in str(error)
    else:
        assert picture.shape == (48, 48, 3) and picture.std() > 5
    env.close()
    with pytest.raises(ValueError, match="single environments"):
        gymnasium.make_vec(ID, num_envs=2, renderer="mujoco")
