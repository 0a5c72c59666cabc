"""Imagined rollouts: the quality measures against cases worked out by hand, and the labels against the real rewards."""

import dataclasses

import jax
import numpy as np
import pytest

from kalm_jax.grounding.model import Grounded, GroundedModel, init_params, numeric_spec
from kalm_jax.imagination.judges import ByReading
from kalm_jax.imagination.rollouts import imagine, label_rewards
from kalm_jax.imagination.subgoals import Subgoal, direct_plans, next_subgoals, write_plans
from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.llm.transformer import LlamaConfig
from kalm_jax.pipeline.artifacts import subgoal_goals
from kalm_jax.pipeline.stages.imagine import pieces_for_subgoals
from kalm_jax.types import Rollouts, make_goal_table
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import rewards as clevr_rewards
from kalm_jax.worlds.clevr import simulator as clevr
from kalm_jax.worlds.clevr import text as clevr_text
from kalm_jax.worlds.clevr.collect import collect
from kalm_jax.worlds.clevr.realism import explanation_row, furthest_move, read_relation
from kalm_jax.worlds.text.grammar import Numbers

RELATION, MOVE = clevr_goals.RELATION, clevr_goals.MOVE


def test_labels_of_real_rollouts_are_their_rewards():
    rollouts, goals = collect(5, 24)
    blank = dataclasses.replace(rollouts, rewards=np.zeros_like(rollouts.rewards))
    np.testing.assert_allclose(label_rewards(blank, goals, clevr_rewards.reward).rewards, rollouts.rewards, atol=1e-5)


def _one(observations, actions, terminated):
    observations = np.asarray(observations, np.float32)[None]
    actions = np.asarray(actions, np.int32)[None]
    n = np.array([actions.shape[1]], np.int32)
    zeros = np.zeros(actions.shape, np.float32)
    return Rollouts(observations, actions, zeros, n, np.array([terminated]), np.zeros(1, np.int32), np.array([True]))


def _push_of(distance):
    """A real rollout whose only push moves a ball by `distance`."""
    return _one([np.zeros(10), np.eye(10)[0] * distance], [0], True)


def test_unrealistic_transitions_are_counted():
    still = np.tile([-0.4, 0.0, -0.2, 0.3, 0.0, 0.0, 0.2, 0.3, 0.4, 0.0], (4, 1))
    still[2:, 8] = 0.65  # cyan leaves the bench and stays outside: two transitions off
    still[3, 0] = 0.2  # red jumps 0.6 m: one transition beyond the dynamics
    goals = make_goal_table(["x"], 1, RELATION, np.array([clevr_goals.make_goal(RELATION, (0, 1, 1))]))
    (row,) = get_world("clevr").quality_rows(_one(still, [0, 0, 0], True), goals, _push_of(0.3))
    assert row["level"] == "rephrase" and row["family"] == "relation"
    assert (row["rollouts"], row["matched"], row["transitions"]) == (1, 1, 3)
    assert (row["off_bench_transitions"], row["beyond_dynamics_transitions"]) == (2, 1)
    assert np.isclose(furthest_move(_one(still, [0, 0, 0], True)), 0.6)


def test_single_moves_are_tested_by_action_and_by_state():
    start = np.array([-0.4, 0.0, -0.2, 0.3, 0.0, 0.0, 0.2, 0.3, 0.4, 0.0])
    end = start.copy()
    end[1] += 0.2
    goals = make_goal_table(["x"], 2, MOVE, np.array([clevr_goals.make_goal(MOVE, (0, -1, 0))]))
    (row,) = get_world("clevr").quality_rows(
        _one([start, end], [3], False), goals, _push_of(1.0)
    )  # pushed to the front, went behind
    assert (row["actions_matched"], row["states_matched"]) == (0, 1)


def test_explanations_are_read():
    assert read_relation("push the red ball to the left of the blue ball") == (0, 1, 1)
    assert read_relation("is there any cyan ball in behind of the green ball?") == (4, 2, 0)
    assert read_relation("the red ball moves") is None
    goals = make_goal_table(["x"], 0, RELATION, np.array([clevr_goals.make_goal(RELATION, (0, 1, 1))]))
    rollouts = _one(np.zeros((2, 10)), [0], True)
    three = dataclasses.replace(rollouts, goal=np.zeros(3, np.int32))
    texts = ["move red left of blue", "the blue ball is right of the red ball", "red right of blue"]
    assert explanation_row(texts, three, goals, "seen") == {"prompt": "seen", "rollouts": 3, "correct": 2, "exact": 1}


