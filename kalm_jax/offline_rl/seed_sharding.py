"""Several seeds on several devices: each device trains its own seeds, and none waits for another.

The settings of a sweep count as seeds.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from kalm_jax.programs import devices, program
from kalm_jax.sharding import BATCH_AXES, MESH_AXES, replicate


class SeedDevices:
    """The fewest devices that finish soonest, the same number in every process, as a mesh.

    Seeds that do not divide evenly are padded with copies of the last one, whose results are dropped: a device that
    would idle costs no time.

    Attributes:
      seeds: how many there are.
      size: how many are trained, a multiple of the devices.
      mesh: of the devices; seeds are split along its axes `BATCH_AXES`.
    """

    def __init__(self, seeds: int) -> None:
        processes = range(jax.process_count())
        needed = math.ceil(seeds / math.ceil(seeds / len(devices())))
        each = math.ceil(needed / len(processes))
        chosen = np.array([[d for d in devices() if d.process_index == i][:each] for i in processes])
        chosen = chosen.reshape(-1, 1, 1)
        self.seeds, self.size = seeds, math.ceil(seeds / chosen.size) * chosen.size
        self.mesh = Mesh(chosen, MESH_AXES, axis_types=(AxisType.Auto,) * len(MESH_AXES))
        take = np.minimum(np.arange(self.size), seeds - 1)
        split, whole = (NamedSharding(self.mesh, p) for p in (P(BATCH_AXES), P()))
        self._shard = program(lambda tree: jax.tree.map(lambda x: x[take], tree), out_shardings=split)
        self._unshard = program(lambda tree: jax.tree.map(lambda x: x[:seeds], tree), out_shardings=whole)

    @property
    def count(self) -> int:
        """Devices used."""
        return self.mesh.size

    def replicate(self, tree: Any) -> Any:
        """Arrays whole on every device: a buffer, or states (seeds, ...) as checkpoints hold them."""
        return replicate(self.mesh, tree)

    def shard(self, tree: Any) -> Any:
        """Replicated trees (seeds, ...) as (size, ...), a part on each device."""
        return self._shard(tree)

    def unshard(self, tree: Any) -> Any:
        """The inverse of `shard`."""
        return self._unshard(tree)
