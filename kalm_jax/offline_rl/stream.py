"""A buffer that stays on disk, for data larger than the device's memory: batches are drawn on the host.

A `StreamBuffer` is a `Buffer` whose long arrays are memory-mapped files. While the device makes some updates, a thread
draws and reads the batches of the next ones. The same batches are drawn as on the device, from the same keys: a killed
run continues to the same result, and training on the device differs by rounding alone (the compiled programs are two).
Letters as in `buffer.py`; further N seeds trained together, C updates of a chunk.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import os
import pathlib
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.files import read_json, write_json
from kalm_jax.offline_rl.buffer import (
    Buffer,
    check_unit,
    checked_shares,
    draw_below,
    flatten,
    source_of_place,
    wordings,
)
from kalm_jax.offline_rl.networks import Batch, Spec
from kalm_jax.offline_rl.registry import Learner
from kalm_jax.types import GoalTable, Rollouts, validate

CHUNK_BYTES = 64 * 2**20
"""Batches handed to the device at a time, about; two such chunks are in memory."""
_LONG = ("observations", "row", "action", "reward", "terminal", "goal", "unit_first", "unit_length")


@dataclasses.dataclass(frozen=True)
class StreamBuffer(Buffer):
    """As `Buffer`, with memory-mapped arrays; never passed to a compiled function.

    Attributes:
      mean, std: (D,) float64 of the observations.
      data_sums: what `sums` answers.
    """

    mean: np.ndarray
    std: np.ndarray
    data_sums: tuple[float, ...]

    def spec(self) -> Spec:
        """As `Buffer.spec`, from the statistics that were taken when the files were written."""
        return self._spec(self.mean, self.std)

    def sums(self) -> list[float]:
        """As `Buffer.sums`."""
        return list(self.data_sums)


def write_stream(
    folder: str | os.PathLike,
    sources: list[tuple[Iterable[Rollouts], float]],
    goals: GoalTable,
    num_actions: int | None = None,
    draw: str = "transitions",
) -> StreamBuffer:
    """Writes the transitions of the sources into `folder`, piece by piece, and opens it; an old one is replaced.

    Args:
      folder: made if need be. It is complete once it holds `stream.json`.
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
    about, count = _Statistics(), []
    with _Files(folder) as files:
        for i, (pieces, _) in enumerate(sources):
            count.append(0)
            for rollouts in pieces:
                validate(rollouts, len(goals), num_actions, name=f"source {i}")
                flat = flatten(rollouts, files.rows["observations"])
                check_unit(flat["action"])
                length = np.asarray(rollouts.length) if draw == "rollouts" else np.ones(len(flat["row"]), np.int32)
                first = files.rows["row"] + np.cumsum(length) - length
                files.append(flat | {"unit_first": first.astype(np.int32), "unit_length": length.astype(np.int32)})
                about.add(flat)
                count[-1] += len(length)
            if not count[-1]:
                raise ValueError(f"source {i} has no rollouts; leave it out")
    count = np.array(count, np.int32)
    discrete = files.shapes["action"] == ()
    small = {"goal_vectors": np.asarray(goals.vector, np.float32), "share_end": share_end, "count": count}
    small |= {"family": np.asarray(goals.family), "array": np.asarray(goals.array)}
    np.savez(folder / "tables.npz", first=(np.cumsum(count) - count).astype(np.int32), **small, **wordings(goals))
    header = {
        "arrays": {k: [[files.rows[k], *files.shapes[k]], files.types[k]] for k in _LONG},
        "num_actions": (num_actions or about.largest_action + 1) if discrete else 0,
        "mean": about.mean.tolist(),
        "std": np.sqrt(about.squares / about.rows).tolist(),
        "sums": [about.mean.sum() * about.rows, about.reward, float(goals.vector.sum(dtype=np.float64))],
    }
    write_json(folder / "stream.json", header)
    return open_stream(folder)


