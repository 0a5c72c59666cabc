"""Balls with other names are the same world: the simulator and the goals agree."""

import numpy as np
import pytest

from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import instructions as language
from kalm_jax.worlds.clevr import simulator as clevr
from kalm_jax.worlds.clevr.symmetry import Renaming, renamings

RELATION = clevr_goals.RELATION


def test_the_first_renaming_keeps_all_names_and_all_differ():
    found = renamings(8)
    assert found[0].order == (0, 1, 2, 3, 4) and len({r.order for r in found}) == 8
    assert found == renamings(9)[:8] and len(renamings(500)) == 120
    assert renamings(1) == [Renaming((0, 1, 2, 3, 4))]


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (1, 2, 3, 4, 0), (4, 2, 0, 1, 3)])
def test_renaming_commutes_with_pushing_and_with_goals(order):
    renaming, rng = Renaming(order), np.random.default_rng(0)
    states = clevr.sample_states(rng, 200)
    seen, actions = clevr.observation_of(states), rng.integers(clevr.NUM_ACTIONS, size=200)
    renamed = renaming.observations(seen)
    for ball in range(5):
        np.testing.assert_array_equal(renamed.reshape(-1, 5, 2)[:, order[ball]], seen.reshape(-1, 5, 2)[:, ball])
    with clevr.ClevrSimulator() as simulator:
        after = clevr.observation_of(simulator.push(states, actions))
        other = clevr.observation_of(simulator.push(clevr.states_of(renamed), renaming.actions(actions)))
    # Contacts are solved in another order, which a crowd of balls makes visible.
    apart = np.abs(renaming.observations(after) - other).max(1)
    assert np.median(apart) < 1e-6 and (apart < 0.02).mean() > 0.95
    np.testing.assert_array_equal(renaming.inverse.observations(renamed), seen)
    np.testing.assert_array_equal(renaming.inverse.actions(renaming.actions(actions)), actions)
    for goal in language.relation_goals():
        text = language.goal_summary(RELATION, goal)
        there = [
            g for g in language.relation_goals() if language.goal_summary(RELATION, g) == renaming.goal_summary(text)
        ]
        assert len(there) == 1 and renaming.inverse.goal_summary(renaming.goal_summary(text)) == text
        same = clevr_goals.satisfied(RELATION, there[0], renamed) == clevr_goals.satisfied(RELATION, goal, seen)
        assert same.all()


def test_other_texts_are_left_alone():
    renaming = Renaming((1, 0, 2, 3, 4))
    for text in ("", "red", "red blue", "red blue far", "red red left", "put red left", "red blue left and"):
        assert renaming.goal_summary(text) == text
    assert renaming.goal_summary("red blue left") == "red blue right"
