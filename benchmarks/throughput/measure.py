"""Measures benchmarks of the same work: interleaved blocks, process CPU time, medians with their ranges.

On shared cores wall time depends on other processes more than on the program. A CPU's rate is therefore per second of
process CPU time (all threads), and a program is best pinned to one core. An accelerator works while the process waits,
so its rate is per second of wall time.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from benchmarks.throughput.resources import Watch
from benchmarks.throughput.roofline import Cost, Roofline
from kalm_jax.cores import available_cores

OURS = "kalm_jax"


class MissingError(Exception):
    """A baseline that is not installed, or has no counterpart; the message says which."""


@dataclasses.dataclass(frozen=True)
class Program:
    """A `run` that is a compiled program of JAX, so that XLA can say what a unit of its work costs.

    Attributes:
      run: as `Benchmark.prepare` returns it.
      cost: returns the cost of one unit; called after the measurement, as it may compile.
    """

    run: Callable[[int], None]
    cost: Callable[[], Cost]

    def __call__(self, n: int) -> None:
        self.run(n)


Prepare = Callable[[], Callable[[int], None]]


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """One way to do a group's work.

    Attributes:
      group: the work, the same for all that are compared.
      name: the library or variant; the first benchmark of a group is kalm_jax, and the others are its baselines.
      prepare: prepares the work and returns run(n), which does n units and returns when they are done; a `Program`
        where possible. Raises `MissingError` where the work cannot be done.
      unit: what is counted.
      step: `run` is called with multiples of this.
    """

    group: str
    name: str
    prepare: Prepare
    unit: str = "updates"
    step: int = 1


def measure(
    benchmarks: Sequence[Benchmark],
    repeats: int = 5,
    seconds: float = 2.0,
    clock: Callable[[], float] = time.process_time,
    say: Callable[[str], None] = print,
    roofline: Roofline | None = None,
) -> list[dict]:
    """Rows of one group, whose benchmarks take turns block by block, so that all run beside the same other processes.

    Args:
      benchmarks: those of one group; a line says which of them cannot run.
      repeats: blocks of each, after one for warming up, which also decides how long a block is.
      seconds: approximate length of a block.
      clock: returns seconds of work.
      say: takes a line of text.
      roofline: limits of the hardware, measured with the same clock.

    Returns:
      Dicts with group, name, unit, median, low, high (units per second: median, least and greatest block), wall (median
      units per second of wall time), first (seconds of `clock` for preparing and the first call, compilation
      included), first_wall (the same of wall time), compile (of first_wall, what was compiling), memory (bytes that it
      added at its peak, see `Watch.memory`), repeats, and ratio, ratio_low, ratio_high: the first benchmark's rate
      over this one's in one turn. Of a `Program` also flops and bytes per unit; with a roofline flops_share and
      bytes_share reached.
    """
    ready = []
    for benchmark in benchmarks:
        watch, start, wall = Watch(), clock(), time.perf_counter()
        try:
            run = benchmark.prepare()
        except MissingError as error:
            say(f"{benchmark.group}: no row for {benchmark.name}: {error}")
            continue
        run(benchmark.step)
        first = {"first": clock() - start, "first_wall": time.perf_counter() - wall}
        first |= {"compile": watch.compiling(), "memory": watch.memory()}
        ready.append((benchmark, run, first, _block_size(run, benchmark.step, seconds, clock)))
    rates: list[list[float]] = [[] for _ in ready]
    walls: list[list[float]] = [[] for _ in ready]
    for turn in range(repeats):
        for i in range(len(ready)):
            i = (i + turn) % len(ready)
            _, run, _, n = ready[i]
            begun, wall = clock(), time.perf_counter()
            run(n)
            rates[i].append(n / max(clock() - begun, 1e-9))
            walls[i].append(n / max(time.perf_counter() - wall, 1e-9))
    rows = []
    for (benchmark, run, first, _), found, wall in zip(ready, rates, walls):
        ratios = [ours / theirs for ours, theirs in zip(rates[0], found)]
        row = {"group": benchmark.group, "name": benchmark.name, "unit": benchmark.unit, **spread(found)}
        row |= {"wall": statistics.median(wall), **first, "repeats": repeats, **spread(ratios, "ratio")}
        if isinstance(run, Program):
            cost = run.cost()
            row |= {"flops": cost.flops, "bytes": cost.bytes}
            row |= roofline.shares(cost, row["median"]) if roofline else {}
        rows.append(row)
    del ready
    gc.collect()
    return rows


def spread(values: Sequence[float], name: str = "") -> dict[str, float]:
    """Median, least and greatest of some values: `median`, `low`, `high`, or `name`, `name_low`, `name_high`."""
    names = (name, f"{name}_low", f"{name}_high") if name else ("median", "low", "high")
    return dict(zip(names, (statistics.median(values), min(values), max(values))))


def _block_size(run: Callable[[int], None], step: int, seconds: float, clock: Callable[[], float]) -> int:
    """Units of work, a multiple of `step`, that take about `seconds`; warms up on the way."""
    n = step
    while True:
        begun = clock()
        run(n)
        took = clock() - begun
        if took >= 0.25 * seconds:
            return max(step, round(n * seconds / took / step) * step)
        n = max(2 * n, round(n * 0.4 * seconds / max(took, 1e-3) / step) * step)


def run_suite(groups: Iterable[Sequence[Benchmark]], **settings: Any) -> list[dict]:
    """The rows of all groups, each printed as soon as it is measured."""
    rows, say = [], settings.get("say", print)
    for benchmarks in groups:
        found = measure(benchmarks, **settings)
        for row in found:
            say(line(row))
        rows += found
    return rows


def line(row: dict) -> str:
    """A row as a line of text."""
    text = f"{row['group']} | {row['name']:<16} {row['median']:10.4g} {row['unit']}/s"
    text += f" ({row['low']:.4g} to {row['high']:.4g})  wall {row['wall']:.4g}/s  first call {row['first']:.1f} s"
    text += f" (wall {row['first_wall']:.1f} s, compiling {row['compile']:.1f} s)" if row["compile"] else ""
    text += f"  {row['memory'] / 1e6:.0f} MB" if row["memory"] is not None else ""
    if "flops_share" in row:
        text += f"  of the roofline {row['flops_share']:.1%} flops, {row['bytes_share']:.1%} bytes"
    if row["name"] != OURS:
        text += f"  ours over it {row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
    return text


SECONDS = "seconds"
"""Unit of rows that are durations: less is better."""
LEAST_SECONDS = 1.0
"""Least increase of a duration that counts as slower: blocks are few, and short ones are noisy."""


def compare(old: Sequence[dict], new: Sequence[dict], least: float = 0.9) -> tuple[list[str], list[str]]:
    """Lines that compare rows with those of an earlier run, and the groups that are slower.

    A group is slower where the median is below `least` of the old one and no block is as fast as the old slowest; noise
    alone rarely does both. In `SECONDS` it is a median above 1 / `least` of the old one, with no block as short as the
    old longest. Rates of different machines cannot be compared, only the ratios to a baseline.
    """
    before = {(row["group"], row["name"]): row for row in old}
    lines, slower = [], []
    for row in new:
        was = before.get((row["group"], row["name"]))
        if was is None:
            lines.append(f"{row['group']} | {row['name']}: new")
            continue
        change = row["median"] / was["median"] if was["median"] else float("inf" if row["median"] else 1)
        if row.get("unit") == SECONDS:
            longer = row["median"] - was["median"] >= LEAST_SECONDS
            worse = longer and change > 1 / least and row["low"] > was["high"]
        else:
            worse = change < least and row["high"] < was["low"]
        if worse and row["name"] == OURS:
            slower.append(row["group"])
        text = f"{was['median']:.4g} -> {row['median']:.4g} ({100 * (change - 1):+.0f}%)" + "  SLOWER" * worse
        lines.append(f"{row['group']} | {row['name']}: {text}")
    there = {(row["group"], row["name"]) for row in new}
    lines += [f"{group} | {name}: not measured this time" for group, name in before if (group, name) not in there]
    return lines, slower


def machine() -> dict:
    """What the figures depend on: hardware, load, versions."""
    import importlib.metadata

    import jax

    versions = {}
    for package in ("jax", "jaxlib", "flax", "optax", "numpy", "mujoco", "transformers", "torch", "d3rlpy"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "cores_used": available_cores(),
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "device": str(jax.devices()[0]),
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(text.partition(":")[2].strip() for text in file if text.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
