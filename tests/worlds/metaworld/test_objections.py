"""What a sentence says literally against subgoals of Meta-world, and nothing against the world's own tasks."""

import numpy as np
import pytest

from kalm_jax.types import LEVELS
from kalm_jax.worlds.base import get_world

LANGUAGE = get_world("metaworld").language


@pytest.mark.parametrize(
    "sentence, plan, reason",
    [
        ("do not press the button", "button to target", "not to be done"),
        ("never open the window", "window to target", "not to be done"),
        ("press the red button twice", "button to target", "'twice'"),
        ("move the puck by 5 cm", "puck to target", "'5 cm'"),
        ("make me a sandwich", "machine to target", "'sandwich'"),
        ("turn on the radio", "faucet to target", "'radio'"),
        ("put the spoon on the shelf", "puck to target", "'spoon'"),
        ("close the door", "puck to target", "nothing of"),
        ("who closed the window", "window to target", "question"),
        ("i opened the door", "door to target", "reports"),
        ("prevent the door from opening", "door to target", "not to be done"),
        ("wait before you open the door", "door to target", "not to be done"),
        ("pretend that the door is open", "door to target", "supposes"),
        ("photograph the door", "door to target", "'photograph'"),
        ("close the window on sundays", "window to target", "'on sundays'"),
        ("öffne die tür", "door to target", "'öffne'"),
        ("don't push the puck, carry it to the goal", "lift puck to target", ""),
        ("i'd like the window to be closed", "window to target", ""),
        ("the door shoud be open, please", "door to target", ""),
        ("open the fridge", "door to target", ""),  # a fridge is one of the doors of the pretraining text
    ],
)
def test_objection(sentence, plan, reason):
    found = LANGUAGE.objection(sentence, LANGUAGE.read_plan(plan))
    assert reason in found if reason else found == ""


def test_wordings_of_the_grammar_meet_few_objections():
    """Measured: 4% of 1500, mostly prohibitions and questions."""
    rng = np.random.default_rng(0)
    pairs = [LANGUAGE.sample_plan(rng) for _ in range(300)]
    wrong = [text for text, plan in pairs if LANGUAGE.objection(text, LANGUAGE.read_plan(plan))]
    assert len(wrong) <= 0.07 * len(pairs), wrong


def test_the_worlds_own_sentences_meet_no_objection():
    world = get_world("metaworld")
    for level in (*LEVELS, "validation"):
        goals = world.goals(level)
        said = list(zip(goals.text, goals.family, strict=True))
        wrong = [text for text, f in said if LANGUAGE.objection(text, LANGUAGE.read_plan(LANGUAGE.plan(int(f))))]
        assert len(wrong) <= 0.02 * len(said), (level, wrong)
