"""Devices: how many this process uses, and how arrays lie on them.

The same code runs on one CPU, one GPU or a TPU: batches are split over the first axis of a one-dimensional mesh and
parameters are copied to every device. On a CPU each core is made a device, because small matrix products do not use
two cores well, but two independent halves of a batch do.
"""

from __future__ import annotations

import os
import pathlib

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


def start(cpu_devices: int | None = None, cache: str | None = None) -> None:
    """Prepares JAX once at the start of a program, before any device is touched.

    Args:
      cpu_devices: CPU devices to make; None means one per available core, at most 8. Ignored on accelerators.
      cache: folder of the persistent compilation cache; None means `$JAX_COMPILATION_CACHE_DIR` or
        `~/.cache/kalm_jax/compilation`.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        jax.config.update("jax_num_cpu_devices", min(cpu_devices or cores, 8))
    except RuntimeError:
        pass  # Devices exist already (a notebook, a test): what is there is used.
    folder = pathlib.Path(cache or os.environ.get("JAX_COMPILATION_CACHE_DIR") or "~/.cache/kalm_jax/compilation")
    jax.config.update("jax_compilation_cache_dir", str(folder.expanduser()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def data_mesh(batch: int) -> Mesh:
    """A mesh with one axis "data" over the largest number of devices that divides `batch`."""
    devices = jax.devices()
    count = max(n for n in range(1, len(devices) + 1) if batch % n == 0)
    return Mesh(np.array(devices[:count]), ("data",), axis_types=(AxisType.Auto,))


def split_batch(mesh: Mesh, tree):
    """Puts arrays on the mesh, split along their first axis."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec("data")))


def replicate(mesh: Mesh, tree):
    """Puts arrays on the mesh, whole on every device."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))