# --- plans ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world():
    """An untrained small model, its tokenizer, goals of three families, and first states.

    Its imagined steps are large, so that some goals are reached by chance.
    """
    tokenizer = load_tokenizer(BUILTIN)
    spec = numeric_spec(collect(0, 16)[0], clevr.NUM_ACTIONS, hidden=16)
    spec = dataclasses.replace(spec, change_std=tuple(4 * x for x in spec.change_std))
    model = GroundedModel(LlamaConfig(tokenizer.vocab_size, 32, 1, 2, 2, 16, 32), spec)
    texts = ["put red left of blue", "line up", "red left of blue, green behind cyan"]
    names, triples = ["relation", "line", "two_relations"], [[(0, 1, 1)], [], [(0, 1, 1), (2, 4, 0)]]
    families = [clevr_goals.FAMILIES.index(name) for name in names]
    arrays = [clevr_goals.make_goal(f, *t) for f, t in zip(families, triples)]
    goals = make_goal_table(texts, 1, families, np.stack(arrays))
    plans = [[Subgoal(*s) for s in clevr_text.read_plan(clevr_text.plan(n, a))] for n, a in zip(names, arrays)]
    goal = np.arange(70) % 3
    states = clevr.observation_of(clevr.sample_states(np.random.default_rng(1), len(goal)))
    states = states[~clevr_goals.satisfied(goals.family[goal], goals.array[goal], states)]
    grounded = Grounded(model, init_params(model, jax.random.key(0)), tokenizer)
    return grounded, goals, goal[: len(states)], states, plans


def run(world, plans=None, count=None, **changed):
    settings = dict(horizon=9, max_steps_per_subgoal=4)
    grounded, goals, goal, states, own = world
    plans = own if plans is None else plans
    settings |= changed
    return imagine(grounded, goals, goal[:count], states[:count], plans, get_world("clevr"), **settings)


def test_planned_rollouts_end_at_their_goal_and_nowhere_else(world):
    goals, rollouts = world[1], run(world)
    i, t = np.nonzero(rollouts.valid())
    goal = rollouts.goal[i]
    step = (rollouts.observations[i, t], rollouts.actions[i, t], rollouts.observations[i, t + 1])
    reached = np.zeros(rollouts.actions.shape, bool)
    reached[i, t] = clevr_goals.success(goals.family[goal], goals.array[goal], *step)
    last = np.arange(rollouts.horizon)[None] == rollouts.length[:, None] - 1
    np.testing.assert_array_equal((reached & last).any(1), rollouts.terminated)
    assert not (reached & ~last).any()
    assert (rollouts.length[~rollouts.terminated] == 9).all() and 0 < rollouts.terminated.mean() < 1
    np.testing.assert_array_equal(rollouts.observations[:, 0], world[3])
    assert (rollouts.observations[~(np.arange(10)[None] <= rollouts.length[:, None])] == 0).all()


def test_a_planned_rollout_does_not_depend_on_its_batch(world):
    whole, few = run(world), run(world, count=40, batch=16)
    for name in ("observations", "actions", "length", "terminated"):
        np.testing.assert_allclose(getattr(few, name), getattr(whole, name)[:40], atol=1e-5)


def test_a_goal_in_its_own_words_needs_no_rounds(world):
    """One call of nine steps: the same as `generate_rollouts` alone, whose actions do not see the plan."""
    plans = direct_plans(world[1])
    assert [plan[0].text for plan in plans] == list(world[1].text)
    once, again = run(world, plans, max_steps_per_subgoal=9), run(world, plans, max_steps_per_subgoal=9, seed=1)
    assert (once.actions != again.actions).any()
    np.testing.assert_array_equal(once.actions[:, 0] >= 0, True)


def test_the_first_open_step_of_a_plan_is_next(world):
    goal, states, plans = world[2:]
    chosen = next_subgoals([plans[g] for g in goal], states, clevr_goals.satisfied, 0)
    for g, state, step in zip(goal, states, chosen):
        open_ = [s for s in plans[g] if not clevr_goals.satisfied(s.family, s.array, state)]
        assert step is (open_[0] if open_ else plans[g][0])


