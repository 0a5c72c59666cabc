"""A grounded model as a folder: its text part as the Hugging Face folder `text/`, its number parts beside that."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from kalm_jax.grounding.model import GroundedModel, NumericSpec
from kalm_jax.llm.folder import load_model, save_model
from kalm_jax.llm.tokenizer import Tokenizer

_TEXT, _NUMBERS, _SPEC = "text", "numbers.safetensors", "numbers.json"


def save_grounded(folder: str | pathlib.Path, model: GroundedModel, params: dict, tokenizer: Tokenizer) -> None:
    """Writes `text/` (a folder that `load_model` and `transformers` open), numbers.safetensors and numbers.json."""
    from safetensors.numpy import save_file

    folder = pathlib.Path(folder)
    save_model(folder / _TEXT, model.config, params["llm"], tokenizer)
    numbers = traverse_util.flatten_dict({k: v for k, v in params.items() if k != "llm"}, sep="/")
    save_file({k: np.ascontiguousarray(v) for k, v in numbers.items()}, folder / _NUMBERS)
    (folder / _SPEC).write_text(json.dumps(dataclasses.asdict(model.spec), indent=2) + "\n")


def load_grounded(folder: str | pathlib.Path) -> tuple[GroundedModel, dict, Tokenizer]:
    """What `save_grounded` wrote: model, parameters, tokenizer."""
    from safetensors.numpy import load_file

    folder = pathlib.Path(folder)
    if not (folder / _SPEC).exists():
        raise FileNotFoundError(
            f"{folder} has no {_SPEC}: it is no grounded model; ground it first (experiments.clevr)"
        )
    raw = json.loads((folder / _SPEC).read_text())
    spec = NumericSpec(**{k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()})
    config, llm, tokenizer = load_model(folder / _TEXT)
    numbers = {k: jnp.asarray(v) for k, v in load_file(folder / _NUMBERS).items()}
    return GroundedModel(config, spec), {"llm": llm, **traverse_util.unflatten_dict(numbers, sep="/")}, tokenizer
