"""The instructions of CLEVR-Robot: counts, disjoint levels, one meaning per sentence, agreement with released data."""

from __future__ import annotations

import collections
import hashlib
import itertools
import math
import random
import string

import numpy as np
import pytest

from kalm_jax.datasets import safe_pickle
from kalm_jax.types import LEVELS
from kalm_jax.types.text import normalize_sentence
from kalm_jax.worlds.clevr import instructions as language
from kalm_jax.worlds.clevr.goals import BALLS, DIRECTIONS, FAMILIES, RELATION, from_authors, make_goal, satisfied
from kalm_jax.worlds.text.grammar import read_blocks
from tests.paths import SHARED_DATA

SAMPLE = SHARED_DATA / "clevr_robot_sample.npy"
TEMPLATES = read_blocks("kalm_jax.worlds.clevr", "instructions.txt")
OPPOSITE = {"behind": "front", "front": "behind", "left": "right", "right": "left"}
DIRECTION_WORDS = {
    "behind": ("behind", "back"),
    "left": ("left",),
    "front": ("front", "ahead", "forward"),
    "right": ("right",),
}


def every_sentence():
    named = {level: language.sentences(level) for level in LEVELS}
    named["validation"] = language.sentences("validation")
    return named


def test_counts_per_level():
    sizes = {name: len(found) for name, found in every_sentence().items()}
    assert sizes == {"offline": 4320, "rephrase": 960, "unseen_easy": 400, "unseen_hard": 528, "validation": 320}
    hard = collections.Counter(s.family for s in language.sentences("unseen_hard"))
    assert hard == {"two_relations": 240, "three_relations": 240, "line": 24, "gather": 24}


def test_every_direction_has_as_many_templates():
    for level in ("offline", "rephrase", "unseen_easy"):
        by_direction = collections.defaultdict(set)
        for sentence in language.sentences(level):
            by_direction[sentence.template.split("/")[1]].add(sentence.template)
        assert set(by_direction) == set(DIRECTIONS)
        expected = {"offline": 54, "rephrase": 12, "unseen_easy": 20}[level]
        assert {len(found) for found in by_direction.values()} == {expected}


def test_offline_covers_each_configuration_with_54_sentences():
    per_goal = collections.Counter(s.goal for s in language.sentences("offline"))
    expected = {(a, b, d) + (-1,) * 6 for a, b in itertools.permutations(range(5), 2) for d in range(4)}
    assert set(per_goal) == expected and set(per_goal.values()) == {54}
    assert set(s.goal for s in language.sentences("rephrase")) == expected


def test_every_text_has_one_meaning_and_one_level():
    texts = [normalize_sentence(s.text) for found in every_sentence().values() for s in found]
    assert len(set(texts)) == len(texts)


def test_every_text_is_normal_and_every_goal_well_formed():
    entries = {"relation": 3, "move": 3, "two_relations": 6, "three_relations": 9, "line": 0, "gather": 0}
    for found in every_sentence().values():
        for sentence in found:
            assert sentence.text == normalize_sentence(sentence.text)
            assert sentence.text.isascii() and not set("{}") & set(sentence.text)
            assert sentence.family in FAMILIES and len(sentence.goal) == 9
            used = entries[sentence.family]
            assert all(type(entry) is int for entry in sentence.goal)
            assert all(entry == -1 for entry in sentence.goal[used:])
            for source, reference, direction in zip(*(sentence.goal[k:used:3] for k in range(3))):
                assert source in range(5) and direction in range(4) and source != reference
                assert reference == -1 if sentence.family == "move" else reference in range(5)


@pytest.mark.parametrize(
    "names, prefix",
    [
        (("a", "b"), "rephrase."),
        (("a", "b"), "validation."),
        (("a", "b", "d"), "offline.patterns"),
        (("a",), "unseen_easy."),
    ],
)
def test_every_template_names_its_balls_once(names, prefix):
    found = [template for name, text in TEMPLATES.items() if name.startswith(prefix) for template in text.split("\n")]
    assert len(found) >= 16
    for template in found:
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
        assert sorted(fields) == sorted(names), template


def test_texts_name_exactly_the_balls_of_their_goal():
    for found in every_sentence().values():
        for sentence in found:
            if sentence.family in ("line", "gather"):
                continue
            triples = [sentence.goal[k : k + 3] for k in range(0, 9, 3) if sentence.goal[k] >= 0]
            named = {BALLS[ball] for triple in triples for ball in triple[:2] if ball >= 0}
            assert named == set(BALLS) & set(sentence.text.replace(",", " ").replace("'", " ").split())


