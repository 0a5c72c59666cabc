"""CLEVR-Robot's evaluation episodes are unsolved, balanced and repeatable, and the expert beats random actions."""

import dataclasses

import numpy as np
import pytest

from kalm_jax.evaluation import (
    evaluate,
)
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr.behaviors import lookahead_policy
from kalm_jax.worlds.clevr.episodes import make_episodes
from kalm_jax.worlds.clevr.simulator import STATE_DIM, ClevrSimulator, observation_of


@pytest.fixture(scope="module")
def simulator():
    with ClevrSimulator(threads=1) as simulator:
        yield simulator


@pytest.mark.parametrize("level", ["offline", "rephrase", "unseen_easy", "unseen_hard"])
def test_episodes_are_unsolved_even_and_repeatable(level):
    episodes = make_episodes(level, 43, seed=1)
    assert episodes.states.shape == (43, STATE_DIM) and len(episodes) == 43
    assert not clevr_goals.satisfied(episodes.family, episodes.array, observation_of(episodes.states)).any()
    counts = np.unique(episodes.family, return_counts=True)[1]
    assert counts.max() - counts.min() <= 1
    assert len(counts) == (4 if level == "unseen_hard" else 1)
    again, other = make_episodes(level, 43, seed=1), make_episodes(level, 43, seed=2)
    np.testing.assert_array_equal(episodes.states, again.states)
    np.testing.assert_array_equal(episodes.goal, again.goal)
    assert (episodes.goal != other.goal).any() and (episodes.states != other.states).any()
    if level != "unseen_hard":
        assert len(set(episodes.goal.tolist())) == 43


def test_sentences_repeat_only_when_all_are_used():
    episodes = make_episodes("unseen_hard", 200, seed=0)
    line = episodes.goal[episodes.family == clevr_goals.LINE]
    counts = np.unique(line, return_counts=True)[1]
    assert len(line) == 50 and counts.max() - counts.min() <= 1


def test_the_expert_beats_random_actions(simulator):
    episodes = make_episodes("rephrase", 8, seed=0)
    policies = get_world("clevr").random_policy(0), lookahead_policy(simulator, 0)
    random, expert = (evaluate(policy, episodes, simulator, horizon=8) for policy in policies)
    assert expert.success.mean() > random.success.mean() and expert.success.mean() >= 0.75


def test_episodes_take_vectors_of_their_level():
    episodes = make_episodes("unseen_easy", 3, seed=0)
    with pytest.raises(ValueError, match="goal vectors"):
        episodes.with_vectors(np.zeros((2, 4)))
    assert dataclasses.replace(episodes).goals.level[0] == 2
