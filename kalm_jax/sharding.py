"""Devices and processes: how many there are, and how arrays lie on them.

The same code runs on one CPU, one GPU, several, or many hosts. Devices form a mesh of three axes: batches are split
over "data" and "fsdp", the large parameters over "fsdp" (a layer's come together only where they are used) and "tensor"
(products are computed in parts), by one table, `RULES`. Without a layout all devices are "data", and parameters lie
whole on each. On a CPU each core is made a device, because small matrix products do not use two cores well, but two
independent halves of a batch do.

Several processes (hosts) run the same program on one mesh of all devices; see `start`. Files are written by one of
them, `is_writer`, into a folder that all of them see.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from kalm_jax import progress
from kalm_jax.cores import available_cores
from kalm_jax.memory import keep_memory

AXES = ("data", "fsdp", "tensor")
BATCH = ("data", "fsdp")
"""Axes over which batches are split."""

RULES: tuple[tuple[str, P], ...] = (
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
"""End of a parameter's path -> how its last axes lie; the first match counts. Leading axes (stacked layers) are whole,
and so is an axis that its devices do not divide. Paths of an optimiser's state end in those of the parameters."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """Sizes of the mesh's axes; `data` 0 is all devices that the others leave, or fewer where a batch needs it."""

    data: int = 0
    fsdp: int = 1
    tensor: int = 1

    @property
    def is_default(self) -> bool:
        """All devices for data."""
        return self == Layout()


_layout = Layout()


def read_layout(text: str) -> Layout:
    """The layout that a flag such as "data:2,fsdp:4" says; "" is all devices for data.

    Raises:
      ValueError: which part cannot be read.
    """
    sizes = {}
    for part in filter(None, text.split(",")):
        axis, _, size = part.partition(":")
        if axis not in AXES or axis in sizes or not size.isdecimal() or int(size) < 1:
            raise ValueError(f"mesh {text!r}: {part!r} is not one of {', '.join(AXES)} with a size, such as fsdp:4")
        sizes[axis] = int(size)
    return Layout(**sizes)


def start(cpu_devices: int | None = None, cache: str | None = None, mesh: str = "", hosts: str = "") -> None:
    """Prepares JAX once at the start of a program, before any device is touched.

    Args:
      cpu_devices: CPU devices to make; None means one per available core, at most 8. Ignored on accelerators.
      cache: folder of the persistent compilation cache; None means `$JAX_COMPILATION_CACHE_DIR` or
        `~/.cache/kalm_jax/compilation`.
      mesh: how the devices are used, see `read_layout`.
      hosts: the processes that run this program together: "ADDRESS:PORT,COUNT,INDEX" (the first process's address, how
        many there are, which one this is), "auto" where JAX finds that out itself (SLURM, Open MPI, a TPU pod slice),
        or "" for `$KALM_JAX_HOSTS`, and where that is not set one process alone.

    Raises:
      ValueError: a layout or hosts that cannot be read.
    """
    global _layout
    _layout = read_layout(mesh)
    keep_memory()
    with contextlib.suppress(RuntimeError):  # Devices exist already (a notebook, a test): what is there is used.
        jax.config.update("jax_num_cpu_devices", min(cpu_devices or available_cores(), 8))
    folder = pathlib.Path(cache or os.environ.get("JAX_COMPILATION_CACHE_DIR") or "~/.cache/kalm_jax/compilation")
    jax.config.update("jax_compilation_cache_dir", str(folder.expanduser()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
    join(hosts or os.environ.get("KALM_JAX_HOSTS", ""))


def join(hosts: str) -> None:
    """Joins the other processes; see `start`."""
    if not hosts:
        return
    if hosts == "auto":
        jax.distributed.initialize()
    else:
        address, _, rest = hosts.partition(",")
        numbers = rest.split(",")
        if len(numbers) != 2 or not all(n.isdecimal() for n in numbers) or int(numbers[1]) >= int(numbers[0]):
            raise ValueError(f"hosts {hosts!r} is neither auto nor ADDRESS:PORT,COUNT,INDEX with INDEX below COUNT")
        jax.distributed.initialize(address, int(numbers[0]), int(numbers[1]))
    if not is_writer():
        progress.silence()
    agree(1)  # Connects them now: half a minute is all that gloo waits, and a first stage may compile for longer.


def is_writer() -> bool:
    """Whether this process writes files; of several, the first does."""
    return jax.process_index() == 0


def make_mesh(rows: int, layout: Layout | None = None) -> Mesh:
    """The mesh for batches of `rows`, by the layout given to `start` unless another is given.

    Without a layout it has as many devices as divide `rows`. Several processes always use all of their devices.

    Raises:
      ValueError: the layout does not fit the devices, or they do not divide `rows`; with the mend.
    """
    layout, devices = layout or _layout, jax.devices()
    model = layout.fsdp * layout.tensor
    data = layout.data or len(devices) // model
    if not data or data * model > len(devices):
        raise ValueError(
            f"a mesh of data:{data or 1},fsdp:{layout.fsdp},tensor:{layout.tensor} has {(data or 1) * model} devices, "
            f"but there are {len(devices)}"
        )
    if layout.is_default and jax.process_count() == 1:
        data = max(n for n in range(1, data + 1) if rows % n == 0)
    elif rows % (data * layout.fsdp):
        raise ValueError(
            f"{rows} rows cannot be split over {data * layout.fsdp} devices (data times fsdp); use a multiple of that"
        )
    elif jax.process_count() > 1 and data * model != len(devices):
        raise ValueError(f"several processes must use all of their {len(devices)} devices, not {data * model}")
    types = (AxisType.Auto,) * len(AXES)
    return jax.make_mesh((data, layout.fsdp, layout.tensor), AXES, axis_types=types, devices=devices[: data * model])


def round_up(rows: int, layout: Layout | None = None) -> int:
    """The least multiple of what batches must be divisible by that is at least `rows`: where padding is possible."""
    layout = layout or _layout
    if layout.is_default and jax.process_count() == 1:
        return rows
    step = (layout.data or jax.device_count() // (layout.fsdp * layout.tensor)) * layout.fsdp
    return -(-rows // step) * step


def spec(path: str, shape: tuple[int, ...], mesh: Mesh | AbstractMesh) -> P:
    """How the parameter (or optimiser state) called `path` lies on the mesh, by `RULES`."""
    rule = next(rule for pattern, rule in RULES if re.search(pattern, path))
    if len(rule) > len(shape):
        return P()
    own = shape[len(shape) - len(rule) :]
    fits = [None] * (len(shape) - len(rule))
    fits += [axis if axis and n % mesh.shape[axis] == 0 else None for n, axis in zip(own, rule)]
    while fits and fits[-1] is None:  # JAX's own way of writing it, or a step's output would not look like its input.
        fits.pop()
    return P(*fits)


def shardings(mesh: Mesh | AbstractMesh, tree):
    """The tree of `NamedSharding`s, by `RULES`, of a tree of arrays or of their shapes."""

    def of(path, x):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return NamedSharding(mesh, spec(name, x.shape, mesh))

    return jax.tree_util.tree_map_with_path(of, tree)


def weight_sharding(mesh: Mesh):
    """What `load_model` wants: (path, shape) -> sharding, so that weights come to lie where they belong."""
    return lambda path, shape: NamedSharding(mesh, spec(path, shape, mesh))


def resting_sharding():
    """`weight_sharding` of the mesh that all batches share; None where a batch's size chooses its devices."""
    if _layout.is_default and jax.process_count() == 1:
        return None
    return weight_sharding(make_mesh(round_up(1)))


