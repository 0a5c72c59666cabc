"""A grounded model as a folder: its language model as the Hugging Face folder `text/`, its numeric parts beside that.

A nested model (`two_models`) is the folder `states/`, like `text/` but without a word head.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import shutil
import types
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from kalm_jax.files import naming_damage, read_json, write_json
from kalm_jax.grounding.config import NumericSpec
from kalm_jax.grounding.model import Grounded, GroundedModel, change_llms, init_params, nested_models
from kalm_jax.grounding.two_models import TwoModels
from kalm_jax.llm.hf.folder import load_model, save_model
from kalm_jax.sharding import default_sharding

_TEXT, _STATES, _NUMBERS, _SPEC = "text", "states", "numbers.safetensors", "numbers.json"


def save_grounded(folder: str | pathlib.Path, grounded: Grounded) -> None:
    """Writes `text/` (a folder that `load_model` and `transformers` open), numbers.safetensors and numbers.json.

    A nested model is written to `states/`; without one, a `states/` folder of another model is removed.
    """
    from safetensors.numpy import save_file

    folder, (model, params, tokenizer) = pathlib.Path(folder), grounded
    save_model(folder / _TEXT, model.config, params["llm"], tokenizer)
    save_file({k: np.ascontiguousarray(v) for k, v in _flat_numbers(params).items()}, folder / _NUMBERS)
    spec = dataclasses.asdict(model.spec)
    if isinstance(model, TwoModels):
        spec["two_models"] = True
    shutil.rmtree(folder / _STATES, ignore_errors=True)
    for name, part in nested_models(params).items():
        save_model(folder / name, dataclasses.replace(model.config, tie_embeddings=True), part["llm"], tokenizer)
    write_json(folder / _SPEC, spec, sort_keys=False)


def load_grounded(folder: str | pathlib.Path, dtype: Any = jnp.float32) -> Grounded:
    """What `save_grounded` wrote, the language model's parameters in `dtype`.

    Raises:
      FileNotFoundError, ValueError: as `load_model` does, or the numeric parts do not match numbers.json.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = pathlib.Path(folder)
    if not (folder / _SPEC).exists():
        raise FileNotFoundError(
            f"{folder} has no {_SPEC}: it is no grounded model; ground one first (kalm clevr or kalm metaworld)"
        )
    raw = read_json(folder / _SPEC, dict)
    kind = TwoModels if raw.pop("two_models", False) else GroundedModel
    with naming_damage(folder / _SPEC):
        spec = NumericSpec(**{k: _tuples(v) for k, v in raw.items()})
    config, llm, tokenizer = load_model(folder / _TEXT, dtype, default_sharding())
    model, states = kind(config, spec), None
    if kind is TwoModels:
        found, states, _ = load_model(folder / _STATES, dtype, default_sharding())
        if found != dataclasses.replace(config, tie_embeddings=True):
            raise ValueError(
                f"{folder / _STATES} is of another shape than {_TEXT}/; copy or ground the whole model again"
            )
    try:
        numbers = {k: jnp.asarray(v) for k, v in load_file(folder / _NUMBERS).items()}
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{folder / _NUMBERS} cannot be read ({error}); copy or ground it again") from error
    want = _number_shapes(model)
    wrong = sorted(k for k in want.keys() | numbers.keys() if want.get(k) != getattr(numbers.get(k), "shape", None))
    if wrong:
        raise ValueError(f"{folder / _NUMBERS}: missing, of another shape, or not of {_SPEC}: {wrong[:5]}")
    params = {"llm": llm, **traverse_util.unflatten_dict(numbers, sep="/")}
    if states is not None:
        params[_STATES]["llm"] = states
    return Grounded(model, params, tokenizer)


def _tuples(x: Any) -> Any:
    return tuple(map(_tuples, x)) if isinstance(x, list) else x


@functools.cache  # as `parameter_shapes`
def _number_shapes(model: GroundedModel) -> Mapping[str, tuple[int, ...]]:
    """Path -> shape of every parameter that is not the language model's."""
    params = jax.eval_shape(lambda: init_params(model, jax.random.key(0)))
    return types.MappingProxyType({path: x.shape for path, x in _flat_numbers(params).items()})


def _flat_numbers(params: dict) -> dict:
    """The parameters that are not the language model's, by path."""
    return traverse_util.flatten_dict(change_llms(params, lambda llm: {}), sep="/")
