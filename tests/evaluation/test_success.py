"""Evaluation: known policies with known success, episodes that keep their promises, intervals against known values."""

import dataclasses
import math

import jax
import numpy as np
import pytest
from scipy import stats

from kalm_jax.evaluation import (
    difference_interval,
    evaluate,
    learner_policy,
    lookahead_policy,
    make_episodes,
    paired_difference_interval,
    pooled_interval,
    random_policy,
    read_results_csv,
    rows,
    summarise,
    wilson_interval,
    write_results_csv,
)
from kalm_jax.offline_rl import make_buffer, make_learner
from kalm_jax.types import EpisodeResults, Rollouts
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr.simulator import NUM_ACTIONS, STATE_DIM, ClevrSimulator, observation_of

# ------------------------------------------------------------------------------------------------------- intervals


@pytest.mark.parametrize(
    ("successes", "episodes", "low", "high"),
    # Closed forms: z^2 / (n + z^2) at the edge, and (1 -+ z / sqrt(n + z^2)) / 2 at one half.
    [(0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0), (5, 10, 0.236593, 0.763407), (50, 100, 0.403832, 0.596168)],
)
def test_wilson_interval_has_its_known_values(successes, episodes, low, high):
    np.testing.assert_allclose(wilson_interval(successes, episodes), (low, high), atol=1e-6)


def test_wilson_interval_refuses_impossible_counts():
    for counts in ((0, 0), (3, 2), (-1, 5)):
        with pytest.raises(ValueError, match="successes"):
            wilson_interval(*counts)


def test_pooled_interval_reduces_to_wilson():
    assert pooled_interval([30], [100]) == pytest.approx(wilson_interval(30, 100), abs=1e-12)
    assert pooled_interval([30, 30, 30], [100] * 3) == pytest.approx(wilson_interval(90, 300), abs=1e-12)
    assert pooled_interval([0, 0], [50, 50]) == pytest.approx(wilson_interval(0, 100), abs=1e-12)


def test_pooled_interval_widens_with_the_seeds_scatter_towards_students_t():
    alike, apart = pooled_interval([50, 50, 50], [100] * 3), pooled_interval([30, 50, 70], [100] * 3)
    assert apart[0] < alike[0] < 0.5 < alike[1] < apart[1]
    # With very many episodes only the seeds matter: the interval nears the t interval of the three rates.
    rates = np.array([0.48, 0.5, 0.52])
    half = stats.t.ppf(0.975, 2) * rates.std(ddof=1) / math.sqrt(3)
    np.testing.assert_allclose(pooled_interval(rates * 1e8, [1e8] * 3), (0.5 - half, 0.5 + half), atol=2e-3)


def covers(rng, interval, scatter, seeds=3, episodes=100):
    rates = np.clip(0.5 + scatter * rng.normal(size=seeds), 0, 1)
    low, high = interval(rng.binomial(episodes, rates), np.full(seeds, episodes))
    return low <= 0.5 <= high


def test_pooled_interval_covers_where_the_plain_one_does_not():
    def plain(good, total):
        return wilson_interval(good.sum(), total.sum())

    rng = np.random.default_rng(0)
    assert np.mean([covers(rng, pooled_interval, 0.0) for _ in range(1000)]) > 0.94
    assert np.mean([covers(rng, pooled_interval, 0.1) for _ in range(1000)]) > 0.92
    assert np.mean([covers(rng, plain, 0.1) for _ in range(1000)]) < 0.8


def test_difference_interval_is_newcombes():
    # Newcombe (1998), method 10: 56/70 minus 48/80 is 0.2 (0.0524, 0.3339).
    np.testing.assert_allclose(difference_interval([56], [70], [48], [80]), (0.0524, 0.3339), atol=1e-4)
    low, high = difference_interval([48], [80], [56], [70])
    np.testing.assert_allclose((low, high), (-0.3339, -0.0524), atol=1e-4)


def test_pairs_narrow_the_interval_of_a_difference():
    base = np.random.default_rng(0).random((3, 200)) < 0.5
    better = base.copy()
    for seed in range(3):  # The same 20 episodes of 200 are gained by every seed.
        better[seed, np.flatnonzero(~base[seed])[:20]] = True
    low, high = paired_difference_interval(better, base)
    gain = better.mean() - base.mean()
    assert low > 0 and low < gain < high
    loose = difference_interval(better.sum(1), [200] * 3, base.sum(1), [200] * 3)
    assert high - low < 0.7 * (loose[1] - loose[0])
    low, high = paired_difference_interval(base, base)
    assert low < 0 < high
    with pytest.raises(ValueError, match="shapes"):
        paired_difference_interval(base, base[:2])


# -------------------------------------------------------------------------------------------------------- episodes


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


