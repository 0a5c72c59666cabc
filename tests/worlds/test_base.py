"""What every world offers: goals, spaces, settings, and the names under which worlds are found."""

import numpy as np
import pytest

from kalm_jax.offline_rl import make_learner
from kalm_jax.types import LEVELS
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
