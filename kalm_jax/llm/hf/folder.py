"""Models as Hugging Face folders: `config.json`, `*.safetensors` and the tokenizer, read and written.

The built-in model is such a folder too, so a custom checkpoint takes its place without another path through the code.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np

from kalm_jax.llm.hf.config import read_config, read_raw, write_config
from kalm_jax.llm.hf.weights import Sharding, check_weights, load_weights, save_weights, weight_files
from kalm_jax.llm.named import find_model
from kalm_jax.llm.tokenizer import Tokenizer, load_tokenizer
from kalm_jax.llm.transformer import LlamaConfig

BUILTIN = pathlib.Path(__file__).parents[1] / "builtin"
"""Folder of the text-pretrained model that ships with the library; `experiments.pretrain` makes it."""


def find_folder(llm: str | pathlib.Path) -> pathlib.Path:
    """The folder of a language model as users give it: a folder, a name, which is fetched, or "", the built-in one.

    Raises:
      OSError, ValueError: there is no such folder or name, or the model cannot be fetched.
    """
    return find_model(llm) if str(llm) else BUILTIN


def load_model(
    folder: str | pathlib.Path, dtype: Any = jnp.float32, sharding: Sharding | None = None, scan_layers: bool = False
) -> tuple[LlamaConfig, dict, Tokenizer]:
    """Configuration, parameters and tokenizer of a Hugging Face folder.

    Args:
      folder: config.json, *.safetensors (one file, or shards with their index) and tokenizer.json.
      dtype: of the parameters; None is the type that each has in the file.
      sharding: of each parameter; None puts all on the default device.
      scan_layers: see `LlamaConfig`; parameters come stacked.

    Raises:
      OSError, ValueError: names the file, what is wrong with it and how to fix it. Nothing large is read before names,
        shapes and tokenizer are checked.
    """
    config = dataclasses.replace(read_config(folder), scan_layers=scan_layers)
    files = weight_files(folder)
    tokenizer = load_tokenizer(folder)
    check_tokenizer(folder, config, tokenizer)
    return config, load_weights(folder, files, config, dtype, sharding), tokenizer


def check_folder(folder: str | pathlib.Path) -> LlamaConfig:
    """The shape of the model; raises what `load_model` would. Above 2 GiB it reads some rows of each tensor only."""
    config = read_config(folder)
    check_weights(folder, weight_files(folder), config)
    check_tokenizer(folder, config, load_tokenizer(folder))
    return config


def check_tokenizer(folder: str | pathlib.Path, config: LlamaConfig, tokenizer: Tokenizer) -> None:
    """ValueError for the tokenizer of another model: one with more entries than words, or with other special tokens."""
    if tokenizer.vocab_size > config.vocab_size:
        raise ValueError(
            f"{folder}: its tokenizer has {tokenizer.vocab_size} entries, but the model only {config.vocab_size}; is "
            "it the tokenizer of another model?"
        )
    raw = read_raw(folder)
    for key in ("bos_token_id", "eos_token_id"):
        ids = raw[key] if isinstance(raw.get(key), list) else [raw.get(key)]
        for i in ids:
            if i is not None and (type(i) is not int or i not in tokenizer.special_ids):
                raise ValueError(
                    f"{folder}: config.json has {key}={i!r}, which is no special token of its tokenizer; is it the "
                    "tokenizer of another model?"
                )


def save_model(
    folder: str | pathlib.Path,
    config: LlamaConfig,
    params: dict,
    tokenizer: Tokenizer,
    dtype: Any = np.float32,
    shard_bytes: int = 5_000_000_000,
) -> None:
    """Writes a folder that `load_model` and `transformers` both open (text part only).

    Weights larger than `shard_bytes` become several files with an index. Files of another model are replaced.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(folder, config, params, np.dtype(dtype), shard_bytes)
    special = {"bos_token_id": tokenizer.bos_id, "eos_token_id": tokenizer.eos_id, "pad_token_id": tokenizer.pad_id}
    write_config(folder, config, special, np.dtype(dtype).name)
    tokenizer.save(folder)
