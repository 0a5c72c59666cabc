"""Imagination with several draws: what the score function is shown, what the verifier reads, and which draw is kept."""

import jax
import numpy as np
import pytest

from kalm_jax.grounding.explanation import answer_log_probs
from kalm_jax.grounding.model import Grounded, GroundedModel, init_params, numeric_spec
from kalm_jax.imagination.rollouts import imagine
from kalm_jax.imagination.subgoals import Subgoal
from kalm_jax.imagination.verification import MIN_LOG_PROB, make_verifier
from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.llm.transformer import LlamaConfig
from kalm_jax.types import make_goal_table
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import instructions as language
from kalm_jax.worlds.clevr import simulator as clevr
from kalm_jax.worlds.clevr import text as clevr_text
from kalm_jax.worlds.clevr.collect import collect
from kalm_jax.worlds.clevr.world import state_queries

RELATION, MOVE = clevr_goals.RELATION, clevr_goals.MOVE
SIDES = clevr_goals.DIRECTIONS


@pytest.fixture(scope="module")
def grounded():
    """An untrained small model, its parameters and its tokenizer."""
    tokenizer = load_tokenizer(BUILTIN)
    spec = numeric_spec(collect(0, 16)[0], clevr.NUM_ACTIONS, hidden=16)
    model = GroundedModel(LlamaConfig(tokenizer.vocab_size, 32, 1, 2, 2, 16, 32), spec)
    return Grounded(model, init_params(model, jax.random.key(0)), tokenizer)


def imagined(grounded, texts, count, score_fn, draws, **changed):
    plans = [[Subgoal(*step) for step in clevr_text.read_plan(text)] for text in texts]
    families = [plan[0].family for plan in plans]
    goals = make_goal_table(texts, 2, families, np.array([plan[0].array for plan in plans]))
    goal = np.arange(count) % len(texts)
    states = clevr.observation_of(clevr.sample_states(np.random.default_rng(1), 64))[:count]
    settings = dict(score_fn=score_fn, draws=draws, horizon=6, max_steps_per_subgoal=3) | changed
    return imagine(grounded, goals, goal, states, plans, get_world("clevr"), **settings)


def likes_the_right(plans, before, after):
    """A score function that wants all balls far to the right."""
    return after[:, ::2].sum(1)


def test_the_continuation_with_the_best_score_is_kept(grounded):
    one = imagined(grounded, ["red left blue"], 24, likes_the_right, 1, horizon=3)
    asked = []

    def score_fn(plans, before, after):
        asked.append((before.copy(), after.copy()))
        return likes_the_right(plans, before, after)

    best = imagined(grounded, ["red left blue"], 24, score_fn, 6, horizon=3, batch=512)
    (before, after), last = asked[0], best.observations[np.arange(24), best.length]
    assert len(asked) == 1 and len(before) == 24 * 6
    np.testing.assert_array_equal(before.reshape(24, 6, -1), np.repeat(best.observations[:, :1], 6, 1))
    scores = likes_the_right(None, None, after).reshape(24, 6)
    np.testing.assert_allclose(likes_the_right(None, None, last), scores.max(1), atol=1e-6)
    assert (scores.max(1) > scores.min(1)).all()  # the draws differ
    assert likes_the_right(None, None, last).mean() > one.observations[np.arange(24), one.length][:, ::2].sum(1).mean()


def test_a_drawn_rollout_does_not_depend_on_its_batch(grounded):
    texts = ["red left blue", "green behind cyan"]
    whole = imagined(grounded, texts, 30, likes_the_right, 4)
    few = imagined(grounded, texts, 17, likes_the_right, 4, batch=16)
    for name in ("observations", "actions", "length", "terminated"):
        np.testing.assert_allclose(getattr(few, name), getattr(whole, name)[:17], atol=1e-5)


