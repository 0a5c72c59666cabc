"""The conditions beside KALM: the language model acting, real rollouts of the novel goals, and the last checkpoints."""

import copy
import dataclasses
import itertools
import re
import shutil

import jax
import numpy as np
import pytest

from benchmarks.pretrain import train_tokenizer
from kalm_jax import offline_rl
from kalm_jax.datasets import read_rollouts
from kalm_jax.evaluation import evaluate, learner_policy, read_results_csv, record
from kalm_jax.evaluation.llm_policy import PlanPolicy, WordsPolicy
from kalm_jax.evaluation.policies import SubgoalPolicy
from kalm_jax.files import read_json
from kalm_jax.grounding.config import NumericSpec
from kalm_jax.grounding.decoding import act, start_episodes
from kalm_jax.grounding.model import Grounded, GroundedModel, init_params
from kalm_jax.grounding.sequences import RowSequence, align_right
from kalm_jax.grounding.tasks import goal_prompt
from kalm_jax.imagination.subgoals import Subgoal
from kalm_jax.llm.transformer import LlamaConfig
from kalm_jax.pipeline import config as configs
from kalm_jax.pipeline import translation
from kalm_jax.pipeline.artifacts import encoded_goals, evaluation_sets, goal_vectors, goals_of, planner_stage
from kalm_jax.pipeline.learners import configured_learner, load_policies, policy_points
from kalm_jax.pipeline.run import check_conditions, stages_of
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.run_records import read_run
from kalm_jax.pipeline.stages.collect import run_collect
from kalm_jax.pipeline.stages.encode import run_whiten
from kalm_jax.pipeline.stages.evaluate import run_evaluate
from kalm_jax.pipeline.stages.learn import learning_data, run_learn
from kalm_jax.pipeline.stages.oracle import run_oracle
from kalm_jax.pipeline.stages.relabel import run_relabel
from kalm_jax.pipeline.translation import Translator
from kalm_jax.types import LEVELS, Episodes, make_goal_table
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr.behaviors import behavior_policy
from kalm_jax.worlds.clevr.episodes import make_episodes
from kalm_jax.worlds.clevr.simulator import ClevrSimulator, observation_of

# ------------------------------------------------------------------------------------------- the language model acts

TEXTS = ("push the red ball left", "go", "keep the blue ball far from the red one")
GOALS = make_goal_table(TEXTS, 0, 0, np.zeros((3, 1), np.int32))
EPISODES = Episodes(np.zeros((4, 2)), np.array([0, 1, 2, 0], np.int32), GOALS)


@pytest.fixture(scope="module", params=["discrete", "continuous"])
def grounded(request):
    """A model of random weights, large enough that its actions depend on all that it reads."""
    tokenizer = train_tokenizer([f"{t} rollout : goal ." for t in TEXTS] * 3, 330)
    spec = NumericSpec(2, 5, 0, (0.0, 0.0), (1.0, 1.0), (1.0, 1.0), hidden=8)
    if request.param == "continuous":
        zeros, ones, far = (0.0, 0.0), (1.0, 1.0), (9.0, 9.0)
        low = tuple(-x for x in far)
        spec = dataclasses.replace(
            *(spec,), num_actions=0, action_dim=2, action_mean=zeros, action_std=ones, action_low=low, action_high=far
        )
    model = GroundedModel(LlamaConfig(tokenizer.vocab_size, 16, 2, 2, 2, 8, 32), spec)
    params = jax.tree.map(lambda x: 3.0 * x, init_params(model, jax.random.key(1)))
    return Grounded(model, params, tokenizer)


def read_whole(grounded, text, states, actions):
    """The greedy action after words and a whole rollout, read at once without a cache."""
    model, params, tokenizer = grounded
    row = RowSequence(2).text(goal_prompt(tokenizer, text)).rollout(np.stack(states), np.array(actions), 0.0, 0.0)
    reading = start_episodes(params, align_right([row], 64, 2), model=model, steps=0)
    return np.asarray(act(params, jax.random.split(jax.random.key(0), 1), reading, 0, 0.0, model=model))[0]


