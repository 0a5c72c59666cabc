"""A grounded model as a folder: its text part as the Hugging Face folder `text/`, its number parts beside that."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from kalm_jax import parallel
from kalm_jax.grounding.model import GroundedModel, NumericSpec, init_params
from kalm_jax.llm.folder import load_model, save_model
from kalm_jax.llm.tokenizer import Tokenizer

_TEXT, _NUMBERS, _SPEC = "text", "numbers.safetensors", "numbers.json"


def save_grounded(folder: str | pathlib.Path, model: GroundedModel, params: dict, tokenizer: Tokenizer) -> None:
    """Writes `text/` (a folder that `load_model` and `transformers` open), numbers.safetensors and numbers.json."""
    from safetensors.numpy import save_file

    folder = pathlib.Path(folder)
    save_model(folder / _TEXT, model.config, params["llm"], tokenizer)
    save_file({k: np.ascontiguousarray(v) for k, v in _flat_numbers(params).items()}, folder / _NUMBERS)
    (folder / _SPEC).write_text(json.dumps(dataclasses.asdict(model.spec), indent=2) + "\n")


def load_grounded(folder: str | pathlib.Path, dtype=jnp.float32) -> tuple[GroundedModel, dict, Tokenizer]:
    """What `save_grounded` wrote: model, parameters (the text part's in `dtype`), tokenizer.

    Raises:
      FileNotFoundError, ValueError: as `load_model` does, or the number parts are not those of numbers.json.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = pathlib.Path(folder)
    if not (folder / _SPEC).exists():
        raise FileNotFoundError(
            f"{folder} has no {_SPEC}: it is no grounded model; ground it first (experiments.clevr)"
        )
    raw = json.loads((folder / _SPEC).read_text())
    spec = NumericSpec(**{k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()})
    config, llm, tokenizer = load_model(folder / _TEXT, dtype, parallel.resting_sharding())
    model = GroundedModel(config, spec)
    try:
        numbers = {k: jnp.asarray(v) for k, v in load_file(folder / _NUMBERS).items()}
    except SafetensorError as error:
        raise ValueError(f"{folder / _NUMBERS} cannot be read ({error}); copy or ground it again") from error
    shapes = jax.eval_shape(lambda: init_params(model, jax.random.key(0)))
    want = _flat_numbers(jax.tree.map(lambda x: x.shape, shapes, is_leaf=lambda x: hasattr(x, "shape")))
    wrong = sorted(k for k in want.keys() | numbers.keys() if want.get(k) != getattr(numbers.get(k), "shape", None))
    if wrong:
        raise ValueError(f"{folder / _NUMBERS}: missing, of another shape, or not of {_SPEC}: {wrong[:5]}")
    return model, {"llm": llm, **traverse_util.unflatten_dict(numbers, sep="/")}, tokenizer


def _flat_numbers(params: dict) -> dict:
    """The parameters beside the language model's, by path."""
    return traverse_util.flatten_dict({k: v for k, v in params.items() if k != "llm"}, sep="/")