def open_stream(folder: str | os.PathLike) -> StreamBuffer:
    """The buffer that `write_stream` wrote into `folder`.

    Raises:
      FileNotFoundError: no complete one is there.
    """
    folder = pathlib.Path(folder)
    if not (folder / "stream.json").is_file():
        raise FileNotFoundError(f"{folder}: no stream.json, so no complete stream; write it with write_stream")
    header = read_json(folder / "stream.json")
    arrays = {k: np.memmap(folder / f"{k}.bin", kind, "r", shape=tuple(s)) for k, (s, kind) in header["arrays"].items()}
    with np.load(folder / "tables.npz") as tables:
        arrays |= {k: jnp.asarray(v) for k, v in tables.items()}
    return StreamBuffer(
        **arrays,
        time=None,
        to_go=None,
        num_actions=header["num_actions"],
        relabel=None,
        mean=np.array(header["mean"]),
        std=np.array(header["std"]),
        data_sums=tuple(header["sums"]),
    )


def update_streamed(states, buffer: StreamBuffer, count, settings=None, *, learner: Learner, batched: bool = False):
    """`count` updates of stacked states (N, ...), as `train.update_many` makes them of a `Buffer`."""
    count, size = int(count), chunk_size(buffer, learner.config.batch_size, len(states.step))
    bits = np.array(jax.random.key_data(states.key))  # a copy: the states are donated while batches are still drawn
    keys = jax.random.wrap_key_data(_on_host(bits))
    first, totals = int(states.step[0]), None
    starts = range(0, count, size)

    def prepare(start):
        # The last chunk is drawn whole, too: one shape, one compilation.
        steps = np.arange(start, start + size, dtype=np.int32) + np.int32(first)
        return jax.device_put(read_batches(buffer, keys, steps, learner.config.batch_size))

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        coming = thread.submit(prepare, 0)
        for start in starts:
            batches = coming.result()
            if start + size < count:
                coming = thread.submit(prepare, start + size)
            if totals is None:
                totals = _zeros(states, batches, buffer.goal_vectors, learner=learner)
            states, totals = _update_chunk(
                states,
                totals,
                batches,
                buffer.goal_vectors,
                np.int32(min(size, count - start)),
                settings or {},
                learner=learner,
                batched=batched,
            )
            jax.block_until_ready(totals)  # no more than two chunks at a time
    return states, jax.tree.map(lambda x: x / np.int32(count), totals)


