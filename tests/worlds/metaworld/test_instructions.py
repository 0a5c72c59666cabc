"""Meta-world's instructions: enough of them, each on one level alone, and none of them in words that give it away."""

import collections
import itertools
import re

import pytest

from kalm_jax.types.text import normalize_sentence
from kalm_jax.worlds.clevr import instructions as clevr_language
from kalm_jax.worlds.metaworld.goals import FAMILIES, make_goal
from kalm_jax.worlds.metaworld.instructions import goals_of_level, sentences, split_of
from kalm_jax.worlds.metaworld.tasks import LEVEL_TASKS


@pytest.mark.parametrize("level", LEVEL_TASKS)
def test_every_task_has_twenty_sentences_or_more(level):
    counts = collections.Counter(s.family for s in sentences(level))
    assert set(counts) == set(LEVEL_TASKS[level]) and min(counts.values()) >= 20
    assert len({s.text for s in sentences(level)}) == sum(counts.values())
    for sentence in sentences(level):
        assert sentence.text == normalize_sentence(sentence.text) and "{" not in sentence.text
        assert sentence.goal == tuple(make_goal(sentence.family).tolist())
        assert split_of(f" {sentence.text.capitalize()}. ") == level


def test_levels_share_no_sentence():
    texts = {level: {s.text for s in sentences(level)} for level in LEVEL_TASKS}
    texts["validation"] = {s.text for s in sentences("validation")}
    for a, b in itertools.combinations(texts, 2):
        assert not texts[a] & texts[b], (a, b)
    assert {s.family for s in sentences("validation")} == set(LEVEL_TASKS["offline"])
    assert all(split_of(text) == "validation" for text in texts["validation"])
    assert split_of("juggle the pucks") is None and clevr_language.split_of("open the door") is None


def test_rephrased_sentences_avoid_the_datas_words():
    # What the data calls a puck is a disc here: words that only one task of the data uses would give the goal away.
    def words(text):
        return set(re.findall(r"[a-z']+", text))

    spoken = collections.defaultdict(set)
    for sentence in sentences("offline"):
        for word in words(sentence.text):
            spoken[word].add(sentence.family)
    things = {"puck", "button", "door", "window", "faucet", "mug", "lock", "gripper", "coffee", "machine"}
    assert things <= set(spoken)
    for sentence in (*sentences("rephrase"), *sentences("validation")):
        assert not words(sentence.text) & things, sentence.text


def test_goal_tables_hold_the_test_of_each_sentence():
    goals = goals_of_level("unseen_hard")
    assert goals.array.shape == (len(goals), 12) and goals.vector.shape == (len(goals), 0)
    for text, family, array in zip(goals.text, goals.family, goals.array):
        assert split_of(text) == "unseen_hard"
        assert array.tolist() == make_goal(FAMILIES[family]).tolist()
    with pytest.raises(ValueError, match="easy"):
        sentences("easy")
