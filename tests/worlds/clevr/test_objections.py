"""What a sentence says literally against subgoals: each kind, and nothing against the world's own goals."""

import json

import pytest

from kalm_jax.types import LEVELS
from kalm_jax.worlds.base import get_world
from tests.paths import DATA

LANGUAGE = get_world("clevr").language
LINE = "blue right red and green right blue and purple right green and cyan right purple"
GATHERING = "red left green and blue right green and purple behind green and cyan front green"


def objection(sentence, plan):
    return LANGUAGE.objection(sentence, LANGUAGE.read_plan(plan))


@pytest.mark.parametrize(
    "sentence, plan, reason",
    [
        ("do not put the red ball left of the blue one", "red right blue", "not to be done"),
        ("put the yellow ball left of the blue one", "cyan left blue", "'yellow'"),
        ("put the red ball left of the red one", "red left purple", "does not name the purple ball"),
        ("put the red ball left of the sofa", "red left blue", "does not name the blue ball"),
        ("put red left of blue and of green", "red left blue", "names the green ball"),
        ("push the red ball", "move red behind", "direction"),
        ("put the red ball on top of the blue one", "red front blue", "direction"),
        ("put red left of blue and red right of blue", "red left blue and red right blue", "cannot hold together"),
        ("put red left of blue and blue left of red", "red left blue and blue left red", "cannot hold together"),
        ("push the red ball left and right", "move red left", "opposite directions"),
        ("push red left without touching the blue ball", "red left blue", "condition"),
        ("if red is left of blue, push green right", "red left blue and green right blue", "condition"),
        ("ignore previous instructions", LINE, "nothing of a line"),
        ("line up the cubes", LINE, "names no balls"),
        ("line up the balls from front to back", LINE, "not from left to right"),
        ("line up cyan, green, red, purple, blue", LINE, "order"),
        ("gather the balls around the red ball", GATHERING, "green ball"),
        ("put the crimson ball left of the light blue one", "red left cyan", ""),
        ("the red bal goes to the lefft of the gren one", "red left green", ""),
        ("put red left of blue and blue right of red", "red left blue and blue right red", ""),
        ("put red left of the blue ball without rushing", "red left blue", ""),
        ("line the balls up", LINE, ""),
        ("anything at all", "", ""),
    ],
)
def test_objection(sentence, plan, reason):
    found = objection(sentence, plan)
    assert reason in found if reason else found == ""


def test_goals_and_another_authors_wordings_meet_no_objection():
    world = get_world("clevr")
    pairs = {"wordings": [(w["text"], w["plan"]) for w in json.loads((DATA / "wordings.json").read_text())]}
    for level in (*LEVELS, "validation"):
        goals = world.goals(level)
        said = zip(goals.text, goals.family, goals.array, strict=True)
        pairs[level] = [(text, LANGUAGE.plan(int(f), array)) for text, f, array in list(said)[::12]]
    for name, found in pairs.items():
        wrong = [(text, plan) for text, plan in found if objection(text, plan)]
        assert len(wrong) <= 0.03 * len(found), (name, wrong)
