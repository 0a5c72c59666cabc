"""Several seeds on several devices: each device advances its own seeds, and none waits for another.

A sweep's settings of each seed are as good as seeds.
"""

from __future__ import annotations

import functools
import math

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from kalm_jax.sharding import BATCH_AXES, MESH_AXES, gather, replicate


class SeedDevices:
    """As few devices as finish soonest, the same number of every process; see `setup_jax` for processes.

    Seeds that do not divide evenly are filled up with copies of the last one, which nobody looks at: a device that
    would idle costs no time.

    Attributes:
      seeds: how many there are, S.
      size: how many are trained, a multiple of the devices.
    """

    def __init__(self, seeds: int):
        processes = range(jax.process_count())
        needed = math.ceil(seeds / math.ceil(seeds / jax.device_count()))
        each = math.ceil(needed / len(processes))
        devices = [[d for d in jax.devices() if d.process_index == i][:each] for i in processes]
        devices = np.array(devices).reshape(-1, 1, 1)
        self.seeds, self.size = seeds, math.ceil(seeds / devices.size) * devices.size
        self._mesh = Mesh(devices, MESH_AXES, axis_types=(AxisType.Auto,) * len(MESH_AXES))
        take = np.minimum(np.arange(self.size), seeds - 1)
        divided, everywhere = (NamedSharding(self._mesh, p) for p in (P(BATCH_AXES), P()))
        self._divide = jax.jit(lambda tree: jax.tree.map(lambda x: x[take], tree), out_shardings=divided)
        self._join = jax.jit(lambda tree: jax.tree.map(lambda x: x[:seeds], tree), out_shardings=everywhere)

    @property
    def count(self) -> int:
        """Devices used."""
        return self._mesh.size

    def everywhere(self, tree):
        """Arrays whole on every device: a buffer, or states (S, ...) as checkpoints hold them."""
        return replicate(self._mesh, tree)

    def divided(self, state):
        """Stacked states (S, ...), whole on every device, as (size, ...), a part on each."""
        return self._divide(state)

    def joined(self, state):
        """The inverse of `divided`."""
        return self._join(state)

    def update(self, state, buffer, count, settings, *, learner, batched: bool):
        """`train.update_many` of divided states and of settings {name: (S,)}: (states, metrics {name: (S,)}).

        The metrics are on the host.
        """
        settings = self._divide(settings) if settings else {}
        state, metrics = _update(state, buffer, count, settings, learner=learner, batched=batched, mesh=self._mesh)
        return state, jax.tree.map(lambda x: x[: self.seeds], gather(metrics))


@functools.partial(jax.jit, static_argnames=("learner", "batched", "mesh"), donate_argnames=("state",))
def _update(state, buffer, count, settings, *, learner, batched, mesh):
    from kalm_jax.offline_rl.trainer import update_many

    def mine(state, buffer, count, settings):
        return update_many(state, buffer, count, settings, learner=learner, batched=batched)

    split, whole = P(BATCH_AXES), P()
    divided = jax.shard_map(
        mine, mesh=mesh, in_specs=(split, whole, whole, split), out_specs=(split, split), check_vma=False
    )
    return divided(state, buffer, count, settings)
