"""A user's rollouts against a world: too few of them, and goals that are another world's."""

import dataclasses

import numpy as np
import pytest

from kalm_jax.datasets import write_rollouts
from kalm_jax.types import LEVELS
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.clevr.instructions import goals_of_level
from kalm_jax.worlds.data import check_sentences
from tests.fixtures import random_rollouts


def changed(goals, **changes):
    return dataclasses.replace(goals, **{field: change(getattr(goals, field)) for field, change in changes.items()})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"family": lambda x: x + 99}, "are not those of this world"),
        ({"array": lambda x: x[:, :2]}, r"arrays \(4320, 2\) are not those of this world"),
        ({"array": lambda x: x + 50}, "are not those of this world"),
        ({"array": lambda x: x + np.float32(0.5)}, "are not those of this world"),
        ({"text": lambda x: (" ", *x[1:])}, "grounding needs instructions"),
        ({"level": lambda x: x + 3}, "sentences of evaluation levels"),
    ],
)
def test_goals_of_another_world_are_refused(tmp_path, changes, words):
    rollouts = random_rollouts(observation_dim=10, num_actions=40)
    write_rollouts(tmp_path / "r.h5", rollouts, changed(goals_of_level("offline"), **changes))
    with pytest.raises(ValueError, match=rf"r\.h5.*{words}"):
        get_world("clevr").read_data(str(tmp_path / "r.h5"))


def test_one_rollout_is_too_few_and_two_are_enough(tmp_path):
    rollouts, goals = random_rollouts(observation_dim=10, num_actions=40), goals_of_level("offline")
    rollouts = dataclasses.replace(rollouts, imagined=rollouts.length < 0)
    for count in (1, 2):
        write_rollouts(tmp_path / f"{count}.h5", rollouts.take(np.arange(count)), goals)
    with pytest.raises(ValueError, match=r"1\.h5: rollouts that fit this world: 1, want at least 2"):
        get_world("clevr").read_data(str(tmp_path / "1.h5"))
    assert len(get_world("clevr").read_data(str(tmp_path / "2.h5"))[0]) == 2


@pytest.mark.parametrize("name", ["clevr", "metaworld", "examples.own_world"])
def test_every_sentence_of_a_world_fits_its_goal(name, capsys):
    world = get_world(name)
    for level in LEVELS:
        goals = world.goals(level)
        check_sentences("file", world, goals, np.arange(len(goals)))
    assert not capsys.readouterr().out


@pytest.mark.parametrize("name", ["clevr", "metaworld", "examples.own_world"])
def test_sentences_of_other_goals_are_refused_by_row(name, tmp_path):
    world = get_world(name)
    goals = world.goals("offline")
    order = np.roll(np.arange(len(goals)), len(goals) // 2)
    shifted = dataclasses.replace(goals, text=tuple(goals.text[i] for i in order))
    with pytest.raises(
        ValueError, match=r"r\.h5: goal 3 has the sentence .*, which asks for .*, and its family and array"
    ):
        check_sentences("r.h5", world, shifted, np.array([3, 5]))


def test_a_file_with_sentences_of_other_goals_is_refused(tmp_path):
    rollouts, goals = random_rollouts(observation_dim=10, num_actions=40), goals_of_level("offline")
    text = list(goals.text)
    row = int(rollouts.goal[0])
    text[row] = text[row - 1000]
    write_rollouts(tmp_path / "r.h5", rollouts, dataclasses.replace(goals, text=tuple(text)))
    with pytest.raises(
        ValueError, match=rf"r\.h5: goal {rollouts.goal[0]} has the sentence '{text[rollouts.goal[0]]}'"
    ):
        get_world("clevr").read_data(str(tmp_path / "r.h5"))


def test_a_users_own_words_are_only_doubted_in_one_line(tmp_path, capsys):
    rollouts, goals = random_rollouts(observation_dim=10, num_actions=40), goals_of_level("offline")
    used = sorted(set(rollouts.goal.tolist()))
    text = list(goals.text)
    rollouts = dataclasses.replace(rollouts, imagined=rollouts.length < 0)
    text[used[0]], text[used[1]] = "yada yada", "make me a sandwich"
    write_rollouts(tmp_path / "r.h5", rollouts, dataclasses.replace(goals, text=tuple(text)))
    read, _ = get_world("clevr").read_data(str(tmp_path / "r.h5"))
    (line,) = capsys.readouterr().out.splitlines()
    assert (
        len(read) == len(rollouts) and f"r.h5: 2 of {len(used)} sentences" in line and f"goal {used[0]}, 'yada" in line
    )


def test_imagined_rollouts_are_no_data(tmp_path, capsys):
    rollouts, goals = random_rollouts(observation_dim=10, num_actions=40), goals_of_level("offline")
    for name, marks in (("all", rollouts.length > 0), ("some", np.arange(len(rollouts)) == 2)):
        write_rollouts(tmp_path / f"{name}.h5", dataclasses.replace(rollouts, imagined=marks), goals)
    with pytest.raises(ValueError, match=rf"all\.h5: all {len(rollouts)} rollouts are marked as imagined"):
        get_world("clevr").read_data(str(tmp_path / "all.h5"))
    get_world("clevr").read_data(str(tmp_path / "some.h5"))
    (line,) = capsys.readouterr().out.splitlines()
    assert f"some.h5: 1 of {len(rollouts)} rollouts are marked as imagined, rollout 2 first" in line
