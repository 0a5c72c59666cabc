"""The replay stage picks rollouts evenly over families and reads their subgoals from the run's folder."""

import numpy as np

from kalm_jax.files import write_json
from kalm_jax.imagination.subgoals import Subgoal, direct_plans
from kalm_jax.pipeline.imagining import written_plans
from kalm_jax.pipeline.stages import replay as replay_stage
from kalm_jax.types import make_goal_table
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import instructions as language
from kalm_jax.worlds.clevr import text as clevr_text


def test_families_are_replayed_in_equal_numbers():
    family = np.array([7, 5, 5, 5, 5, 5, 7, 5])
    assert replay_stage.first_of_each(family, 4).tolist() == [0, 1, 2, 6]
    assert replay_stage.first_of_each(family, 100).tolist() == list(range(8))


def test_plans_are_read_back_from_their_file(tmp_path):
    said = language.sentences("unseen_hard")[::60]
    families = [clevr_goals.FAMILIES.index(s.family) for s in said]
    goals = make_goal_table([s.text for s in said], 3, families, np.array([s.goal for s in said]))
    plans = [[Subgoal(*s) for s in clevr_text.read_plan(clevr_text.plan(s.family, np.array(s.goal)))] for s in said]
    plans[0] = direct_plans(goals)[0]
    write_json(tmp_path / "plans.json", {t: [s.text for s in plan] for t, plan in zip(goals.text, plans)})
    assert written_plans(tmp_path, goals, clevr_text.read_plan) == plans
    # Goals that nothing was imagined for have no plan there; their own words stand.
    write_json(tmp_path / "plans.json", {goals.text[1]: [step.text for step in plans[1]]})
    assert written_plans(tmp_path, goals, clevr_text.read_plan)[:2] == plans[:2]
    assert max(map(len, plans)) > 1
