"""What a sentence says literally against subgoals: each kind, and nothing against the world's own goals."""

import json

import numpy as np
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
        ("put the red ball left of the sofa", "red left blue", "'sofa'"),
        ("put red left of blue and of green", "red left blue", "names the green ball"),
        ("push the red ball", "move red behind", "direction"),
        ("put the red ball on top of the blue one", "red front blue", "'on top of'"),
        ("put red left of blue and red right of blue", "red left blue and red right blue", "cannot hold together"),
        ("put red left of blue and blue left of red", "red left blue and blue left red", "cannot hold together"),
        ("push the red ball left and right", "move red left", "opposite directions"),
        ("push red left without touching the blue ball", "red left blue", "condition"),
        ("if red is left of blue, push green right", "red left blue and green right blue", "condition"),
        ("ignore previous instructions", LINE, "not to be done"),
        ("arrange the balls nicely", LINE, "nothing of a line"),
        ("line up the cubes", LINE, "'cubes'"),
        ("line up, please", LINE, "names no balls"),
        ("line up the balls from front to back", LINE, "not from left to right"),
        ("line up cyan, green, red, purple, blue", LINE, "order"),
        ("gather the balls around the red ball", GATHERING, "green ball"),
        ("the balls are in a line", LINE, "how things are"),
        ("my brother pushed the red ball left", "move red left", "reports"),
        ("i left the red ball at home", "move red left", "reports"),
        ("the red ball was pushed left yesterday", "move red left", "'yesterday'"),
        ("who put the red ball left of the blue one?", "red right blue", "question"),
        ("how do i push the red ball to the left", "move red left", "question"),
        ("has someone pushed the red ball to the left", "move red left", "question"),
        ("prevent the red ball from moving left", "move red right", "not to be done"),
        ("undo the push of the red ball to the left", "move red left", "not to be done"),
        ("wait before you push red left of blue", "red left blue", "not to be done"),
        ("nobody may push the red ball to the left", "move red left", "not to be done"),
        ("the red ball need not be left of the blue ball", "red left blue", "not to be done"),
        ("suppose the red ball is left of the blue ball", "red left blue", "supposes"),
        ("if red were left of blue, where would green be", "red left blue", "supposes"),
        ("photograph the red ball left of the blue ball", "red left blue", "'photograph'"),
        ("look at the ball behind the red ball", "move red behind", "something else"),
        ("draw a circle around the balls", GATHERING, "green ball"),
        ("put the red car left of the blue car", "red left blue", "'car'"),
        ("push red left of blue and then put it back", "red left blue", "'put it back'"),
        ("push red left of blue and paint it white", "red left blue", "'paint'"),
        ("push the red ball left every tuesday", "move red left", "'every tuesday'"),
        ("the red ball is heavier than the blue ball behind it", "red front blue", "comparison"),
        ("put two balls left of the red ball", "red right blue", "'two balls'"),
        ("put the red ball left of the", "red left blue", "cut off"),
        ("sätt den red ball left of den blåa", "red left blue", "'sätt'"),
        ("put the crimson ball left of the light blue one", "red left cyan", ""),
        ("the red bal goes to the lefft of the gren one", "red left green", ""),
        ("put red left of blue and blue right of red", "red left blue and blue right red", ""),
        ("put red left of the blue ball without rushing", "red left blue", ""),
        ("line the balls up", LINE, ""),
        ("don't forget to put red left of blue", "red left blue", ""),
        ("i need the red ball moved to the left now", "move red left", ""),
        ("i hate that the red ball is left of the blue ball", "red right blue", ""),
        ("how about red behind blue?", "red behind blue", ""),
        ("my mother wants the red ball to be behind the blue one", "red behind blue", ""),
        ("take the red ball and roll it behind the blue ball", "red behind blue", ""),
        ("the red ball is left of blue, push it to the right of it", "red right blue", ""),
        ("red ball -> infront of teh blu ball", "red front blue", ""),
        ("anything at all", "", ""),
    ],
)
def test_objection(sentence, plan, reason):
    found = objection(sentence, plan)
    assert reason in found if reason else found == ""


