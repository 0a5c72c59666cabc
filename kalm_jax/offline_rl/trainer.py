"""The training loop of every offline-RL algorithm: batches drawn on the device, many updates per dispatch, many seeds.

The key of an update is derived from (seed, step), so a run is a pure function of its seed: seeds trained together equal
the same seeds alone, and a killed run continues to the same result (bit for bit with `threads` and `map`). A sweep
over settings batches like seeds: the swept numbers are arguments of the compiled program, all others its constants.

Ways to train several seeds: `threads` dispatches every seed on its own, one dispatch per core at a time (a CPU uses two
cores well for two independent computations, and badly for one small matrix product); `map` trains them one after the
other inside one dispatch; `vmap` batches them, which is what an accelerator wants. There the seeds of `map` and `vmap`
are divided among the devices (`seed_devices.py`), also those of several processes, which then call `train` together.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.cores import available_cores
from kalm_jax.offline_rl.buffer import Buffer
from kalm_jax.offline_rl.checkpoint import Checkpoints
from kalm_jax.offline_rl.registry import Learner, check_sweep, plain_config
from kalm_jax.offline_rl.seed_sharding import SeedDevices
from kalm_jax.offline_rl.stream import StreamBuffer, update_streamed

WAYS = ("threads", "map", "vmap")


def train(
    learner: Learner,
    buffer: Buffer,
    seeds: Sequence[int],
    num_updates: int,
    *,
    sweep: Sequence[Mapping[str, float]] | None = None,
    start: Callable | None = None,
    updates_per_call: int = 500,
    way: str | None = None,
    workers: int | None = None,
    spread: bool | None = None,
    checkpoint_dir: str | os.PathLike | None = None,
    checkpoint_every: int = 5000,
    progress: Callable | None = None,
):
    """Trains all seeds and returns (state, curve); continues from the last checkpoint in `checkpoint_dir`.

    Args:
      learner: the algorithm.
      buffer: what it learns from, on the device, or a `StreamBuffer` of files.
      seeds: different integers, one training run each.
      num_updates: updates of each seed.
      sweep: settings that take the place of the learner's own, all naming the same ones (`grid` makes all
        combinations); every seed is trained with each.
      start: called as start(states) before the first update, answers with the states to train from, such as those whose
        backbone is a language model (`decision_transformer.with_backbone`). A checkpoint does not know of it.
      updates_per_call: updates per dispatch, and the spacing of the curve.
      way: one of `WAYS`; None means `threads` on a CPU (of several processes `map`) and `vmap` on an accelerator.
      workers: dispatches at a time under `threads`; None means one per core.
      spread: divides the seeds of `map` and `vmap` among the devices; None means on accelerators and where there are
        several processes. It is another program, whose results differ in the last bits.
      checkpoint_dir: folder of this run's checkpoints; None keeps none.
      checkpoint_every: updates between checkpoints.
      progress: called as progress(done, total, **metrics); `done` counts the updates of all seeds together.

    Returns:
      state: the learner's state with a leading axis for the seeds, of a sweep for the seeds of its first setting, then
        of the next and so on; `state_of` takes one.
      curve: dicts with seed, update, metric, value, and the swept settings: means over the updates since the row
        before.

    Raises:
      FloatingPointError: a loss is not finite; the last checkpoint is untouched.
      ValueError: unknown way, repeated seeds, a setting that cannot be swept, too few updates for COMBO, a checkpoint
        made with another learner, other seeds, another sweep or other data, or seeds that cannot be divided among
        devices.
    """
    way, seeds, spread = _checked(learner, buffer, seeds, way, spread, num_updates, updates_per_call, checkpoint_every)
    sweep = [{k: float(v) for k, v in setting.items()} for setting in sweep or ()]
    if sweep:
        check_sweep(learner, sweep)
    runs = [{"seed": seed, **setting} for setting in sweep or ({},) for seed in seeds]
    about = _fingerprint(learner, buffer, seeds) | ({"sweep": sweep} if sweep else {})
    state, curve, done = init_states(learner, buffer, [run["seed"] for run in runs]), [], 0
    state = state if start is None else start(state)
    devices = SeedDevices(len(runs)) if spread else None
    if devices is not None:
        state, buffer = devices.everywhere(state), devices.everywhere(buffer)
    checkpoints = None
    if checkpoint_dir is not None:
        checkpoints = Checkpoints(checkpoint_dir, about)
        done, state, curve = checkpoints.restore(state)
        if done > num_updates:
            raise ValueError(f"{checkpoint_dir} holds {done} updates, more than the {num_updates} asked for: remove it")
    groups = [[i] for i in range(len(runs))] if way == "threads" else [list(range(len(runs)))]
    workers = min(len(groups), workers or available_cores())
    compiled = False
    try:
        while done < num_updates:
            stop = min(num_updates, (done // checkpoint_every + 1) * checkpoint_every)
            segment = _Segment(learner, buffer, runs, way, devices, done, stop, updates_per_call, num_updates, progress)
            state, rows = segment(state, groups, workers, compiled)
            curve, done, compiled = curve + rows, stop, True
            if checkpoints is not None:
                checkpoints.save(done, state, curve)
    finally:
        if checkpoints is not None:
            checkpoints.close()
    return state if devices is None else jax.tree.map(lambda x: x.addressable_data(0), state), curve


def _checked(learner, buffer, seeds, way, spread, num_updates, updates_per_call, checkpoint_every):
    """`way`, `seeds` and `spread` of `train` with their defaults filled in, where all fits together."""
    several = jax.process_count() > 1
    way = way or ("vmap" if jax.default_backend() != "cpu" else "map" if several else "threads")
    seeds = [int(seed) for seed in seeds]
    if way not in WAYS:
        raise ValueError(f"unknown way {way!r} to train several seeds: use one of {', '.join(WAYS)}")
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds are {seeds}, want at least one and no two alike")
    if min(num_updates, updates_per_call, checkpoint_every) < 1:
        raise ValueError("num_updates, updates_per_call and checkpoint_every must be at least 1")
    first = getattr(learner.config, "dynamics_updates", 0)
    if num_updates <= first:
        raise ValueError(
            f"{learner.name} trains its world in the first {first} updates and its policy after them, but num_updates "
            f"is {num_updates}: lower dynamics_updates or train longer"
        )
    possible = way != "threads" and not isinstance(buffer, StreamBuffer)
    if spread is None:
        spread = possible and (several or jax.default_backend() != "cpu")
    if (spread or several) and not possible:
        raise ValueError("seeds are divided among devices or processes with map or vmap, and of a buffer in memory")
    return way, seeds, spread


def init_states(learner: Learner, buffer: Buffer, seeds: Sequence[int]):
    """States before the first update, stacked over seeds."""
    spec = learner.spec(buffer)
    # One program for each seed, whatever their number: XLA may round another otherwise.
    states = [_init(jax.random.key(seed), spec, learner=learner) for seed in seeds]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


@functools.partial(jax.jit, static_argnames="learner")
def _init(key, spec, *, learner):
    return learner.init(key, spec)


def state_of(state, index: int):
    """The state of one seed out of those that `train` returns."""
    return _take(state, index)


@functools.partial(jax.jit, static_argnames=("learner", "batched"), donate_argnames=("state",))
def update_many(state, buffer: Buffer, count, settings=None, *, learner: Learner, batched: bool = False):
    """`count` updates of stacked states (S, ...): (states, metrics {name: (S,)}), the metrics' means.

    Args:
      count: () int32, an array so that a shorter last call is not compiled again.
      settings: swept numbers of the configuration, {name: (S,)}.
      batched: the seeds are advanced together by `vmap`, not one after the other.
    """
    settings = settings or {}

    def step_one(state, settings):
        sample_key, update_key = jax.random.split(jax.random.fold_in(state.key, state.step))
        return learner.update(state, learner.sample(buffer, sample_key), update_key, settings)

    def loop(advance, state, settings):
        metrics = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(advance, state, settings)[1])

        def body(_, carry):
            state, sums = carry
            state, metrics = advance(state, settings)
            return state, jax.tree.map(jnp.add, sums, metrics)

        state, sums = jax.lax.fori_loop(0, count, body, (state, metrics))
        return state, jax.tree.map(lambda x: x / count, sums)

    if not batched:
        return jax.lax.map(lambda run: loop(step_one, *run), (state, settings))
    # One step for all seeds, not batched: a batched one would turn the delayed update into "compute both and select".
    axes = dataclasses.replace(jax.tree.map(lambda _: 0, state), step=None)
    num_seeds = state.step.shape[0]
    advance = jax.vmap(step_one, in_axes=(axes, 0), out_axes=(axes, 0))
    state, metrics = loop(advance, dataclasses.replace(state, step=state.step[0]), settings)
    return dataclasses.replace(state, step=jnp.full((num_seeds,), state.step)), metrics


@jax.jit
def _take(state, group):
    return jax.tree.map(lambda x: x[group], state)


@jax.jit
def _join(states):
    return jax.tree.map(lambda *xs: jnp.concatenate(xs), *states)


class _Segment:
    """The updates from `start` to `stop` of all runs (seeds, and settings of a sweep), one checkpoint to the next."""

    def __init__(self, learner, buffer, runs, way, devices, start, stop, per_call, total, progress):
        self.learner, self.buffer, self.runs, self.way, self.devices = learner, buffer, runs, way, devices
        self.start, self.stop, self.per_call, self.total, self.progress = start, stop, per_call, total, progress

    def __call__(self, state, groups, workers, compiled):
        """(state, curve rows) after the segment; at most `workers` groups of runs are in flight at a time.

        Where the program is not `compiled` yet the first call runs alone: JAX crashes, though rarely, when a program is
        read from the compilation cache while it runs in another thread.
        """
        if self.devices is None:
            states = [_take(state, np.array(group)) for group in groups]
        else:
            states = [self.devices.divided(state)]
        at, rows = [self.start] * len(groups), []
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            flying, waiting = {}, set(range(len(groups)))
            while waiting or flying:
                # The group that is furthest behind goes next, so that all finish at about the same time.
                for i in sorted(waiting, key=lambda i: (at[i], i))[: (workers if compiled else 1) - len(flying)]:
                    waiting.discard(i)
                    count = min(self.per_call - at[i] % self.per_call, self.stop - at[i])
                    flying[pool.submit(self._call, states[i], count, groups[i])] = (i, count)
                finished, _ = concurrent.futures.wait(flying, return_when=concurrent.futures.FIRST_COMPLETED)
                compiled = True
                for future in finished:
                    i, count = flying.pop(future)
                    states[i], metrics = future.result()
                    at[i] += count
                    rows += self._rows(groups[i], at[i], metrics)
                    self._report(groups, at, metrics)
                    if at[i] < self.stop:
                        waiting.add(i)
        rows.sort(key=lambda row: (row[0]["update"], row[1], row[0]["metric"]))
        state = _join(states) if self.devices is None else self.devices.joined(states[0])
        return state, [row for row, _ in rows]

    def _call(self, state, count, group):
        batched = self.way == "vmap"
        advance = update_streamed if isinstance(self.buffer, StreamBuffer) else update_many
        advance = advance if self.devices is None else self.devices.update
        names = [name for name in self.runs[0] if name != "seed"]
        settings = {name: np.array([self.runs[i][name] for i in group], np.float32) for name in names}
        state, metrics = advance(state, self.buffer, np.int32(count), settings, learner=self.learner, batched=batched)
        return jax.block_until_ready(state), jax.device_get(metrics)

    def _rows(self, group, update, metrics):
        rows = []
        for metric, values in metrics.items():
            for i, value in zip(group, values):
                if not np.isfinite(value):
                    raise FloatingPointError(
                        f"{self.learner.name}, {_label(self.runs[i])}: {metric} is {value} before update {update}; "
                        "lower the learning rate or look at the data"
                    )
                rows.append(({**self.runs[i], "update": update, "metric": metric, "value": float(value)}, i))
        return rows

    def _report(self, groups, at, metrics):
        if self.progress is not None:
            done = sum(len(group) * n for group, n in zip(groups, at))
            values = {k: float(np.mean(v)) for k, v in metrics.items()}
            self.progress(done, self.total * len(self.runs), **values)


def _label(run: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in run.items())


def _fingerprint(learner: Learner, buffer: Buffer, seeds) -> dict:
    """What a checkpoint must agree with to be continued, as plain JSON values."""
    shares = np.asarray(buffer.share_end).tolist()
    return {
        "algorithm": learner.name,
        "config": plain_config(learner.config),
        "seeds": list(seeds),
        "transitions": len(buffer),
        "shares": shares,
        "sums": buffer.sums(),
    }
