"""A buffer that stays on disk, for data larger than the device's memory: batches are read on the host.

A `StreamBuffer` is a `Buffer` whose long arrays are memory-mapped files. While the device makes some updates, grain
reads the batches of the next ones in a thread. The same batches are sampled as on the device, from the same keys: a
killed run continues to the same result, and training on the device differs by rounding alone (the compiled programs are
two). Dimension letters as in `buffer.py`, and "seeds" trained together, "C" updates of a chunk.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from kalm_jax.disk import naming_full_disk
from kalm_jax.files import naming_damage, read_json, read_npz, write_json, write_npz
from kalm_jax.offline_rl.buffer import (
    Batch,
    Buffer,
    check_unit,
    checked_shares,
    flatten,
    goal_fields,
    sample_below,
    source_of_rows,
)
from kalm_jax.offline_rl.normalization import DatasetStats
from kalm_jax.offline_rl.registry import State
from kalm_jax.types import GoalTable, Rollouts, validate
from kalm_jax.types.pytree import pytree_dataclass

CHUNK_BYTES = 64 * 2**20
"""Size of the batches that are read at a time, about; three such chunks are in memory."""
_LONG = ("observations", "row", "action", "reward", "terminal", "goal", "unit_first", "unit_length")


@dataclasses.dataclass(frozen=True)
class StreamBuffer(Buffer):
    """As `Buffer`, with memory-mapped arrays; never passed to a compiled function.

    Attributes:
      mean, std: (D,) float64 of the observations.
      data_sums: the result of `sums`.
    """

    mean: Float[np.ndarray, " D"]
    std: Float[np.ndarray, " D"]
    data_sums: tuple[float, ...]

    def stats(self) -> DatasetStats:
        """As `Buffer.stats`, from the statistics that were taken when the files were written."""
        return self._stats_from(self.mean, self.std)

    def sums(self) -> list[float]:
        """As `Buffer.sums`."""
        return list(self.data_sums)


def write_stream(
    folder: str | os.PathLike[str],
    sources: list[tuple[Iterable[Rollouts], float]],
    goals: GoalTable,
    num_actions: int | None = None,
    draw: str = "transitions",
) -> StreamBuffer:
    """Writes the transitions of the sources into `folder`, piece by piece, and opens it; an old one is replaced.

    Args:
      folder: created if necessary. It is complete once it holds `stream.json`.
      sources: (pieces, share) pairs; the pieces of a source are rollouts that need not fit into memory together, such
        as `kalm_jax.datasets.read_pieces` yields.
      goals, num_actions, draw: as of `make_buffer`.

    Raises:
      ValueError: as `make_buffer`.
    """
    folder = pathlib.Path(folder)
    share_end = checked_shares(sources, goals, draw)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stream.json").unlink(missing_ok=True)
    statistics, count, first_row, first_step = _Statistics(), np.zeros(len(sources), np.int32), 0, 0
    arrays: dict[str, tuple[list[int], str]] = {}
    with naming_full_disk(folder), ExitStack() as stack:
        files = {name: stack.enter_context((folder / f"{name}.bin").open("wb")) for name in _LONG}
        for i, (pieces, _) in enumerate(sources):
            for rollouts in pieces:
                rollouts = validate(rollouts, len(goals), num_actions, name=f"source {i}")
                flat = flatten(rollouts, first_row)
                check_unit(flat["action"])
                length = np.asarray(rollouts.length) if draw == "rollouts" else np.ones(len(flat["row"]), np.int32)
                flat["unit_first"] = (first_step + np.cumsum(length) - length).astype(np.int32)
                flat["unit_length"] = length.astype(np.int32)
                for name, file in files.items():
                    array = np.ascontiguousarray(flat[name])
                    (rows, *shape), _ = arrays.get(name, ([0, *array.shape[1:]], ""))
                    if shape != list(array.shape[1:]):
                        raise ValueError(f"{name} has entries of shape {array.shape[1:]}, before it was {tuple(shape)}")
                    arrays[name] = ([rows + len(array), *shape], array.dtype.str)
                    file.write(array.data)
                statistics.add(flat)
                first_row, first_step = arrays["observations"][0][0], arrays["row"][0][0]
                count[i] += len(length)
            if not count[i]:
                raise ValueError(f"source {i} has no rollouts; leave it out")
    small: dict[str, Any] = goal_fields(goals) | {"share_end": share_end, "count": count}
    write_npz(folder / "tables.npz", first=(np.cumsum(count) - count).astype(np.int32), **small)
    discrete = len(arrays["action"][0]) == 1
    header = {
        "arrays": arrays,
        "num_actions": (num_actions or statistics.largest_action + 1) if discrete else 0,
        "mean": statistics.mean.tolist(),
        "std": np.sqrt(statistics.squares / first_row).tolist(),
        "sums": [statistics.mean.sum() * first_row, statistics.reward, float(goals.vector.sum(dtype=np.float64))],
    }
    write_json(folder / "stream.json", header)
    return open_stream(folder)


def open_stream(folder: str | os.PathLike[str]) -> StreamBuffer:
    """The buffer that `write_stream` wrote into `folder`.

    Raises:
      FileNotFoundError: there is no complete one.
      ValueError: one of its files is damaged.
    """
    folder = pathlib.Path(folder)
    if not (folder / "stream.json").is_file():
        raise FileNotFoundError(f"{folder}: no stream.json, so no complete stream; write it with write_stream")
    header = read_json(folder / "stream.json", dict)
    small: dict[str, Any] = {k: jnp.asarray(v) for k, v in read_npz(folder / "tables.npz").items()}
    with naming_damage(folder):
        arrays: dict[str, Any] = {
            k: np.memmap(folder / f"{k}.bin", kind, "r", shape=tuple(s)) for k, (s, kind) in header["arrays"].items()
        }
        return StreamBuffer(
            **arrays,
            **small,
            time=None,
            returns_to_go=None,
            num_actions=header["num_actions"],
            relabel=None,
            mean=np.array(header["mean"]),
            std=np.array(header["std"]),
            data_sums=tuple(header["sums"]),
        )


class _Statistics:
    """Mean and squared deviations of observations that come in pieces (Chan et al., 1979), and the sum of rewards."""

    def __init__(self) -> None:
        self.rows, self.reward, self.largest_action = 0, 0.0, 0
        self.mean = self.squares = np.zeros(())

    def add(self, flat: dict[str, np.ndarray]) -> None:
        x = flat["observations"].astype(np.float64)
        n, mean = len(x), x.mean(0)
        change, total = mean - self.mean, self.rows + n
        self.squares = self.squares + ((x - mean) ** 2).sum(0) + change**2 * self.rows * n / total
        self.mean = self.mean + change * n / total
        self.rows = total
        self.reward += float(flat["reward"].sum(dtype=np.float64))
        self.largest_action = max(self.largest_action, int(flat["action"].max()))


@pytree_dataclass
class Chunk:
    """The batches of C updates of some seeds; `goal` of a batch is the row of `goal_vectors`, int32.

    Attributes:
      batches: leaves (seeds, C, B, ...). goal_vectors: (K, E).
    """

    batches: Batch
    goal_vectors: Float[Array, "K E"]

    def batch(self, batches: Batch, i: Int[Array, ""]) -> Batch:
        """Batch i out of those (C, B, ...) of one seed."""
        batch = jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, i, 0, keepdims=False), batches)
        return dataclasses.replace(batch, goal=self.goal_vectors[batch.goal])


def read_chunks(buffer: StreamBuffer, state: State, count: int, batch_size: int) -> Iterator[tuple[Chunk, int]]:
    """The batches of the next `count` updates of states (seeds, ...): (chunk, updates of it), each read ahead.

    Raises:
      ImportError: grain is not installed.
    """
    try:
        import grain
    except ImportError as error:
        raise ImportError('streaming needs grain: pip install "kalm_jax[stream]"') from error
    size = chunk_size(buffer, batch_size, len(state.step))
    bits = np.array(jax.random.key_data(state.key))  # a copy: the states are donated while batches are still read
    source = _ChunkSource(buffer, bits, int(state.step[0]), count, size, batch_size)
    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=1)
    for i, batches in enumerate(grain.MapDataset.source(source).to_iter_dataset(options)):
        yield Chunk(jax.device_put(batches), buffer.goal_vectors), min(size, count - i * size)


@dataclasses.dataclass(frozen=True)
class _ChunkSource:
    """The random-access source of grain: chunk i is a function of the seeds' keys and the numbers of its updates."""

    buffer: StreamBuffer
    key_bits: np.ndarray
    first: int
    count: int
    size: int
    batch_size: int

    def __len__(self) -> int:
        return -(-self.count // self.size)

    def __getitem__(self, i: Any) -> Batch:
        # The last chunk is read whole, too: one shape, one compilation.
        steps = np.arange(i * self.size, (i + 1) * self.size, dtype=np.int32) + np.int32(self.first)
        return read_batches(self.buffer, jax.random.wrap_key_data(_on_host(self.key_bits)), steps, self.batch_size)


def chunk_size(buffer: StreamBuffer, batch_size: int, seeds: int) -> int:
    """C: updates whose batches take about `CHUNK_BYTES`."""
    each = 4 * batch_size * seeds * (2 * buffer.observations.shape[1] + 8)
    return int(np.clip(CHUNK_BYTES // each, 1, 500))


def read_batches(buffer: StreamBuffer, keys: Array, steps: Int[np.ndarray, " C"], batch_size: int) -> Batch:
    """The batches of updates `steps` of the seeds with `keys` (seeds,): leaves (seeds, C, B, ...) of NumPy.

    Sampled as by `trainer.update_many` and `buffer.sample`. `goal` is the row of `goal_vectors`.
    """
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        first, available, share_end = (_on_host(x) for x in (buffer.first, buffer.count, buffer.share_end))
        units = _sample_units(keys, steps, first, available, share_end, batch_size)
        unit, step_keys, wording_keys = np.asarray(units[0]), units[1], units[2]
        index = buffer.unit_first[unit] + np.asarray(_sample_below(step_keys, buffer.unit_length[unit]))
        row, goal = buffer.row[index], buffer.goal[index]
        table = {k: np.asarray(getattr(buffer, k)) for k in ("wordings", "wording_first", "wording_count")}
        wording = np.asarray(_sample_below(wording_keys, table["wording_count"][goal]))
    return Batch(
        observation=buffer.observations[row],
        goal=table["wordings"][table["wording_first"][goal] + wording],
        action=buffer.action[index],
        reward=buffer.reward[index],
        next_observation=buffer.observations[row + 1],
        terminal=buffer.terminal[index],
    )


@functools.partial(jax.jit, static_argnames="batch_size")
def _sample_units(
    keys: Array, steps: Array, first: Array, available: Array, share_end: Array, batch_size: int
) -> tuple[Array, Array, Array]:
    """Units (seeds, C, B), and the keys (seeds, C) of the steps within them and of the wordings."""

    def one(key: Array, step: Array) -> tuple[Array, Array, Array]:
        sample_key, _ = jax.random.split(jax.random.fold_in(key, step))
        draw_key, _, wording_key = jax.random.split(sample_key, 3)
        unit_key, step_key = jax.random.split(draw_key)
        source = source_of_rows(share_end, batch_size)
        return first[source] + sample_below(unit_key, available[source]), step_key, wording_key

    return jax.vmap(lambda key: jax.vmap(lambda step: one(key, step))(steps))(keys)


@jax.jit
def _sample_below(keys: Array, counts: Array) -> Array:
    return jax.vmap(jax.vmap(sample_below))(keys, counts)


def _on_host(x: Any) -> Array:
    return jax.device_put(x, jax.local_devices(backend="cpu")[0])
