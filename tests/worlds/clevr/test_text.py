"""The pretraining text means what it says, repeats itself rarely and holds no evaluation sentence."""

import collections
import re

import numpy as np
import pytest

from kalm_jax.worlds.clevr import text as clevr_text
from kalm_jax.worlds.clevr import wordings
from kalm_jax.worlds.clevr.goals import BALLS, DIRECTIONS, FAMILIES
from kalm_jax.worlds.clevr.instructions import sentences, split_of
from kalm_jax.worlds.text.duplicates import word_distance
from kalm_jax.worlds.text.grammar import Numbers, compile_rules, read_blocks, say
from kalm_jax.worlds.text.surface import worn

EVALUATION = {"rephrase", "unseen_easy", "unseen_hard", "validation"}
CONNECTORS = (" means ", " can be said as ", " same as ", " => ", " which ball moves ? ", " what is wanted ? ")
OPPOSITE = wordings.OPPOSITE
RULES = read_blocks("kalm_jax.worlds.clevr", "words.txt", "layouts.txt")


def alternatives(text):
    """The alternatives of a rule, without weights."""
    return [re.sub(r"^\d+\*", "", entry.strip()) for entry in text.split("|")]


COLOR_WORDS = {ball: alternatives(RULES[f"color.{ball}"]) for ball in BALLS}


def names_ball(text, ball):
    return any(re.search(rf"\b{re.escape(word)}\b", text) for word in COLOR_WORDS[ball])


@pytest.mark.parametrize("family", FAMILIES)
def test_wordings_name_the_balls_of_their_goal(family):
    rng = np.random.default_rng(0)
    for _ in range(2000 if family == "relation" else 300):
        goal = clevr_text.sample_goal(Numbers(rng), family)
        text = clevr_text.sample_paraphrase(Numbers(rng), family, goal)
        balls = {int(goal[i]) for i in (0, 1, 3, 4, 6, 7) if goal[i] >= 0}
        balls |= {2} if family == "gather" else set()
        for ball in balls:
            assert names_ball(text, BALLS[ball]), (text, BALLS[ball])
        assert text == text.lower() and "[" not in text and "{" not in text


def test_color_words_belong_to_one_ball():
    every = [word for ball in BALLS for word in COLOR_WORDS[ball]]
    assert len(every) == len(set(every))


def test_goals_are_valid_and_conjunctions_close_no_cycle():
    rng = np.random.default_rng(1)
    counts = {"relation": 1, "two_relations": 2, "three_relations": 3}
    for family, count in counts.items():
        for _ in range(300):
            triples = clevr_text.sample_goal(Numbers(rng), family).reshape(3, 3)
            assert np.all(triples[count:] == -1)
            pairs = [frozenset(map(int, triple[:2])) for triple in triples[:count]]
            assert all(len(pair) == 2 for pair in pairs) and len(set(pairs)) == count
            # A forest with `count` edges touches one ball per edge plus one per tree, and has at most count trees.
            assert len(frozenset().union(*pairs)) >= count + 1
            assert np.all((triples[:count, 2] >= 0) & (triples[:count, 2] < 4))
    move = clevr_text.sample_goal(Numbers(rng), "move")
    assert move.dtype == np.int32 and move.shape == (9,) and move[1] == -1 and np.all(move[3:] == -1)
    assert np.all(clevr_text.sample_goal(Numbers(rng), "line") == -1)


@pytest.mark.parametrize("direction", ["left", "right"])
def test_every_direction_phrase_speaks_of_its_side(direction):
    other = OPPOSITE[direction]
    sideways = {"left": r"left|port|west|nine|\b9\b", "right": r"right|starboard|east|three|\b3\b"}
    for phrase in alternatives(RULES[f"rel.{direction}"]):
        # "with B on its right" is said of a ball on the left.
        if re.search(r"\b(with|until|so|so that|having) \[B\]", phrase):
            assert re.search(sideways[other], phrase) and not re.search(sideways[direction], phrase)
        else:
            phrase = re.sub(r"\bright (next|beside)\b", "", phrase)
            assert re.search(sideways[direction], phrase) and not re.search(sideways[other], phrase), phrase
    for table in ("mv", "side", "relit", "too"):
        for phrase in alternatives(RULES[f"{table}.{direction}"]):
            assert re.search(sideways[direction], phrase) and not re.search(sideways[other], phrase), phrase


def test_no_phrase_means_two_directions():
    for table in ("rel", "mv", "relit", "pside"):
        owners = collections.defaultdict(set)
        for direction in DIRECTIONS:
            for phrase in alternatives(RULES[f"{table}.{direction}"]):
                owners[phrase].add(direction)
        assert {phrase: found for phrase, found in owners.items() if len(found) > 1} == {}


