"""Measures contestants that do the same work: interleaved blocks, process CPU time, medians with their spread.

On shared cores wall time says more about the neighbours than about the program, so a CPU's rate is per second of
process CPU time (all threads), and a program is best pinned to one core. An accelerator works while the process waits:
there the rate is per second of wall time.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence

from benchmarks.throughput.resources import Watch
from benchmarks.throughput.roofline import Cost, Roofline
from kalm_jax.cores import available_cores

OURS = "kalm_jax"


class MissingError(Exception):
    """A peer that is not installed, or has no counterpart; the message says which."""


@dataclasses.dataclass(frozen=True)
class Program:
    """A `run` that is a compiled program of JAX, so that XLA can say what a unit of its work costs.

    Attributes:
      run: as `Contestant.prepare` wants it.
      cost: answers the cost of one unit; asked after the measuring, as it may compile.
    """

    run: Callable[[int], None]
    cost: Callable[[], Cost]

    def __call__(self, n: int) -> None:
        self.run(n)


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One way to do a group's work.

    Attributes:
      group: what is done, the same for all that are compared.
      name: who does it; the group's rates are compared with that of the first contestant, ours.
      prepare: makes ready and answers run(n), which does n units of work and returns when they are done, if it can a
        `Program`. Raises `MissingError` where that cannot be.
      unit: what is counted.
      step: `run` is called with multiples of this.
    """

    group: str
    name: str
    prepare: Callable[[], Callable[[int], None]]
    unit: str = "updates"
    step: int = 1


def measure(
    contestants: Sequence[Contestant],
    repeats: int = 5,
    seconds: float = 2.0,
    clock: Callable[[], float] = time.process_time,
    say: Callable[[str], None] = print,
    roofline: Roofline | None = None,
) -> list[dict]:
    """Rows of one group: its contestants take turns, block by block, so that all meet the same neighbours.

    Args:
      contestants: of one group; those that cannot run are left out and said aloud.
      repeats: blocks of each, after one for warming up whose length also sets that of the others.
      seconds: of a block, about.
      clock: seconds of work.
      say: takes a line of text.
      roofline: limits of the hardware, counted by the same clock.

    Returns:
      Dicts with group, name, unit, median, low, high (units per second: median, least and greatest block), wall (median
      units per second of wall time), first (seconds of `clock` for preparing and the first call, compilation
      included), first_wall (the same of wall time), compile (of first_wall, what was compiling), memory (bytes that it
      added at its peak, see `Watch.memory`), repeats, and ratio, ratio_low, ratio_high: the first contestant's rate
      over this one's in one turn. Of a `Program` also flops and bytes per unit; with a roofline flops_share and
      bytes_share reached.
    """
    ready = []
    for contestant in contestants:
        watch, start, wall = Watch(), clock(), time.perf_counter()
        try:
            run = contestant.prepare()
        except MissingError as error:
            say(f"{contestant.group}: no row for {contestant.name}: {error}")
            continue
        run(contestant.step)
        first = {"first": clock() - start, "first_wall": time.perf_counter() - wall}
        first |= {"compile": watch.compiling(), "memory": watch.memory()}
        ready.append((contestant, run, first, _block_size(run, contestant.step, seconds, clock)))
    rates = [[] for _ in ready]
    walls = [[] for _ in ready]
    for turn in range(repeats):
        for i in range(len(ready)):
            i = (i + turn) % len(ready)
            _, run, _, n = ready[i]
            begun, wall = clock(), time.perf_counter()
            run(n)
            rates[i].append(n / max(clock() - begun, 1e-9))
            walls[i].append(n / max(time.perf_counter() - wall, 1e-9))
    rows = []
    for (contestant, run, first, _), found, wall in zip(ready, rates, walls):
        ratios = [ours / theirs for ours, theirs in zip(rates[0], found)]
        row = {"group": contestant.group, "name": contestant.name, "unit": contestant.unit, **spread(found)}
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


def _block_size(run, step: int, seconds: float, clock) -> int:
    """Units of work, a multiple of `step`, that take about `seconds`; warms up on the way."""
    n = step
    while True:
        begun = clock()
        run(n)
        took = clock() - begun
        if took >= 0.25 * seconds:
            return max(step, round(n * seconds / took / step) * step)
        n = max(2 * n, round(n * 0.4 * seconds / max(took, 1e-3) / step) * step)


def run_suite(groups: Iterable[Sequence[Contestant]], **settings) -> list[dict]:
    """The rows of all groups, each printed as soon as it is measured."""
    rows, say = [], settings.get("say", print)
    for contestants in groups:
        found = measure(contestants, **settings)
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
"""Unit of rows that are no rates: less is better."""
LEAST_SECONDS = 1.0
"""Such a row that is longer by less is never called slower: blocks are few, and small ones are noisy."""


def compare(old: Sequence[dict], new: Sequence[dict], least: float = 0.9) -> tuple[list[str], list[str]]:
    """Lines that set our rows beside an earlier run's, and the groups that are slower.

    Slower is a median below `least` of the old one with no block as fast as the old slowest: noise alone rarely does
    both. Of `SECONDS` it is a median above 1 / `least` of the old one, and no block as short as the old longest.
    Rates of different machines cannot be compared, only the ratios to a peer.
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
    """What the figures hang on: hardware, load, versions."""
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