def chunk_size(buffer: StreamBuffer, batch_size: int, seeds: int) -> int:
    """C: updates whose batches take about `CHUNK_BYTES`."""
    each = 4 * batch_size * seeds * (2 * buffer.observations.shape[1] + 8)
    return int(np.clip(CHUNK_BYTES // each, 1, 500))


def read_batches(buffer: StreamBuffer, keys, steps, batch_size: int) -> Batch:
    """The batches of updates `steps` (C,) of the seeds with `keys` (N,): leaves (N, C, B, ...) of NumPy.

    Drawn as `train.update_many` and `buffer.sample` draw them. `goal` is the row of `goal_vectors`, (N, C, B) int32.
    """
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        small = {k: _on_host(getattr(buffer, k)) for k in ("first", "count", "share_end")}
        unit, step_keys, wording_keys = _draw_units(keys, steps, small, batch_size)
        unit = np.asarray(unit)
        index = buffer.unit_first[unit] + np.asarray(_draw_below(step_keys, buffer.unit_length[unit]))
        row, goal = buffer.row[index], buffer.goal[index]
        table = {k: np.asarray(getattr(buffer, k)) for k in ("wordings", "wording_first", "wording_count")}
        wording = np.asarray(_draw_below(wording_keys, table["wording_count"][goal]))
    return Batch(
        observation=buffer.observations[row],
        goal=table["wordings"][table["wording_first"][goal] + wording],
        action=buffer.action[index],
        reward=buffer.reward[index],
        next_observation=buffer.observations[row + 1],
        terminal=buffer.terminal[index],
    )


@functools.partial(jax.jit, static_argnames="batch_size")
def _draw_units(keys, steps, small, batch_size):
    """Units (N, C, B), and the keys (N, C) of the draws that follow."""

    def one(key, step):
        sample_key, _ = jax.random.split(jax.random.fold_in(key, step))
        draw_key, _, wording_key = jax.random.split(sample_key, 3)
        unit_key, step_key = jax.random.split(draw_key)
        source = source_of_place(_Small(**small), batch_size)
        return small["first"][source] + draw_below(unit_key, small["count"][source]), step_key, wording_key

    return jax.vmap(lambda key: jax.vmap(lambda step: one(key, step))(steps))(keys)


@dataclasses.dataclass(frozen=True)
class _Small:
    first: jax.Array
    count: jax.Array
    share_end: jax.Array


@jax.jit
def _draw_below(keys, counts):
    return jax.vmap(jax.vmap(draw_below))(keys, counts)


def _on_host(x):
    return jax.device_put(x, jax.local_devices(backend="cpu")[0])


def _step(state, batch: Batch, goal_vectors, learner: Learner, settings=None):
    """One update of one seed, with the keys of `train.update_many`."""
    _, update_key = jax.random.split(jax.random.fold_in(state.key, state.step))
    return learner.update(state, dataclasses.replace(batch, goal=goal_vectors[batch.goal]), update_key, settings)


@functools.partial(jax.jit, static_argnames="learner")
def _zeros(states, batches, goal_vectors, *, learner):
    state, batch = (jax.tree.map(lambda x, d=d: x[(0,) * d], t) for d, t in ((1, states), (2, batches)))
    metrics = jax.eval_shape(functools.partial(_step, learner=learner), state, batch, goal_vectors)[1]
    return jax.tree.map(lambda x: jnp.zeros((len(states.step), *x.shape), x.dtype), metrics)


@functools.partial(jax.jit, static_argnames=("learner", "batched"), donate_argnames=("states", "totals"))
def _update_chunk(states, totals, batches, goal_vectors, count, settings, *, learner, batched):
    """`count` updates of states (N, ...) with batches (N, C, ...), and the sums (N,) of their metrics."""

    def loop(advance, state, totals, batches, settings, axis):
        def body(i, carry):
            state, totals = carry
            batch = jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, i, axis, keepdims=False), batches)
            state, metrics = advance(state, batch, settings)
            return state, jax.tree.map(jnp.add, totals, metrics)

        return jax.lax.fori_loop(0, count, body, (state, totals))

    def one(state, batch, settings):
        return _step(state, batch, goal_vectors, learner, settings)

    if not batched:
        return jax.lax.map(lambda x: loop(one, *x, 0), (states, totals, batches, settings))
    # One step for all seeds, as in `train.update_many`.
    axes = dataclasses.replace(jax.tree.map(lambda _: 0, states), step=None)
    num_seeds = states.step.shape[0]
    advance = jax.vmap(one, in_axes=(axes, 0, 0), out_axes=(axes, 0))
    states, totals = loop(advance, dataclasses.replace(states, step=states.step[0]), totals, batches, settings, 1)
    return dataclasses.replace(states, step=jnp.full((num_seeds,), states.step)), totals


class _Files:
    """One growing binary file per long array; `rows`, `shapes` and `types` say what they hold."""

    def __init__(self, folder: pathlib.Path):
        self._files = {name: (folder / f"{name}.bin").open("wb") for name in _LONG}
        self.rows, self.shapes, self.types = dict.fromkeys(_LONG, 0), {}, {}

    def append(self, arrays: dict[str, np.ndarray]) -> None:
        for name in _LONG:
            array = np.ascontiguousarray(arrays[name])
            if self.shapes.setdefault(name, array.shape[1:]) != array.shape[1:]:
                raise ValueError(f"{name} has entries of shape {array.shape[1:]}, before it was {self.shapes[name]}")
            self.types[name] = array.dtype.str
            self._files[name].write(array.data)
            self.rows[name] += len(array)

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *_) -> None:
        for file in self._files.values():
            file.close()


class _Statistics:
    """Mean and squared deviations of observations that come in pieces (Chan et al., 1979), and the sum of rewards."""

    def __init__(self):
        self.rows, self.mean, self.squares, self.reward, self.largest_action = 0, 0.0, 0.0, 0.0, 0

    def add(self, flat: dict[str, np.ndarray]) -> None:
        x = flat["observations"].astype(np.float64)
        n, mean = len(x), x.mean(0)
        change, total = mean - self.mean, self.rows + n
        self.squares = self.squares + ((x - mean) ** 2).sum(0) + change**2 * self.rows * n / total
        self.mean = self.mean + change * n / total
        self.rows = total
        self.reward += float(flat["reward"].sum(dtype=np.float64))
        self.largest_action = max(self.largest_action, int(flat["action"].max()))
