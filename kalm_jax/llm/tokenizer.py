"""Words to token ids and back."""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, SupportsInt

import numpy as np
from jaxtyping import Bool, Int

from kalm_jax.files import read_foreign_json

_PROBE = "push the red ball to the left of the blue one"
"""A text that a tokenizer of English reads and gives back, where it knows the words."""

_PIECE = "."
"""What stands before a text that follows another one, where its tokens are looked up."""


class _NoEndError(ValueError):
    """A tokenizer has no end-of-sequence token."""


class Tokenizer:
    """A Hugging Face tokenizer reduced to what the library needs.

    Attributes:
      vocab_size: number of token ids, the largest one + 1.
      pad_id, bos_id, eos_id: ids of the special tokens (pad falls back to eos where a model has none).
      special_ids: ids of all special and added tokens.
    """

    def __init__(self, tokenizer: Any) -> None:
        """Wraps a tokenizer of `transformers`; ValueError where it has no end-of-sequence token, or reads no words."""
        self._tokenizer = tokenizer
        self.vocab_size = max(tokenizer.get_vocab().values(), default=-1) + 1
        self.bos_id, self.eos_id = tokenizer.bos_token_id, tokenizer.eos_token_id
        if self.eos_id is None:
            raise _NoEndError("the tokenizer has no end-of-sequence token; add eos_token to its tokenizer_config.json")
        self.bos_id = self.eos_id if self.bos_id is None else self.bos_id
        self.special_ids = frozenset(tokenizer.all_special_ids) | frozenset(tokenizer.added_tokens_decoder)
        self.pad_id = self.eos_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        ids = self.encode(_PROBE)
        read = self.decode(ids)
        if not read:
            raise ValueError(f"of {_PROBE!r} it reads no word; is it the tokenizer of a language model?")
        if tokenizer.unk_token_id not in ids and not _gives_back(read):
            raise ValueError(f"it reads {_PROBE!r} as {read[:80]!r}; its decoder or its vocabulary is damaged")

    def encode(self, text: str, follows: bool = False) -> list[int]:
        """Token ids of `text`, without special tokens.

        With `follows` it stands behind another text, from which a space separates it: the ids of two pieces, the second
        one with `follows`, are those of "first second" with any tokenizer. Whether the space is a part of a word's
        token, and whether a text that begins gets one as well, differs between tokenizers.
        """
        return self.encode_all([text], follows)[0]

    def encode_all(self, texts: Sequence[str], follows: bool = False) -> list[list[int]]:
        """Token ids of many texts at once; see `encode`."""
        if not len(texts):
            return []
        if not follows:
            return self._tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        before = self._piece
        found = self.encode_all([f"{_PIECE} {text}" if text else _PIECE for text in texts])
        # Where a token reaches over the space, the text is read with a space of its own before it.
        return [
            ids[len(before) :] if ids[: len(before)] == before else self.encode(f" {text}")
            for text, ids in zip(texts, found, strict=True)
        ]

    @functools.cached_property
    def _piece(self) -> list[int]:
        return self.encode(_PIECE)

    def decode(self, ids: Iterable[SupportsInt]) -> str:
        """Text of token ids, without special tokens and with all of its spaces, except at its ends."""
        ids = [int(i) for i in ids]
        return self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False).strip()

    def chat(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Token ids of a conversation in the model's own format, up to where its answer begins.

        Args:
          messages: {"role": "system", "user" or "assistant", "content": text}, in order.

        Raises:
          ValueError: the tokenizer has no chat template, or one that fails.
        """
        if not self._tokenizer.chat_template:
            raise ValueError("the tokenizer has no chat template; use a model that was trained to follow instructions")
        try:
            text = self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        except Exception as error:  # a template is a program
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"its chat template fails ({type(error).__name__}: {reason})") from error
        return self.encode(text)

    def save(self, folder: str | pathlib.Path) -> None:
        """Writes tokenizer.json and tokenizer_config.json into `folder`."""
        self._tokenizer.save_pretrained(str(folder))


def _gives_back(read: str) -> bool:
    """Whether words are those of the probe, except for letters that a small vocabulary lacks."""
    words, letters = read.lower().split(), [iter(word) for word in _PROBE.split()]
    return len(words) == len(letters) and all(
        all(letter in left for letter in word) for word, left in zip(words, letters)
    )


def load_tokenizer(folder: str | pathlib.Path) -> Tokenizer:
    """The tokenizer of a Hugging Face folder; nothing is downloaded.

    Raises:
      OSError, ValueError: tokenizer.json is missing, cannot be read, or cannot be used.
    """
    file = pathlib.Path(folder) / "tokenizer.json"
    if not os.path.lexists(file):
        raise FileNotFoundError(
            f"{folder} has no tokenizer.json; copy the model's tokenizer there (where it has only tokenizer.model, "
            "transformers' AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) writes it)"
        )
    for path in (file, file.with_name("tokenizer_config.json"), file.with_name("special_tokens_map.json")):
        if path == file or os.path.lexists(path):
            read_foreign_json(path, "the download may be incomplete, so fetch it again")
    # Not AutoTokenizer: it would choose a class by the model's family, which rebuilds the text normalization
    # differently.
    try:
        return Tokenizer(fast_tokenizer_class().from_pretrained(str(folder), local_files_only=True))
    except (KeyboardInterrupt, SystemExit):
        raise
    except _NoEndError as error:
        raise ValueError(f"{folder}: {error}") from error
    except BaseException as error:  # `tokenizers` raises nothing more special, and panics are no `Exception`
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(f"{folder}: its tokenizer cannot be used ({reason}); fetch it again") from error


def fast_tokenizer_class() -> Any:
    """`transformers.PreTrainedTokenizerFast`."""
    # transformers warns at import that it found no PyTorch, which is not needed here.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast


def left_pad(
    rows: Sequence[Sequence[int]], pad_id: int, width: int | None = None
) -> tuple[Int[np.ndarray, "B T"], Bool[np.ndarray, "B T"]]:
    """Token ids and validity of rows aligned at their end; T is `width`, or the length of the longest row.

    Raises:
      ValueError: a row is longer than `width`.
    """
    width = width or max((len(r) for r in rows), default=1)
    ids = np.full((len(rows), width), pad_id, np.int32)
    valid = np.zeros((len(rows), width), bool)
    for i, row in enumerate(rows):
        if len(row) > width:
            raise ValueError(f"row {i} has {len(row)} tokens, more than the {width} allowed; shorten the text")
        if len(row):
            ids[i, width - len(row) :] = row
            valid[i, width - len(row) :] = True
    return ids, valid
