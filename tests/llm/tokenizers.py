"""Small tokenizers of every kind that language models come with, trained on the texts of a test."""

from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Model

from benchmarks.pretrain import train_tokenizer
from kalm_jax.llm.tokenizer import Tokenizer, fast_tokenizer_class

SPECIAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)


def _train(model, texts, trainer=trainers.BpeTrainer, **options):
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    options = {"vocab_size": 600, "show_progress": False, "initial_alphabet": alphabet, **options}
    model.train_from_iterator(texts, trainer(special_tokens=list(SPECIAL.values()), **options))


def _wrap(model):
    return Tokenizer(fast_tokenizer_class()(tokenizer_object=model, **SPECIAL))


def _trained(model, texts, *args, **options):
    _train(model, texts, *args, **options)
    return _wrap(model)


def _bytes(splitter, texts, **options):
    """As of Llama 3, Qwen and SmolLM2: a word's token begins with its space, and nothing is added to a text."""
    model = Model(models.BPE())
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [splitter, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=options.pop("use_regex", False))]
    )
    model.decoder = decoders.ByteLevel()
    return _trained(model, texts, **options)


def _spaces_as_words(scheme, texts, model, trainer, **options):
    """As of SentencePiece, with a space before a text ("always", "first") or without ("never")."""
    model = Model(model)
    model.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    model.decoder = decoders.Metaspace(prepend_scheme=scheme)
    return _trained(model, texts, trainer, **options)


def _llama2(texts):
    """As of Llama 2: spaces are replaced before anything is split, and one is put before a text."""
    model = Model(models.BPE(unk_token="<unk>", fuse_unk=True))
    model.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    model.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    model.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(content=" ", left=1)]
    )
    _train(model, texts, initial_alphabet=[])
    model.pre_tokenizer = None
    return _wrap(model)


def _words(texts):
    """As of BERT: no token has a space, and decoding puts one between words."""
    model = Model(models.WordPiece(unk_token="<unk>"))
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    model.decoder = decoders.WordPiece(cleanup=False)
    return _trained(model, texts, trainers.WordPieceTrainer, initial_alphabet=[chr(i) for i in range(33, 127)])


def _superwords(texts):
    """Tokens reach over spaces, as "the red ball" in a single one."""
    model = Model(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model.decoder = decoders.ByteLevel()
    return _trained(model, texts)


KINDS = {
    "built-in": lambda texts: train_tokenizer(texts, 600),
    "GPT-2": lambda texts: _bytes(pre_tokenizers.Digits(individual_digits=True), texts, use_regex=True),
    "Llama 3": lambda texts: _bytes(pre_tokenizers.Split(Regex(LLAMA3), "isolated"), texts),
    "Llama 2": _llama2,
    "SentencePiece": lambda texts: _spaces_as_words(
        "always", texts, models.BPE(unk_token="<unk>"), trainers.BpeTrainer, initial_alphabet=[]
    ),
    "SentencePiece, first": lambda texts: _spaces_as_words(
        "first", texts, models.BPE(unk_token="<unk>"), trainers.BpeTrainer, initial_alphabet=[]
    ),
    "Gemma": lambda texts: _spaces_as_words(
        "never", texts, models.BPE(unk_token="<unk>"), trainers.BpeTrainer, initial_alphabet=[]
    ),
    "Unigram": lambda texts: _spaces_as_words(
        "always", texts, models.Unigram(), trainers.UnigramTrainer, initial_alphabet=[], unk_token="<unk>"
    ),
    "BERT": _words,
    "superwords": _superwords,
    "bytes": lambda texts: _bytes(pre_tokenizers.Digits(), texts, vocab_size=260),
}