def states_of(steps):
    return np.random.default_rng(3).normal(size=(steps, 4, 2)).astype(np.float32)


@pytest.mark.parametrize("window", [3, 6])
def test_acting_with_a_cache_equals_reading_the_whole_episode_again(grounded, window):
    states, policy, taken = states_of(6), WordsPolicy(grounded, 0, 0.0, window, np.asarray), []
    for _ in range(2):  # a second evaluation starts again
        taken = []
        for t in range(6):
            taken.append(policy(EPISODES, states[t], np.ones(4, bool), t))
            since = t - t % window
            for i, goal in enumerate(EPISODES.goal):
                past = [a[i] for a in taken[since:t]]
                want = read_whole(
                    grounded,
                    TEXTS[goal],
                    states[since : t + 1, i],
                    np.array(past).reshape(t - since, *taken[0].shape[1:]),
                )
                np.testing.assert_allclose(taken[t][i], want, rtol=1e-4, atol=1e-4)
    assert len(np.unique(np.array(taken).reshape(24, -1), axis=0)) > 2


def test_acting_by_plan_pursues_the_first_subgoal_that_is_not_satisfied(grounded):
    """A subgoal is satisfied where the state's first number reaches its array; it has two steps at a time."""

    def satisfied(family, array, state):
        return state[:, 0] >= array[:, 0]

    first, second = Subgoal("go", 0, (1,)), Subgoal(TEXTS[0], 0, (2,))
    plans = [[first, second], [second], [first]]
    states = states_of(6)
    states[:, :, 0] = np.array([0.0, 0.5, 1.0, 1.5, 1.6, 1.7])[:, None]
    policy, taken = PlanPolicy(grounded, plans, satisfied, 0, 0.0, 2, np.asarray), []
    active = np.array([True, True, False, True])
    # Episode 0: two steps for the first, from step 2 on for the second, which is begun again after two steps.
    for t, (text, since) in enumerate([("go", 0), ("go", 0), *[(TEXTS[0], 2)] * 2, *[(TEXTS[0], 4)] * 2]):
        taken.append(policy(EPISODES, states[t], active, t))
        for i in (0, 3):
            past = np.array([a[i] for a in taken[since:t]]).reshape(t - since, *taken[0].shape[1:])
            want = read_whole(grounded, text, states[since : t + 1, i], past)
            np.testing.assert_allclose(taken[t][i], want, atol=1e-4)
        assert (taken[t][2] == 0).all()


def test_sampled_actions_do_not_depend_on_the_other_episodes(grounded):
    states = states_of(2)
    alone = Episodes(EPISODES.states[:1], EPISODES.goal[:1], GOALS)
    for heat in (0.0, 1.0):
        together, single = (WordsPolicy(grounded, 5, heat, 6, np.asarray) for _ in range(2))
        for t in range(2):
            a = together(EPISODES, states[t], np.ones(4, bool), t)
            b = single(alone, states[t][:1], np.ones(1, bool), t)
            np.testing.assert_allclose(a[:1], b, atol=1e-5)


# ------------------------------------------------------------------------------------------------------------ oracle

