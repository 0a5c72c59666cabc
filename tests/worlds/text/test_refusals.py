"""Sentences that ask for no goal are refused by what they look like, for any world; wishes and complaints are not."""

import pytest

from kalm_jax.worlds.text.refusals import Words, misspelled, refusal, words_of

WORDS = Words(
    ["push the red ball to the left of the blue one", "the mug is behind the button", "open the door", "steps sides"],
    verbs=["push", "press", "open", "touch"],
    past=["pushed", "pushing", "opened", "opening"],
    things=["ball", "balls", "button", "door", "mug"],
    adjectives=["red", "blue"],
    asides=["because my aunt is coming"],
)


def says_goal(text):
    return any(word in text for word in ("behind", "left", "open", "press"))


@pytest.mark.parametrize(
    "sentence, reason",
    [
        ("do not put the red ball left of the blue one", "not to be done"),
        ("Please don’t press the button!", "not to be done"),
        ("you must never open the door", "not to be done"),
        ("robot, avoid touching the mug", "not to be done"),
        ("the blue ball should not be behind the red one", "not to be done"),
        ("cancel opening the door", "not to be done"),
        ("keep the door from opening", "not to be done"),
        ("push the red ball 5 cm to the left", "'5 cm'"),
        ("press the button three times", "'three times'"),
        ("press the red button twice", "'twice'"),
        ("push half of the balls to the left", "'half of the'"),
        ("how many balls are left of the blue ball", "question"),
        ("who opened the door", "question"),
        ("did you open the door", "question"),
        ("she opened the door", "reports"),
        ("i saw the red ball behind the door", "reports"),
        ("the balls are behind the door", "how things are"),
        ("assume that the door is open", "supposes"),
        ("open the door on fridays", "'on fridays'"),
        ("walk behind the door", "something else"),
        ("bake the red ball", "'bake'"),
        ("push the red umbrella to the left", "'umbrella'"),
        ("push the red ball left and paint it", "'paint'"),
        ("push the ball to the left of the", "cut off"),
        ("öffne the door", "'öffne'"),
        ("don't leave it in front, it belongs behind", ""),
        ("push the red ball left, and don't ask why", ""),
        ("don't forget to open the door", ""),
        ("i don't like the red ball being left of the blue one", ""),
        ("the balls are behind the door, i hate that", ""),
        ("take the red ball one step to the left, if you don't mind", ""),
        ("how about red behind blue?", ""),
        ("opne the dooor please", ""),
        ("open the door because my aunt is coming", ""),
        ("could you please see that the door is open", ""),
    ],
)
def test_refusal(sentence, reason):
    found = refusal(sentence, WORDS, says_goal)
    assert reason in found if reason else found == ""


def test_a_word_that_names_a_thing_must_be_known():
    assert "'zorp'" in refusal("push the red zorp to the left of the blue ball", WORDS, says_goal)
    assert refusal("the blue ball must zorp behind the red one", WORDS, says_goal) == ""


@pytest.mark.parametrize(
    "word, loose, strict",
    [
        *(("behnid", True, True), ("behind", True, True), ("behnd", True, True), ("bxhind", True, True)),
        *(("bhind", True, True), ("xehind", False, False), ("behiind", True, True), ("behxind", True, False)),
        *(("lft", True, False), ("lest", True, False), ("elft", True, True), ("right", False, False)),
    ],
)
def test_misspelled(word, loose, strict):
    words = frozenset({"behind", "left"})
    assert misspelled(word, words) == loose and misspelled(word, words, strict=True) == strict


def test_words_of_a_text():
    assert words_of("The robin's-egg-blue ball's side isn't red, Tür!") == (
        ["the", "robins-egg-blue", "ball", "side", "isnt", "red", "tür"]
    )
