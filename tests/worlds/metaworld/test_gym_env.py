"""Meta-world through Gymnasium: its own checker, seeds, options, rewards, and pictures where there is OpenGL."""

import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import kalm_jax  # noqa: F401 (registers the environments)
from kalm_jax.worlds import camera
from kalm_jax.worlds.metaworld.behaviors import make_expert
from kalm_jax.worlds.metaworld.gym_env import MetaworldEnv
from kalm_jax.worlds.metaworld.instructions import SENTENCES, sentences
from kalm_jax.worlds.metaworld.tasks import LEVEL_TASKS, absent_entities

ID = "kalm/Metaworld-v0"


@pytest.mark.parametrize(("task", "level"), [("push", "offline"), ("make-coffee", "unseen_hard")])
def test_gymnasiums_own_checker_passes(task, level):
    env = gymnasium.make(ID, task=task, level=level)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped, skip_render_check=True)
    env.close()


def test_importing_the_environments_imports_no_simulator():
    code = "import sys, kalm_jax, kalm_jax.worlds; assert not {'mujoco', 'metaworld'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_seed_gives_one_episode_whatever_was_played_before():
    env, other = gymnasium.make(ID, level="unseen_easy"), gymnasium.make(ID, level="unseen_easy")
    first, info = env.reset(seed=7)
    steps = [env.step(np.full(4, 0.3, np.float32)) for _ in range(3)]
    for seed in (1, 2):
        other.reset(seed=seed)
        other.step(np.ones(4, np.float32))
    again, same = other.reset(seed=7)
    np.testing.assert_array_equal(first, again)
    assert info["instruction"] == same["instruction"] and info["task"] in LEVEL_TASKS["unseen_easy"]
    for expected in steps:
        found = other.step(np.full(4, 0.3, np.float32))
        np.testing.assert_array_equal(found[0], expected[0])
        assert found[1] == expected[1]
    assert not np.array_equal(first, other.reset(seed=8)[0])
    # Without a seed the generator goes on: a new goal each time, without end.
    starts = {other.reset(options={"task": "door-lock"})[0].tobytes() for _ in range(45)}
    assert len(starts) == 45
    env.close()
    other.close()


def test_an_expert_ends_the_episode_with_ten_and_time_truncates():
    env = gymnasium.make(ID, task="coffee-button", distractor="step")
    observation, info = env.reset(seed=0)
    expert, native = make_expert("coffee-button"), []
    for _ in range(100):
        observation, reward, terminated, truncated, info = env.step(expert(observation).astype(np.float32))
        native.append(reward)
        if terminated or truncated:
            break
    assert terminated and info["is_success"] and reward == 10.0 and max(native[:-1]) < 10.0
    env.reset(seed=0)
    ends = [env.step(np.zeros(4, np.float32))[3] for _ in range(100)]
    assert ends == [False] * 99 + [True]
    env.close()


def test_options_and_distractors():
    env = MetaworldEnv(task="push", distractor="none")
    observation, info = env.reset(seed=0)
    assert absent_entities(observation).sum() == 11 and info["task"] == "push"
    shown = MetaworldEnv(task="push").reset(seed=0)[0]
    assert absent_entities(shown).sum() == 10
    text = next(s.text for s in sentences("unseen_hard") if s.family == "soccer")
    assert env.reset(options={"instruction": text.upper() + "!"})[1]["task"] == "soccer"
    for options in ({"instruction": "fly away"}, {"task": "hammer"}, {"task": ["push"]}, {"goal": 1}, 3, ["task"]):
        with pytest.raises(ValueError):
            env.reset(options=options)
    for action in (np.full(4, 9.0), np.full(4, 1e30), np.full(4, -1.5), np.full(4, 1j), np.zeros(4, bool), None):
        with pytest.raises(ValueError, match=r"action .*pass \(4,\) finite numbers in \[-1, 1\]"):
            env.step(action)
    for wrong in ({"level": "easy"}, {"task": "hammer"}, {"distractor": "often"}, {"camera": "up"}):
        with pytest.raises(ValueError):
            MetaworldEnv(**wrong)
    with pytest.raises(gymnasium.error.ResetNeeded):
        MetaworldEnv().step(np.zeros(4, np.float32))
    assert SENTENCES.find("press the button").family == "button-press"
    env.close()


_PICTURES = """
import numpy as np
from kalm_jax.worlds.metaworld.gym_env import MetaworldEnv
env = MetaworldEnv(task="push", render_mode="rgb_array", render_size=96)
env.reset(seed=0)
try:
    before = env.render()
except RuntimeError as error:
    assert "libegl1" in str(error) and "MUJOCO_GL" in str(error)
    raise SystemExit(77)
for _ in range(10):
    env.step(np.array([1, 1, 1, 0], np.float32))
after = env.render()
assert before.shape == (96, 96, 3) and before.dtype == np.uint8 and before.std() > 20
assert (before != after).any()
# The floor is lighter than the sky, and below it.
assert before[-8:, -16:].mean() > before[:8, -16:].mean() + 40
env.close()
env.reset(seed=0)
np.testing.assert_array_equal(env.render(), before)  # a new context after a closed one draws as well
env.close()
"""


@pytest.mark.parametrize("size", [0, -5, 2.5, np.nan, "64", True, 10**9, None])
def test_sizes_of_pictures_are_refused_when_it_is_made(size):
    with pytest.raises((ValueError, TypeError), match=r"render_size is .*want an integer from 1 to 4096"):
        gymnasium.make("kalm/Metaworld-v0", render_size=size)


def test_pictures_show_the_arm_the_right_way_up():
    """In a process of its own, which a broken OpenGL may abort."""
    done = subprocess.run([sys.executable, "-c", _PICTURES], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip("no OpenGL on this machine")
    assert done.returncode == 0, done.stderr


def test_without_opengl_the_message_says_what_to_install(monkeypatch):
    def fails(name):
        raise ImportError(f"no {name}")

    monkeypatch.setattr(camera.importlib, "import_module", fails)
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    with pytest.raises(RuntimeError, match=r"egl: ImportError.*osmesa: ImportError.*libegl1.*libosmesa6"):
        camera.open_context(16)
