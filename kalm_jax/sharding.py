"""The device mesh, and how parameters and batches are sharded over it.

A program has one mesh, `default_mesh`, of three axes. Batches are split over "data" and "fsdp", and padded to a
multiple of their devices. Large parameters are split over "fsdp" (a layer is gathered where it is used) and "tensor"
(products are computed in parts), by the table `PARAM_RULES`. By default all devices are "data", and every device holds
all parameters. `distributed.setup_jax` chooses another shape at the start of a program.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from kalm_jax import programs

Tree = TypeVar("Tree")

MESH_AXES = ("data", "fsdp", "tensor")
BATCH_AXES = ("data", "fsdp")
"""Axes over which batches are split."""

PARAM_RULES: tuple[tuple[str, P], ...] = (
    (r"(q|k|v|gate|up)/kernel/a$", P("fsdp", None)),  # LoRA: A (inputs, rank), B (rank, outputs)
    (r"(q|k|v|gate|up)/kernel/b$", P(None, "tensor")),
    (r"(o|down)/kernel/a$", P("tensor", None)),
    (r"(o|down)/kernel/b$", P(None, "fsdp")),
    (r"attention/(q|k|v)/kernel$", P("fsdp", "tensor", None)),  # (width, heads, head width)
    (r"attention/(q|k|v)/bias$", P("tensor", None)),
    (r"attention/o/kernel$", P("tensor", None, "fsdp")),  # (heads, head width, width)
    (r"ffn/(gate|up)/kernel$", P("fsdp", "tensor")),
    (r"ffn/down/kernel$", P("tensor", "fsdp")),
    (r"embedding/embedding$", P("tensor", "fsdp")),  # (vocabulary, width)
    (r"head/kernel$", P("fsdp", "tensor")),  # (width, vocabulary)
    (r"matrices/\d+x\d+$", P("data", "fsdp", "tensor")),  # Muon's stacks (matrices, rows, columns)
    (r"", P()),
)
"""End of a parameter's path -> sharding of its last axes; the first match counts. Leading axes (stacked layers) are not
split, and neither is an axis whose size its devices do not divide. Paths of optimizer state end in those of the
parameters."""


@dataclasses.dataclass(frozen=True)
class MeshShape:
    """Sizes of the mesh's axes; `data` 0 is all devices that the other axes leave."""

    data: int = 0
    fsdp: int = 1
    tensor: int = 1


def parse_mesh_shape(text: str) -> MeshShape:
    """The shape that a flag such as "data:2,fsdp:4" describes; "" is all devices for data.

    Raises:
      ValueError: `text` cannot be parsed.
    """
    sizes = {}
    for part in filter(None, text.split(",")):
        axis, _, size = part.partition(":")
        if axis not in MESH_AXES or axis in sizes or not size.isdecimal() or not 0 < len(size) < 10 or int(size) < 1:
            axes = ", ".join(MESH_AXES)
            raise ValueError(f"mesh={text}: {part!r} is not one of {axes} with a size; want such as data:2,fsdp:4")
        sizes[axis] = int(size)
    return MeshShape(**sizes)


