"""Meta-world as a `World`: its explanations are counted, and rollouts that are not realistic are left out."""

import numpy as np

from kalm_jax.pipeline.stages.learn import filter_realistic
from kalm_jax.types import make_goal_table
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.clevr.world import ClevrWorld
from tests.fixtures import numbered_rollouts


def test_explanations_count_the_task_and_the_datas_words():
    world = get_world("metaworld")
    goals = world.goals("offline")
    faucet = [i for i, t in enumerate(goals.text) if t in ("open the faucet", "please open the faucet")]
    rollouts = numbered_rollouts(3, 4, goal=[faucet[0]] * 3)
    row = world.explanation_row(["Open the faucet", "open now that faucet", "push the puck"], rollouts, goals, "seen")
    assert row == {"prompt": "seen", "rollouts": 3, "correct": 2, "exact": 1}


def test_a_part_without_realistic_rollouts_teaches_nothing(capsys, monkeypatch):
    rollouts, goals = numbered_rollouts(4, 3), make_goal_table(["go"], 0, 0, np.zeros((1, 1)))
    for good in (np.array([True, False, True, False]), np.zeros(4, bool)):
        monkeypatch.setattr(ClevrWorld, "filter_realistic", lambda *_, good=good: good)
        assert len(filter_realistic(get_world("clevr"), "rephrase", rollouts, goals, rollouts)) == good.sum()
    assert "imagine/rephrase: no rollout ends as done and is realistic" in capsys.readouterr().out