# ------------------------------------------------------------------------------------------------ playing episodes


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
    right, wrong = evaluate([right_push, wrong_push], [episodes] * 2, simulator)
    assert right.success.all() and not wrong.success.any()
    assert (right.steps == 1).all() and (wrong.steps == 1).all()


def test_an_episode_ends_at_its_first_success(simulator):
    """The recorded steps are replayed: success holds at the last state and at none before."""
    episodes = make_episodes("offline", 6, seed=3)
    seen = []

    def recording(episodes, states, active, step):
        actions = random_policy(0)(episodes, states, active, step)
        seen.append((states.copy(), active.copy(), actions))
        return actions

    (result,) = evaluate([recording], [episodes], simulator, horizon=25)
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


def test_results_do_not_depend_on_the_company(simulator):
    episodes = make_episodes("offline", 5, seed=0), make_episodes("unseen_easy", 4, seed=0)
    together = evaluate([random_policy(1), random_policy(2)], episodes, simulator, horizon=6)
    for policy, played, result in zip((random_policy(1), random_policy(2)), episodes, together):
        (alone,) = evaluate([policy], [played], simulator, horizon=6)
        np.testing.assert_array_equal(alone.success, result.success)
        np.testing.assert_array_equal(alone.steps, result.steps)


def test_the_ceiling_is_above_the_floor(simulator):
    episodes = make_episodes("rephrase", 8, seed=0)
    policies = [random_policy(0), lookahead_policy(simulator, 0)]
    floor, ceiling = evaluate(policies, [episodes] * 2, simulator, horizon=8)
    assert ceiling.success.mean() > floor.success.mean() and ceiling.success.mean() >= 0.75


def tiny_learner(goal_dim=3):
    goals = make_episodes("unseen_easy", 1, seed=0).goals.with_vector
    table = goals(np.random.default_rng(0).normal(size=(len(make_episodes("unseen_easy", 1, 0).goals), goal_dim)))
    one = Rollouts(
        *(np.zeros((1, 2, 10), np.float32), np.zeros((1, 1), np.int32), np.zeros((1, 1), np.float32)),
        *(np.ones(1, np.int32), np.ones(1, bool), np.zeros(1, np.int32), np.zeros(1, bool)),
    )
    learner = make_learner("bc", hidden=(8,))
    return learner, learner.init(jax.random.key(0), make_buffer([(one, 1.0)], table, NUM_ACTIONS).spec()), table


def test_a_learner_plays_what_it_would_act(simulator):
    learner, state, table = tiny_learner()
    episodes = make_episodes("unseen_easy", 30, seed=0).with_vectors(table.vector)
    (result,) = evaluate([learner_policy(learner, state, True, 0)], [episodes], simulator)
    vectors = table.vector[episodes.goal]
    actions = np.asarray(learner.act(state, observation_of(episodes.states), vectors, jax.random.key(0), True))
    np.testing.assert_array_equal(result.success, clevr_goals.move_by_action(episodes.array, actions))
    with pytest.raises(ValueError, match="with_vectors"):
        evaluate([learner_policy(learner, state, True, 0)], [make_episodes("unseen_easy", 3, 0)], simulator)


# ------------------------------------------------------------------------------------------------------------ rows


def test_rows_summary_and_file(tmp_path):
    episodes = make_episodes("unseen_hard", 8, seed=0)
    success = np.array([1, 0, 1, 1, 0, 0, 1, 0], bool)
    steps = np.array([5, 50, 20, 8, 50, 50, 10, 50], np.int32)
    found = []
    for seed in (0, 1):
        results = EpisodeResults(success, steps)
        labels = {"algorithm": "bc", "arm": "kalm", "seed": seed, "action_choice": "greedy"}
        found += rows(results, episodes, **labels)
    assert [r["family"] for r in found[:4]] == ["two_relations", "three_relations", "line", "gather"]
    assert [r["successes"] for r in found[:4]] == [1, 2, 0, 1]
    assert [r["successes_early"] for r in found[:4]] == [1, 1, 0, 1]
    assert [r["median_steps"] for r in found[:2]] == [5, 14] and math.isnan(found[2]["median_steps"])
    write_results_csv(tmp_path / "deep" / "results.csv", found)
    read = read_results_csv(tmp_path / "deep" / "results.csv")
    np.testing.assert_equal(read, found)
    (summary,) = summarise(read)
    assert summary["episodes"] == 16 and summary["seeds"] == 2
    assert summary["rate"] == 0.5 and summary["rate_early"] == 6 / 16
    assert (summary["low"], summary["high"]) == pytest.approx(wilson_interval(8, 16))
    assert summary["median_steps"] == 12  # medians 5, 14, 14, 10, twice each


def test_episodes_take_vectors_of_their_level():
    episodes = make_episodes("unseen_easy", 3, seed=0)
    with pytest.raises(ValueError, match="goal vectors"):
        episodes.with_vectors(np.zeros((2, 4)))
    assert dataclasses.replace(episodes).goals.level[0] == 2
