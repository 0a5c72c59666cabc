"""The records of the worlds, Meta-world's plain text, and windows of long rollouts."""

import numpy as np
import pytest

from kalm_jax.grounding.config import TaskShares
from kalm_jax.grounding.model import numeric_spec
from kalm_jax.grounding.sequences import STATE, TEXT
from kalm_jax.grounding.tasks import Batches, augmented
from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.offline_rl import make_learner
from kalm_jax.pipeline.stages.learn import filter_realistic
from kalm_jax.types import LEVELS, Rollouts, last_steps, make_goal_table
from kalm_jax.worlds.base import BUILTIN_WORLDS, GoalLanguage, get_world
from kalm_jax.worlds.clevr.world import ClevrWorld
from kalm_jax.worlds.metaworld import instructions as language
from kalm_jax.worlds.metaworld import text as metaworld_text
from kalm_jax.worlds.metaworld.tasks import NAMES


@pytest.mark.parametrize("name", BUILTIN_WORLDS)
def test_a_record_fits_its_goals(name):
    world = get_world(name)
    assert world.name == name and bool(world.spaces.num_actions) != bool(world.spaces.action_dim)
    assert (
        world.spaces.early_steps < world.spaces.horizon == world.labels.horizon
        and world.spaces.early_steps == world.labels.early_steps
    )
    assert set(LEVELS[1:]) <= set(world.learning.imagined_shares)
    for level in LEVELS:
        goals = world.goals(level)
        assert (np.asarray(goals.level) == LEVELS.index(level)).all()
        assert 0 <= goals.family.min() and goals.family.max() < len(world.families)
        steps = world.imagined_steps(goals.family)
        assert (
            steps.shape == goals.family.shape and 1 <= steps.min() and steps.max() <= 2 * world.spaces.horizon
        )  # two stages
    for algorithm, settings in world.learning.settings.items():
        assert make_learner(algorithm, **settings) != make_learner(algorithm)
    validation = world.validation_goals()
    assert not set(validation.text) & {text for level in LEVELS for text in world.goals(level).text}
    assert set(validation.family) <= set(world.goals("offline").family)
    assert not set(world.language.explanation_prompts) & {world.language.unseen_prompt}
    with pytest.raises(ValueError, match=r"unknown world 'maze' .* use one of clevr, metaworld"):
        get_world("maze")


def test_plain_text_holds_no_evaluation_sentence_and_covers_every_task():
    rng = np.random.default_rng(0)
    for task in NAMES:
        said = {metaworld_text.wording(rng, task) for _ in range(60)}
        assert len(said) > 15
        assert {language.split_of(text) for text in said} <= {None, "offline"}
    held_out = {s.text for level in LEVELS[1:] for s in language.sentences(level)}
    held_out |= {s.text for s in language.validation_sentences()}
    for _ in range(500):
        parts = metaworld_text.sample_document(rng).removesuffix(" .").replace(" same as ", " means ").split(" means ")
        assert not held_out & {part.split(" =>")[0] for part in parts}


def test_plans_are_read_back_as_the_tasks_that_they_name():
    for i, task in enumerate(NAMES):
        steps = metaworld_text.read_plan(metaworld_text.plan(i))
        assert [words for words, _, _ in steps] == list(metaworld_text.PLANS[task])
        assert all(len(goal) == 12 for _, _, goal in steps)
    assert [NAMES[f] for _, f, _ in metaworld_text.read_plan("mug to target and machine to target")] == [
        "coffee-push",
        "coffee-button",
    ]
    assert NAMES[metaworld_text.read_plan("puck to target")[0][1]] == "push"
    assert metaworld_text.read_plan("open the faucet") == []
    wording, plan = metaworld_text.sample_plan(np.random.default_rng(3))
    assert wording and metaworld_text.read_plan(plan)


def test_explanations_count_the_task_and_the_datas_words():
    world = get_world("metaworld")
    goals = world.goals("offline")
    faucet = [i for i, t in enumerate(goals.text) if t in ("open the faucet", "please open the faucet")]
    rollouts = arm_rollouts(3, 4, goal=[faucet[0]] * 3)
    row = world.explanation_row(["Open the faucet", "open now that faucet", "push the puck"], rollouts, goals, "seen")
    assert row == {"prompt": "seen", "rollouts": 3, "correct": 2, "exact": 1}


def arm_rollouts(count, steps, goal=None, width=3):
    """Rollouts of distinct states: number i of rollout n is 100 n + step."""
    states = (100.0 * np.arange(count)[:, None] + np.arange(steps + 1)).astype(np.float32)
    return Rollouts(
        observations=np.repeat(states[..., None], width, -1),
        actions=np.random.default_rng(0).uniform(-1, 1, (count, steps, 2)).astype(np.float32),
        rewards=np.tile(np.arange(steps, dtype=np.float32), (count, 1)),
        length=np.full(count, steps, np.int32),
        terminated=np.ones(count, bool),
        goal=np.zeros(count, np.int32) if goal is None else np.array(goal, np.int32),
        imagined=np.zeros(count, bool),
    )


