"""The start of a program: JAX's devices and compilation cache, the mesh, and the other processes (hosts)."""

from __future__ import annotations

import contextlib
import os
import pathlib

import jax
import numpy as np

from kalm_jax import progress
from kalm_jax.cores import available_cores
from kalm_jax.malloc import configure_malloc
from kalm_jax.sharding import parse_mesh_shape, set_default_mesh_shape
from kalm_jax.xla_flags import avoid_miscompilation

MAX_HOSTS = 100_000
"""Most processes of a run."""


def setup_jax(cpu_devices: int | None = None, mesh: str = "", hosts: str = "") -> None:
    """Prepares JAX once at the start of a program, before any device is used.

    Compiled programs are kept in `$JAX_COMPILATION_CACHE_DIR` or `~/.cache/kalm_jax/compilation` if compiling took
    0.05 s or `$JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS`. On a CPU each core becomes a device: small matrix products
    do not use two cores well, but two independent halves of a batch do. `$XLA_FLAGS` gets the flag without which some
    versions compute wrong there (`xla_flags`); the first progress line has a line about it above.

    Args:
      cpu_devices: number of CPU devices; None means one per available core, at most 8. Ignored on accelerators.
      mesh: shape of the default mesh, see `sharding.parse_mesh_shape`.
      hosts: see `init_distributed`; where it is empty, `$KALM_JAX_HOSTS` is used.

    Raises:
      ValueError: `mesh` or `hosts` cannot be parsed, or `$JAX_PLATFORMS` names what is not there.
    """
    set_default_mesh_shape(parse_mesh_shape(mesh))
    configure_malloc()
    progress.note(avoid_miscompilation())
    with contextlib.suppress(RuntimeError):  # The devices exist already (in a notebook or a test) and are used as is.
        jax.config.update("jax_num_cpu_devices", min(cpu_devices or available_cores(), 8))
    folder = pathlib.Path(os.environ.get("JAX_COMPILATION_CACHE_DIR") or "~/.cache/kalm_jax/compilation")
    jax.config.update("jax_compilation_cache_dir", str(folder.expanduser()))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
    init_distributed(hosts or os.environ.get("KALM_JAX_HOSTS", ""))
    _check_platform()


def _check_platform() -> None:
    """Refuses a platform that JAX was told to use and does not have."""
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        told, reason = os.environ.get("JAX_PLATFORMS"), " ".join(str(error).split())[:200]
        if not told:
            raise
        raise ValueError(
            f"$JAX_PLATFORMS is {told}, of which JAX finds no device here{f' ({reason})' if reason else ''}: install "
            "JAX for it, or unset the variable"
        ) from error


def init_distributed(hosts: str) -> None:
    """Connects this process with the others that run the same program. Files are written by the first of them.

    `hosts` is "ADDRESS:PORT,COUNT,INDEX" (address of the first process, number of processes, index of this one), "auto"
    where JAX finds them out (SLURM, Open MPI, a TPU pod slice), or "" for a single process.
    """
    if not hosts:
        return
    jax.distributed.initialize(*parse_hosts(hosts))
    if not is_main_process():
        progress.silence()
    # Connects the processes now: gloo waits half a minute at most, and a first stage may compile for longer.
    broadcast_from_main(1)


def parse_hosts(hosts: str) -> tuple[str, int, int] | tuple[()]:
    """(address, number of processes, index of this one) of `hosts` as in `init_distributed`; () of "auto" and ""."""
    if hosts in ("", "auto"):
        return ()
    address, _, rest = hosts.partition(",")
    place, _, port = address.rpartition(":")
    count, _, index = rest.partition(",")
    if not (place and all(_below(*pair) for pair in ((port, 65_536), (count, MAX_HOSTS + 1), (index, count)))):
        raise ValueError(f"hosts={hosts}: want auto or ADDRESS:PORT,COUNT,INDEX with INDEX below COUNT")
    return address, int(count), int(index)


def _below(text: str, limit: int | str) -> bool:
    """Whether a text is a whole number below another."""
    return text.isdecimal() and len(text) < 10 and int(text) < int(limit)


def is_main_process() -> bool:
    """Whether this is the process that writes files: the first of several, or the only one."""
    return jax.process_index() == 0


def broadcast_from_main(value: int) -> int:
    """The main process's `value`, in every process. All processes must call this together."""
    if jax.process_count() == 1:
        return value
    from jax.experimental import multihost_utils

    return int(multihost_utils.broadcast_one_to_all(np.int32(value)))
