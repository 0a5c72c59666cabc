"""What every world offers: goals, spaces, settings, and the names under which worlds are found."""

import dataclasses

import numpy as np
import pytest

from kalm_jax.offline_rl import make_learner
from kalm_jax.pipeline.config import GroundConfig
from kalm_jax.pipeline.grounding import check_language_model
from kalm_jax.types import LEVELS, Episodes, make_rollouts
from kalm_jax.worlds.base import BUILTIN_WORLDS, get_world


@pytest.mark.parametrize("name", BUILTIN_WORLDS)
def test_a_record_fits_its_goals(name):
    world = get_world(name)
    assert world.name == name and bool(world.spaces.num_actions) != bool(world.spaces.action_dim)
    assert (
        world.spaces.early_steps < world.spaces.horizon == world.labels.horizon
        and world.spaces.early_steps == world.labels.early_steps
    )
    assert set(LEVELS[1:]) <= set(world.learning.imagined_shares)
    for level in LEVELS:
        goals = world.goals(level)
        assert (np.asarray(goals.level) == LEVELS.index(level)).all()
        assert 0 <= goals.family.min() and goals.family.max() < len(world.families)
        steps = world.imagined_steps(goals.family)
        assert (
            steps.shape == goals.family.shape and 1 <= steps.min() and steps.max() <= 2 * world.spaces.horizon
        )  # two stages
    for algorithm, settings in world.learning.settings.items():
        assert make_learner(algorithm, **settings) != make_learner(algorithm)
    validation = world.validation_goals()
    assert not set(validation.text) & {text for level in LEVELS for text in world.goals(level).text}
    assert set(validation.family) <= set(world.goals("offline").family)
    assert not set(world.language.explanation_prompts) & {world.language.unseen_prompt}
    with pytest.raises(ValueError, match=r"unknown world 'maze' .* use one of clevr, metaworld"):
        get_world("maze")


@pytest.mark.parametrize("name", ["clevr", "metaworld"])
@pytest.mark.parametrize(
    ("ask", "error", "said"),
    [
        (lambda world: world.collect("0", 2, world.behaviors[0], None), TypeError, "seed is '0', want an integer"),
        (lambda world: world.collect(-1, 2, world.behaviors[0], None), ValueError, "seed is -1, want an integer"),
        (lambda world: world.collect(0, 2.5, world.behaviors[0], None), TypeError, "count is 2.5, want an integer"),
        (lambda world: world.collect(0, 2, "lazy", None), ValueError, "behavior is 'lazy', want one of"),
        (lambda world: world.make_episodes("x", 1, 0), ValueError, "level is 'x', want one of offline"),
        (lambda world: world.make_episodes(["offline"], 1, 0), TypeError, r"level is \['offline'\], want one of"),
        (lambda world: world.make_episodes("offline", 0, 0), ValueError, "count is 0, want an integer from 1"),
        (lambda world: world.make_episodes("offline", 1, -1), ValueError, "seed is -1, want an integer"),
        (lambda world: world.read_data(5), TypeError, "path is 5, want a path"),
    ],
)
def test_wrong_arguments_of_worlds_are_named(name, ask, error, said):
    with pytest.raises(error, match=said):
        ask(get_world(name))


@pytest.mark.parametrize(
    ("name", "augmentations", "said"),
    [
        ("metaworld", ("mirrors",), "--augment=mirrors: the world metaworld has all, none, or some of mirror, ex"),
        ("metaworld", ("all", "mirror"), "--augment=all,mirror: the world metaworld has all, none, or some of"),
        ("metaworld", ("shift", "shift"), "--augment=shift,shift: the world metaworld has all, none, or some of"),
        ("metaworld", (), "--augment=: the world metaworld has all, none, or some of"),
        ("clevr", ("mirror",), "--augment=mirror: the world clevr has all or none"),
    ],
)
def test_augmentations_that_a_world_does_not_have_are_refused_at_once(name, augmentations, said):
    with pytest.raises(ValueError, match=said):
        get_world(name).augmenting(augmentations)
    if augmentations:
        ground = dataclasses.replace(GroundConfig(), augmentations=augmentations)
        with pytest.raises(ValueError, match=said):
            check_language_model(ground, get_world(name))


def test_a_world_with_an_augmentation_of_one_part_uses_it_or_not():
    class Mirrored(type(get_world("clevr"))):
        augment = staticmethod(lambda rng, states, actions, family: (-states, actions, None))

    assert Mirrored().augmenting(("all",)) is Mirrored.augment and Mirrored().augmenting(("none",)) is None
    assert get_world("clevr").augmenting(("all",)) is None
    with pytest.raises(ValueError, match="the world clevr has all or none"):
        Mirrored().augmenting(("mirror",))


RNG = np.random.default_rng(0)


@pytest.mark.parametrize("name", ["clevr", "metaworld", "field"])
@pytest.mark.parametrize(
    ("ask", "error", "said"),
    [
        (lambda w, goals: w.first_states(RNG, goals, [0, len(goals)]), ValueError, r"goal\[1\] is \d+, and the"),
        (lambda w, goals: w.first_states(RNG, goals, np.array([-1])), ValueError, r"goal\[0\] is -1, and the tab"),
        (lambda w, goals: w.first_states(RNG, goals, [0.5]), TypeError, "goal is of type float64, want integers"),
        (lambda w, goals: w.first_states(RNG, goals, 3), ValueError, r"goal has shape \(\), want \(N,\)"),
        (lambda w, goals: w.first_states(RNG, goals.take([]), [0]), ValueError, "and the table has no goals"),
        (lambda w, goals: w.first_states(0, goals, [0]), TypeError, "rng is 0, want"),
        (lambda w, goals: w.first_states(RNG, goals.text, [0]), TypeError, "goals is .*, want"),
        (lambda w, goals: goals.take([len(goals)]), ValueError, r"index\[0\] is \d+, and the table has goals 0 to"),
        (lambda w, goals: goals.take([True]), TypeError, "index is of type bool, want integers"),
        (lambda w, goals: Episodes(np.zeros(1), np.array([len(goals)]), goals), ValueError, r"goal\[0\] is"),
        (lambda w, goals: Episodes(np.zeros(2), np.zeros(1, int), goals), ValueError, "states are 2, and goal has 1"),
        (lambda w, goals: w.label_rewards(rollouts_of(w, len(goals)), goals), ValueError, r"goal\[0\] is"),
        (lambda w, goals: w.goal_of_subgoals([]), ValueError, "subgoals: there are none"),
    ],
)  # fmt: skip
def test_wrong_numbers_of_goals_are_named(name, ask, error, said):
    world = get_world("examples.own_world" if name == "field" else name)
    with pytest.raises(error, match=said):
        ask(world, world.goals("offline"))


def rollouts_of(world, goal):
    """A rollout of one step with a goal of this number."""
    spaces = world.spaces
    actions = np.zeros(
        (1, 1) if spaces.num_actions else (1, 1, spaces.action_dim), int if spaces.num_actions else float
    )
    return make_rollouts(np.zeros((1, 2, spaces.observation_dim)), actions, np.ones(1, int), goal=goal)
