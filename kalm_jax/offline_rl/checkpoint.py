"""Checkpoints of a training run: the stacked states of its seeds, its curve, and what it was made from."""

from __future__ import annotations

import dataclasses
import os
import pathlib

import jax


class Checkpoints:
    """Orbax checkpoints in a folder; the last two are kept, each is written whole or not at all."""

    def __init__(self, folder: str | os.PathLike, fingerprint: dict):
        """`fingerprint`: JSON values that a checkpoint must agree with to be continued."""
        import orbax.checkpoint as ocp

        self.folder, self.fingerprint, self._ocp = pathlib.Path(folder).absolute(), fingerprint, ocp
        options = ocp.CheckpointManagerOptions(max_to_keep=2, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    def restore(self, state):
        """(updates done, state, curve) of the last checkpoint, or (0, `state`, []) where there is none.

        Raises:
          ValueError: it was made with other settings, seeds or data.
        """
        step = self._manager.latest_step()
        if step is None:
            return 0, state, []
        made = self._manager.restore(step, args=self._ocp.args.Composite(about=self._ocp.args.JsonRestore()))["about"]
        different = [k for k, v in self.fingerprint.items() if made["fingerprint"].get(k) != v]
        if different:
            k = different[0]
            raise ValueError(
                f"the checkpoint in {self.folder} was made with {k} {made['fingerprint'].get(k)}, "
                f"not {self.fingerprint[k]}: use another folder, or remove this one to start again"
            )
        abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), _plain(state))
        args = self._ocp.args.Composite(state=self._ocp.args.StandardRestore(abstract))
        leaves = self._manager.restore(step, args=args)["state"]
        return step, _typed(leaves, state), made["curve"]

    def save(self, step: int, state, curve: list[dict]) -> None:
        """Writes the checkpoint of `step` and waits until it is on disk."""
        about = {"fingerprint": self.fingerprint, "curve": curve}
        args = self._ocp.args.Composite(
            state=self._ocp.args.StandardSave(_plain(state)), about=self._ocp.args.JsonSave(about)
        )
        self._manager.save(step, args=args, force=True)
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Ends orbax's own threads."""
        self._manager.close()


def _plain(state) -> dict:
    """The leaves of a state under numbered names: no class of ours is part of the file, and the key is raw bits.

    Leaves without entries (the statistics of a goal vector of size 0) are left out: orbax refuses them.
    """
    state = dataclasses.replace(state, key=jax.jit(jax.random.key_data)(state.key))
    return {f"{i:04d}": leaf for i, leaf in enumerate(jax.tree.leaves(state)) if leaf.size}


def _typed(leaves: dict, like):
    """The state whose `_plain` form is `leaves`, in the structure of `like`."""
    raw = dataclasses.replace(like, key=jax.jit(jax.random.key_data)(like.key))
    filled = [leaves.get(f"{i:04d}", leaf) for i, leaf in enumerate(jax.tree.leaves(raw))]
    state = jax.tree.unflatten(jax.tree.structure(raw), filled)
    return dataclasses.replace(state, key=jax.jit(jax.random.wrap_key_data)(state.key))
