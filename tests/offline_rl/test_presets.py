"""The authors' settings and the semantics that go with them."""

import dataclasses

import numpy as np
import pytest

from kalm_jax.offline_rl import KALM_SETTINGS, every_end_terminal, kalm_learner, make_buffer
from tests.offline_rl.data import goal_table, random_rollouts


@pytest.mark.parametrize("name, discrete", KALM_SETTINGS)
def test_settings_of_the_authors_are_settings_of_the_learners(name, discrete):
    for compat, discount in ((False, 0.99), (True, 1.0)):
        config = kalm_learner(name, discrete, compat).config
        for key, value in KALM_SETTINGS[name, discrete].items():
            assert getattr(config, key) == value
        assert name == "bc" or config.discount == discount
    assert kalm_learner(name, discrete, batch_size=7).config.batch_size == 7


def test_learners_without_published_settings_are_refused():
    with pytest.raises(ValueError, match="no settings of iql: use one of awac, bc, cql, td3bc"):
        kalm_learner("iql", True)
    with pytest.raises(ValueError, match="unknown offline-RL algorithm 'td4'"):
        kalm_learner("td4", True)


def test_every_end_is_terminal_only_on_request():
    rollouts, goals = random_rollouts(0), goal_table()
    ends = np.cumsum(rollouts.length) - 1
    sound = np.asarray(make_buffer([(rollouts, 1.0)], goals).terminal)
    authors = np.asarray(make_buffer([(every_end_terminal(rollouts), 1.0)], goals).terminal)
    np.testing.assert_array_equal(sound[ends], rollouts.terminated)
    np.testing.assert_array_equal(np.flatnonzero(authors), ends)
    assert not rollouts.terminated.all()


def test_a_run_takes_the_settings_and_the_semantics_that_it_was_told():
    from kalm_jax.pipeline.config import LearnConfig, PipelineConfig
    from kalm_jax.pipeline.learners import configured_learner

    def discount_and_batch(algorithm="cql", **settings):
        config = configured_learner(PipelineConfig(world="clevr", learn=LearnConfig(**settings)), algorithm).config
        return config.discount, config.batch_size

    assert discount_and_batch() == (LearnConfig.discount, 256)
    assert discount_and_batch(compat="kalm") == (1.0, 256)
    assert discount_and_batch(settings="kalm") == (0.99, 32)
    assert discount_and_batch(settings="kalm", compat="kalm") == (1.0, 32)
    with pytest.raises(ValueError, match="no settings of iql"):
        discount_and_batch("iql", settings="kalm")


def test_quick_settings_change_what_they_name_and_nothing_else():
    from kalm_jax.pipeline.config import LearnConfig, PipelineConfig
    from kalm_jax.pipeline.learners import QUICK, configured_learner, relabel_share, view_of

    def run(settings):
        return PipelineConfig(world="clevr", learn=LearnConfig(settings=settings))

    ours, quick = (configured_learner(run(settings), "td3bc").config for settings in ("ours", "quick"))
    assert dataclasses.replace(ours, **QUICK["td3bc"]) == quick != ours
    assert configured_learner(run("quick"), "bc") == configured_learner(run("ours"), "bc")
    assert relabel_share(run("quick"), "td3bc") == relabel_share(run("ours"), "td3bc") > 0
    assert view_of(run("quick")) == view_of(run("ours"))


def test_the_authors_settings_see_observations_plainly():
    from kalm_jax.pipeline.config import LearnConfig, PipelineConfig
    from kalm_jax.pipeline.learners import view_of
    from kalm_jax.types.transforms import ObservationTransform

    def view(world, **settings):
        return view_of(PipelineConfig(world=world, learn=LearnConfig(**settings)))

    assert view("clevr") == view("metaworld", settings="kalm") == ObservationTransform()
    ours = view("metaworld", compat="kalm")
    assert ours == view("metaworld") and ours.limit and all(i != j for i, j in ours.differences)