@pytest.mark.parametrize("level", ["rephrase", "unseen_easy", "validation"])
def test_a_dislike_asks_for_the_opposite_side(level):
    found = {s.text: s for s in every_sentence()[level]}
    for direction in DIRECTIONS:
        for text in TEMPLATES[f"{level}.dislike.{direction}"].split("\n"):
            assert any(word in text for word in DIRECTION_WORDS[direction])
            assert not any(word in text.split() for word in DIRECTION_WORDS[OPPOSITE[direction]])
            sentence = found[text.format(a="red", b="blue")]
            assert sentence.goal[0] == BALLS.index("red")
            assert DIRECTIONS[sentence.goal[2]] == OPPOSITE[direction]
            assert sentence.template.startswith(f"{level}/{OPPOSITE[direction]}/dislike-")


def test_known_sentences_mean_what_they_say():
    found = {s.text: s for sentences in every_sentence().values() for s in sentences}
    pad = (-1,) * 6
    cases = {
        "push the red ball to the left of the blue ball": ("relation", (0, 1, 1, *pad)),
        "is there any red ball on the left of the blue ball": ("relation", (0, 1, 1, *pad)),
        "the purple ball was moved in behind of the cyan ball": ("relation", (3, 4, 0, *pad)),
        "i dislike that the red ball sits behind the blue one": ("relation", (0, 1, 2, *pad)),
        "the green ball ought to have the cyan ball at its back": ("relation", (4, 2, 0, *pad)),
        "shift the red ball rearwards": ("move", (0, -1, 0, *pad)),
        "push the purple ball to the starboard side": ("move", (3, -1, 3, *pad)),
        "the red ball is too far left for my taste": ("move", (0, -1, 3, *pad)),
        "make the green ball the centre of a circle of the other balls": ("gather", (-1,) * 9),
    }
    for text, (family, goal) in cases.items():
        assert (found[text].family, found[text].goal) == (family, goal), text


def test_combinations_say_their_parts_in_order_and_repeat_none():
    offline = {s.text: s.goal[:3] for s in language.sentences("offline")}
    goals = collections.defaultdict(list)
    for sentence in language.sentences("unseen_hard"):
        if sentence.family not in ("two_relations", "three_relations"):
            continue
        parts = [part.removeprefix("help me ") for part in sentence.text.split(" and ")]
        assert sum((offline[part] for part in parts), ()) == sentence.goal[: 3 * len(parts)]
        assert len(parts) == {"two_relations": 2, "three_relations": 3}[sentence.family]
        goals[sentence.template].append(frozenset(offline[part] for part in parts))
    assert len(goals) == 12
    assert all(len(set(found)) == len(found) == 40 for found in goals.values())


def test_every_combination_has_an_arrangement_that_satisfies_it():
    rng = random.Random(0)
    for sentence in language.sentences("unseen_hard"):
        if sentence.family in ("two_relations", "three_relations"):
            positions = arrange(rng, sentence.goal)
            family = FAMILIES.index(sentence.family)
            assert satisfied(np.array([family]), np.array([sentence.goal]), positions.reshape(1, 10))[0], sentence


def arrange(rng, goal):
    """Positions (5, 2) without touching balls (radius 0.065) in which the goal's relations hold, by rejection."""
    relations = [goal[k : k + 3] for k in range(0, 9, 3) if goal[k] >= 0]
    for _ in range(2000):
        places = {relations[0][1]: (0.0, 0.0)}
        while len(places) < len({ball for r in relations for ball in r[:2]}):
            before = len(places)
            for source, reference, direction in relations:
                radius = rng.uniform(0.15, 0.38)
                angle = math.radians(90 + 90 * direction + rng.uniform(-44, 44))
                step = (radius * math.cos(angle), radius * math.sin(angle))
                if reference in places and source not in places:
                    places[source] = (places[reference][0] + step[0], places[reference][1] + step[1])
                elif source in places and reference not in places:
                    places[reference] = (places[source][0] - step[0], places[source][1] - step[1])
            if len(places) == before:  # the relations fall into two groups: start the second one elsewhere
                free = next(ball for r in relations for ball in r[:2] if ball not in places)
                places[free] = (2.0, 0.0)
        if all(math.dist(a, b) > 0.135 for a, b in itertools.combinations(places.values(), 2)):
            return np.array([places.get(ball, (-2.0, float(ball))) for ball in range(5)])
    raise AssertionError(f"no arrangement found for {goal}")