TINY = dataclasses.replace(
    configs.load_presets("clevr")["smoke"],
    collect=configs.CollectConfig(rollouts=80),
    imagine=configs.ImagineConfig(rephrase=40, unseen_easy=40, unseen_hard=4),
    learn=configs.LearnConfig(seeds=2, updates=40, algorithms=("bc",), conditions=("offline", "oracle"), checkpoints=5),
    evaluate=configs.EvaluateConfig(episodes=23, actions=configs.ACTIONS),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with its real rollouts, and random goal vectors in the place of a language model's."""
    run = PipelineRun(tmp_path_factory.mktemp("run"), TINY, say=lambda text: None)
    run_collect(run)
    for part in ("data", *LEVELS):
        goals = goals_of(run, part)
        vectors = np.random.default_rng(len(goals)).normal(size=(len(goals), 6)).astype(np.float32)
        run.stage(f"encode/{part}", {}, [], lambda folder, vectors=vectors: np.save(folder / "vectors.npy", vectors))
    run_whiten(run)
    for level in LEVELS[1:]:
        run_oracle(run, level)
    return run


def test_recorded_episodes_are_those_that_evaluation_plays():
    episodes = make_episodes("unseen_hard", 6, 3).take(slice(0, 6, 2))
    with ClevrSimulator(threads=1) as simulator:
        result = evaluate(behavior_policy(simulator, 1), episodes, simulator)
        rollouts = record(behavior_policy(simulator, 1), episodes, simulator, observation_of)
        np.testing.assert_array_equal(rollouts.terminated, result.success)
        np.testing.assert_array_equal(rollouts.length, result.steps)
        states = episodes.states.copy()
        for t in range(int(rollouts.length.min())):
            np.testing.assert_allclose(rollouts.observations[:, t], observation_of(states), atol=1e-6)
            states = simulator.push(states, rollouts.actions[:, t])
    assert (rollouts.actions[np.arange(rollouts.horizon) >= rollouts.length[:, None]] == 0).all()


@pytest.mark.parametrize("level", LEVELS[1:])
def test_the_oracle_has_real_successful_rollouts_of_the_novel_goals(run, level):
    rollouts, goals = read_rollouts(run.path / "oracle" / level / "rollouts.h5")
    world = get_world("clevr")
    assert 0.7 * getattr(TINY.imagine, level) <= len(rollouts) <= getattr(TINY.imagine, level)
    assert rollouts.terminated.all() and not rollouts.imagined.any()
    assert goals.text == world.goals(level).text
    np.testing.assert_array_equal(world.label_rewards(rollouts, goals).rewards, rollouts.rewards)
    last, i = rollouts.length - 1, np.arange(len(rollouts))
    before, after = rollouts.observations[i, last], rollouts.observations[i, last + 1]
    goal = (goals.family[rollouts.goal], goals.array[rollouts.goal])
    assert clevr_goals.success(*goal, before, rollouts.actions[i, last], after).all()
    assert not clevr_goals.satisfied(*goal, rollouts.observations[:, 0]).any()


# ----------------------------------------------------------------------------------------------------------- relabel


@pytest.mark.parametrize("level", LEVELS[1:])
def test_relabeled_pieces_are_real_and_end_where_they_reach_the_novel_goal(run, level):
    run_relabel(run, "relabel", level)
    rollouts, goals = read_rollouts(run.path / "relabel" / level / "rollouts.h5")
    world, (real, _) = get_world("clevr"), read_rollouts(run.path / "collect" / "rollouts.h5")
    assert 0 < len(rollouts) <= getattr(TINY.imagine, level)
    assert rollouts.terminated.all() and not rollouts.imagined.any() and goals.text == world.goals(level).text
    states = {o.tobytes(): (i, t) for i, row in enumerate(real.observations) for t, o in enumerate(row)}
    for i, length in enumerate(rollouts.length):
        source, first = states[rollouts.observations[i, 0].tobytes()]
        piece = slice(first, first + length + 1)
        np.testing.assert_array_equal(rollouts.observations[i, : length + 1], real.observations[source, piece])
        np.testing.assert_array_equal(rollouts.actions[i, :length], real.actions[source, piece][:length])
        family, array = (np.repeat(x[rollouts.goal[i]][None], length, 0) for x in (goals.family, goals.array))
        before, after = rollouts.observations[i, :length], rollouts.observations[i, 1 : length + 1]
        reached = clevr_goals.success(family, array, before, rollouts.actions[i, :length], after)
        assert reached.tolist() == [False] * (length - 1) + [True]
        assert not clevr_goals.satisfied(family, array, before).any()
    np.testing.assert_array_equal(world.label_rewards(rollouts, goals).rewards, rollouts.rewards)
    assert level != "unseen_easy" or (rollouts.length == 1).all()


@pytest.mark.parametrize("level", LEVELS[1:])
def test_pieces_for_subgoals_reach_one_of_the_true_plan(run, level):
    run_relabel(run, "relabel+translate", level)
    rollouts, subgoals = read_rollouts(run.path / "relabel+translate" / level / "subgoals.h5")
    world, plans = get_world("clevr"), set()
    goals = world.goals(level)
    for family, array in zip(goals.family, goals.array, strict=True):
        plans |= {text for text, *_ in world.language.read_plan(world.language.plan(int(family), array))}
    asked = {subgoals.text[g] for g in rollouts.goal}
    assert asked <= plans and len(asked) > 3
    assert rollouts.terminated.all() and not rollouts.imagined.any()
    last, i = rollouts.length - 1, np.arange(len(rollouts))
    goal = (subgoals.family[rollouts.goal], subgoals.array[rollouts.goal])
    before, after = rollouts.observations[i, last], rollouts.observations[i, last + 1]
    assert clevr_goals.success(*goal, before, rollouts.actions[i, last], after).all()


@pytest.mark.parametrize("condition", ["relabel", "oracle"])
def test_novel_goals_are_rewarded_like_those_of_the_data(run, condition):
    if condition == "relabel":
        for level in LEVELS[1:]:
            run_relabel(run, condition, level)
    real, data = read_rollouts(run.path / "collect" / "rollouts.h5")
    over = np.flatnonzero(real.terminated)
    reward = real.rewards[over, real.length[over] - 1].mean()
    buffer = learning_data(run, condition, 0.0)
    novel = ~np.isin(np.asarray(buffer.family)[buffer.goal], np.unique(data.family))
    rewards, terminal = np.asarray(buffer.reward)[novel], np.asarray(buffer.terminal)[novel] > 0
    assert terminal.any() and not rewards[~terminal].any()
    np.testing.assert_allclose(rewards[terminal], reward, rtol=1e-6)


def test_policies_learn_from_the_real_rollouts_alone_where_these_reach_no_novel_goal(run, tmp_path, capsys):
    shutil.copytree(run.path, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "relabel", ignore_errors=True)
    alone = PipelineRun(tmp_path / "run", TINY, say=lambda text: None)
    world = copy.copy(run.world)
    nothing = lambda family, *step: (np.zeros(len(family)), np.zeros(len(family), bool), np.ones(len(family), bool))  # noqa: E731
    world.learning = dataclasses.replace(world.learning, relabel=nothing)
    alone.world = world
    run_collect(alone)
    run_relabel(alone, "relabel", "unseen_hard")
    assert "relabel/unseen_hard: no real rollout reaches such a goal" in capsys.readouterr().out
    found = learning_data(alone, "relabel", 0.0)
    assert len(found) == len(learning_data(alone, "offline", 0.0))


# --------------------------------------------------------------------------------------------------------- translate


def test_a_policy_is_told_the_first_subgoal_that_is_not_read_as_reached():
    told = make_goal_table(("one", "two", "three"), 0, 0, np.zeros((3, 1), np.int32))
    seen = []

    def policy(episodes, states, active, step):
        seen.append([episodes.goals.text[g] for g in episodes.goal])
        return states[:, 0]

    def read(goal, place, before, after):
        assert (goal == 0).all() and (before == first).all()
        return np.where(place < after[:, 0], -0.1 * (1 + place), -5.0)

    episodes = Episodes(np.zeros((3, 2)), np.array([0, 1, 0], np.int32), GOALS)
    player, first = SubgoalPolicy(policy, told, [[0, 1, 2], [1], [2]], read, np.asarray), 0.0
    for state in (0.0, 1.0, 2.0, 3.0):
        states = np.full((3, 2), state)
        np.testing.assert_array_equal(player(episodes, states, np.array([True, True, False]), int(state)), states[:, 0])
    # With all three reached it goes for the one that is read so with the least probability; others are never asked.
    assert [row[0] for row in seen] == ["one", "two", "three", "three"]
    assert {row[1] for row in seen} == {"two"} and {row[2] for row in seen} == {"one"}


@pytest.mark.slow
def test_translated_goals_are_told_in_the_words_of_the_data(small_run, tmp_path):
    shutil.copytree(small_run, tmp_path / "run")
    config = read_run(small_run)
    config = dataclasses.replace(
        config, learn=dataclasses.replace(config.learn, conditions=("offline", *configs.TRANSLATED))
    )
    assert config.learn.learned == ("offline", "relabel+translate", "kalm+translate")
    run, world = PipelineRun(tmp_path / "run", config, say=lambda text: None), get_world("clevr")
    for name, work in stages_of(run).items():
        if not name.startswith("evaluate/td3bc"):
            work()
    data = goals_of(run, "data")
    meant = {text: (int(f), *a) for text, f, a in zip(data.text, data.family, data.array.tolist(), strict=True)}
    for level in ("rephrase", "unseen_hard"):
        folder, goals = run.path / "evaluate" / f"bc-translate-{level}", encoded_goals(run, level)
        rows = read_results_csv(folder / "results.csv")
        assert {row["condition"] for row in rows} == {"translate"} and sum(row["episodes"] for row in rows) >= 2
        asked = np.arange(0, len(goals), max(1, len(goals) // 24))
        translator = Translator(run, goals, asked)
        told = {goals.text[g]: translator.texts(g) for g in asked} | read_json(folder / "told.json", dict)
        steps = set(world.language.subgoals())
        assert all(set(texts) <= {*data.text, sentence} | steps for sentence, texts in told.items())
        if level == "unseen_hard":
            assert max(map(len, told.values())) > 1
            continue
        table = world.goals(level)
        true = {t: (int(f), *a) for t, f, a in zip(table.text, table.family, table.array.tolist(), strict=True)}
        right = [len(texts) == 1 and meant.get(texts[0]) == true[sentence] for sentence, texts in told.items()]
        assert np.mean(right) >= 0.7


def test_plans_of_the_same_episodes_are_written_once(tmp_path, monkeypatch):
    config, goals, asked = configs.load_presets("clevr")["smoke"], get_world("clevr").goals("rephrase"), np.arange(3)
    written = []

    def write(*about):
        written.append(about)
        return [[Subgoal(str(len(written)), 0, ())]]

    monkeypatch.setattr(translation, "plans_of", write)
    run = PipelineRun(tmp_path / "run", config, command=None)
    for stage in ("ground", *planner_stage(config)):
        (run.path / stage).mkdir(parents=True)
        (run.path / stage / "done.json").write_text(stage)
    first = translation.episode_plans(run, None, goals, asked)
    assert translation.episode_plans(run, None, goals, asked.copy()) is first and len(written) == 1
    assert written[0] == (config, None, goals, asked, run.path)
    assert translation.episode_plans(run, None, goals, np.arange(4)) is not first
    assert translation.episode_plans(run, None, goals.take(np.arange(9)), asked) is not first
    direct = dataclasses.replace(config, imagine=dataclasses.replace(config.imagine, plan=False))
    assert translation.episode_plans(PipelineRun(run.path, direct, command=None), None, goals, asked) is not first
    (run.path / "ground" / "done.json").write_text("made again")
    assert translation.episode_plans(run, None, goals, asked) is not first and len(written) == 5


@pytest.mark.parametrize(
    "name, condition, change",
    [
        ("metaworld", "relabel", {}),
        ("metaworld", "relabel+translate", {}),
        ("clevr", "relabel+translate", {"plan": False}),
        ("clevr", "translate", {"plan": False}),
        ("clevr", "kalm+translate", {"plan": False}),
        ("clevr", "kalm", {"plan": False}),
    ],
)
def test_conditions_that_a_world_does_not_have_are_refused(name, condition, change):
    config = configs.configure(configs.load_presets(name)["smoke"], {"conditions": (condition,), **change})
    with pytest.raises(ValueError, match=re.escape(f"--conditions={condition}")):
        check_conditions(config, get_world(name))


# ---------------------------------------------------------------------------------------------------- last checkpoints


def test_the_last_checkpoints_are_a_twentieth_of_the_training_apart():
    learn = dataclasses.replace(TINY.learn, updates=1000)
    for count, want in ((1, [1000]), (5, [800, 850, 900, 950, 1000])):
        config = dataclasses.replace(TINY, learn=dataclasses.replace(learn, checkpoints=count))
        assert policy_points(config, "td3bc") == want
    assert policy_points(config, "bc") == [400, 425, 450, 475, 500]


@pytest.mark.slow
@pytest.mark.parametrize("condition", ["offline", pytest.param("oracle", marks=pytest.mark.nightly)])
def test_the_rate_is_the_mean_over_checkpoints_which_share_the_episodes(run, condition):
    run_learn(run, "bc", condition)
    run_evaluate(run, "bc", condition, "rephrase")
    found = read_results_csv(run.path / "evaluate" / f"bc-{condition}-rephrase" / "results.csv")
    world, learner = get_world("clevr"), configured_learner(TINY, "bc")
    vectors = goal_vectors(run, "rephrase")
    for i in (0, 1):
        want, points = 0, policy_points(TINY, "bc")
        tests = [episodes.with_vectors(vectors) for _, seed, episodes in evaluation_sets(run, "rephrase") if seed == i]
        with ClevrSimulator(threads=1) as simulator:
            for episodes, (k, point) in itertools.product(tests, enumerate(points)):
                states, stats = load_policies(run, "bc", condition, point)
                act = learner_policy(learner, states[i], stats, True, i, world.observe)
                result = evaluate(act, episodes.take(slice(k, None, len(points))), simulator)
                want += int(result.success.sum())
        mine = [row for row in found if row["seed"] == i and row["action_choice"] == "greedy"]
        assert sum(row["episodes"] for row in mine) == 23 and sum(row["successes"] for row in mine) == want
    kept = kept_policies(run, condition)
    assert len({leaves[0] for leaves in kept.values()}) == len(kept) == 5


def kept_policies(run, condition):
    """The bytes of all leaves of all kept policies of behavior cloning."""
    folder, learner, kept = run.path / "learn" / f"bc-{condition}" / "policies", configured_learner(TINY, "bc"), {}
    for point in policy_points(TINY, "bc"):
        state, stats = offline_rl.load_policies(folder, learner, point)
        tree = (dataclasses.replace(state, key=jax.random.key_data(state.key)), stats)
        kept[point] = [np.asarray(x).tobytes() for x in jax.tree.leaves(tree)]
    return kept


def test_a_run_killed_between_checkpoints_ends_with_the_same_policies(run):
    run_learn(run, "bc", "offline")
    folder = run.path / "learn" / "bc-offline"
    kept = kept_policies(run, "offline")
    (folder / "done.json").unlink()
    shutil.rmtree(folder / "checkpoints")  # as if killed before anything of the last two was on disk
    for point in list(kept)[3:]:
        shutil.rmtree(folder / "policies" / str(point))
    run_learn(run, "bc", "offline")
    assert kept == kept_policies(run, "offline")


@pytest.mark.slow
def test_the_decision_transformer_learns_and_plays_in_a_world(run):
    config = dataclasses.replace(TINY, learn=dataclasses.replace(TINY.learn, checkpoints=1, seeds=1, updates=8))
    run = copy.copy(run)
    run.config = config
    run_learn(run, "decision_transformer", "offline")
    _, stats = load_policies(run, "decision_transformer", "offline")
    best = np.asarray(read_rollouts(run.path / "collect" / "rollouts.h5")[0].rewards).sum(1).max()
    np.testing.assert_allclose(stats.returns[2], best, rtol=1e-5)
    run_evaluate(run, "decision_transformer", "offline", "offline")
    found = read_results_csv(run.path / "evaluate" / "decision_transformer-offline-offline" / "results.csv")
    assert {row["action_choice"] for row in found} == {"greedy", "sampled"}
    assert sum(row["episodes"] for row in found) == 2 * 23
