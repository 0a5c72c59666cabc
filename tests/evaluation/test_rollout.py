"""Policies with known success have it, and an episode ends at its first success."""

import numpy as np
import pytest

from kalm_jax.evaluation import evaluate
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr.episodes import make_episodes
from kalm_jax.worlds.clevr.simulator import NUM_ACTIONS, ClevrSimulator, observation_of


@pytest.fixture(scope="module")
def simulator():
    with ClevrSimulator(threads=1) as simulator:
        yield simulator


def right_push(episodes, states, active, step):
    """The straight push that a `move` goal asks for: behind +y, left -x, front -y, right +x."""
    push = np.array([1, 2, 3, 0])[episodes.array[:, 2]]
    return 8 * episodes.array[:, 0] + push


def wrong_push(episodes, states, active, step):
    return (right_push(episodes, states, active, step) + 8) % NUM_ACTIONS


def test_policies_with_known_success(simulator):
    episodes = make_episodes("unseen_easy", 20, seed=0)
    right, wrong = (evaluate(policy, episodes, simulator) for policy in (right_push, wrong_push))
    assert right.success.all() and not wrong.success.any()
    assert (right.steps == 1).all() and (wrong.steps == 1).all()


def test_an_episode_ends_at_its_first_success(simulator):
    """The recorded steps are replayed: success holds at the last state and at none before."""
    episodes = make_episodes("offline", 6, seed=3)
    seen = []

    def recording(episodes, states, active, step):
        actions = get_world("clevr").random_policy(0)(episodes, states, active, step)
        seen.append((states.copy(), active.copy(), actions))
        return actions

    result = evaluate(recording, episodes, simulator, horizon=25)
    assert 0 < result.success.sum()
    for i in range(len(episodes)):
        played = [(s[i], a[i]) for s, active, a in seen if active[i]]
        assert len(played) == result.steps[i]
        state = episodes.states[i]
        for t, (before, action) in enumerate(played):
            np.testing.assert_array_equal(before, state)
            state = simulator.push(state[None], np.array([action]))[0]
            reached = bool(clevr_goals.satisfied(episodes.family[i], episodes.array[i], observation_of(state)))
            assert reached == (result.success[i] and t == len(played) - 1)
        if not result.success[i]:
            assert result.steps[i] == 25


def test_results_do_not_depend_on_what_was_played_before(simulator):
    episodes, policy = make_episodes("offline", 5, seed=0), get_world("clevr").random_policy(1)
    first = evaluate(policy, episodes, simulator, horizon=6)
    evaluate(get_world("clevr").random_policy(2), make_episodes("unseen_easy", 4, seed=0), simulator, horizon=6)
    again = evaluate(policy, episodes, simulator, horizon=6)
    np.testing.assert_array_equal(first.success, again.success)
    np.testing.assert_array_equal(first.steps, again.steps)