def test_the_last_steps_of_rollouts():
    whole = arm_rollouts(3, 6)
    length = np.array([6, 2, 4], np.int32)
    blank = np.arange(7) > length[:, None]
    whole = whole.__class__(
        np.where(blank[..., None], 0, whole.observations),
        *(whole.actions, whole.rewards, length, whole.terminated),
        *(whole.goal, whole.imagined),
    )
    cut = last_steps(whole, 3)
    assert cut.length.tolist() == [3, 2, 3] and cut.horizon == 3
    np.testing.assert_array_equal(cut.observations[..., 0], [[3, 4, 5, 6], [100, 101, 102, 0], [201, 202, 203, 204]])
    np.testing.assert_array_equal(cut.rewards, [[3, 4, 5], [0, 1, 0], [1, 2, 3]])
    np.testing.assert_array_equal(cut.actions[2], whole.actions[2, 1:4])
    assert last_steps(whole, 0) is whole and last_steps(whole, 6) is whole


def test_what_is_changed_is_said_by_a_short_goal_and_no_sentence():
    rollouts, tokenizer = arm_rollouts(2, 6), load_tokenizer(BUILTIN)
    goals = make_goal_table(["push the puck to the left"], 0, 0, np.zeros((1, 1)))
    said = GoalLanguage(
        goal_summary=lambda family, array: "puck to target", plan=lambda family, array: "puck to target"
    )
    spec, sentence = numeric_spec(rollouts), tokenizer.encode("left")

    def turned(rng, states, actions, family):
        assert family == 0
        return -states, -actions, "ball to target"

    def texts(shares, augment):
        batches = Batches(rollouts, goals, tokenizer, shares, said, spec, rows=8, length=64, seed=0, augment=augment)
        sequences = [s for s, _ in zip(batches.sequences(0), range(40))]
        for sequence in sequences:
            kind, _, value, _, _ = sequence.arrays()
            states = value[kind == STATE][:, 0]
            assert len(states) == 0 or ((states <= 0).all() if augment else (states >= 0).all())
        return [[int(t) for t in np.concatenate(s.token)[np.concatenate(s.kind) == TEXT]] for s in sequences]

    for shares in (TaskShares(1, 0, 0, 0, 0, 0, 0), TaskShares(0, 1, 0, 0, 0, 0, 0), TaskShares(0, 0, 0, 1, 0, 0, 0)):
        assert any(sentence[0] in ids for ids in texts(shares, None))
        for ids in texts(shares, turned):
            assert "ball to target" in tokenizer.decode(ids) and not set(sentence) & set(ids)
    shown = augmented(rollouts, goals, turned, seed=0)
    step = rollouts.valid()
    np.testing.assert_array_equal(shown.actions[step], -rollouts.actions[step])
    np.testing.assert_array_equal(shown.observations[:, 0], -rollouts.observations[:, 0])
    assert (rollouts.observations >= 0).all()  # the data stay as they are


def test_long_rollouts_are_shown_in_windows():
    rollouts, tokenizer = arm_rollouts(2, 90), load_tokenizer(BUILTIN)
    goals = make_goal_table(["go"], 0, 0, np.zeros((1, 1)))
    shares, spec = TaskShares(0.5, 0.5, 0, 0, 0, 0, 0), numeric_spec(rollouts)
    batches = Batches(rollouts, goals, tokenizer, shares, GoalLanguage(), spec, rows=4, length=32, seed=0, window=10)
    assert batches.length < 64
    lengths, ends = set(), set()
    for step in range(20):
        rows = batches(step)
        for row, segment in ((r, s) for r in range(4) for s in range(1, rows.segment[r].max() + 1)):
            mine = (rows.segment[row] == segment) & (rows.kind[row] == STATE)
            times = rows.value[row][mine][:, 0] % 100
            np.testing.assert_array_equal(np.diff(times), 1)  # consecutive steps, none left out
            lengths.add(len(times) - 1)
            ends.add(int(times[-1]))
    assert max(lengths) == 10 and len(ends) > 20 and 90 in ends
    assert Batches(rollouts, goals, tokenizer, shares, GoalLanguage(), spec, rows=4, length=32, seed=0).length > 180


def test_a_part_without_believable_rollouts_teaches_nothing(capsys, monkeypatch):
    rollouts, goals = arm_rollouts(4, 3), make_goal_table(["go"], 0, 0, np.zeros((1, 1)))
    for good in (np.array([True, False, True, False]), np.zeros(4, bool)):
        monkeypatch.setattr(ClevrWorld, "filter_realistic", lambda *_, good=good: good)
        assert len(filter_realistic(get_world("clevr"), "rephrase", rollouts, goals, rollouts)) == good.sum()
    assert "imagine/rephrase: no rollout reaches its goal realistically" in capsys.readouterr().out
