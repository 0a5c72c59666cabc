"""What imagination without true goals may not depend on."""

import copy
import dataclasses
import shutil

import jax
import numpy as np
import pytest

from kalm_jax.datasets import read_rollouts, write_rollouts
from kalm_jax.pipeline.artifacts import IMAGINED, SUBGOALS, subgoal_goals
from kalm_jax.pipeline.imagining import MOST_OFTEN, goals_to_imagine, success_reward
from kalm_jax.pipeline.run import stages_of
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.run_records import read_run
from kalm_jax.pipeline.stages.imagine import pieces_for_subgoals
from kalm_jax.pipeline.stages.learn import learning_data
from kalm_jax.types import LEVELS, make_goal_table, make_rollouts
from kalm_jax.worlds.base import get_world

DATA_FAMILY = 0
"""Of CLEVR-Robot: the goals of the data are relations."""


class OtherTruth:
    """CLEVR-Robot, whose novel sentences ask for other goals than they say, and whose novel tests refuse to work."""

    def __init__(self, world):
        self._world = world

    def goals(self, level):
        goals = self._world.goals(level)
        if level == LEVELS[0]:
            return goals
        return dataclasses.replace(goals, family=goals.family[::-1].copy(), array=goals.array[::-1].copy())


def told_nothing(folder, target, world):
    """What `kalm` and `kalm+translate` learn from in a copy of a run, in a world of other true goals."""
    shutil.copytree(folder, target)
    config = read_run(folder)
    learn = dataclasses.replace(config.learn, conditions=("kalm", "kalm+translate"), algorithms=("bc",))
    imagine = dataclasses.replace(config.imagine, rephrase=12, unseen_easy=8, unseen_hard=8, keep_all=True)
    run = PipelineRun(target, dataclasses.replace(config, learn=learn, imagine=imagine), say=lambda text: None)
    run.world = world
    shutil.rmtree(target / IMAGINED, ignore_errors=True)
    shutil.rmtree(target / "encode", ignore_errors=True)
    for name, work in stages_of(run).items():
        if name.split("/")[0] in ("collect", "planner", "ground", "imagine", "encode"):
            work()
    imagined = {level: read_rollouts(target / IMAGINED / level / "rollouts.h5")[0] for level in LEVELS[1:]}
    whitening = np.load(target / "encode" / "whitening" / "whitening.npz")
    return imagined, dict(whitening), learning_data(run, "kalm", 0.5), learning_data(run, "kalm+translate", 0.5)


@pytest.mark.slow
def test_nothing_that_is_learned_depends_on_the_true_goals_of_novel_sentences(small_run, tmp_path, monkeypatch):
    world = get_world("clevr")
    # Sentences of test episodes are encoded too, and these are drawn evenly over the true families.
    monkeypatch.setattr("kalm_jax.pipeline.artifacts.evaluation_sets", lambda run, level: [])
    found = told_nothing(small_run, tmp_path / "true", world)
    other = copy.copy(world)
    other.goals = OtherTruth(world).goals
    # Measures of quality use true goals, and only they may.
    monkeypatch.setattr("kalm_jax.pipeline.stages.imagine.quality_rows", lambda *given: [])
    again = told_nothing(small_run, tmp_path / "other", other)
    for level in LEVELS[1:]:
        jax.tree.map(np.testing.assert_array_equal, found[0][level], again[0][level])
    np.testing.assert_array_equal(found[1]["mean"], again[1]["mean"])
    for mine, theirs in zip(found[2:], again[2:], strict=True):
        for name in ("observations", "row", "action", "reward", "terminal", "goal", "goal_vectors", "family", "array"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
        for name in ("wordings", "wording_first", "wording_count"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
        judge = mine.relabel.judge
        families = np.arange(len(world.families) + 3)
        step = (np.zeros((len(families), 10)), np.zeros(len(families), int), np.zeros((len(families), 10)))
        possible = judge(families, np.zeros((len(families), 9), int), *step)[2]
        assert not np.asarray(possible)[families != DATA_FAMILY].any()


def test_rewards_of_success_are_those_of_the_data():
    steps = make_rollouts(
        np.zeros((3, 3, 2), np.float32),
        np.zeros((3, 2), np.int32),
        np.array([1, 2, 2]),
        rewards=np.array([[4, 9], [1, 6], [7, 7]]),
        terminated=np.array([True, True, False]),
    )
    assert success_reward(steps) == 5.0 and success_reward(steps.take([2])) == 1.0


def test_no_rounds_make_no_pieces():
    rollouts, _ = get_world("clevr").collect(0, 2, "scripted", lambda done, total: None)
    assert len(pieces_for_subgoals(rollouts, [], [], subgoal_goals(get_world("clevr")), 1.0)) == 0
    assert SUBGOALS == "subgoals"


@pytest.mark.slow
def test_a_sentence_without_a_rollout_is_learned_by_its_plan(small_run, tmp_path):
    """All of its rollouts had nothing to do; the others of its plan are its, too."""
    shutil.copytree(small_run, tmp_path / "run")
    config = read_run(small_run)
    imagine = dataclasses.replace(config.imagine, keep_all=True)
    run = PipelineRun(tmp_path / "run", dataclasses.replace(config, imagine=imagine), say=lambda text: None)
    file = tmp_path / "run" / IMAGINED / "rephrase" / "rollouts.h5"
    rollouts, goals = read_rollouts(file)
    first = rollouts.goal[0]
    assert (rollouts.goal != first).any()
    write_rollouts(file, rollouts.take(rollouts.goal != first), goals)
    buffer = learning_data(run, "kalm", 0.5)
    assert np.asarray(buffer.family).min() >= 0
    assert len(np.asarray(buffer.goal_vectors)) == len(np.asarray(buffer.family))


@pytest.mark.parametrize(
    "members, want", [((5, 5), (200, 200)), ((50, 150, 20), (133, 134, 133)), ((199, 1), (380, 20))]
)
def test_families_are_imagined_equally_often_unless_one_has_hardly_a_sentence(members, want):
    family = np.repeat(np.arange(len(members)), members)
    goals = make_goal_table([f"sentence {i}" for i in range(len(family))], 2, family, np.zeros((len(family), 1), int))
    drawn = goals_to_imagine(np.random.default_rng(0), goals, 400)
    counts = np.bincount(family[drawn], minlength=len(members))
    assert len(drawn) == 400 and np.abs(counts - want).max() <= 4
    assert np.bincount(drawn).max() <= np.ceil(MOST_OFTEN * 400 / len(family)) or len(family) == 10


def test_levels_have_their_families_equally_often():
    goals = get_world("clevr").goals("unseen_hard")
    drawn = goals_to_imagine(np.random.default_rng(0), goals, 640)
    assert set(np.bincount(goals.family[drawn], minlength=6)[2:]) == {160}