def shard(mesh: Mesh, tree):
    """Puts parameters on the mesh by `RULES`; those that lie so already are not moved."""
    return jax.tree.map(_put, tree, shardings(mesh, tree))


def split_batch(mesh: Mesh, tree):
    """Puts arrays on the mesh, split along their first axis. Of several processes each takes its part only."""
    return jax.tree.map(lambda x: _put(x, NamedSharding(mesh, P(BATCH))), tree)


def replicate(mesh: Mesh, tree):
    """Puts arrays on the mesh, whole on every device."""
    return jax.tree.map(lambda x: _put(x, NamedSharding(mesh, P())), tree)


def _put(x, sharding: NamedSharding) -> jax.Array:
    """An array that every process has, or one that lies on the mesh, where it belongs."""
    if jax.process_count() == 1:
        return jax.device_put(x, sharding)
    if isinstance(x, jax.Array) and x.sharding.is_equivalent_to(sharding, x.ndim):
        return x
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        return jax.jit(jax.random.wrap_key_data)(_put(jax.random.key_data(x), sharding))
    host = gather(x)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def gather(tree):
    """Arrays as numpy arrays, whole, in every process."""

    def host(x):
        if isinstance(x, jax.Array) and not (x.is_fully_addressable or x.is_fully_replicated):
            from jax.experimental import multihost_utils

            return multihost_utils.process_allgather(x, tiled=True)
        return np.asarray(x)

    return jax.tree.map(host, tree)


def agree(value: int) -> int:
    """The writer's `value`, in every process."""
    if jax.process_count() == 1:
        return value
    from jax.experimental import multihost_utils

    return int(multihost_utils.broadcast_one_to_all(np.int32(value)))


def _divided() -> AbstractMesh | None:
    """The mesh in use (`jax.set_mesh`); None where there is none, or where parameters lie whole on it."""
    mesh = jax.sharding.get_abstract_mesh()
    return None if mesh.empty or mesh.shape["fsdp"] == mesh.shape["tensor"] == 1 else mesh


def constrain(x: jax.Array, *axes: str | tuple[str, ...] | None) -> jax.Array:
    """Says inside a jitted function how the axes of `x` lie: as those of a batch, or by the mesh's axes given.

    Where parameters lie whole the compiler needs no telling.
    """
    mesh = _divided()
    if mesh is None:
        return x
    axes = axes or (BATCH,)
    devices = [math.prod(mesh.shape[name] for name in ((a,) if isinstance(a, str) else a or ())) for a in axes]
    fits = [a if n % d == 0 else None for a, n, d in zip(axes, x.shape, devices)]
    return jax.lax.with_sharding_constraint(x, P(*fits))


def parts(rows: int, words: int = 1) -> int:
    """Into how many parts the mesh in use cuts an array of a batch's `rows`, and of `words` along "tensor"."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or mesh.axis_names != AXES:
        return 1
    devices, tensor = math.prod(mesh.shape[axis] for axis in BATCH), mesh.shape["tensor"]
    return (devices if rows % devices == 0 else 1) * (tensor if words % tensor == 0 else 1)


def pin(tree):
    """Says inside a jitted function that a tree of parameters, gradients or optimiser state lies by `RULES`."""
    mesh = _divided()
    if mesh is None:
        return tree
    return jax.tree.map(jax.lax.with_sharding_constraint, tree, jax.tree.map(lambda s: s.spec, shardings(mesh, tree)))
