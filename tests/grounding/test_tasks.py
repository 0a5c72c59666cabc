"""The grounding tasks: what each predicts, their order, windows, augmentation, and batches."""

import dataclasses
import re

import jax
import numpy as np
import pytest

from kalm_jax.grounding.config import TaskShares
from kalm_jax.grounding.model import numeric_spec
from kalm_jax.grounding.sequences import ACTION, STATE, TEXT
from kalm_jax.grounding.tasks import FACT_WEIGHT, Batches, augmented
from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.types import make_goal_table
from kalm_jax.worlds.base import GoalLanguage, get_world
from tests.fixtures import numbered_rollouts, random_rollouts
from tests.grounding.toy import GOALS, TEXTS, batches, describe, toy_rollouts
from tests.llm.tokenizers import KINDS


def test_what_is_changed_is_said_by_a_short_goal_and_no_sentence():
    rollouts, tokenizer = numbered_rollouts(2, 6), load_tokenizer(BUILTIN)
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
    rollouts, tokenizer = numbered_rollouts(2, 90), load_tokenizer(BUILTIN)
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


def test_every_task_predicts_what_it_should(words):
    rollouts = toy_rollouts()
    spec = numeric_spec(rollouts, 3)
    shares = {f.name: 0.0 for f in dataclasses.fields(TaskShares)}
    for task, kinds in {
        "generation": {STATE, ACTION},
        "explanation": {STATE, TEXT},
        "dynamics": {STATE},
        "consequence": {STATE},
        "description": {TEXT},
        "text": {TEXT},
        "plan": {TEXT},
    }.items():
        out = batches(words, rollouts, TaskShares(**{**shares, task: 1.0}))(0)
        asked = out.kind[:, 1:][out.weight[:, :-1] > 0]
        assert set(asked.tolist()) == kinds, task
    with pytest.raises(ValueError, match="nothing to train on"):
        Batches(None, None, words, TaskShares(text=0.0), GoalLanguage(), spec, rows=8, length=64, seed=0)


def test_only_rollouts_that_reached_their_goal_say_so(words):
    rollouts = toy_rollouts()
    only = TaskShares(**{f.name: float(f.name == "generation") for f in dataclasses.fields(TaskShares)})
    for reached in (True, False):
        data = dataclasses.replace(rollouts, terminated=np.full(len(rollouts), reached))
        out = batches(words, data, only)(0)
        end = (out.kind == ACTION) & (out.token == 3)
        assert end.sum() == (out.segment.max(axis=1).sum() if reached else 0)
        assert (out.weight[:, :-1][end[:, 1:]] == 1).all()


def test_batches_are_a_function_of_seed_and_step(words):
    make_batches = batches(words, toy_rollouts())
    a, b, c = make_batches(3), batches(words, toy_rollouts())(3), make_batches(4)
    jax.tree.map(np.testing.assert_array_equal, a, b)
    assert not np.array_equal(a.token, c.token)


def test_half_of_the_explained_rollouts_follow_any_text(words):
    rollouts, document = toy_rollouts(20), " ".join(TEXTS)
    only = TaskShares(**{f.name: float(f.name == "explanation") for f in dataclasses.fields(TaskShares)})

    def explained(said):
        make_batches = Batches(rollouts, GOALS, words, only, said, numeric_spec(rollouts, 3), rows=8, length=64, seed=0)
        sequences = [s for _, s in zip(range(1000), make_batches.sequences(0))]
        assert max(s.length for s in sequences) <= make_batches.length
        return make_batches, [s for s in sequences if STATE in np.concatenate(s.kind)]

    ids = words.encode(document)
    pieces = {tuple(ids[i : i + n]) for n in range(len(ids) + 1) for i in range(len(ids))}
    for said, share in ((GoalLanguage(), 0), (GoalLanguage(document=lambda rng: document), 0.5)):
        make_batches, sequences = explained(said)
        known = {tuple(prompt[1:]) for prompt in make_batches.explanation_prompts}
        other, answers = [], set()
        for s in sequences:
            kind, token = np.concatenate(s.kind), np.concatenate(s.token)
            first, last = np.flatnonzero(kind != TEXT)[[0, -1]]
            assert token[0] == words.bos_id and not np.concatenate(s.weight)[: first - 1].any()
            prompt = tuple(token[1:first].tolist())
            other += [prompt] if prompt not in known else []
            answers.add(words.decode(token[last + 1 :].tolist()))
        assert set(other) <= pieces and abs(len(other) / len(sequences) - share) < 0.05
        assert len(set(other)) > 50 or not share
        assert answers == {f"goal : {text}" for text in TEXTS}


