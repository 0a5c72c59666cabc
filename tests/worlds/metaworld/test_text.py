"""Meta-world's plain text: wordings mean one plan, repeat themselves rarely and hold no evaluation sentence."""

import re

import numpy as np
import pytest

from kalm_jax.types import LEVELS
from kalm_jax.types.text import normalize_sentence
from kalm_jax.worlds.metaworld import instructions as language
from kalm_jax.worlds.metaworld import text as metaworld_text
from kalm_jax.worlds.metaworld.goals import FAMILIES
from kalm_jax.worlds.metaworld.tasks import NAMES

DRAWS = 400
FORBIDDEN = {"rephrase", "unseen_easy", "unseen_hard", "validation"}


@pytest.fixture(scope="module")
def drawn():
    """Task -> DRAWS wordings."""
    rng = np.random.default_rng(0)
    return {task: [metaworld_text.wording(rng, task) for _ in range(DRAWS)] for task in FAMILIES}


def test_wordings_are_many_and_none_is_an_evaluation_sentence(drawn):
    for task, said in drawn.items():
        distinct = {normalize_sentence(text) for text in said}
        assert len(distinct) > 0.9 * DRAWS, (task, len(distinct))
        # Counted, so that a failure shows no sentence.
        assert sum(language.split_of(text) in FORBIDDEN for text in said) == 0, task
        assert not [text for text in said if re.search(r"[\[\]{}^@|*~]|  | ,", text)], task


def test_a_wording_has_one_plan(drawn):
    plans = {}
    for task, said in drawn.items():
        for text in said:
            plans.setdefault(normalize_sentence(text), set()).add(metaworld_text.PLANS[task])
    assert not {text: plan for text, plan in plans.items() if len(plan) > 1}


def test_drawn_plans_are_read_back():
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(500):
        text, plan = metaworld_text.sample_plan(rng)
        steps = metaworld_text.read_plan(plan)
        assert text and " and ".join(step[0] for step in steps) == plan
        seen.add(plan)
    assert seen == {" and ".join(steps) for steps in metaworld_text.PLANS.values()}


def test_an_evaluation_sentence_is_drawn_anew(monkeypatch):
    held_out = language.sentences("unseen_easy")[0]
    drawings = iter([held_out.text, held_out.text.upper(), "something else entirely , which is long"])
    monkeypatch.setattr(metaworld_text, "_sentence", lambda task, numbers: next(drawings))
    assert (
        metaworld_text.wording(np.random.default_rng(0), held_out.family) == "something else entirely , which is long"
    )
    monkeypatch.setattr(metaworld_text, "_sentence", lambda task, numbers: held_out.text)
    with pytest.raises(RuntimeError, match="wordings of"):
        metaworld_text.wording(np.random.default_rng(0), held_out.family)


def test_wordings_with_a_wall_are_those_without_and_speak_of_it(drawn):
    assert metaworld_text.PLANS["push-wall"] == metaworld_text.PLANS["push"]
    walls = ("wall", "barrier", "obstacle", "fence", "brick", "partition", "hurdle", "screen", "divider", "dam")
    walls += ("barricade", "obstruction", "blockade", "hedge", "rampart", "shield", "railing", "parapet", "bulwark")
    walls += ("in the way",)
    for task in ("reach-wall", "push-wall", "pick-place-wall", "button-press-wall"):
        named = np.mean([any(word in text.lower() for word in walls) for text in drawn[task]])
        assert named > 0.9, task  # the rest is mistyped


@pytest.mark.parametrize(
    "form, said",
    [
        ("do", "push the cup and press it"),
        ("doing", "pushing the cup and pressing it"),
        ("does", "pushes the cup and presses it"),
    ],
)
def test_marked_verbs_change_their_form(form, said):
    assert metaworld_text.conjugate("^push the cup and ^press it", form) == said


def test_forms_of_irregular_spelling():
    verbs = "^put ^slide ^carry ^be ^have ^go ^play ^propel ^brew"
    assert (
        metaworld_text.conjugate(verbs, "doing")
        == "putting sliding carrying being having going playing propelling brewing"
    )
    assert metaworld_text.conjugate(verbs, "does") == "puts slides carries is has goes plays propels brews"


def test_plain_text_holds_no_evaluation_sentence_and_covers_every_task():
    rng = np.random.default_rng(0)
    for task in NAMES:
        said = {metaworld_text.wording(rng, task) for _ in range(60)}
        assert len(said) > 15
        assert {language.split_of(text) for text in said} <= {None, "offline"}
    held_out = {s.text for level in LEVELS[1:] for s in language.sentences(level)}
    held_out |= {s.text for s in language.sentences("validation")}
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
