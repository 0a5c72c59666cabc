"""Flags of every command that computes on several devices or hosts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from kalm_jax.cli.flags import Flag, UsageError, flags_of, made
from kalm_jax.settings import Checked, setting


@dataclasses.dataclass(frozen=True)
class DeviceSettings(Checked):
    """How devices and hosts are used."""

    mesh: str = setting(
        "", "Sizes of the device mesh's axes data, fsdp, tensor, such as data:2,fsdp:4. Empty uses all for data."
    )
    hosts: str = setting(
        "",
        "Other processes that run the same command: ADDRESS:PORT,COUNT,INDEX, or auto under SLURM and on a TPU pod "
        "slice. Empty takes $KALM_JAX_HOSTS, or none.",
    )


@dataclasses.dataclass(frozen=True)
class WatchSettings(Checked):
    """How a run is watched."""

    tensorboard: bool = setting(
        False,
        "Write losses, measurements and learning curves to the folder tensorboard in --output while the run works: "
        "tensorboard --logdir=OUTPUT/tensorboard shows them.",
    )


def watch(given: Mapping[str, Any], output: str) -> None:
    """Opens the dashboard of the run in a folder, where the flag asks for one.

    Raises:
      UsageError: what it needs is not installed.
    """
    from kalm_jax import dashboard

    if made(WatchSettings, given).tensorboard:
        try:
            dashboard.start(f"{output}/tensorboard")
        except ImportError as error:
            raise UsageError(str(error)) from error


def device_flags() -> list[Flag]:
    """The flags, for `flags()` of a command."""
    return flags_of(DeviceSettings, "devices")


def start(given: Mapping[str, Any]) -> None:
    """Prepares JAX as the given flags say.

    Raises:
      UsageError: one of them cannot be read.
      ValueError: $KALM_JAX_HOSTS cannot be read.
    """
    from kalm_jax.distributed import parse_hosts, setup_jax
    from kalm_jax.sharding import default_mesh, parse_mesh_shape

    settings = made(DeviceSettings, given)
    try:
        parse_mesh_shape(settings.mesh)
        parse_hosts(settings.hosts)
    except ValueError as error:
        raise UsageError(f"--{error}") from error
    setup_jax(mesh=settings.mesh, hosts=settings.hosts)
    if settings.mesh:
        try:
            default_mesh()
        except ValueError as error:  # fewer devices than it needs
            raise UsageError(f"--mesh={settings.mesh}: {error}") from error
