"""The training loop of every algorithm: batches sampled on the device, many updates per dispatch, many seeds.

The key of an update is derived from (seed, step), so a run is a pure function of its seed: seeds trained together equal
the same seeds alone, and a killed run continues to the same result (bit for bit with `threads` and `map`). A sweep
over settings is batched like seeds: the swept numbers are arguments of the compiled program, all others its constants.

Ways to train several seeds (`SEED_PARALLELISM`): `threads` dispatches every seed separately, one dispatch per core at a
time (a CPU uses two cores well for two independent computations, and badly for one small matrix product); `map` trains
them one after the other inside one dispatch; `vmap` batches them, which suits accelerators. There the seeds of `map`
and `vmap` are sharded over the devices (`seed_sharding.py`), also those of several processes, which then call `train`
together.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int

from kalm_jax.checkpoint import Checkpoints
from kalm_jax.cores import available_cores
from kalm_jax.offline_rl.buffer import Buffer
from kalm_jax.offline_rl.checkpoint import restore_training
from kalm_jax.offline_rl.normalization import DatasetStats
from kalm_jax.offline_rl.registry import Learner, State, check_sweep, make_learner, plain_config
from kalm_jax.offline_rl.seed_sharding import SeedDevices
from kalm_jax.offline_rl.stream import Chunk, StreamBuffer, read_chunks
from kalm_jax.offline_rl.updates import zeros_like_output
from kalm_jax.programs import backend, program
from kalm_jax.sharding import BATCH_AXES, gather

SEED_PARALLELISM = ("threads", "map", "vmap")
DYNAMICS_SHARE = 5
"""Of few updates one in so many trains the dynamics model of a model-based learner, before its policy."""
Curve = list[dict[str, Any]]
Metrics = dict[str, Float[Array, " seeds"]]


def train(
    learner: Learner,
    buffer: Buffer,
    seeds: Sequence[int],
    num_updates: int,
    *,
    stats: DatasetStats | None = None,
    sweep: Sequence[Mapping[str, float]] | None = None,
    start: Callable[[State], State] | None = None,
    updates_per_call: int = 500,
    seed_parallelism: str | None = None,
    workers: int | None = None,
    shard_seeds: bool | None = None,
    checkpoint_dir: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 5000,
    progress: Callable[..., None] | None = None,
    watch: Callable[[Curve], None] | None = None,
) -> tuple[State, Curve]:
    """Trains all seeds and returns (state, curve); continues from the last checkpoint in `checkpoint_dir`.

    Args:
      learner: the algorithm.
      buffer: the data, on the device, or a `StreamBuffer` of files.
      seeds: different integers, one training run each.
      num_updates: updates of each seed.
      stats: of the data; None takes `learner.stats(buffer)`. Acting with the trained states needs the same ones.
      sweep: settings that replace the learner's, all with the same names (`grid` makes all combinations); every seed
        is trained with each.
      start: called as start(states) before the first update, returns the states to train from, such as those whose
        backbone is a language model (`decision_transformer.with_backbone`). It is not part of a checkpoint.
      updates_per_call: updates per dispatch, and the spacing of the curve.
      seed_parallelism: one of `SEED_PARALLELISM`; None means `threads` on a CPU (`map` with several processes) and
        `vmap` on an accelerator.
      workers: dispatches at a time under `threads`; None means one per core.
      shard_seeds: shards the seeds of `map` and `vmap` over the devices; None means on accelerators and with several
        processes. It is another program, whose results differ in the last bits.
      checkpoint_dir: folder of this run's checkpoints; None keeps none.
      checkpoint_every: updates between checkpoints.
      progress: called as progress(done, total, **metrics); `done` counts the updates of all seeds together.
      watch: called with the curve's rows as soon as they are known; those of an earlier process are not repeated.

    Returns:
      state: the learner's state with a leading axis for the seeds, with a sweep for the seeds of its first setting,
        then of the next and so on; `state_of` takes one.
      curve: dicts with seed, update, metric, value, and the swept settings: means over the updates since the row
        before.

    Raises:
      FloatingPointError: a loss is not finite; the last checkpoint is untouched.
      ValueError: unknown seed parallelism, repeated seeds, a setting that cannot be swept, too few updates for COMBO, a
        checkpoint made with another learner, other seeds, another sweep or other data, or seeds that cannot be sharded.
    """
    seeds = [int(seed) for seed in seeds]
    _check_counts(learner, seeds, num_updates, updates_per_call, checkpoint_every)
    seed_parallelism, shard_seeds = _resolve_parallelism(buffer, seed_parallelism, shard_seeds)
    sweep = [{k: float(v) for k, v in setting.items()} for setting in sweep or ()]
    if sweep:
        check_sweep(learner, sweep)
    runs: list[dict[str, Any]] = [{"seed": seed, **setting} for setting in sweep or ({},) for seed in seeds]
    stats = learner.stats(buffer) if stats is None else stats
    state = init_states(learner, stats, [run["seed"] for run in runs])
    state = state if start is None else start(state)
    fingerprint = _fingerprint(learner, buffer, seeds) | ({"sweep": sweep} if sweep else {})
    devices = SeedDevices(len(runs)) if shard_seeds else None
    if devices is not None:
        state, stats, buffer = devices.replicate((state, stats, buffer))
    checkpoints = None if checkpoint_dir is None else Checkpoints(checkpoint_dir)
    loop = _Loop(learner, stats, buffer, runs, seed_parallelism, devices, updates_per_call, num_updates, progress)
    loop.watch = watch
    loop.workers = min(len(loop.groups), workers or available_cores())
    try:
        state, curve = _train_from_checkpoint(loop, state, fingerprint, checkpoints, checkpoint_every)
    finally:
        if checkpoints is not None:
            checkpoints.close()
    return state if devices is None else jax.tree.map(lambda x: x.addressable_data(0), state), curve


def _train_from_checkpoint(
    loop: _Loop, state: State, fingerprint: dict[str, Any], checkpoints: Checkpoints | None, checkpoint_every: int
) -> tuple[State, Curve]:
    """The updates that the last checkpoint leaves, all of them where there is none."""
    done, total = 0, loop.total
    curve: Curve = []
    if checkpoints is not None:
        done, state, curve = restore_training(checkpoints, fingerprint, state)
        if done > total:
            raise ValueError(f"{checkpoints.folder} holds {done} updates, more than the {total} asked for: remove it")
    while done < total:
        stop = min(total, (done // checkpoint_every + 1) * checkpoint_every)
        state, rows = loop.advance(state, done, stop)
        curve, done = curve + rows, stop
        if checkpoints is not None:
            checkpoints.save(done, {"state": state}, {"fingerprint": fingerprint, "curve": curve})
    return state, curve


def _check_counts(
    learner: Learner, seeds: list[int], num_updates: int, updates_per_call: int, checkpoint_every: int
) -> None:
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds are {seeds}, want at least one and no two alike")
    if min(num_updates, updates_per_call, checkpoint_every) < 1:
        raise ValueError("num_updates, updates_per_call and checkpoint_every must be at least 1")
    check_updates(learner, num_updates)


def learner_for(name: str, num_updates: int, /, **settings: Any) -> Learner:
    """`make_learner` for a training of so many updates.

    Where a model-based learner would spend more than half of them on its dynamics models, and `settings` do not say how
    many, it spends one in `DYNAMICS_SHARE`.

    Raises:
      ValueError: as `make_learner` and `check_updates`.
    """
    learner = make_learner(name, **settings)
    if "dynamics_updates" not in settings and 2 * getattr(learner.config, "dynamics_updates", 0) > num_updates:
        learner = make_learner(name, **settings, dynamics_updates=num_updates // DYNAMICS_SHARE)
    check_updates(learner, num_updates)
    return learner


def check_updates(learner: Learner, num_updates: int) -> None:
    """Raises a ValueError where so few updates leave none for the policy."""
    first = getattr(learner.config, "dynamics_updates", 0)
    if num_updates <= first:
        raise ValueError(
            f"{learner.name} trains its dynamics models in the first {first} updates and its policy after them, but "
            f"there are {num_updates} updates: lower {learner.name}.dynamics_updates or train longer"
        )


def _resolve_parallelism(buffer: Buffer, seed_parallelism: str | None, shard_seeds: bool | None) -> tuple[str, bool]:
    """Both settings of `train` with their defaults filled in."""
    several, cpu = jax.process_count() > 1, backend() == "cpu"
    seed_parallelism = seed_parallelism or ("vmap" if not cpu else "map" if several else "threads")
    if seed_parallelism not in SEED_PARALLELISM:
        raise ValueError(f"unknown seed parallelism {seed_parallelism!r}: use one of {', '.join(SEED_PARALLELISM)}")
    possible = seed_parallelism != "threads" and not isinstance(buffer, StreamBuffer)
    if shard_seeds is None:
        shard_seeds = possible and (several or not cpu)
    if (shard_seeds or several) and not possible:
        raise ValueError("seeds are sharded over devices or processes with map or vmap, and with a buffer in memory")
    return seed_parallelism, shard_seeds


def init_states(learner: Learner, stats: DatasetStats, seeds: Sequence[int]) -> State:
    """States before the first update, stacked over seeds."""
    # One program for each seed, whatever their number: XLA may round another otherwise.
    states = [_init(jax.random.key(seed), stats, learner=learner) for seed in seeds]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


@program(static_argnames="learner")
def _init(key: Array, stats: DatasetStats, *, learner: Learner) -> State:
    return learner.init(key, stats)


def state_of(state: State, index: int) -> State:
    """The state of one seed out of those that `train` returns."""
    return _take(state, index)


@program(static_argnames=("learner", "batched"), donate_argnames=("state",))
def update_many(
    state: State,
    stats: DatasetStats,
    data: Buffer | Chunk,
    count: Int[Array, ""],
    swept: Metrics | None = None,
    sums: Metrics | None = None,
    *,
    learner: Learner,
    batched: bool = False,
) -> tuple[State, Metrics]:
    """`count` updates of stacked states (seeds, ...): (states, sums of the metrics over the updates).

    Args:
      state: is donated.
      stats: of the data.
      data: a buffer, from which batches are sampled, or the sampled batches of at least `count` updates.
      count: an array, so that a shorter last call is not compiled again.
      swept: values of the settings that differ between the seeds.
      sums: of the metrics so far; None begins at zero.
      learner: the algorithm.
      batched: the seeds are advanced together by `vmap`, not one after the other.
    """

    def update_one(state: State, i: Array, swept: Any, batches: Any) -> tuple[State, Any]:
        sample_key, update_key = jax.random.split(jax.random.fold_in(state.key, state.step))
        batch = data.batch(batches, i) if isinstance(data, Chunk) else learner.sample(data, sample_key)
        return learner.update(state, stats, batch, update_key, swept)

    def loop(advance: Callable, state: State, swept: Any, batches: Any, sums: Any) -> tuple[State, Any]:
        if sums is None:
            sums = zeros_like_output(advance, state, jnp.zeros((), jnp.int32), swept, batches)[1]

        def body(i: Array, carry: tuple[State, Any]) -> tuple[State, Any]:
            state, sums = carry
            state, metrics = advance(state, i, swept, batches)
            return state, jax.tree.map(jnp.add, sums, metrics)

        return jax.lax.fori_loop(0, count, body, (state, sums))

    swept, batches = swept or {}, data.batches if isinstance(data, Chunk) else None
    if not batched:
        return jax.lax.map(lambda seed: loop(update_one, *seed), (state, swept, batches, sums))
    # The step is one for all seeds, not batched: a batched one would turn the delayed update into "compute both and
    # select".
    axes = dataclasses.replace(jax.tree.map(lambda _: 0, state), step=None)
    num_seeds = state.step.shape[0]
    advance = jax.vmap(update_one, in_axes=(axes, None, 0, 0), out_axes=(axes, 0))
    state, sums = loop(advance, dataclasses.replace(state, step=state.step[0]), swept, batches, sums)
    return dataclasses.replace(state, step=jnp.full((num_seeds,), state.step)), sums


@program(static_argnames=("learner", "batched", "mesh"), donate_argnames=("state",))
def _update_sharded(
    state: State,
    stats: DatasetStats,
    buffer: Buffer,
    count: Int[Array, ""],
    swept: Metrics,
    *,
    learner: Learner,
    batched: bool,
    mesh: Mesh,
) -> tuple[State, Metrics]:
    """`update_many` of states that are sharded over the mesh."""
    split, whole = P(BATCH_AXES), P()
    update = jax.shard_map(
        functools.partial(update_many, learner=learner, batched=batched),
        mesh=mesh,
        in_specs=(split, whole, whole, whole, split),
        out_specs=(split, split),
        check_vma=False,
    )
    return update(state, stats, buffer, count, swept)


@jax.jit
def _take(state: State, group: Any) -> State:
    return jax.tree.map(lambda x: x[group], state)


@jax.jit
def _concatenate(states: list[State]) -> State:
    return jax.tree.map(lambda *xs: jnp.concatenate(xs), *states)


@dataclasses.dataclass
class _Loop:
    """Advances all runs (seeds, and settings of a sweep) from one checkpoint to the next.

    Attributes:
      runs: the seed and the swept settings of each.
      per_call: updates per dispatch. total: updates of each run, for `progress`.
      workers: dispatches at a time.
      compiled: whether the program was called before. The first call is a single one: JAX crashes, though rarely, when
        a program is read from the compilation cache while it runs in another thread.
    """

    learner: Learner
    stats: DatasetStats
    buffer: Buffer
    runs: list[dict[str, Any]]
    seed_parallelism: str
    devices: SeedDevices | None
    per_call: int
    total: int
    progress: Callable[..., None] | None
    watch: Callable[[Curve], None] | None = None
    workers: int = 1
    compiled: bool = False

    @property
    def groups(self) -> list[list[int]]:
        """Indices of the runs that a dispatch advances."""
        indices = list(range(len(self.runs)))
        return [[i] for i in indices] if self.seed_parallelism == "threads" else [indices]

    def advance(self, state: State, start: int, stop: int) -> tuple[State, Curve]:
        """(state, curve rows) after the updates from `start` to `stop`; `workers` groups of runs are in flight."""
        groups = self.groups
        if self.devices is None:
            states = [_take(state, np.array(group)) for group in groups]
        else:
            states = [self.devices.shard(state)]
        at, rows = [start] * len(groups), []
        with concurrent.futures.ThreadPoolExecutor(self.workers) as pool:
            flying: dict[concurrent.futures.Future, tuple[int, int]] = {}
            waiting = set(range(len(groups)))
            while waiting or flying:
                # The group that is furthest behind goes next, so that all finish at about the same time.
                free = (self.workers if self.compiled else 1) - len(flying)
                for i in sorted(waiting, key=lambda i: (at[i], i))[:free]:
                    waiting.discard(i)
                    count = min(self.per_call - at[i] % self.per_call, stop - at[i])
                    flying[pool.submit(self._call, states[i], count, groups[i])] = (i, count)
                finished, _ = concurrent.futures.wait(flying, return_when=concurrent.futures.FIRST_COMPLETED)
                self.compiled = True
                for future in finished:
                    i, count = flying.pop(future)
                    states[i], metrics = future.result()
                    at[i] += count
                    rows += (new := self._rows(groups[i], at[i], metrics))
                    if self.watch is not None:
                        self.watch([row for row, _ in new])
                    self._report(groups, at, metrics)
                    if at[i] < stop:
                        waiting.add(i)
        rows.sort(key=lambda row: (row[0]["update"], row[1], row[0]["metric"]))
        state = _concatenate(states) if self.devices is None else self.devices.unshard(states[0])
        return state, [row for row, _ in rows]

    def _call(self, state: State, count: int, group: list[int]) -> tuple[State, dict[str, np.ndarray]]:
        """(state, means of the metrics) after one dispatch."""
        names = [name for name in self.runs[0] if name != "seed"]
        swept = {name: np.array([self.runs[i][name] for i in group], np.float32) for name in names}
        options: dict[str, Any] = {"learner": self.learner, "batched": self.seed_parallelism == "vmap"}
        if self.devices is not None:
            swept = self.devices.shard(swept) if swept else {}
            options["mesh"] = self.devices.mesh
            state, sums = _update_sharded(state, self.stats, self.buffer, np.int32(count), swept, **options)
            sums = {name: x[: len(group)] for name, x in gather(sums).items()}
        elif isinstance(self.buffer, StreamBuffer):
            sums = None
            for chunk, part in read_chunks(self.buffer, state, count, self.learner.config.batch_size):
                state, sums = update_many(state, self.stats, chunk, np.int32(part), swept, sums, **options)
                jax.block_until_ready(sums)  # no more chunks in memory than are read ahead
        else:
            state, sums = update_many(state, self.stats, self.buffer, np.int32(count), swept, **options)
        state, sums = jax.block_until_ready(state), jax.device_get(sums)
        return state, {name: x / np.float32(count) for name, x in sums.items()}

    def _rows(self, group: list[int], update: int, metrics: dict[str, np.ndarray]) -> list[tuple[dict[str, Any], int]]:
        rows = []
        for metric, values in metrics.items():
            for i, value in zip(group, values):
                if not np.isfinite(value):
                    raise FloatingPointError(
                        f"{self.learner.name}, {_label(self.runs[i])}: {metric} is {value} before update {update}; "
                        "lower the learning rate or check the data"
                    )
                rows.append(({**self.runs[i], "update": update, "metric": metric, "value": float(value)}, i))
        return rows

    def _report(self, groups: list[list[int]], at: list[int], metrics: dict[str, np.ndarray]) -> None:
        if self.progress is not None:
            done = sum(len(group) * n for group, n in zip(groups, at))
            values = {k: float(np.mean(v)) for k, v in metrics.items()}
            self.progress(done, self.total * len(self.runs), **values)


def _label(run: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in run.items())


def _fingerprint(learner: Learner, buffer: Buffer, seeds: list[int]) -> dict[str, Any]:
    """What a checkpoint must agree with to be continued, as plain JSON values."""
    return {
        "algorithm": learner.name,
        "config": plain_config(learner.config),
        "seeds": seeds,
        "transitions": len(buffer),
        "shares": np.asarray(buffer.share_end).tolist(),
        "sums": buffer.sums(),
    }
