"""Sentences that forbid, ask back or say an amount are refused, and complaints and wishes are not."""

import pytest

from kalm_jax.worlds.text.refusals import refusal


@pytest.mark.parametrize(
    "sentence, reason",
    [
        ("do not put the red ball left of the blue one", "not to be done"),
        ("Please don’t press the button!", "not to be done"),
        ("you must never open the door", "not to be done"),
        ("robot, avoid touching the mug", "not to be done"),
        ("push the red ball 5 cm to the left", "'5 cm'"),
        ("press the button three times", "'three times'"),
        ("press the red button twice", "'twice'"),
        ("how many balls are left of the blue ball", "question"),
        ("don't leave it in front, it belongs behind", ""),
        ("push the red ball left, and don't ask why", ""),
        ("i don't like the red ball being left of the blue one", ""),
        ("the blue ball should not be behind the red one", ""),
        ("take the red ball one step to the left, if you don't mind", ""),
        ("how about red behind blue?", ""),
    ],
)
def test_refusal(sentence, reason):
    found = refusal(sentence, lambda rest: "behind" in rest or "left" in rest)
    assert reason in found if reason else found == ""
