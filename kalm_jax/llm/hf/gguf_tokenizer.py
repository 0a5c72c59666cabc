"""The tokenizer in a GGUF file's metadata, as tokenizer.json and tokenizer_config.json of a Hugging Face folder."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from kalm_jax.files import write_json

_NORMAL, _UNKNOWN, _CONTROL, _USER, _UNUSED, _BYTE = range(1, 7)
"""Types of tokens (`tokenizer.ggml.token_type`)."""
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)


@dataclasses.dataclass(frozen=True)
class _Splitting:
    """How a text becomes words before byte pairs are merged in each of them.

    Attributes:
      patterns: regular expressions; each cuts what the one before has left.
      composed: letters and their accents are composed first (Unicode's NFC).
      whole_words: a word of the vocabulary is taken as it is, without merges.
      begins: whether a text begins with the first token, where the file does not say.
    """

    patterns: tuple[str, ...]
    composed: bool = False
    whole_words: bool = False
    begins: bool = False


_LLAMA_BPE = _Splitting((_LLAMA3,), whole_words=True, begins=True)
_SPLITTINGS = {
    "smollm": _Splitting((r"\p{N}", _GPT2)),
    "gpt-2": _Splitting((_GPT2,)),
    "default": _Splitting((r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")),
    "llama-bpe": _LLAMA_BPE,
    "llama3": _LLAMA_BPE,
    "llama-v3": _LLAMA_BPE,
    "qwen2": _Splitting((_LLAMA3.replace("{1,3}", ""),), composed=True),
}
"""`tokenizer.ggml.pre` -> how llama.cpp, and the tokenizers that it names, cut a text."""


@dataclasses.dataclass(frozen=True)
class GgufTokenizer:
    """A tokenizer that could be made.

    Attributes:
      backend: of the package `tokenizers`.
      special: "bos_token_id", "eos_token_id", "pad_token_id" -> id, as far as the file has them.
      config: for tokenizer_config.json.
      ends: ids at which a text may end: the end of the text, and that of a turn.
    """

    backend: Any
    special: Mapping[str, int]
    config: Mapping[str, Any]
    ends: tuple[int, ...]

    def save(self, folder: pathlib.Path) -> None:
        """Writes tokenizer.json and tokenizer_config.json."""
        self.backend.save(str(folder / "tokenizer.json"))
        write_json(folder / "tokenizer_config.json", dict(self.config), sort_keys=False)


def read_tokenizer(path: pathlib.Path, metadata: Mapping[str, Any], words: int) -> GgufTokenizer:
    """The tokenizer of a model with `words` rows in its embedding.

    Raises:
      ValueError: it lacks something, or is of a kind that is not read; the message names the file and the key.
    """
    return _Reader(path, metadata, words).read()


class _Reader:
    def __init__(self, path: pathlib.Path, metadata: Mapping[str, Any], words: int) -> None:
        self.path, self.metadata = path, metadata
        self.model = self.need("model", str)
        if self.model not in ("gpt2", "llama"):
            raise self.wrong(
                "model",
                f"{self.model!r}; read are 'gpt2' (byte pairs of bytes) and 'llama' (SentencePiece's byte pairs)",
            )
        self.tokens = self.need("tokens", list, str)
        if len(self.tokens) > words:
            raise self.wrong("tokens", f"of {len(self.tokens)} entries, and the embedding has {words} rows")
        self.types = self.need("token_type", list, int)
        if len(self.types) != len(self.tokens):
            raise self.wrong("token_type", f"of {len(self.types)} entries for {len(self.tokens)} tokens")
        self.vocabulary = {text: i for i, text in enumerate(self.tokens) if self.types[i] != _UNUSED}
        if len(self.vocabulary) != sum(kind != _UNUSED for kind in self.types):
            raise self.wrong("tokens", "a list with an entry twice; the file is damaged, fetch it again")

    def read(self) -> GgufTokenizer:
        splitting = self.splitting() if self.model == "gpt2" else None
        backend = self.byte_level(splitting) if splitting else self.sentence_piece()
        ids = {name: self.number(name) for name in ("bos", "eos", "unknown", "padding", "eot", "eom")}
        if ids["eos"] is None:
            raise ValueError(f"{self.path} lacks tokenizer.ggml.eos_token_id, the end of a text; convert it again")
        named = {name: i for name, i in ids.items() if i is not None}
        for i, text in enumerate(self.tokens):
            if self.types[i] == _CONTROL or i in named.values():
                backend.add_special_tokens([AddedToken(text, normalized=False, special=True)])
            elif self.types[i] == _USER:
                backend.add_tokens([AddedToken(text, normalized=False, special=False)])
        self.frame(backend, ids, splitting.begins if splitting else True)
        keys = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}
        shown = {theirs: self.tokens[named[name]] for name, theirs in keys.items() if name in named}
        config: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", **shown}
        config |= {"clean_up_tokenization_spaces": False}
        template = self.metadata.get("tokenizer.chat_template")
        if isinstance(template, str):
            config["chat_template"] = template
        special = {f"{keys[name]}_id": named[name] for name in ("bos", "eos", "padding") if name in named}
        ends = dict.fromkeys(named[name] for name in ("eos", "eot", "eom") if name in named)
        return GgufTokenizer(backend, special, config, tuple(ends))

    def splitting(self) -> _Splitting:
        name = self.need("pre", str)
        if name not in _SPLITTINGS:
            raise self.wrong(
                "pre", f"{name!r}, want one of {', '.join(_SPLITTINGS)}: how it cuts words is not known here"
            )
        return _SPLITTINGS[name]

    def byte_level(self, splitting: _Splitting) -> Any:
        """Byte pairs of bytes that are written as letters."""
        merges = []
        for text in self.need("merges", list, str):
            left, space, right = text.partition(" ")
            if not space or not {left, right, left + right} <= self.vocabulary.keys():
                raise self.wrong("merges", f"a list with {text!r}, which is not of its tokens; fetch the file again")
            merges.append((left, right))
        try:
            backend = Tokenizer(models.BPE(self.vocabulary, merges, ignore_merges=splitting.whole_words))
        except Exception as error:
            raise ValueError(f"{self.path}: its tokenizer cannot be used ({error}); fetch it again") from error
        splits: list[Any] = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in splitting.patterns]
        splits.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
        backend.pre_tokenizer = pre_tokenizers.Sequence(splits)
        backend.decoder = decoders.ByteLevel()
        if splitting.composed:
            backend.normalizer = normalizers.NFC()
        return backend

    def sentence_piece(self) -> Any:
        """SentencePiece's byte pairs: of all pairs whose join is a token, the one of the highest score is joined."""
        scores = self.need("scores", list, float)
        if len(scores) != len(self.tokens):
            raise self.wrong("scores", f"of {len(scores)} entries for {len(self.tokens)} tokens")
        for key in ("precompiled_charsmap", "remove_extra_whitespaces"):
            if self.metadata.get(f"tokenizer.ggml.{key}"):
                raise self.wrong(key, "set, which is not computed here")
        pieces = {text: i for text, i in self.vocabulary.items() if self.types[i] == _NORMAL}
        merges = []
        for text, i in pieces.items():
            cuts = [(text[:at], text[at:]) for at in range(1, len(text))]
            found = [cut for cut in cuts if cut[0] in pieces and cut[1] in pieces]
            found.sort(key=lambda cut: (pieces[cut[0]], pieces[cut[1]]))
            merges += [(scores[i], cut) for cut in found]
        merges.sort(key=lambda merge: -merge[0])
        unknown = next((text for text, i in self.vocabulary.items() if self.types[i] == _UNKNOWN), None)
        has_bytes = all(f"<0x{byte:02X}>" in self.vocabulary for byte in range(256))
        if not has_bytes and unknown is None:
            raise self.wrong("token_type", "a list without an unknown token and without bytes; convert it again")
        backend = Tokenizer(
            models.BPE(
                self.vocabulary,
                [cut for _, cut in merges],
                unk_token=unknown,
                fuse_unk=True,
                byte_fallback=has_bytes,
            )
        )
        begins = self.metadata.get("tokenizer.ggml.add_space_prefix", True)
        spaces: list[Any] = [normalizers.Prepend("▁")] if begins else []
        backend.normalizer = normalizers.Sequence([*spaces, normalizers.Replace(" ", "▁")])
        steps: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        backend.decoder = decoders.Sequence(steps + ([decoders.Strip(" ", 1, 0)] if begins else []))
        return backend

    def frame(self, backend: Any, ids: Mapping[str, int | None], begins: bool) -> None:
        """What is put before and behind a text when special tokens are asked for."""
        first = self.metadata.get("tokenizer.ggml.add_bos_token", begins)
        last = self.metadata.get("tokenizer.ggml.add_eos_token", False)
        before = [self.tokens[i] for i in [ids["bos"]] if first and i is not None]
        behind = [self.tokens[i] for i in [ids["eos"]] if last and i is not None]
        if before or behind:
            one: list[str] = [*before, "$A", *behind]
            other: list[str] = [*before, "$B", *behind]
            known: list[Any] = [(text, self.vocabulary[text]) for text in dict.fromkeys([*before, *behind])]
            backend.post_processor = processors.TemplateProcessing(
                single=one, pair=[*one, *(f"{piece}:1" for piece in other)], special_tokens=known
            )

    def number(self, name: str) -> int | None:
        """The id of a special token, or None."""
        key = f"{name}_token_id"
        i = self.metadata.get(f"tokenizer.ggml.{key}")
        if i is None or (type(i) is int and 0 <= i < len(self.tokens) and self.types[i] != _UNUSED):
            return i
        raise self.wrong(key, f"{i!r}, which is none of the {len(self.tokens)} tokens; fetch the file again")

    def need(self, key: str, kind: type, entry: type | None = None) -> Any:
        """A value that must be there."""
        value: Any = self.metadata.get(f"tokenizer.ggml.{key}")
        if value is None:
            raise ValueError(f"{self.path} lacks tokenizer.ggml.{key}; convert it again with a newer llama.cpp")
        entries = value if isinstance(value, list) and entry else []
        if not isinstance(value, kind) or not all(isinstance(x, entry or object) for x in entries):
            raise self.wrong(key, "of another type than llama.cpp writes; fetch the file again")
        return value

    def wrong(self, key: str, what: str) -> ValueError:
        return ValueError(f"{self.path}: tokenizer.ggml.{key} is {what}")
