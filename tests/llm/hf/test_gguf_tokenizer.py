"""Tokenizers of GGUF files: they cut and join texts as the tokenizers that they were made from."""

import pathlib

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from kalm_jax.llm.hf.gguf_model import convert, read_gguf
from kalm_jax.llm.hf.gguf_tokenizer import read_tokenizer
from kalm_jax.llm.tokenizer import load_tokenizer
from tests.llm.gguf_files import ALPHABET, byte_pairs, random_model, write_gguf

CORPUS = [
    "Push the red ball to the left of the blue ball; it's 12 cm away, isn't it?",
    "She said:\n\n\tdon't move   the 1234567 balls!! Über-große Äpfel, 你好世界, naïve café \u00bd",
]
LETTERS = [
    *"abcdefgh XYZ  0123456789 '\n\t.,;-_!?",
    "ß",
    "é",
    "e\u0301",
    "你",
    "好",
    "½",
    "٣",
    "🙂",
    "'s",
    "'LL",
    "\r\n",
]


def texts(number=200, seed=0):
    rng = np.random.default_rng(seed)
    return [*CORPUS, *("".join(rng.choice(LETTERS, rng.integers(1, 30))) for _ in range(number))]


def trained(splitter, **about):
    """A byte-level tokenizer of `tokenizers` that was trained on the corpus."""
    model = Tokenizer(models.BPE(**about))
    model.pre_tokenizer = splitter
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>", "<s>", "</s>"], initial_alphabet=ALPHABET, show_progress=False
    )
    model.train_from_iterator(CORPUS, trainer)
    return model


def from_gguf(tmp_path, **about):
    """The tokenizer of a GGUF file with these words, merges, ..., as `tokenizers` reads it from the folder."""
    config, tensors = random_model("llama", len(about["tokens"]))
    write_gguf(tmp_path / "model.gguf", config, tensors, tokenizer=lambda writer: byte_pairs(writer, **about))
    convert(read_gguf(tmp_path / "model.gguf"), tmp_path, "bfloat16")
    return Tokenizer.from_file(str(tmp_path / "tokenizer.json"))


def parts(model):
    """Words and merges of a byte-level tokenizer."""
    import json

    about = json.loads(model.to_str())["model"]
    return {
        "tokens": sorted(about["vocab"], key=about["vocab"].get),
        "merges": [" ".join(pair) for pair in about["merges"]],
    }


def digits_then_bytes():
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )


@pytest.mark.parametrize(
    "pre, splitter",
    [("smollm", digits_then_bytes()), ("gpt-2", pre_tokenizers.ByteLevel(add_prefix_space=False))],
)
def test_ids_are_those_of_the_tokenizer_that_was_written(pre, splitter, tmp_path):
    """SmolLM's own tokenizer.json cuts words with these two; GPT-2's with the second."""
    model = trained(splitter)
    found = from_gguf(tmp_path, **parts(model), pre=pre)
    for text in texts():
        assert found.encode(text, add_special_tokens=False).ids == model.encode(text).ids, repr(text)
        assert found.decode(found.encode(text).ids) == text
    tokenizer = load_tokenizer(tmp_path)
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (1, 2, 2)
    assert tokenizer.encode("<s>red</s>")[:1] == [1] and tokenizer.special_ids == {0, 1, 2}


def words_of(pre, text):
    metadata = {
        f"tokenizer.ggml.{key}": value
        for key, value in {
            "model": "gpt2",
            "pre": pre,
            "tokens": ["<s>", *ALPHABET],
            "token_type": [3] + [1] * 256,
            "merges": [],
            "eos_token_id": 0,
        }.items()
    }
    backend = read_tokenizer(pathlib.Path("file"), metadata, 257).backend
    return [text[start:end] for _, (start, end) in backend.pre_tokenizer.pre_tokenize_str(text)]


@pytest.mark.parametrize(
    "pre, words",
    [
        ("llama-bpe", ["It", "'S", " ", "123", "45", " (", "ok", ")\n\n", "  ", " x"]),
        ("qwen2", ["It", "'S", " ", "1", "2", "3", "4", "5", " (", "ok", ")\n\n", "  ", " x"]),
        ("smollm", ["It", "'", "S", " ", "1", "2", "3", "4", "5", " (", "ok", ")", "\n\n  ", " x"]),
        ("gpt-2", ["It", "'", "S", " 12345", " (", "ok", ")", "\n\n  ", " x"]),
        ("default", ["It", "'", "S", " ", "123", "45", " ", "(", "ok", ")", "\n\n  ", " x"]),
    ],
)
def test_words_are_cut_as_the_file_names_it(pre, words):
    assert words_of(pre, "It'S 12345 (ok)\n\n   x") == words


def test_qwen_cuts_words_by_the_expression_that_transformers_has():
    qwen = pytest.importorskip("transformers.models.qwen2.tokenization_qwen2")
    from tokenizers import Regex

    splitter = pre_tokenizers.Split(Regex(qwen.PRETOKENIZE_REGEX), "isolated")
    for text in texts():
        assert words_of("qwen2", text) == [text[a:b] for _, (a, b) in splitter.pre_tokenize_str(text)]


