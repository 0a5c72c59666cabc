"""Near-duplicates of sentences, against a definition by recursion and against trying every sentence."""

import functools

import numpy as np

from kalm_jax.worlds.text.duplicates import NearDuplicates, word_distance


@functools.cache
def distance(a, b):
    """The same by its definition."""
    if not a or not b:
        return len(a) + len(b)
    if a[0] == b[0]:
        return distance(a[1:], b[1:])
    return 1 + min(distance(a[1:], b), distance(a, b[1:]), distance(a[1:], b[1:]))


def texts(rng, count, words="abcde"):
    return [tuple(rng.choice(list(words), rng.integers(0, 8))) for _ in range(count)]


def test_distances_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    for a, b in zip(texts(rng, 300), texts(rng, 300), strict=True):
        assert word_distance(a, b) == distance(a, b)


def test_found_is_what_trying_every_sentence_finds():
    rng = np.random.default_rng(1)
    known = [" ".join(words) for words in texts(rng, 12, "abcdefgh")]
    for most in (0, 1, 2):
        near = NearDuplicates(known, most=most)
        found = 0
        for words in texts(rng, 400, "abcdefghxy"):
            near_ones = [text for text in known if word_distance(words, tuple(text.split())) <= most]
            sentence = near.find(" ".join(words))
            assert (sentence in near_ones) if near_ones else sentence is None
            found += bool(near_ones)
        assert 0 < found < 400


def test_case_punctuation_and_names_do_not_count():
    near = NearDuplicates(["move the red ball over to the left side"], names=("red", "blue"))
    assert near.find("Move the BLUE ball, over to the left side!")
    assert near.find("please move the blue ball over to the left")
    assert near.find("please move the blue ball right over to the left side") is not None
    assert near.find("please do move the blue ball right over to the left side") is None
    assert near.find("") is None