def test_dislikes_name_the_opposite_side():
    rng = np.random.default_rng(2)
    rule = wordings.RULES["dislike"]
    count = 0
    for _ in range(600):
        goal = clevr_text.sample_goal(Numbers(rng), "relation")
        a, b, d = (int(value) for value in goal[:3])
        if DIRECTIONS[d] not in ("left", "right"):
            continue
        text = say(rule, list(wordings.goal_context(a, b, d)), Numbers(rng))
        unwanted = {"left": r"left|port|west|nine|\b9\b", "right": r"right|starboard|east|three|\b3\b"}
        # "with B on its left" says that the ball is right of B, so it names the wanted side.
        assert re.search(unwanted[OPPOSITE[DIRECTIONS[d]]], text) or re.search(r"\b(with|until|so|having)\b", text), (
            text
        )
        count += 1
    assert count > 200


def test_share_of_dislikes():
    rng = np.random.default_rng(3)
    complaint = re.compile(
        r"(hate|dislike|don't|do not|can't|n't like|not supposed|should not|shouldn't|instead|wrong)"
    )
    goals = [clevr_text.sample_goal(Numbers(rng), "relation") for _ in range(2000)]
    share = np.mean(
        [bool(complaint.search(clevr_text.sample_paraphrase(Numbers(rng), "relation", goal))) for goal in goals]
    )
    assert 0.08 < share < wordings.DISLIKE_SHARE + 0.05


def test_plain_wordings_are_the_eighteen_patterns_and_agree_with_the_goal():
    assert len(alternatives(RULES["plain"])) == 18
    rng = np.random.default_rng(4)
    seen = collections.Counter()
    for _ in range(1500):
        goal = clevr_text.sample_goal(Numbers(rng), "relation")
        a, b, d = (int(value) for value in goal[:3])
        text = clevr_text.plain(Numbers(rng), "relation", goal)
        phrases = sorted(alternatives(RULES[f"to.{DIRECTIONS[d]}"]), key=len, reverse=True)
        phrase = next(p for p in phrases if f" {p} the {BALLS[b]} ball" in text)
        seen[text.replace(f" {phrase} the {BALLS[b]} ball", "").replace(BALLS[a], "red")] += 1
    assert len(seen) == 18


def test_canonical_forms():
    def goal(*values):
        return np.array([*values, *[-1] * (9 - len(values))], np.int32)

    left, behind = DIRECTIONS.index("left"), DIRECTIONS.index("behind")
    assert clevr_text.canonical("relation", goal(0, 1, left)) == "red left blue"
    assert clevr_text.canonical("move", goal(0, -1, left)) == "move red left"
    assert (
        clevr_text.canonical("two_relations", goal(0, 1, left, 2, 4, behind)) == "red left blue and green behind cyan"
    )
    assert clevr_text.canonical("line", goal()) == "line" and clevr_text.canonical("gather", goal()) == "gather"
    with pytest.raises(ValueError, match="unknown goal family"):
        clevr_text.canonical("circle", goal())


def kept_apart():
    """Words of the sentences that no text may nearly be, balls as one name."""
    return {as_words(s.text) for level in EVALUATION for s in sentences(level)}


def as_words(text):
    return tuple("ball's name" if word in BALLS else word for word in re.findall(r"[\w'-]+", text.lower()))


def nearly(words, known):
    """Those of the `known` that differ in at most two words."""
    return [k for k in known if abs(len(k) - len(words)) <= 2 and word_distance(words, k) <= 2]


def test_no_near_duplicate_of_an_evaluation_sentence_is_written():
    known = kept_apart()
    for text in clevr_text.tokenizer_corpus(5, 300):
        for sentence in re.split("|".join(map(re.escape, (*CONNECTORS, " : first ", " , then "))), text):
            words = as_words(sentence.removeprefix("to "))
            assert not nearly(words, known) or split_of(" ".join(words)) == "offline", text


def test_no_planned_wording_is_a_near_duplicate_of_an_evaluation_sentence():
    rng, known = np.random.default_rng(6), kept_apart()
    for _ in range(500):
        text, _ = clevr_text.sample_plan(rng)
        assert split_of(text) == "offline" or not nearly(as_words(text), known), text


