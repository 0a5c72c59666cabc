"""Checkpoints of training runs and of trained policies: named pytrees on disk, written by orbax.

A checkpoint of a step holds any number of named pytrees ("state", "params", "optimizer", ...) and JSON metadata. It is
written whole or not at all. Beside it `STEP.files.json` lists sizes and checksums of its files: a damaged one is never
read, and training continues from the one before. Orbax writes the same arrays as other bytes each time, so beside those
of `on_host` stands `STEP.content.json` with a checksum of the arrays. Random keys are stored as their bits and come
back typed.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from kalm_jax.disk import naming_full_disk
from kalm_jax.distributed import broadcast_from_main, is_main_process
from kalm_jax.files import CONTENT, describe_files, find_damage, read_json, remove, write_json

PyTree = Any
"""A tree of arrays: dicts, tuples, registered dataclasses, NamedTuples."""


class Checkpoints:
    """The checkpoints in one folder, by step.

    Of several processes all call the same methods together, and arrays may be sharded over the devices of all. With
    `on_host` this process works alone instead: it saves arrays that it holds whole and restores NumPy arrays, whatever
    the other processes do.

    Use it as a context manager, or call `close`.
    """

    def __init__(
        self, folder: str | os.PathLike[str], keep: int | None = 2, on_host: bool = False, reading: bool = False
    ) -> None:
        """Opens `folder`; `keep` newest checkpoints are kept (None keeps all).

        A folder that is missing is made, and what a killed process was writing there is deleted; with `reading` nothing
        is changed.

        Raises:
          FileNotFoundError: with `reading`, there is no such folder.
        """
        import orbax.checkpoint as ocp
        from orbax.checkpoint.options import MultiprocessingOptions

        self.folder, self.on_host, self._args = pathlib.Path(folder).absolute(), on_host, ocp.args
        alone = {"primary_host": jax.process_index(), "active_processes": {jax.process_index()}} if on_host else {}
        if reading and not self.folder.is_dir():
            raise FileNotFoundError(f"{folder}: there are no checkpoints; run the command that writes them")
        if not reading:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_unfinished()
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
        """Steps that have a complete checkpoint, oldest first; damaged ones are left out."""
        return sorted(step for step in self._manager.all_steps() if not self._damage(step))

    def latest_step(self) -> int | None:
        """The newest step, or None where there is no checkpoint; damaged ones are deleted, each with a line."""
        found = -1
        if self.on_host or is_main_process():
            for step in sorted(self._manager.all_steps(), reverse=True):
                if not (damage := self._damage(step)):
                    found = step
                    break
                self._delete(step, damage)
        if not self.on_host:
            found = broadcast_from_main(found)
        self._manager.reload()
        return None if found < 0 else found

    def keep_until(self, step: int) -> None:
        """Deletes the checkpoints after a step: those of training that its files know nothing of."""
        if self.on_host or is_main_process():
            for later in self._manager.all_steps():
                if later > step:
                    self._delete(later, "it is beyond what the other files have")
        if not self.on_host:
            broadcast_from_main(0)  # the other processes wait
        self._manager.reload()

    def save(self, step: int, trees: Mapping[str, PyTree], metadata: Mapping[str, Any] | None = None) -> None:
        """Writes the checkpoint of `step` and waits until it is on disk; one that exists is kept, if it is whole.

        Raises:
          DiskFullError: nothing more can be written.
        """
        items = {name: self._args.StandardSave(self._stored(tree)) for name, tree in trees.items()}
        args = self._args.Composite(**items, metadata=self._args.JsonSave(dict(metadata or {})))
        writes = self.on_host or is_main_process()
        if self.on_host and step in self._manager.all_steps() and (damage := self._damage(step)):
            self._delete(step, damage)
            self._manager.reload()
        with naming_full_disk(self.folder), _without_log():
            try:
                if step not in self._manager.all_steps():  # A run killed right after saving comes here again.
                    self._manager.save(step, args=args, force=True)
                self._manager.wait_until_finished()
            except BaseException:
                self._remove_unfinished()
                raise
        if writes:
            if self.on_host:
                write_json(self._content(step), {"sha256": _digest(map(self._stored, trees.values()))})
            write_json(self._record(step), describe_files(self.folder / str(step)))
            kept = {path for step in self._manager.all_steps() for path in (self._record(step), self._content(step))}
            for record in {*self.folder.glob("*.files.json"), *self.folder.glob(f"*{CONTENT}")} - kept:
                remove(record)

    def metadata(self, step: int) -> dict[str, Any]:
        """The JSON metadata of the checkpoint of `step`; errors as of `restore`."""
        with self._naming_damage(step):
            return self._manager.restore(step, args=self._args.Composite(metadata=self._args.JsonRestore()))["metadata"]

    def restore(self, step: int, like: Mapping[str, PyTree]) -> dict[str, PyTree]:
        """The named trees of the checkpoint of `step`.

        The trees of `like` have the same structure; their arrays (or `jax.ShapeDtypeStruct`) give shapes, types and,
        unless `on_host`, shardings.

        Raises:
          ValueError: the checkpoint is damaged, and the message names it, or it has another structure.
        """
        abstract = {name: jax.tree.map(self._abstract, self._stored(tree)) for name, tree in like.items()}
        args = self._args.Composite(**{name: self._args.StandardRestore(tree) for name, tree in abstract.items()})
        with self._naming_damage(step):
            found = self._manager.restore(step, args=args)
        return {name: _typed(found[name], tree) for name, tree in like.items()}

    def close(self) -> None:
        """Ends orbax's own threads."""
        self._manager.close()

    def _record(self, step: int) -> pathlib.Path:
        return self.folder / f"{step}.files.json"

    def _content(self, step: int) -> pathlib.Path:
        return self.folder / f"{step}{CONTENT}"

    def _damage(self, step: int) -> str:
        """What is wrong with the files of a checkpoint; "" where nothing is, or where they were never listed."""
        try:
            described = read_json(self._record(step), dict)
        except ValueError:
            return f"{self._record(step).name} is damaged"
        return "" if described is None else find_damage(self.folder / str(step), described)

    @contextlib.contextmanager
    def _naming_damage(self, step: int) -> Iterator[None]:
        try:
            with _without_log():
                yield
        except Exception as error:
            if self._record(step).exists() and not (damage := self._damage(step)):
                raise
            why = damage if self._record(step).exists() else " ".join(str(error).split())[:200]
            raise ValueError(
                f"{self.folder / str(step)} is damaged ({why}); delete it and run the same command again"
            ) from error

    def _delete(self, step: int, why: str) -> None:
        print(f"{self.folder / str(step)}: {why}, so this checkpoint is deleted and made again", flush=True)
        remove(self.folder / str(step))
        remove(self._record(step))
        remove(self._content(step))

    def _remove_unfinished(self) -> None:
        """Deletes what orbax did not finish."""
        if self.on_host or is_main_process():
            for place in self.folder.glob("*.orbax-checkpoint-tmp*"):
                shutil.rmtree(place, ignore_errors=True)

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


@contextlib.contextmanager
def _without_log() -> Iterator[None]:
    """Keeps orbax's threads from printing the traceback of an error that is raised anyway."""
    logger = logging.getLogger("absl")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _digest(trees: Iterable[PyTree]) -> str:
    """SHA-256 of the arrays of stored trees, with their types and shapes."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(list(trees)):
        array = np.asarray(leaf)
        digest.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


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