def make_mesh(shape: MeshShape = MeshShape()) -> Mesh:
    """A mesh of this shape on the first of the available devices.

    Raises:
      ValueError: there are fewer devices, or the mesh leaves out devices of several processes.
    """
    devices = programs.devices()
    data = shape.data or max(1, len(devices) // (shape.fsdp * shape.tensor))
    sizes = (data, shape.fsdp, shape.tensor)
    count = math.prod(sizes)
    if count > len(devices):
        named = ",".join(f"{axis}:{size}" for axis, size in zip(MESH_AXES, sizes, strict=True))
        raise ValueError(f"a mesh of {named} has {count} devices, but there are {len(devices)}")
    if jax.process_count() > 1 and count != len(devices):
        raise ValueError(f"several processes must use all of their {len(devices)} devices, not {count}")
    types = (AxisType.Auto,) * len(MESH_AXES)
    return jax.make_mesh(sizes, MESH_AXES, axis_types=types, devices=devices[:count])


_default_shape = MeshShape()
_default_mesh: Mesh | None = None


def set_default_mesh_shape(shape: MeshShape) -> None:
    """Chooses the shape of `default_mesh`; called once, at the start of a program."""
    global _default_shape, _default_mesh
    _default_shape, _default_mesh = shape, None


@contextlib.contextmanager
def using_mesh_shape(shape: MeshShape) -> Iterator[None]:
    """Within this context `default_mesh` is of this shape; before and after it, another one."""
    global _default_shape, _default_mesh
    before = _default_shape, _default_mesh
    set_default_mesh_shape(shape)
    try:
        yield
    finally:
        _default_shape, _default_mesh = before


def default_mesh() -> Mesh:
    """The one mesh of this program, on which the language model trains and decodes.

    It is made when it is first asked for, so that a program which computes nothing starts no device.
    """
    global _default_mesh
    if _default_mesh is None:
        _default_mesh = make_mesh(_default_shape)
    return _default_mesh


def padded_size(rows: int, mesh: Mesh | None = None) -> int:
    """The least multiple of the mesh's batch devices that is at least `rows`; by default of `default_mesh`."""
    devices = _batch_devices(mesh or default_mesh())
    return -(-rows // devices) * devices


def _batch_devices(mesh: Mesh | AbstractMesh) -> int:
    return math.prod(mesh.shape[axis] for axis in BATCH_AXES)


def pad_batch(tree: Tree, rows: int) -> Tree:
    """Arrays on the host with zeros appended to their first axis until it has `rows` entries."""

    def pad(x: np.ndarray) -> np.ndarray:
        return np.pad(x, ((0, rows - len(x)), *((0, 0),) * (x.ndim - 1))) if len(x) < rows else x

    return jax.tree.map(pad, tree)


def partition_spec(path: str, shape: tuple[int, ...], mesh: Mesh | AbstractMesh) -> P:
    """Sharding of the parameter (or optimizer state) called `path`, by `PARAM_RULES`."""
    rule = next(rule for pattern, rule in PARAM_RULES if re.search(pattern, path))
    if len(rule) > len(shape):
        return P()
    axes = [None] * (len(shape) - len(rule)) + list(rule)
    fits = [axis if axis and n % mesh.shape[axis] == 0 else None for n, axis in zip(shape, axes, strict=True)]
    while fits and fits[-1] is None:  # JAX writes it like this, and a step's output must look like its input.
        fits.pop()
    return P(*fits)


def param_shardings(mesh: Mesh | AbstractMesh, tree: Tree) -> Tree:
    """The tree of `NamedSharding`s, by `PARAM_RULES`, of a tree of arrays or of their shapes."""

    def of(path: tuple, x: jax.Array | jax.ShapeDtypeStruct) -> NamedSharding:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return NamedSharding(mesh, partition_spec(name, x.shape, mesh))

    return jax.tree_util.tree_map_with_path(of, tree)


def weight_sharding(mesh: Mesh) -> Callable[[str, tuple[int, ...]], NamedSharding]:
    """The argument `sharding` of `load_model`, (path, shape) -> sharding, which loads weights onto the mesh."""
    return lambda path, shape: NamedSharding(mesh, partition_spec(path, shape, mesh))


def default_sharding() -> Callable[[str, tuple[int, ...]], NamedSharding] | None:
    """`weight_sharding` of the default mesh; None (the default device) in one process whose mesh splits no weight."""
    mesh = default_mesh()
    return weight_sharding(mesh) if _splits_params(mesh) or jax.process_count() > 1 else None


def shard_params(mesh: Mesh, tree: Tree) -> Tree:
    """Puts parameters on the mesh by `PARAM_RULES`; those that are there already are not moved."""
    return jax.tree.map(_put, tree, param_shardings(mesh, tree))


def shard_batch(mesh: Mesh, tree: Tree) -> Tree:
    """Puts arrays on the mesh, split along their first axis. Each of several processes places its part only."""
    return jax.tree.map(lambda x: _put(x, NamedSharding(mesh, P(BATCH_AXES))), tree)


def replicate(mesh: Mesh, tree: Tree) -> Tree:
    """Puts a copy of the arrays on every device of the mesh."""
    return jax.tree.map(lambda x: _put(x, NamedSharding(mesh, P())), tree)


def _put(x: np.ndarray | jax.Array, sharding: NamedSharding) -> Any:
    """Places an array that every process holds, or one that is on the mesh already; describes it for other devices."""
    if programs.is_described():
        return programs.shape_of(x, sharding)
    if jax.process_count() == 1:
        return jax.device_put(x, sharding)
    if isinstance(x, jax.Array) and x.sharding.is_equivalent_to(sharding, x.ndim):
        return x
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        return jax.jit(jax.random.wrap_key_data)(_put(jax.random.key_data(x), sharding))
    host = gather(x)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def gather(tree: Tree) -> Tree:
    """The whole arrays as numpy arrays, in every process."""

    def host(x: np.ndarray | jax.Array) -> np.ndarray:
        if isinstance(x, jax.Array) and not (x.is_fully_addressable or x.is_fully_replicated):
            from jax.experimental import multihost_utils

            return multihost_utils.process_allgather(x, tiled=True)
        return np.asarray(x)

    return jax.tree.map(host, tree)


# --- Inside jitted functions ---------------------------------------------------------------------------------------


def _splits_params(mesh: Mesh | AbstractMesh) -> bool:
    return not mesh.shape["fsdp"] == mesh.shape["tensor"] == 1


def _splitting_mesh() -> AbstractMesh | None:
    """The mesh of the current `jax.set_mesh`; None where there is none, or where it splits no parameter."""
    mesh = jax.sharding.get_abstract_mesh()
    return mesh if not mesh.empty and _splits_params(mesh) else None


def constrain(x: jax.Array, *axes: str | tuple[str, ...] | None) -> jax.Array:
    """Constrains the sharding of `x` inside a jitted function: that of a batch, or the given mesh axes.

    Where every device holds all parameters, the compiler needs no constraint.
    """
    mesh = _splitting_mesh()
    if mesh is None:
        return x
    axes = axes or (BATCH_AXES,)
    devices = [math.prod(mesh.shape[name] for name in ((a,) if isinstance(a, str) else a or ())) for a in axes]
    fits = [a if n % d == 0 else None for a, n, d in zip(axes, x.shape, devices)]
    return jax.lax.with_sharding_constraint(x, P(*fits))


def constrain_params(tree: Tree) -> Tree:
    """Constrains parameters, gradients or optimizer state inside a jitted function to `PARAM_RULES`."""
    mesh = _splitting_mesh()
    if mesh is None:
        return tree
    specs = jax.tree.map(lambda s: s.spec, param_shardings(mesh, tree))
    return jax.tree.map(jax.lax.with_sharding_constraint, tree, specs)


def num_shards(rows: int, vocab_size: int = 1) -> int:
    """Number of parts into which the current mesh cuts an array of a batch's `rows` and `vocab_size` columns."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or mesh.axis_names != MESH_AXES:
        return 1
    devices, tensor = _batch_devices(mesh), mesh.shape["tensor"]
    return (devices if rows % devices == 0 else 1) * (tensor if vocab_size % tensor == 0 else 1)