def test_no_evaluation_sentence_is_written():
    for text in clevr_text.tokenizer_corpus(5, 10_000):
        for sentence in re.split("|".join(map(re.escape, (*CONNECTORS, " : first ", " , then "))), text):
            found = split_of(sentence.strip().rstrip(".!? ").removeprefix("to "))
            assert found not in EVALUATION, text


def test_sentences_of_the_evaluation_are_refused():
    for level in ("rephrase", "unseen_easy", "unseen_hard"):
        assert not any(clevr_text.is_allowed(text) for text, *_ in sentences(level)[::7])
        assert not any(clevr_text.is_allowed(f"So, {text} now!") for text, *_ in sentences(level)[::7])
    assert clevr_text.is_allowed("look, a sentence that belongs to no level at all")
    assert all(clevr_text.is_allowed(text) for text, *_ in sentences("offline")[::7])


@pytest.mark.parametrize("families", [("relation",), ("move", "line")])
def test_text_can_be_about_some_families(families):
    rng = np.random.default_rng(3)
    plans = {clevr_text.sample_plan(rng, families)[1] for _ in range(200)}
    line = clevr_text.plan("line", None)
    assert {len(plan.split(" and ")) for plan in plans - {line}} == {1}
    assert (line in plans) == ("line" in families)
    assert any(plan.startswith("move") for plan in plans) == ("move" in families)
    documents = [clevr_text.sample_document(rng, families) for _ in range(400)]
    assert any(" : first " in text for text in documents) == ("line" in families)
    every = [clevr_text.sample_document(np.random.default_rng(i)) for i in range(50)]
    assert every == [clevr_text.sample_document(np.random.default_rng(i), FAMILIES) for i in range(50)]


def test_documents_are_determined_by_the_seed():
    first = list(clevr_text.tokenizer_corpus(7, 200))
    assert first == list(clevr_text.tokenizer_corpus(7, 200))
    assert first != list(clevr_text.tokenizer_corpus(8, 200))


def test_wordings_are_distinct_and_documents_short():
    numbers = Numbers(np.random.default_rng(9))
    texts = {
        clevr_text.sample_paraphrase(numbers, "relation", clevr_text.sample_goal(numbers, "relation"))
        for _ in range(20_000)
    }
    assert len(texts) > 19_000
    assert max(len(text.split()) for text in texts) < 70


SIDES = {"left": r"left|port|west|nine|\b9\b", "right": r"right|starboard|east|three|\b3\b"}


@pytest.mark.parametrize("family", ["relation", "move"])
def test_complaints_want_the_opposite_of_what_they_name(family):
    rng = np.random.default_rng(10)
    numbers = Numbers(rng)
    plain_words = re.compile(r"\b(with|until|so|having|closer to|edge|wall|nearer)\b")
    count = 0
    for _ in range(600):
        goal = clevr_text.sample_goal(Numbers(rng), family)
        direction = DIRECTIONS[int(goal[2])]
        if direction not in SIDES:
            continue
        text = wordings.complaint(family, wordings.contexts_of(goal), numbers)
        named = {side for side, words in SIDES.items() if re.search(words, text)}
        # Some name the wanted side as well, none names it alone unless it says that the ball is not there.
        denied = re.search(r"\bnot\b|n't|nobody|anywhere but|everywhere except|refuses", text)
        assert OPPOSITE[direction] in named or denied or plain_words.search(text), text
        count += 1
    assert count > 200


def test_plans_of_mistyped_text_stay_and_are_as_typed():
    rng = np.random.default_rng(11)
    numbers = Numbers(rng)
    text = "push the red ball to the left of the blue ball"
    typed = [worn(text, numbers) for _ in range(2000)]
    assert 0.6 < np.mean([t == text for t in typed]) < 0.85
    assert len(set(typed)) > 80
    assert all(abs(len(t.split()) - len(text.split())) <= 3 for t in typed)


def test_relations_that_share_balls_name_every_ball():
    rng = np.random.default_rng(12)
    numbers = Numbers(rng)
    for family in ("two_relations", "three_relations"):
        for _ in range(500):
            goal = clevr_text.sample_goal(Numbers(rng), family)
            triples = wordings.triples_of(goal)
            text = wordings.several(triples, numbers)
            assert all(names_ball(text, BALLS[ball]) for ball in triples[:, :2].ravel()), text
            assert "{" not in text and "[" not in text, text


def test_unknown_reference_in_the_grammar_is_named():
    with pytest.raises(KeyError, match="nosuchrule"):
        compile_rules({"a": "x | [nosuchrule]"})
    rules = compile_rules({"a": "3*x [inner] | ~", "inner": "y"})
    assert rules["a"] == [("x ", [("y",)])] * 3 + [()]