@pytest.mark.parametrize("batch", [512, 8])
def test_of_rollouts_of_one_step_every_action_is_tried(grounded, batch):
    tried = []

    def score_fn(plans, before, after):
        tried.append(len(before))
        return np.tile(np.arange(clevr.NUM_ACTIONS) == 17, len(before) // clevr.NUM_ACTIONS)

    found = imagined(grounded, ["move red left", "move cyan behind"], 15, score_fn, 2, horizon=1, batch=batch)
    assert sum(tried) == 15 * clevr.NUM_ACTIONS and (found.actions == 17).all() and (found.length == 1).all()


def test_a_search_tries_every_action_of_each_step(grounded):
    likes = np.random.default_rng(0).permutation(clevr.NUM_ACTIONS)

    def score_fn(plans, before, after):
        return np.tile(likes, len(before) // clevr.NUM_ACTIONS)

    found = imagined(grounded, ["red left blue"], 9, score_fn, 2, horizon=4, max_steps_per_subgoal=1)
    taken = found.actions[found.valid()]
    assert found.length.max() == 4 and (taken == likes.argmax()).all()


def test_the_score_function_sees_nothing_beyond_the_last_step(grounded):
    seen = []

    def score_fn(plans, before, after):
        seen.append((before.copy(), after.copy()))
        return np.zeros(len(before))

    found = imagined(grounded, ["red left blue"], 16, score_fn, 2, horizon=4, max_steps_per_subgoal=3)
    long = found.length == 4
    assert long.any()
    last = found.observations[np.arange(16), found.length][long]
    assert all((np.abs(np.concatenate([a for _, a in seen]) - x).max(1) < 1e-6).any() for x in last)


def test_several_draws_need_a_score_function(grounded):
    with pytest.raises(ValueError, match="a score_fn to choose"):
        imagined(grounded, ["red left blue"], 4, None, 3)
    with pytest.raises(ValueError, match="draws is 0"):
        imagined(grounded, ["red left blue"], 4, None, 0)


def test_the_verifier_sums_the_log_probabilities_of_all_subgoals(grounded):
    states = clevr.observation_of(clevr.sample_states(np.random.default_rng(2), 3))
    before, after = states[:1].repeat(3, 0), states
    plan = [Subgoal(*step) for step in clevr_text.read_plan("red left blue and green behind cyan")]
    asked = [("red blue", "left"), ("green cyan", "behind")]
    want = [answer_log_probs(grounded, after[:1].repeat(2, 0), asked).sum()]
    want += [answer_log_probs(grounded, after[1:2], asked[1:])[0] + MIN_LOG_PROB]
    score_fn = make_verifier(grounded, state_queries)
    unknown = Subgoal(
        "line them up", RELATION, plan[0].array
    )  # its family is the truth, which is not the verifier's to know
    np.testing.assert_allclose(score_fn([plan, [unknown, plan[1]]], before[:2], after[:2]), want, rtol=1e-5)
    np.testing.assert_array_equal(score_fn([[unknown]], before[:1], after[:1]), [MIN_LOG_PROB])


def test_a_subgoal_with_alternatives_has_its_share_of_their_probability(grounded):
    states = clevr.observation_of(clevr.sample_states(np.random.default_rng(2), 3))
    goal = clevr_goals.make_goal(MOVE, (0, -1, 2))
    before, after = states, states + 0.3 * np.eye(10, dtype=np.float32)[0] * np.array([[-1], [0], [1]], np.float32)
    score_fn = make_verifier(grounded, state_queries)
    moves = [f"move red {side}" for side in SIDES]
    plans = [[Subgoal(text, MOVE, tuple(goal.tolist()))] for text in moves]
    scores = np.stack([score_fn([plan] * 3, before, after) for plan in plans])
    np.testing.assert_allclose(np.exp(scores).sum(0)[[0, 2]], 1.0, rtol=1e-5)
    np.testing.assert_array_equal(scores[:, 1], [MIN_LOG_PROB] * 4)
    # By hand, for the ball that went to the left.
    joint = []
    for d in range(4):
        asked = state_queries(moves[d], before[0], after[0])[0]
        joint.append(
            answer_log_probs(grounded, np.stack([s for s, _, _ in asked]), [(q, a) for _, q, a in asked]).sum()
        )
    np.testing.assert_allclose(scores[:, 0], joint - np.logaddexp.reduce(joint), rtol=1e-4, atol=1e-5)


def true_answers(found):
    """Whether each reading's answer is what its state shows."""
    said = [
        dict(language.describe(np.random.default_rng(0), state)).get(question, "far") for state, question, _ in found
    ]
    return [a == b for a, (_, _, b) in zip(said, found)]


def test_a_relation_is_read_off_the_state_after():
    rng = np.random.default_rng(3)
    states = clevr.observation_of(clevr.sample_states(rng, 400))
    seen = []
    for before, after in zip(states[:200], states[200:]):
        a, b = rng.permutation(5)[:2]
        d = int(rng.integers(4))
        goal = clevr_goals.make_goal(RELATION, (int(a), int(b), d))
        holds = bool(clevr_goals.satisfied(RELATION, goal, after))
        (found,) = state_queries(f"{clevr_goals.BALLS[a]} {SIDES[d]} {clevr_goals.BALLS[b]}", before, after)
        assert len(found) == 1 and found[0][0] is after
        if holds:  # a pair that is close is always described
            assert true_answers(found) == [True]
        seen.append(holds)
    assert any(seen)


@pytest.mark.parametrize("length", [0.06, 0.24, 0.5])
def test_a_move_is_read_off_two_states_in_which_the_ball_lies_beside_itself(length):
    rng = np.random.default_rng(4)
    for before in clevr.observation_of(clevr.sample_states(rng, 20)):
        ball, direction = int(rng.integers(5)), int(rng.integers(4))
        other, name = (ball + 1) % 5, clevr_goals.BALLS[ball]
        for went in range(4):
            after = before.copy()
            after[2 * ball : 2 * ball + 2] += length * clevr_goals.UNIT[went]
            found = state_queries(f"move {name} {SIDES[direction]}", before, after)
            assert len(found) == 4
            assert [true_answers(asked) for asked in found] == [
                [went == d] * 2 for d in ((direction + turn) % 4 for turn in range(4))
            ]
            first, second = (np.array(state).reshape(5, 2) for state, _, _ in found[0])
            np.testing.assert_allclose(first[[ball, other]], second[[other, ball]], atol=1e-6)
            middle = (before + after).reshape(5, 2)[ball] / 2
            np.testing.assert_allclose(first[[ball, other]].mean(0), middle, atol=1e-6)
            rest = [k for k in range(5) if k not in (ball, other)]
            np.testing.assert_array_equal(first[rest], before.reshape(5, 2)[rest])
            distance = np.linalg.norm(first[ball] - first[other])
            assert clevr_goals.TOUCHING < distance < clevr_goals.NEAR
            # Every question is one of those that descriptions ask, and the truth is that of the success test.
            for d, asked in zip(range(4), found):
                side = (direction + d) % 4
                pair = clevr_goals.make_goal(RELATION, (ball, other, side))
                back = clevr_goals.make_goal(RELATION, (ball, other, clevr_goals.opposite(side)))
                holds = [bool(clevr_goals.satisfied(RELATION, g, s)) for g, (s, _, _) in zip((pair, back), asked)]
                assert holds == [went == side] * 2
                assert [f"{q} {a}" for _, q, a in asked] == [language.goal_summary(RELATION, g) for g in (pair, back)]


def test_a_ball_that_stays_has_not_moved():
    state = clevr.observation_of(clevr.sample_states(np.random.default_rng(5), 1))[0]
    assert state_queries("move red left", state, state) is None
    green_went = state + 0.3 * np.eye(10, dtype=np.float32)[4]
    assert state_queries("move red left", state, green_went) is None
    assert state_queries("red left blue and green behind cyan", state, state) is None
