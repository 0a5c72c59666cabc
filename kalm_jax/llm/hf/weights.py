"""The *.safetensors files of a Hugging Face folder: found, read and written.

Weights are read tensor by tensor, each directly to its devices, and written file by file, so that the host never holds
more than one parameter (or one file) beside the model.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import pathlib
import re
import types
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from safetensors.numpy import save_file

from kalm_jax.files import read_foreign_json, require_file, write_json
from kalm_jax.llm.hf.tensors import Place, layers_there, may_be_ignored, places, to_ours, to_theirs
from kalm_jax.llm.transformer import Llama, LlamaConfig

_INDEX = "model.safetensors.index.json"
_TYPES = ("F64", "F32", "F16", "BF16")
"""Types of weights that are read, as safetensors calls them."""
_CHECKED_EARLY = 1 << 31
"""Bytes of weights up to which `check_weights` looks at values: a second or two."""

_ROWS = 16
"""Rows of each tensor that are looked at before a model is loaded, whatever its size."""
_LARGEST = 1e6
"""Magnitude that no weight of a language model comes near."""

Sharding = Callable[[str, tuple[int, ...]], jax.sharding.Sharding]
"""(path of a parameter such as "layer_0/ffn/up/kernel", its shape) -> its sharding."""


def weight_files(folder: str | pathlib.Path) -> list[pathlib.Path]:
    """The *.safetensors files that hold the model: model.safetensors, else those of the index, else all.

    Raises:
      OSError: there is none, or one of them is missing or cannot be opened.
      ValueError: the index cannot be read.
    """
    folder = pathlib.Path(folder)
    if os.path.lexists(folder / "model.safetensors"):
        return [require_file(folder / "model.safetensors")]
    found = {file.name for file in folder.glob("*.safetensors")}
    if os.path.lexists(folder / _INDEX):
        index = read_foreign_json(folder / _INDEX, "download it again")
        table = index.get("weight_map")
        if not isinstance(table, dict) or not table or not all(isinstance(name, str) for name in table.values()):
            raise ValueError(f"{folder / _INDEX} has no weight_map from tensors to files; download it again")
        wanted = set(table.values())
        outside = sorted(name for name in wanted if name != pathlib.PurePath(name).name)
        if outside:
            raise ValueError(
                f"{folder / _INDEX} names {outside[0]!r}, want the name of a file in the same folder; download it again"
            )
    else:
        wanted = set(found)
        for name in found:
            if part := re.fullmatch(r"(.+)-(\d{5})-of-(\d{5})\.safetensors", name):
                stem, total = part[1], part[3]
                wanted |= {f"{stem}-{i:05d}-of-{total}.safetensors" for i in range(1, int(total) + 1)}
    missing = sorted(wanted - found)
    if wanted and missing:
        raise FileNotFoundError(
            f"{folder} lacks {len(missing)} of its {len(wanted)} files of weights: {', '.join(missing[:5])}; fetch them"
        )
    if not wanted:
        raise FileNotFoundError(_no_weights(folder))
    return [require_file(folder / name) for name in sorted(wanted)]


def _no_weights(folder: pathlib.Path) -> str:
    pickled = sorted(
        f.name for end in ("bin", "pth", "pt") for f in folder.glob(f"*.{end}") if f.stem != "training_args"
    )
    if pickled:
        return (
            f"{folder} holds its weights only as pickles ({', '.join(pickled[:3])}), which run code when opened and "
            "are not read here; use the *.safetensors of the same model, or save it again with transformers: "
            "AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
        )
    return f"{folder} holds no *.safetensors file; download the weights or point --llm elsewhere"


def load_weights(
    folder: str | pathlib.Path,
    files: list[pathlib.Path],
    config: LlamaConfig,
    dtype: Any = jnp.float32,
    sharding: Sharding | None = None,
) -> dict:
    """The parameters of `config` from `files`; see `load_model`.

    Every tensor of the files must be used and every parameter filled, or the error names which is not.
    """
    with contextlib.ExitStack() as stack:
        source = _open(stack, files)
        table = _checked_places(folder, source, config)
        _check_tied(folder, source, config)
        leaves: dict[str, list[tuple[str, Place]]] = {}
        for name, place in table.items():
            leaves.setdefault(place.path, []).append((name, place))
        flat, shapes = {}, parameter_shapes(config)
        for path, tensors in leaves.items():
            host = _read(source, tensors, shapes[path], dtype)
            if not np.isfinite(host).all():
                raise ValueError(
                    f"{folder}: weights that are not finite in {path}; the file is damaged, fetch it again"
                )
            flat[path] = jnp.asarray(host) if sharding is None else _put(host, sharding(path, host.shape))
    return traverse_util.unflatten_dict(flat, sep="/")


def check_weights(folder: str | pathlib.Path, files: list[pathlib.Path], config: LlamaConfig) -> None:
    """Raises what `load_weights` would because of names, shapes and types; of values in files of up to 2 GiB."""
    with contextlib.ExitStack() as stack:
        source = _open(stack, files)
        table = _checked_places(folder, source, config)
        if sum(file.stat().st_size for file in files) > _CHECKED_EARLY:
            return
        _check_tied(folder, source, config)
        for name in table:
            with np.errstate(over="ignore"):
                x = source[name].get_tensor(name).astype(np.float32, copy=False)
            if not np.isfinite(x).all():
                raise ValueError(
                    f"{folder}: weights that are not finite in {name}; the file is damaged, fetch it again"
                )


@functools.cache  # Every stage loads a model, and tracing takes longer than reading a small one.
def parameter_shapes(config: LlamaConfig) -> Mapping[str, tuple[int, ...]]:
    """Path -> shape of every parameter of a model."""
    tokens = jnp.zeros((1, 2), jnp.int32)
    init = jax.eval_shape(Llama(config).init, jax.random.key(0), tokens, tokens, jnp.ones((1, 2, 2), bool))
    shapes = {path: x.shape for path, x in traverse_util.flatten_dict(init["params"], sep="/").items()}
    return types.MappingProxyType(shapes)


def _open(stack: contextlib.ExitStack, files: list[pathlib.Path]) -> dict:
    """Tensor name -> the opened file that holds it."""
    from safetensors import SafetensorError, safe_open

    source = {}
    for file in files:
        try:
            opened = stack.enter_context(safe_open(file, framework="np"))
        except SafetensorError as error:
            raise ValueError(f"{file} cannot be read ({error}); {_cause(file)}; fetch it again") from error
        for name in opened.keys():
            if name in source:
                raise ValueError(f"{file.parent}: two of its files hold {name}; remove those that are of another model")
            source[name] = opened
    return source


def _cause(file: pathlib.Path) -> str:
    with file.open("rb") as f:
        is_pointer = f.read(40).startswith(b"version https://git-lfs")
    return "it is only a pointer of git-lfs" if is_pointer else "the download may be incomplete"


def _checked_places(folder: str | pathlib.Path, source: dict, config: LlamaConfig) -> dict[str, Place]:
    """`places(config)`, once the files have exactly these tensors; fast however large the configuration says it is."""
    layers = layers_there(source)
    if config.layers > max(2 * layers, 1000):
        raise ValueError(
            f"{folder}: by its config.json num_hidden_layers is {config.layers}, but its files have {layers} layers"
        )
    table = places(config)
    missing = [name for name in table if name not in source]
    unused = [name for name in source if name not in table and not may_be_ignored(name, config)]
    if missing or unused:
        raise ValueError(
            f"{folder}: tensors missing {missing[:5]}, tensors that the model does not have {unused[:5]} "
            f"({len(missing)} and {len(unused)} in all)"
        )
    for name, place in table.items():
        tensor = source[name].get_slice(name)
        got = tuple(tensor.get_shape())
        if place.shape != got:
            raise ValueError(f"{folder}: {name} has shape {got}, but by its config.json it should have {place.shape}")
        if tensor.get_dtype() not in _TYPES:
            raise ValueError(
                f"{folder}: {name} is stored as {tensor.get_dtype()}, want one of {', '.join(_TYPES)}; quantized "
                "weights are not read, so use the checkpoint from which they were made"
            )
        if problem := _unlike_weights(name, tensor, got):
            raise ValueError(
                f"{folder}: {name} {problem}; the download may be incomplete, or the file damaged: fetch it again"
            )
    return table


def _unlike_weights(name: str, tensor: Any, shape: tuple[int, ...]) -> str:
    """What some rows of a tensor show that those of a trained model do not; "" where nothing does.

    A file that was made in its full size before it was filled is 0 where the download ended.
    """
    rows: list[int] = np.unique(np.linspace(0, shape[0] - 1, _ROWS).astype(int)).tolist() if len(shape) > 1 else []
    with np.errstate(over="ignore", invalid="ignore"):
        parts = [np.asarray(tensor[i : i + 1], np.float32) for i in rows] or [np.asarray(tensor[:], np.float32)[None]]
        x = np.concatenate(parts)
        if (np.abs(x[np.isfinite(x)]) > _LARGEST).any():
            return f"has numbers as large as {np.abs(x[np.isfinite(x)]).max():.3g}, which are no weights"
    if name.endswith("bias"):
        return ""
    if 2 * np.sum(~x.any(1)) >= len(x):
        return "is 0 everywhere, or in half of its rows"
    return f"is {x.flat[0]:.6g} everywhere" if len(shape) > 1 and x.size > 1 and (x == x.flat[0]).all() else ""


def _check_tied(folder: str | pathlib.Path, source: dict, config: LlamaConfig) -> None:
    """Refuses another output matrix than the embedding where the configuration says that they are one."""
    head, embedding = "lm_head.weight", "model.embed_tokens.weight"
    if not config.tie_embeddings or head not in source:
        return
    if not np.array_equal(source[head].get_tensor(head), source[embedding].get_tensor(embedding)):
        raise ValueError(
            f"{folder}: by its config.json (tie_word_embeddings) {head} is {embedding}, but the file has another one, "
            'which would be left out; write "tie_word_embeddings": false into config.json, or fetch it again'
        )


def _read(source: dict, tensors: list[tuple[str, Place]], shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """One parameter on the host, made from one tensor or from one per layer."""
    host = np.empty(shape, source[tensors[0][0]].get_tensor(tensors[0][0]).dtype if dtype is None else dtype)
    for name, place in tensors:
        part = host if place.layer is None else host[place.layer]
        with np.errstate(over="ignore"):  # what becomes infinite is refused
            part[...] = to_ours(source[name].get_tensor(name), place, part.shape)
    return host


def _put(host: np.ndarray, sharding: jax.sharding.Sharding) -> jax.Array:
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def save_weights(folder: pathlib.Path, config: LlamaConfig, params: dict, dtype: np.dtype, shard_bytes: int) -> None:
    """Writes the parameters of `config`; see `write_tensors`."""
    flat = traverse_util.flatten_dict(params, sep="/")
    write_tensors(folder, places(config), lambda _, place: _tensor(flat, place, dtype), dtype, shard_bytes)


def write_tensors(
    folder: pathlib.Path,
    table: Mapping[str, Place],
    tensor: Callable[[str, Place], np.ndarray],
    dtype: np.dtype,
    shard_bytes: int,
) -> None:
    """Writes model.safetensors, or above `shard_bytes` several files with their index; removes earlier ones.

    `tensor` gives each of the table's tensors in this type; no more than one file's are in memory at once.
    """
    for old in [*folder.glob("model*.safetensors"), folder / _INDEX]:
        old.unlink(missing_ok=True)
    sizes = {name: math.prod(place.shape) * dtype.itemsize for name, place in table.items()}
    shards = _shards(sizes, shard_bytes)
    files = [f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors" for i in range(len(shards))]
    files = files if len(shards) > 1 else ["model.safetensors"]
    for file, shard in zip(files, shards, strict=True):
        tensors = {name: tensor(name, table[name]) for name in shard}
        save_file(tensors, folder / file, metadata={"format": "pt"})
        (folder / file).chmod(folder.stat().st_mode & 0o666)  # who may read the folder may read it
    if len(shards) > 1:
        where = {name: file for file, shard in zip(files, shards, strict=True) for name in shard}
        index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": where}
        write_json(folder / _INDEX, index, sort_keys=False)


def _tensor(flat: dict, place: Place, dtype: np.dtype) -> np.ndarray:
    """A parameter as a Hugging Face tensor on the host."""
    x = flat[place.path] if place.layer is None else flat[place.path][place.layer]
    return np.ascontiguousarray(to_theirs(np.asarray(x, dtype), place))


def _shards(sizes: dict[str, int], limit: int) -> list[list[str]]:
    """Names in order, cut into files of at most `limit` bytes (a larger tensor gets a separate file)."""
    out: list[list[str]] = [[]]
    used = 0
    for name, size in sizes.items():
        if out[-1] and used + size > limit:
            out.append([])
            used = 0
        out[-1].append(name)
        used += size
    return out
