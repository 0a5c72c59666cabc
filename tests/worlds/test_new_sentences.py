"""Sentences that only tests use: held out by template, alike in every grounding, and played apart."""

import numpy as np
import pytest

from kalm_jax.types import LEVELS
from kalm_jax.worlds.base import BUILTIN_WORLDS, get_world


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", BUILTIN_WORLDS)
def test_half_of_the_templates_of_novel_levels_are_new_and_none_of_the_data(name, level):
    world = get_world(name)
    new, templates, goals = world.new_sentences(level), world.templates(level), world.goals(level)
    assert new.shape == (len(goals),) and len(templates) == len(goals)
    if level == "offline":
        assert not new.any()
        return
    held, met = ({t for t, n in zip(templates, new, strict=True) if n == side} for side in (True, False))
    assert held and met and not held & met
    for group in {group for group, _ in templates}:
        counts = [sum(t[0] == group for t in side) for side in (met, held)]
        assert 0 <= counts[0] - counts[1] <= 1
    assert set(goals.family[new]) == set(goals.family[~new])


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("name", BUILTIN_WORLDS)
def test_episodes_have_sentences_of_one_kind_and_families_in_equal_numbers(name, new):
    world = get_world(name)
    for level in LEVELS[1:]:
        episodes = world.test_episodes(level, 30, 3, new)
        assert (world.new_sentences(level)[episodes.goal] == new).all() and len(episodes) == 30
        counts = np.unique(episodes.family, return_counts=True)[1]
        assert counts.max() - counts.min() <= 1 and len(counts) == len(np.unique(world.goals(level).family))
        again = world.test_episodes(level, 30, 3, new)
        np.testing.assert_array_equal(again.goal, episodes.goal)
        np.testing.assert_array_equal(again.states, episodes.states)
        if name == "clevr":
            state = world.observe(episodes.states)
            assert not world.satisfied(episodes.family, episodes.array, state).any()


def test_the_data_have_no_new_sentences_to_play():
    with pytest.raises(ValueError, match="the level offline of the world clevr has no new sentence"):
        get_world("clevr").test_episodes("offline", 3, 0, True)


def test_a_world_without_templates_holds_out_sentences_of_goals_with_several():
    world = get_world("examples.own_world")
    for level in LEVELS[1:]:
        new, goals = world.new_sentences(level), world.goals(level)
        keys = [(int(f), *map(float, a)) for f, a in zip(goals.family, goals.array, strict=True)]
        for key in set(keys):
            mine = [n for k, n in zip(keys, new, strict=True) if k == key]
            assert sum(mine) == len(mine) // 2