def test_words_that_are_no_plan_leave_the_goal_as_it_is(world):
    grounded, goals = world[:2]
    assert write_plans(grounded, goals, lambda text: []) == direct_plans(goals)
    heard = []
    plans = write_plans(grounded, goals, lambda text: heard.append(text) or [("x", 0, (0,) * 9)])
    assert len(heard) == 3 and all(plan[0].text == "x" for plan in plans)


def test_plans_are_read_as_they_are_written():
    rng = np.random.default_rng(0)
    for name, steps in zip(clevr_goals.FAMILIES, (1, 1, 2, 3, 4, 4)):
        goal = clevr_text.sample_goal(Numbers(rng), name)
        read = clevr_text.read_plan(clevr_text.plan(name, goal))
        assert len(read) == steps and clevr_text.plan(name, goal) == " and ".join(text for text, _, _ in read)
        if name in ("relation", "move"):
            assert read[0][1] == clevr_goals.FAMILIES.index(name)
            np.testing.assert_array_equal(read[0][2], goal)
    assert clevr_text.read_plan("red left") == [] and clevr_text.read_plan("red left blue and then some") == []
    assert clevr_text.read_plan("red left red") == []


def test_plans_that_are_learned_use_no_evaluation_sentence():
    from kalm_jax.worlds.clevr.instructions import split_of

    rng = np.random.default_rng(1)
    for _ in range(300):
        wording, plan = clevr_text.sample_plan(rng)
        assert split_of(wording) in (None, "offline")
        assert clevr_text.read_plan(plan)


# --- without tests of goals ------------------------------------------------------------------------------------------


def exact(plans, before, after):
    """Reads relations without a mistake."""
    return np.array(
        [
            sum(0.0 if clevr_goals.satisfied(s.family, np.array(s.array, int), state) else -20.0 for s in plan)
            for plan, state in zip(plans, after, strict=True)
        ]
    )


@pytest.mark.parametrize("draws", [1, 3])
def test_by_exact_readings_of_a_right_plan_rollouts_are_those_of_the_goals_own_tests(world, draws):
    """Relations are reached where their goal is; the true goals are not given."""
    grounded, goals, goal, states, plans = world
    mine = np.flatnonzero(goals.family[goal] != clevr_goals.LINE)
    settings = dict(horizon=9, max_steps_per_subgoal=4, draws=draws, score_fn=exact if draws > 1 else None)
    clevr_world = get_world("clevr")
    tested = imagine(grounded, goals, goal[mine], states[mine], plans, clevr_world, **settings)
    judge = ByReading([plans[g] for g in goal[mine]], exact, lambda subgoal, state: True, reward=5.0)
    unknown = dataclasses.replace(goals, family=np.full(3, -1, np.int32), array=np.zeros_like(goals.array))
    read = imagine(grounded, unknown, goal[mine], states[mine], plans, clevr_world, judge=judge, **settings)
    for name in ("observations", "actions", "length", "terminated", "goal"):
        np.testing.assert_allclose(getattr(read, name), getattr(tested, name), atol=1e-5)
    assert 0 < read.terminated.mean() < 1
    last = np.arange(read.horizon) == read.length[:, None] - 1
    np.testing.assert_array_equal(read.rewards, 5.0 * (last & read.terminated[:, None]))
    # The rounds are the rollouts, one after the other, and each that reached its subgoal ends in a state that shows it.
    for i in range(len(mine)):
        rounds = [r for r in judge.rounds if r.rollout == i]
        assert [r.start for r in rounds] == [0, *(r.stop for r in rounds[:-1])] and rounds[-1].stop == read.length[i]
        for r in rounds:
            subgoal = plans[goal[mine[i]]][r.place]
            assert r.reached == (exact([[subgoal]], None, read.observations[i, [r.stop]])[0] == 0)
    subgoals = subgoal_goals(clevr_world)
    pieces = pieces_for_subgoals(read, judge.rounds, [plans[g] for g in goal[mine]], subgoals, 5.0)
    assert len(pieces) == sum(r.reached for r in judge.rounds) > 0 and pieces.imagined.all()
    end = pieces.observations[np.arange(len(pieces)), pieces.length]
    assert clevr_goals.satisfied(subgoals.family[pieces.goal], subgoals.array[pieces.goal], end).all()
    np.testing.assert_allclose(pieces.rewards.sum(1), 5.0)