def test_llama_takes_whole_words_without_merges_and_begins_with_its_first_token(tmp_path):
    tokens = ["<unk>", "<s>", "</s>", *ALPHABET, "re", "redo"]
    plain = from_gguf(tmp_path, tokens=tokens, merges=["r e"], pre="gpt-2")
    assert plain.encode("redo").tokens == ["re", "d", "o"]
    llama = from_gguf(tmp_path, tokens=tokens, merges=["r e"], pre="llama-bpe", eot=0)
    assert llama.encode("redo").tokens == ["<s>", "redo"]
    assert llama.encode("redo", add_special_tokens=False).tokens == ["redo"]
    assert '"eos_token_id": [\n    2,\n    0\n  ]' in (tmp_path / "generation_config.json").read_text()


def piece_writer(processor, **metadata):
    """Writes a SentencePiece model into a GGUF file as llama.cpp's converter does."""
    pieces = range(processor.get_piece_size())
    kinds = {"is_unknown": 2, "is_control": 3, "is_unused": 5, "is_byte": 6}

    def add(writer):
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_list([processor.id_to_piece(i) for i in pieces])
        writer.add_token_scores([processor.get_score(i) for i in pieces])
        types = [next((kind for test, kind in kinds.items() if getattr(processor, test)(i)), 1) for i in pieces]
        writer.add_token_types(types)
        writer.add_bos_token_id(processor.bos_id())
        writer.add_eos_token_id(processor.eos_id())
        for key, value in metadata.items():
            writer.add_bool(f"tokenizer.ggml.{key}", value)

    return add


@pytest.mark.parametrize("prefix", [True, False])
def test_sentence_piece_ids_are_sentence_pieces(prefix, tmp_path):
    spm = pytest.importorskip("sentencepiece")
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 3), model_prefix=str(tmp_path / "m"), model_type="bpe", vocab_size=420,
        byte_fallback=True, character_coverage=0.99, normalization_rule_name="identity", add_dummy_prefix=prefix,
        remove_extra_whitespaces=False, minloglevel=2, split_digits=True,
    )  # fmt: skip
    processor = spm.SentencePieceProcessor(model_file=str(tmp_path / "m.model"))
    config, tensors = random_model("llama", processor.get_piece_size())
    writes = piece_writer(processor, **({} if prefix else {"add_space_prefix": False}))
    write_gguf(tmp_path / "model.gguf", config, tensors, tokenizer=writes)
    convert(read_gguf(tmp_path / "model.gguf"), tmp_path, "bfloat16")
    found = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in texts():
        want = processor.encode(text)
        assert found.encode(text, add_special_tokens=False).ids == want, repr(text)
        assert found.encode(text).ids == [processor.bos_id(), *want]
        assert found.decode(want) == processor.decode(want)
    assert "a red ball" in load_tokenizer(tmp_path).decode(load_tokenizer(tmp_path).encode("a red ball"))


@pytest.mark.parametrize(
    "about, message",
    [
        ({"model": "bert"}, "tokenizer.ggml.model is 'bert'"),
        ({"model": "t5"}, "tokenizer.ggml.model is 't5'"),
        ({"pre": "tekken"}, "tokenizer.ggml.pre is 'tekken'"),
        ({"pre": None}, "lacks tokenizer.ggml.pre"),
        ({"tokens": None}, "lacks tokenizer.ggml.tokens"),
        ({"tokens": ["<s>", "a"] * 4}, "a list with an entry twice"),
        ({"tokens": 7}, "tokenizer.ggml.tokens is of another type"),
        ({"merges": ["a b", "a zz"]}, "'a zz', which is not of its tokens"),
        ({"merges": None}, "lacks tokenizer.ggml.merges"),
        ({"token_type": [1]}, "of 1 entries for 6 tokens"),
        ({"eos_token_id": None}, "lacks tokenizer.ggml.eos_token_id"),
        ({"bos_token_id": 99}, "bos_token_id is 99, which is none of the 6 tokens"),
        ({"words": 5}, "of 6 entries, and the embedding has 5 rows"),
        ({"model": "llama"}, "lacks tokenizer.ggml.scores"),
        ({"model": "llama", "scores": [0.0] * 6}, "without an unknown token and without bytes"),
        ({"model": "llama", "scores": [0.0] * 6, "remove_extra_whitespaces": True}, "remove_extra_whitespaces is set"),
    ],
)
def test_a_tokenizer_that_cannot_be_made_is_named(about, message):
    known = {"model": "gpt2", "pre": "gpt-2", "tokens": ["<s>", "a", "b", "ab", "c", "ba"], "merges": ["a b"]}
    known |= {"token_type": [3, 1, 1, 1, 1, 1], "eos_token_id": 0, **about}
    known["token_type"] = (
        known["token_type"]
        if "token_type" in about or not isinstance(known["tokens"], list)
        else ([3, *[1] * (len(known["tokens"]) - 1)])
    )
    words = known.pop("words", 10)
    metadata = {f"tokenizer.ggml.{key}": value for key, value in known.items() if value is not None}
    with pytest.raises(ValueError, match=message) as error:
        read_tokenizer(pathlib.Path("model.gguf"), metadata, words)
    assert "model.gguf" in str(error.value)
