"""A user's rollouts against a world: too few of them, and goals that are another world's."""

import dataclasses

import numpy as np
import pytest

from kalm_jax.datasets import write_rollouts
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.clevr.instructions import goals_of_level
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
    for count in (1, 2):
        write_rollouts(tmp_path / f"{count}.h5", rollouts.take(np.arange(count)), goals)
    with pytest.raises(ValueError, match=r"1\.h5: rollouts that fit this world: 1, want at least 2"):
        get_world("clevr").read_data(str(tmp_path / "1.h5"))
    assert len(get_world("clevr").read_data(str(tmp_path / "2.h5"))[0]) == 2
