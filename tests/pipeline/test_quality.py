"""How good imagined rollouts are is judged by the true goals, whatever ended the rollouts."""

import dataclasses

import numpy as np

from kalm_jax.pipeline.config import load_presets
from kalm_jax.pipeline.quality import first_success, quality_rows, truly_ended
from kalm_jax.types import make_goal_table, make_rollouts
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr.simulator import observation_of, sample_states

WORLD = get_world("clevr")


def random_rollouts(count=40, steps=12):
    """Rollouts that jump between random states, for random relations."""
    rng = np.random.default_rng(0)
    states = observation_of(sample_states(rng, count * (steps + 1))).reshape(count, steps + 1, -1)
    triples = [(a, (a + 1 + b) % 5, d) for a, b, d in rng.integers([5, 4, 4], size=(count, 3))]
    arrays = np.array([clevr_goals.make_goal(clevr_goals.RELATION, t) for t in triples])
    goals = make_goal_table([f"goal {i}" for i in range(count)], 1, clevr_goals.RELATION, arrays)
    length = rng.integers(1, steps + 1, size=count)
    actions = rng.integers(40, size=(count, steps)).astype(np.int32)
    return make_rollouts(states.astype(np.float32), actions, length, goal=np.arange(count)), goals


def test_the_first_success_is_found_by_the_test_of_every_step():
    rollouts, goals = random_rollouts()
    found = first_success(WORLD, rollouts, goals.family, goals.array)
    for i, length in enumerate(rollouts.length):
        after = rollouts.observations[i, 1 : length + 1]
        holds = clevr_goals.satisfied(goals.family[i], goals.array[i], after)
        assert found[i] == (np.flatnonzero(holds)[0] + 1 if holds.any() else 0)
    assert 0 < (found > 0).mean() < 1
    np.testing.assert_array_equal(truly_ended(WORLD, rollouts, goals).terminated, found > 0)


def test_rows_count_matches_by_true_goals_and_what_policies_learn_by_what_ended_the_rollouts():
    rollouts, goals = random_rollouts()
    ended = dataclasses.replace(rollouts, terminated=np.arange(len(rollouts)) < 7)
    (row,) = quality_rows(WORLD, ended, goals, goals, rollouts, load_presets("clevr")["smoke"])
    steps = first_success(WORLD, rollouts, goals.family, goals.array)
    assert row["matched"] == (steps > 0).sum() and row["matched_early"] == ((steps > 0) & (steps <= 10)).sum()
    assert row["ended"] == 7 and row["learned"] == WORLD.filter_realistic(ended, goals, rollouts).sum()
    assert row["direction_rollouts"] == row["relation_rollouts"] == len(rollouts)
    assert row["direction_early"] <= row["direction_matched"] <= len(rollouts)


def test_floors_change_the_entries_that_they_name_and_nothing_else():
    rng = np.random.default_rng(1)
    family = np.repeat(np.arange(len(clevr_goals.FAMILIES)), 400)
    triples = ((0, 1, 2), (2, 3, 1), (4, 0, 3))
    count = {clevr_goals.RELATION: 1, clevr_goals.MOVE: 1, clevr_goals.TWO_RELATIONS: 2, clevr_goals.THREE_RELATIONS: 3}
    move = ((0, -1, 2),)
    goals = np.array(
        [
            clevr_goals.make_goal(int(f), *(move if f == clevr_goals.MOVE else triples[: count.get(int(f), 0)]))
            for f in family
        ]
    )
    floors = WORLD.floors(rng, family, goals)
    assert set(floors) == {"direction", "relation"}
    has = np.isin(family, list(count))
    for name, (there, other) in floors.items():
        np.testing.assert_array_equal(there, has)
        for f, array in zip(family[has], other[has], strict=True):
            clevr_goals.check_goal(int(f), array)
        assert other.dtype == goals.dtype and (other[~has] == goals[~has]).all()
        kept = name == "direction"
        assert (other[:, [0, 1, 3, 4, 6, 7]] == goals[:, [0, 1, 3, 4, 6, 7]]).all() == kept
    drawn = floors["direction"][1][family == clevr_goals.RELATION][:, 2]
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / len(drawn), 0.25, atol=0.08)
