"""Imagined rollouts in the simulator, and the language model's metrics as counts."""

import dataclasses

import jax
import numpy as np
import pytest

from kalm_jax.evaluation import evaluate, random_policy, wilson_interval
from kalm_jax.evaluation.metrics import metric_rows, read_metrics, write_metrics
from kalm_jax.evaluation.replay import actions_policy, replay, rows
from kalm_jax.files import write_json
from kalm_jax.grounding.model import GroundedModel, init_params, numeric_spec
from kalm_jax.imagination.rollouts import Step, direct
from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.llm.transformer import LlamaConfig
from kalm_jax.pipeline.stages import replay as replay_stage
from kalm_jax.report import tables
from kalm_jax.types import EpisodeResults, Episodes, make_goal_table
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import instructions as language
from kalm_jax.worlds.clevr import simulator as clevr
from kalm_jax.worlds.clevr.collect import collect
from kalm_jax.worlds.clevr.text import corpus


@pytest.fixture(scope="module")
def recorded():
    """Real rollouts, which the simulator must repeat, and their starts."""
    rollouts, goals = collect(5, 24)
    return rollouts, Episodes(clevr.states_of(rollouts.observations[:, 0]), np.asarray(rollouts.goal), goals)


def test_the_actions_of_real_rollouts_reach_their_goals_again_and_only_as_a_whole(recorded):
    rollouts, episodes = recorded
    length = np.asarray(rollouts.length)
    with clevr.ClevrSimulator() as simulator:
        (whole,) = evaluate([actions_policy(rollouts)], [episodes], simulator, length)
        (cut,) = evaluate([actions_policy(rollouts)], [episodes], simulator, length - 1)
    assert whole.success.all() and (whole.steps == length).all()
    assert not cut.success.any() and (cut.steps == length - 1).all()


def test_a_model_is_asked_anew_from_the_real_states(recorded):
    rollouts, episodes = recorded
    tokenizer = load_tokenizer(BUILTIN)
    model = GroundedModel(
        LlamaConfig(tokenizer.vocab_size, 16, 1, 2, 2, 8, 16), numeric_spec(rollouts, clevr.NUM_ACTIONS, hidden=8)
    )
    grounded = (model, init_params(model, jax.random.key(0)), tokenizer)
    few = episodes.take(slice(0, 6))
    plans = [[Step("red blue left", int(f), tuple(a))] for f, a in zip(few.goals.family, few.goals.array.tolist())]
    with clevr.ClevrSimulator() as simulator:
        found = replay(
            *(rollouts.take(slice(0, 6)), few, simulator, grounded, plans, clevr_goals.satisfied),
            *(random_policy(0), clevr.observation_of, 1.0, 0),
        )
        (chance,) = evaluate([random_policy(0)], [few], simulator)
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
    page = tables.replayed_html([line, gather])
    # 2 of 4 open; of the 3 that match 1.
    low, high = (100 * x for x in wilson_interval(1, 3))
    assert "50.0 [" in page and f"33.3 [{low:.1f}, {high:.1f}]" in page and "· gather" in page


def test_families_are_replayed_in_equal_numbers():
    family = np.array([7, 5, 5, 5, 5, 5, 7, 5])
    assert replay_stage.first_of_each(family, 4).tolist() == [0, 1, 2, 6]
    assert replay_stage.first_of_each(family, 100).tolist() == list(range(8))


def test_plans_are_read_back_from_their_file(tmp_path):
    said = language.sentences("unseen_hard")[::60]
    families = [clevr_goals.FAMILIES.index(s.family) for s in said]
    goals = make_goal_table([s.text for s in said], 3, families, np.array([s.goal for s in said]))
    plans = [[Step(*s) for s in corpus.read_plan(corpus.plan(s.family, np.array(s.goal)))] for s in said]
    plans[0] = direct(goals)[0]
    write_json(tmp_path / "plans.json", {t: [s.text for s in plan] for t, plan in zip(goals.text, plans)})
    assert replay_stage.written_plans(tmp_path, goals, corpus.read_plan) == plans
    # Goals that nothing was imagined for have no plan there; their own words stand.
    write_json(tmp_path / "plans.json", {goals.text[1]: [step.text for step in plans[1]]})
    assert replay_stage.written_plans(tmp_path, goals, corpus.read_plan)[:2] == plans[:2]
    assert max(map(len, plans)) > 1


# --- metrics while grounding ---------------------------------------------------------------------------------------


def test_metrics_are_counts_with_intervals_and_steps_that_come_again_replace_themselves(tmp_path):
    quality = [
        {"rollouts": 10, "matched": 4, "transitions": 50, "far_transitions": 5},
        {"rollouts": 10, "matched": 5, "transitions": 50, "far_transitions": 0, "states_matched": 7},
    ]
    said = [{"prompt": "seen", "rollouts": 8, "correct": 6, "exact": 2}]
    found = {row["metric"]: row for row in metric_rows(40, quality, said, ["far"])}
    assert {name: (row["count"], row["total"]) for name, row in found.items()} == {
        "match_rate": (9, 20),
        "far_transitions": (5, 100),
        "states_matched": (7, 10),
        "explanation_seen": (6, 8),
        "explanation_seen_exact": (2, 8),
    }
    assert (found["match_rate"]["low"], found["match_rate"]["high"]) == wilson_interval(9, 20)
    path = tmp_path / "metrics.csv"
    assert read_metrics(path) == []
    for step, matched in ((20, 1), (40, 2), (60, 3), (40, 7)):  # killed after 60, resumed before 40
        write_metrics(path, metric_rows(step, [{**quality[0], "matched": matched}], [], ["far"]))
    assert [(r["step"], r["count"]) for r in read_metrics(path) if r["metric"] == "match_rate"] == [(20, 1), (40, 7)]
    assert read_metrics(path)[0] == metric_rows(20, [{**quality[0], "matched": 1}], [], ["far"])[0]
