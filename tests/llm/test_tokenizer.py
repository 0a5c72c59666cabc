"""Words to token ids and back."""

import pytest

from benchmarks.pretrain import train_tokenizer
from kalm_jax.llm import tokenizer

WORDS = ["push the red ball to the left of the blue ball", "keep the green ball behind the cyan ball"]


def test_tokenizer_spells_any_text():
    words = train_tokenizer(WORDS * 3, 320)
    for text in [*WORDS, "a wholly unknown wording, with ünïcode!"]:
        assert words.decode(words.encode(text)) == text
    assert words.encode("PUSH The Red") == words.encode("push the red")
    ids, valid = tokenizer.left_pad([[5, 6], [7]], words.pad_id, 3)
    assert ids.tolist() == [[words.pad_id, 5, 6], [words.pad_id, words.pad_id, 7]]
    assert valid.tolist() == [[False, True, True], [False, False, True]]
    with pytest.raises(ValueError, match="2 tokens"):
        tokenizer.left_pad([[1, 2]], 0, 1)
