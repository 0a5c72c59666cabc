"""Imagined rollouts replayed in the simulator."""

import dataclasses

import jax
import numpy as np
import pytest

from kalm_jax.evaluation import evaluate, wilson_interval
from kalm_jax.evaluation.replay import actions_policy, replay, rows
from kalm_jax.grounding.model import Grounded, GroundedModel, init_params, numeric_spec
from kalm_jax.imagination.subgoals import Subgoal
from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.llm.transformer import LlamaConfig
from kalm_jax.report import tables
from kalm_jax.types import EpisodeResults, Episodes, make_goal_table
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import simulator as clevr
from kalm_jax.worlds.clevr.collect import collect


@pytest.fixture(scope="module")
def recorded():
    """Real rollouts, which the simulator must repeat, and their starts."""
    rollouts, goals = collect(5, 24)
    return rollouts, Episodes(clevr.states_of(rollouts.observations[:, 0]), np.asarray(rollouts.goal), goals)


def test_the_actions_of_real_rollouts_reach_their_goals_again_and_only_as_a_whole(recorded):
    rollouts, episodes = recorded
    length = np.asarray(rollouts.length)
    with clevr.ClevrSimulator() as simulator:
        whole = evaluate(actions_policy(rollouts), episodes, simulator, length)
        cut = evaluate(actions_policy(rollouts), episodes, simulator, length - 1)
    assert whole.success.all() and (whole.steps == length).all()
    assert not cut.success.any() and (cut.steps == length - 1).all()


def test_in_closed_loop_the_model_acts_on_the_simulators_states(recorded):
    rollouts, episodes = recorded
    tokenizer = load_tokenizer(BUILTIN)
    model = GroundedModel(
        LlamaConfig(tokenizer.vocab_size, 16, 1, 2, 2, 8, 16), numeric_spec(rollouts, clevr.NUM_ACTIONS, hidden=8)
    )
    grounded = Grounded(model, init_params(model, jax.random.key(0)), tokenizer)
    few = episodes.take(slice(0, 6))
    plans = [[Subgoal("red blue left", int(f), tuple(a))] for f, a in zip(few.goals.family, few.goals.array.tolist())]
    with clevr.ClevrSimulator() as simulator:
        found = replay(rollouts.take(slice(0, 6)), few, simulator, grounded, plans, get_world("clevr"), 1.0, 0)
        chance = evaluate(get_world("clevr").random_policy(0), few, simulator)
    assert found["open"].success.all()
    np.testing.assert_array_equal(found["random"].steps, chance.steps)
    assert (found["closed"].steps[~found["closed"].success] == clevr.HORIZON).all()
    assert found["closed"].steps.tolist() != chance.steps.tolist()


def test_rows_count_by_level_and_family(recorded):
    rollouts, _ = recorded
    families = [clevr_goals.FAMILIES.index(name) for name in ("line", "gather")]
    array = np.stack([clevr_goals.make_goal(f) for f in families])
    episodes = Episodes(np.zeros((4, 1)), np.array([0, 0, 0, 1]), make_goal_table(["a", "b"], 3, families, array))
    imagined = dataclasses.replace(
        rollouts.take(slice(0, 4)), terminated=np.array([True, True, False, True]), length=np.array([3, 5, 50, 9])
    )
    results = {
        "open": EpisodeResults(np.array([True, False, True, False]), np.array([2, 5, 7, 9])),
        "closed": EpisodeResults(np.array([True, True, True, True]), np.array([3, 6, 50, 40])),
        "random": EpisodeResults(np.array([False, True, False, True]), np.array([50, 5, 50, 10])),
    }
    line, gather = rows(results, imagined, episodes, clevr_goals.FAMILIES)
    want = {"open": 2, "open_matched": 1, "closed": 3, "closed_in_time": 2, "random": 1, "random_in_time": 1}
    assert line == {"level": "unseen_hard", "family": "line", "rollouts": 3, "matched": 2, **want}
    assert (gather["open"], gather["closed"], gather["closed_in_time"], gather["random_in_time"]) == (0, 1, 0, 0)
    table = tables.replay_table([line, gather], get_world("clevr").labels)
    page = " ".join(cell for row in table.rows for cell in row)
    # 2 of 4 open; of the 3 that match 1.
    low, high = (100 * x for x in wilson_interval(1, 3))
    assert "50.0 [" in page and f"33.3 [{low:.1f}, {high:.1f}]" in page and "· gather" in page