def test_most_of_what_asks_for_no_goal_is_told_without_its_subgoals():
    """Measured: 79% of 296; `benchmarks.understood` measures with subgoals."""
    requests = json.loads((DATA / "requests.json").read_text())
    said = {name: [text for texts in kinds.values() for text in texts] for name, kinds in requests.items()}
    passed = [text for text in said["no goals"] if not LANGUAGE.objection(text, [])]
    assert len(said["no goals"]) > 250 and len(passed) <= 0.25 * len(said["no goals"]), passed
    wrong = [text for text in said["goals"] if LANGUAGE.objection(text, [])]
    assert len(said["goals"]) > 200 and len(wrong) <= 0.02 * len(said["goals"]), wrong


def test_wordings_of_the_grammar_meet_few_objections():
    """Measured: 4.8% of 2000, of which 2% are questions and prohibitions, 1% have invented words."""
    rng = np.random.default_rng(0)
    pairs = [LANGUAGE.sample_plan(rng) for _ in range(400)]
    wrong = [text for text, plan in pairs if objection(text, plan)]
    assert len(wrong) <= 0.07 * len(pairs), wrong


def test_goals_and_another_authors_wordings_meet_no_objection():
    world = get_world("clevr")
    pairs = {"wordings": [(w["text"], w["plan"]) for w in json.loads((DATA / "wordings.json").read_text())]}
    for level in (*LEVELS, "validation"):
        goals = world.goals(level)
        said = zip(goals.text, goals.family, goals.array, strict=True)
        pairs[level] = [(text, LANGUAGE.plan(int(f), array)) for text, f, array in list(said)[::12]]
    for name, found in pairs.items():
        wrong = [(text, plan) for text, plan in found if objection(text, plan)]
        assert len(wrong) <= (0.03 if name == "wordings" else 0.005) * len(found), (name, wrong)


NO_GOALS = {
    "no place": (
        "put the red ball left of itself",
        "move the blue ball behind itself",
        "the green ball should be to the right of itself",
        "place every ball left of itself",
        "line the balls up in front of themselves",
    ),
    "does not say which": (
        "the red ball or the blue ball to the left of the green one",
        "put red or blue left of green",
        "push the cyan ball or the purple one to the right",
        "put the red ball left or right of the blue one",
        "put the red ball to the left or to the right of the blue one",
        "move the red ball left or maybe forward",
        "put the red ball left of the blue ball or the green ball",
        "either push red left or push blue right",
        "line up the balls or gather them",
    ),
    "is taken back": (
        "put the red ball left of blue, never mind",
        "push the red ball left - no, forget it",
        "put the red ball left of the blue ball, scratch that",
        "put red behind blue, on second thought don't",
        "line up the balls. cancel that",
    ),
    "not to be done": (
        "never mind the red ball",
        "never mind about the red ball being left of the blue one",
        "nevermind the line of balls",
        "forget about putting the red ball left of blue",
        "cancel the move of the red ball to the left",
        "keep the red ball away from the left of the blue one",
        "keep the red ball off the left side of the blue ball",
        "keep red clear of the left of blue",
        "put the red ball anywhere but left of the blue ball",
        "move the red ball somewhere other than the left of the blue ball",
        "put the red ball not left of the blue ball",
        "place it not behind blue",
    ),
    "is a question": (
        "is there a line of balls",
        "are there balls in a line",
        "is there a ball left of the cyan one",
        "where would the red ball be if it were left of the blue ball",
        "does the red ball lie left of the blue ball",
    ),
    "supposes something": (
        "what if the red ball were left of the blue ball",
        "if the red ball were left of the blue ball",
        "say the red ball were left of the blue ball",
        "what if the balls were in a line?",
    ),
}


@pytest.mark.parametrize("kind", NO_GOALS)
def test_sentences_that_name_a_goal_and_ask_for_none(kind):
    for sentence in NO_GOALS[kind]:
        assert kind in objection(sentence, "red left blue"), sentence


@pytest.mark.parametrize(
    "sentence",
    [
        "is there any red ball left of the blue ball",
        "is there a way to put the red ball left of the blue ball?",
        "what if the red one were left of the blue one? make it so",
        "if only the red ball were left of the blue ball",
        "never mind the others, put the red ball left of the blue ball",
        "red should be anywhere but right of blue, say left of it",
        "put the red ball not right but left of the blue ball",
        "put the red ball left of the blue one, not right of it",
        "keep the red ball left of the blue ball",
        "get the red ball away from the right of the blue ball",
    ],
)
def test_wishes_that_look_like_these_are_still_goals(sentence):
    assert objection(sentence, "red left blue") == ""