def test_line_paraphrases_name_all_colours_and_gather_names_green():
    for sentence in language.sentences("unseen_hard"):
        if sentence.family == "line":
            assert all(color in sentence.text for color in BALLS)
            assert "left" in sentence.text or "right" in sentence.text
        if sentence.family == "gather":
            assert "green" in sentence.text


def test_split_of_looks_up_the_level_of_any_spelling():
    for name, found in every_sentence().items():
        for sentence in found[::37]:
            assert language.split_of(f"  {sentence.text.upper().replace(' ', '  ')} . ") == name
    assert language.split_of("the cat sat on the mat") is None
    assert normalize_sentence("Push  the RED ball\n behind it?!") == "push the red ball behind it"


def test_unknown_level_names_the_levels():
    with pytest.raises(ValueError, match=r"'medium'.*offline, rephrase, unseen_easy, unseen_hard"):
        language.sentences("medium")


def test_callers_cannot_change_the_sentences():
    language.sentences("rephrase").clear()
    assert len(language.sentences("rephrase")) == 960


def test_the_drawn_combinations_never_change():
    text = "\n".join(s.text for s in language.sentences("unseen_hard")[:480])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "5d0dfc103ba9af13"


def test_released_instructions_are_offline_sentences_with_the_same_goal():
    if not SAMPLE.exists():
        pytest.skip(f"the KALM authors' sample is not at {SAMPLE}")
    data = safe_pickle.load(SAMPLE)
    ours = {s.text: s.goal[:3] for s in language.sentences("offline")}
    for texts, goals in zip(data["instructions"], data["goals"]):
        family, goal = from_authors(goals[0])
        assert family == RELATION
        assert {ours[normalize_sentence(str(text))] for text in texts} == {tuple(goal[:3].tolist())}
        assert len({normalize_sentence(str(text)) for text in texts}) == 54


def test_descriptions_are_true_and_complete():
    """Checked against geometry written out here: the direction in which one center is from another, and how near."""
    rng = np.random.default_rng(0)
    seen = collections.Counter()
    for _ in range(300):
        state = rng.uniform(-0.5, 0.5, 10).astype(np.float32)
        close = set()
        for question, answer in language.describe(rng, state):
            a, b = (BALLS.index(word) for word in question.split())
            dx, dy = (float(v) for v in state.reshape(5, 2)[a] - state.reshape(5, 2)[b])
            side = ("right" if dx > 0 else "left") if abs(dx) > abs(dy) else ("behind" if dy > 0 else "front")
            assert answer == ("far" if math.hypot(dx, dy) >= 0.391 else side)
            seen[answer] += 1
            if answer != "far":
                close.add(frozenset((a, b)))
        near = {frozenset((a, b)) for a, b in itertools.combinations(range(5), 2) if _apart(state, a, b) < 0.391}
        assert close == near
    assert set(seen) == {*DIRECTIONS, "far"}


def test_a_relation_and_its_mirror_image_have_one_gist_which_a_description_says_too():
    rng, told = np.random.default_rng(2), 0
    for _ in range(100):
        before, state = rng.uniform(-0.5, 0.5, (2, 10)).astype(np.float32)
        facts = dict(language.describe(rng, state, before))
        for a, b, d in itertools.product(range(5), range(5), range(4)):
            if a == b:
                continue
            summary = language.goal_summary(RELATION, make_goal(RELATION, (a, b, d)))
            assert summary == language.goal_summary(RELATION, make_goal(RELATION, (b, a, (d + 2) % 4)))
            new = [satisfied(RELATION, make_goal(RELATION, (a, b, d)), s) for s in (before, state)] == [False, True]
            assert (summary in facts.get("new", "").split(" and ")) == new
            told += new
    assert told > 100


def test_descriptions_name_what_a_step_made_new():
    rng = np.random.default_rng(1)

    def held(state):
        goals = language.relation_goals()
        return {tuple(int(x) for x in goal[:3]) for goal in goals if satisfied(RELATION, goal, state)}

    named = 0
    for _ in range(200):
        before = rng.uniform(-0.5, 0.5, 10).astype(np.float32)
        state = before + rng.normal(0, 0.1, 10).astype(np.float32)
        new = held(state) - held(before)
        facts = dict(language.describe(rng, state, before))
        if not new:
            assert "new" not in facts
            continue
        said = set()
        for fact in facts["new"].split(" and "):
            a, b, side = fact.split()
            said.add((BALLS.index(a), BALLS.index(b), DIRECTIONS.index(side)))
        assert said == new and all(a < b for a, b, _ in said)
        named += 1
    assert named > 50


def _apart(state, a, b):
    return float(np.linalg.norm(state.reshape(5, 2)[a] - state.reshape(5, 2)[b]))
