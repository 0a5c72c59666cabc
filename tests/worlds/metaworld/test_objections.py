"""What a sentence says literally against subgoals of Meta-world, and nothing against the world's own tasks."""

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
        ("make me a sandwich", "machine to target", "nothing of"),
        ("turn on the radio", "faucet to target", "nothing of"),
        ("put the spoon on the shelf", "puck to target", "nothing of"),
        ("don't push the puck, carry it to the goal", "lift puck to target", ""),
        ("open the fridge", "door to target", ""),  # a fridge is one of the doors of the pretraining text
    ],
)
def test_objection(sentence, plan, reason):
    found = LANGUAGE.objection(sentence, LANGUAGE.read_plan(plan))
    assert reason in found if reason else found == ""


def test_the_worlds_own_sentences_meet_no_objection():
    world = get_world("metaworld")
    for level in (*LEVELS, "validation"):
        goals = world.goals(level)
        said = list(zip(goals.text, goals.family, strict=True))
        wrong = [text for text, f in said if LANGUAGE.objection(text, LANGUAGE.read_plan(LANGUAGE.plan(int(f))))]
        assert len(wrong) <= 0.02 * len(said), (level, wrong)
