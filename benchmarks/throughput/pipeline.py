"""Where the main job's time goes: seconds of each stage, what is not a stage's own work, the gain of a second start.

A run is a process of its own, on all cores, with a new folder and a compilation cache of its own. Overhead is all of
its wall time but the stages' work and compiling: the interpreter's start and end, imports, files (data, models,
checkpoints), the manifest, figures and the report. A second start is the same run in another folder with the cache that
the first has filled.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from benchmarks.throughput.measure import OURS, SECONDS, spread
from benchmarks.throughput.sampling import KINDS, MEASURES, OUTSIDE, START

STARTED_AGAIN = ("smoke",)
"""Presets whose second start is measured: the others compile for a small part of their time."""


def rows(preset: str, repeats: int = 1, say: Callable[[str], None] = print) -> tuple[list[dict], dict]:
    """The rows of a preset, see `first_rows` and `second_rows`, and the machine that they depend on.

    Args:
      preset: one of `pipeline.config.PRESET_NAMES`.
      repeats: first (and second) starts.
      say: takes a line of text.

    Raises:
      RuntimeError: a run failed; the message has the end of its output.
    """
    first, second = [], []
    with tempfile.TemporaryDirectory(prefix="kalm_jax-") as kept:
        for i in range(repeats):
            cache = pathlib.Path(kept) / f"cache-{i}"
            first.append(start(preset, pathlib.Path(kept) / f"first-{i}", cache))
            if preset in STARTED_AGAIN:
                second.append(start(preset, pathlib.Path(kept) / f"second-{i}", cache))
    found = first_rows(f"pipeline, {preset}", first)
    if second:
        found += second_rows(f"pipeline, {preset}", first, second)
    for row in found:
        say(line(row))
    return found, first[-1]["machine"]


def start(preset: str, folder: pathlib.Path, cache: pathlib.Path) -> dict:
    """One run: what `sampling.observe` returns, the machine, and `seconds` and `cpu` of the whole process."""
    result = folder.with_suffix(".json")
    command = [sys.executable, "-m", "benchmarks.throughput.sampling", preset, str(folder), str(result)]
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
    begun, used = time.perf_counter(), os.times()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds, now = time.perf_counter() - begun, os.times()
    if done.returncode:
        raise RuntimeError(f"the run of the preset {preset} failed: {done.stderr[-2000:]}")
    cpu = now.children_user + now.children_system - used.children_user - used.children_system
    return {**json.loads(result.read_text()), "seconds": seconds, "cpu": cpu}


def parts(run: dict) -> dict[str, dict[str, float]]:
    """Place -> what `sampling.summarize` returns for it, in the order of the run.

    Stages have the wall time that the run folder recorded, and their work takes up the difference; `start` includes the
    start and the end of the process.
    """
    places = {name: dict(place) for name, place in run["places"].items()}
    for name, seconds in run["recorded"].items():
        row = places.setdefault(name, dict.fromkeys(MEASURES, 0))
        row["work"], row["wall"] = max(0.0, row["work"] + seconds - row["wall"]), seconds
    rest = run["seconds"] - sum(place["wall"] for place in places.values())
    begin = places.setdefault(START, dict.fromkeys(MEASURES, 0))
    begin["imports"] += rest
    begin["wall"] += rest
    unseen = max(0.0, run["cpu"] - sum(place["cpu"] for place in places.values()))
    begin["cpu"] += unseen
    begin["cpu_overhead"] += unseen
    return places


def overhead(places: dict[str, dict[str, float]]) -> float:
    """Seconds of wall time that are neither a stage's work nor compiling."""
    total = sum(place["wall"] for place in places.values())
    work = sum(place["work"] for name, place in places.items() if name not in OUTSIDE)
    return total - work - sum(place["compile"] for place in places.values())


def first_rows(group: str, runs: Sequence[dict]) -> list[dict]:
    """A row per place, one for the whole and one for the overhead, over several first starts.

    The places' `median`, `low`, `high` are seconds: of process CPU time on a CPU, which other jobs disturb least, else
    of wall time; `wall` and its parts work, compile, files, imports are seconds of wall time of the first run. The
    overhead's are of wall time, with its `share` of the whole's; its `cpu_share` is that of process CPU time.
    """
    found = [parts(run) for run in runs]
    clock = "cpu" if "cpu" in runs[0]["machine"]["device"].lower() else "wall"
    out = []
    for name, place in found[0].items():
        values = [places[name][clock] for places in found if name in places]
        out.append(_row(f"{group}, {name}", values) | {k: place[k] for k in ("wall", *KINDS, "memory")})
    whole = {k: sum(place[k] for place in found[0].values()) for k in ("wall", *KINDS)} | {"memory": runs[0]["memory"]}
    out.append(_row(f"{group}, whole", [run[{"cpu": "cpu", "wall": "seconds"}[clock]] for run in runs]) | whole)
    over = [overhead(places) for places in found]
    shares = spread([x / run["seconds"] for x, run in zip(over, runs)], "share")
    cpu = [sum(place["cpu_overhead"] for place in places.values()) for places in found]
    shares |= spread([x / run["cpu"] for x, run in zip(cpu, runs)], "cpu_share")
    return [*out, _row(f"{group}, overhead", over) | shares]


def second_rows(group: str, first: Sequence[dict], second: Sequence[dict]) -> list[dict]:
    """How many times as fast second starts are as the first ones: by wall time, and by process CPU time."""
    out = []
    for key, clock in (("seconds", "wall time"), ("cpu", "CPU time")):
        ratios = [a[key] / b[key] for a, b in zip(first, second)]
        seconds = {"first": first[0][key], "second": second[0][key]}
        out.append(_row(f"{group}, second start by {clock}", ratios) | {"unit": "times as fast", **seconds})
    return out


def _row(group: str, values: Sequence[float]) -> dict:
    return {"group": group, "name": OURS, "unit": SECONDS, **spread(values), "repeats": len(values)}


def line(row: dict) -> str:
    """A row as a line of text."""
    text = f"{row['group']:<42} {row['median']:8.2f} {row['unit']} ({row['low']:.2f} to {row['high']:.2f})"
    if "share" in row:
        text += f"  {row['share']:.1%} of the wall time ({row['share_low']:.1%} to {row['share_high']:.1%}), "
        return text + f"{row['cpu_share']:.1%} of the CPU time"
    if "second" in row:
        return f"{text}  {row['first']:.1f} s, then {row['second']:.1f} s"
    seconds = "  ".join(f"{kind} {row[kind]:.2f}" for kind in KINDS)
    return f"{text}  wall {row['wall']:.2f}: {seconds}  {(row['memory'] or 0) / 1e6:.0f} MB"
