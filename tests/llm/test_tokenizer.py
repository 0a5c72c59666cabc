"""Words to token ids and back."""

import json
import shutil

import pytest

from benchmarks.pretrain import train_tokenizer
from kalm_jax.llm import tokenizer
from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.llm.tokenizer import load_tokenizer
from tests.llm.tokenizers import KINDS

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


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_are_joined_by_one_space(kind):
    """What stands in a row piece by piece reads, and where tokens end at spaces is encoded, as one text."""
    pieces = [
        "goal : push the red ball left . start :",
        "red left of blue :",
        "keep the ball, please",
        "=> 12 : go",
        ":",
    ]
    words = KINDS[kind]([" ".join(pieces)] * 3)
    for last in range(1, len(pieces)):
        for first in range(last):
            after = words.encode_all(pieces[first + 1 : last + 1], follows=True)
            ids = sum(after, words.encode(pieces[first]))
            text = " ".join(pieces[first : last + 1])
            assert words.decode([words.bos_id, *ids, words.eos_id]) == text
            assert kind in ("superwords", "bytes") or ids == words.encode(text)
    assert words.encode("", follows=True) == [] and words.encode_all([], follows=True) == []
    assert words.encode("go ?", follows=True) == words.encode_all(["go ?"], follows=True)[0]


def test_no_space_of_a_text_is_lost():
    """Some tokenizers are told to take spaces before punctuation out of what they decode."""
    words = KINDS["GPT-2"](WORDS)
    words._tokenizer.clean_up_tokenization_spaces = True
    assert words.decode(words.encode("where is it ? do n't know .")) == "where is it ? do n't know ."


@pytest.mark.parametrize("change", [{"decoder": None}, {"pre_tokenizer": None}])
def test_a_tokenizer_that_does_not_give_back_what_it_reads_is_refused(tmp_path, change):
    content = json.loads((BUILTIN / "tokenizer.json").read_text())
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(BUILTIN / name, tmp_path / name)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content | change))
    with pytest.raises(ValueError, match=r"its decoder or its vocabulary is damaged|reads no word"):
        load_tokenizer(tmp_path)