def test_reading_comes_first(words):
    rollouts = toy_rollouts(20)
    spec = numeric_spec(rollouts, 3, hidden=32)
    said = GoalLanguage(document=lambda rng: TEXTS[0], describe=describe)

    def build(shares, reading):
        return Batches(rollouts, GOALS, words, shares, said, spec, rows=8, length=64, seed=0, description_steps=reading)

    plain, first = build(TaskShares(), 0), build(TaskShares(), 2)
    asked = first(1)
    # Descriptions ask for facts alone, and for no state or action.
    assert set(np.unique(asked.kind[:, 1:][asked.weight[:, :-1] > 0])) == {TEXT}
    assert set(np.unique(asked.weight)) == {0.0, FACT_WEIGHT} != set(np.unique(first(2).weight))
    jax.tree.map(np.testing.assert_array_equal, first(2), plain(2))
    # Where descriptions are left out, nothing is read first.
    without = TaskShares(description=0.0)
    jax.tree.map(np.testing.assert_array_equal, build(without, 2)(0), build(without, 0)(0))


def test_rows_read_the_same_with_every_tokenizer():
    """Pieces that meet are parted by one space, as a person would type, however a tokenizer treats spaces."""
    world = get_world("clevr")
    goals = world.goals("offline").take(np.arange(0, 60, 7))
    rollouts = random_rollouts(n=12, num_goals=len(goals), observation_dim=10, num_actions=world.spaces.num_actions)
    language = dataclasses.replace(world.language, document=None)
    said = [*goals.text, *(world.language.sample_plan(np.random.default_rng(i))[0] for i in range(40))]
    facts = [
        x
        for i in range(40)
        for pair in language.describe(np.random.default_rng(i), rollouts.observations[0, 0])
        for x in pair
    ]
    corpus = [*said, *facts, "goal : . start : now then end : =>", *language.explanation_prompts]
    only = {f.name: 0.0 for f in dataclasses.fields(TaskShares)}

    def texts(words):
        """What stands in the first rows of every task; numbers are "#"."""
        for task in set(only) - {"text"}:
            shares = TaskShares(**{**only, task: 1.0})
            spec = numeric_spec(rollouts, world.spaces.num_actions)
            batches = Batches(rollouts, goals, words, shares, language, spec, rows=4, length=400, seed=0)
            for _, sequence in zip(range(8), batches.sequences(0)):
                kind, token, *_ = sequence.arrays()
                ends = np.flatnonzero(np.diff(kind == TEXT)) + 1
                parts = zip(np.split(kind, ends), np.split(token, ends), strict=True)
                yield (
                    task,
                    [words.decode(ids) if kinds[0] == TEXT else "#" for kinds, ids in parts],
                    words.decode(token[kind == TEXT]),
                )

    found = {kind: list(texts(make(corpus))) for kind, make in KINDS.items()}
    for kind, rows in found.items():
        assert rows == found["built-in"], kind
    for task, parts, whole in found["GPT-2"]:
        assert whole == " ".join(part for part in parts if part != "#"), task
        assert not re.search(r"\w[=:]|[=:]\w|  ", whole), task
    read = {task: parts for task, parts, _ in found["GPT-2"]}
    assert read["plan"][0].count(" => ") == 1 and language.read_plan(read["plan"][0].split(" => ")[1])
    assert read["generation"][0].startswith("goal : ") and read["generation"][0].endswith(" . start :")
