"""Policies on validation sentences, by which settings may be chosen."""

import numpy as np
import pytest

import kalm_jax as kalm
from benchmarks import validation
from kalm_jax.pipeline import config as configs
from kalm_jax.pipeline.learners import action_choices


@pytest.mark.slow
def test_policies_are_played_on_sentences_of_no_level(small_run):
    run = kalm.load_run(small_run)
    episodes = validation.validation_episodes(run, 4)
    assert set(episodes.goals.text) == set(run.world.validation_goals().text)
    assert len(set(episodes.goal)) == 4 and np.abs(episodes.goals.vector[episodes.goal]).sum(1).all()
    assert not run.world.satisfied(episodes.family, episodes.array, run.world.observe(episodes.states)).any()
    found = list(validation.rates(run, episodes))
    learn = run.config.learn
    wanted = [(a, c, x) for a in learn.learners for c in learn.conditions for x in ("greedy", "sampled")]
    assert [row[:3] for row in found] == wanted
    for *_, counts in found:
        assert counts.shape == (learn.seeds, 3) and (counts[:, 0] == 4).all()
        assert (np.diff(counts[:, 1:]) >= 0).all() and (counts[:, 2] <= 4).all()


def test_each_learner_acts_as_was_fixed_for_it_unless_asked_otherwise():
    smoke = configs.load_presets("clevr")["smoke"]
    own = configs.configure(smoke, {"algo": ("td3bc", "bc")})
    assert action_choices(own, "td3bc") == ("sampled",)
    both = configs.configure(smoke, {"actions": ("greedy", "sampled")})
    assert action_choices(both, "td3bc") == ("greedy", "sampled")
    assert action_choices(configs.configure(smoke, {"actions": ("own", "sampled")}), "td3bc") == ("sampled",)
    arm = configs.load_presets("metaworld")["smoke"]
    assert action_choices(arm, "td3bc") == ("greedy",)  # no distribution
