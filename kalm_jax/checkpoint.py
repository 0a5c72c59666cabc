"""Checkpoints of training runs and of trained policies: named pytrees on disk, written by orbax.

A checkpoint of a step holds any number of named pytrees ("state", "params", "optimizer", ...) and JSON metadata. It is
written whole or not at all. Random keys are stored as their bits and come back typed.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

PyTree = Any
"""A tree of arrays: dicts, tuples, registered dataclasses, NamedTuples."""


class Checkpoints:
    """The checkpoints in one folder, by step.

    Of several processes all call the same methods together, and arrays may be sharded over the devices of all. With
    `on_host` this process works alone instead: it saves arrays that it holds whole and restores NumPy arrays, whatever
    the other processes do.

    Use it as a context manager, or call `close`.
    """

    def __init__(self, folder: str | os.PathLike[str], keep: int | None = 2, on_host: bool = False) -> None:
        """Opens `folder` and creates it if necessary; `keep` newest checkpoints are kept (None keeps all)."""
        import orbax.checkpoint as ocp
        from orbax.checkpoint.options import MultiprocessingOptions

        self.folder, self.on_host, self._args = pathlib.Path(folder).absolute(), on_host, ocp.args
        alone = {"primary_host": jax.process_index(), "active_processes": {jax.process_index()}} if on_host else {}
        self.folder.mkdir(parents=True, exist_ok=True)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            create=False,  # orbax does not create folders for a part of the processes
            enable_async_checkpointing=False,
            multiprocessing_options=MultiprocessingOptions(**alone, barrier_sync_key_prefix="alone" if alone else None),
        )
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def steps(self) -> list[int]:
        """Steps that have a complete checkpoint, oldest first."""
        return sorted(self._manager.all_steps())

    def latest_step(self) -> int | None:
        """The newest step, or None where there is no checkpoint."""
        return self._manager.latest_step()

    def save(self, step: int, trees: Mapping[str, PyTree], metadata: Mapping[str, Any] | None = None) -> None:
        """Writes the checkpoint of `step` and waits until it is on disk; one that exists is kept."""
        items = {name: self._args.StandardSave(self._stored(tree)) for name, tree in trees.items()}
        args = self._args.Composite(**items, metadata=self._args.JsonSave(dict(metadata or {})))
        if step not in self._manager.all_steps():  # A run killed right after saving comes here again with the same.
            self._manager.save(step, args=args, force=True)
        self._manager.wait_until_finished()

    def metadata(self, step: int) -> dict[str, Any]:
        """The JSON metadata of the checkpoint of `step`."""
        return self._manager.restore(step, args=self._args.Composite(metadata=self._args.JsonRestore()))["metadata"]

    def restore(self, step: int, like: Mapping[str, PyTree]) -> dict[str, PyTree]:
        """The named trees of the checkpoint of `step`.

        The trees of `like` have the same structure; their arrays (or `jax.ShapeDtypeStruct`) give shapes, types and,
        unless `on_host`, shardings.
        """
        abstract = {name: jax.tree.map(self._abstract, self._stored(tree)) for name, tree in like.items()}
        args = self._args.Composite(**{name: self._args.StandardRestore(tree) for name, tree in abstract.items()})
        found = self._manager.restore(step, args=args)
        return {name: _typed(found[name], tree) for name, tree in like.items()}

    def close(self) -> None:
        """Ends orbax's own threads."""
        self._manager.close()

    def _stored(self, tree: PyTree) -> PyTree:
        """The tree as orbax takes it: keys as their bits, and None for arrays without entries, which it refuses."""

        def stored(x: Any) -> Any:
            if not x.size:
                return None
            if _is_key(x):
                x = _key_data(x)
            return np.asarray(x) if self.on_host and isinstance(x, jax.Array) else x

        return jax.tree.map(stored, tree)

    def _abstract(self, x: Any) -> Any:
        if self.on_host:
            return np.empty(x.shape, x.dtype)
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=getattr(x, "sharding", None))


def _is_key(x: Any) -> bool:
    return jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)


def _key_data(x: Any) -> Any:
    """The bits of keys, or their shape where `x` is a shape."""
    read = jax.jit(jax.random.key_data)
    return jax.eval_shape(read, x) if isinstance(x, jax.ShapeDtypeStruct) else read(x)


def _typed(stored: PyTree, like: PyTree) -> PyTree:
    """The tree whose stored form is `stored`, in the structure of `like`."""

    def typed(want: Any, found: Any) -> Any:
        if found is None:
            return np.zeros(want.shape, want.dtype) if isinstance(want, jax.ShapeDtypeStruct) else want
        return jax.jit(jax.random.wrap_key_data)(found) if _is_key(want) else found

    return jax.tree.map(typed, like, stored)
