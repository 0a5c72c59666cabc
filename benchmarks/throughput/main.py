r"""Speed of the parts: `python -m experiments.throughput --suite=offline_rl`.

Suites: offline_rl, updates of every learner at KALM's shapes, beside d3rlpy where that is installed; env, pushes in
CLEVR-Robot beside MuJoCo alone, and Meta-world beside the bare package; llm_train, grounding with packed rows beside
padded ones, and text beside transformers on torch where that is installed; llm_decode, imagined numbers with a cache
beside none, and words beside transformers;
pipeline, where the time of the main job goes (--preset), and how fast its second start is.

Everything is pinned to one core and counted per second of process CPU time, so that other jobs on the machine disturb
little; on an accelerator it is wall time. Rows also have the time of compiling, the memory, and for compiled programs
the share that they reach of the hardware's limits, which are measured first. The suite pipeline runs on all cores, in
processes of its own, as the main job does. `--output` keeps the figures as JSON, and `--compare` compares them with an
earlier file and exits with 1 where kalm_jax is slower.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks import throughput
from kalm_jax.cli.flags import Flag, UsageError, flags_of, made, parse
from kalm_jax.disk import check_output_file
from kalm_jax.files import write_json
from kalm_jax.pipeline.config import PRESET_NAMES
from kalm_jax.settings import Checked, setting
from kalm_jax.xla_flags import avoid_miscompilation

if TYPE_CHECKING:
    from benchmarks.throughput.measure import Benchmark


@dataclasses.dataclass(frozen=True)
class ThroughputSettings(Checked):
    """What is measured, how long, and where it is kept."""

    suite: str = setting("offline_rl", "What is measured.", choices=tuple(throughput.SUITES))
    preset: str = setting("smoke", "Run that the suite pipeline measures.", choices=PRESET_NAMES)
    repeats: int = setting(0, "Blocks of each benchmark, or runs; 0 is 5 blocks or 1 run.", low=0, high=10_000)
    seconds: float = setting(2.0, "Seconds of a block, about.", above=0, high=86_400)
    only: tuple[str, ...] = setting((), "Only groups in whose name a word begins so, such as td3bc.")
    core: int = setting(
        -1, "Core to run on; -1 is the last one that this process may use, -2 is all of them.", low=-2, high=100_000
    )
    output: str = setting("", "JSON file to write.", filled=True)
    compare: str = setting("", "JSON file of an earlier run.", exists="file", filled=True)


def flags() -> list[Flag]:
    return flags_of(ThroughputSettings, "throughput")


def pin(core: int) -> None:
    """Keeps this process on one core, and every library in it on one thread; before any of them is imported."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    if core != -2 and hasattr(os, "sched_setaffinity"):
        allowed = os.sched_getaffinity(0)
        if core != -1 and core not in allowed:
            raise UsageError(f"--core={core}: this process may use {sorted(allowed)}")
        os.sched_setaffinity(0, {max(allowed) if core == -1 else core})


def write(settings: ThroughputSettings, result: dict) -> None:
    """Keeps the figures in --output, if given."""
    if settings.output:
        write_json(settings.output, result, sort_keys=False)


def read_old(settings: ThroughputSettings) -> list[dict] | None:
    """The rows of --compare, None where it is not given; ends the program where they cannot be compared with."""
    if not settings.compare:
        return None
    try:
        with open(settings.compare) as file:
            old = json.load(file)
        suite, rows = old["suite"], old["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"error: {settings.compare}: not a file of an earlier run ({error})")
    if suite != settings.suite:
        sys.exit(f"error: {settings.compare} is of the suite {suite}; compare it with --suite={suite}")
    return rows


def finish(settings: ThroughputSettings, result: dict, old: list[dict] | None) -> None:
    """Keeps the figures and compares them with earlier ones; exits with 1 where kalm_jax is slower."""
    from benchmarks.throughput import measure

    write(settings, {"suite": settings.suite, **result})
    if old is None:
        return
    lines, slower = measure.compare(old, result["rows"])
    print("\n".join(["", f"against {settings.compare}:", *lines]))
    if slower:
        sys.exit(1)


def measure_pipeline(settings: ThroughputSettings, suite, old: list[dict] | None) -> None:
    """The suite of whole runs, each a process of its own: this one touches no device."""
    try:
        rows, about = suite.rows(settings.preset, settings.repeats or 1, say)
    except RuntimeError as error:
        sys.exit(f"error: {error}")
    finish(settings, {"machine": about, "rows": rows}, old)


def check_words(suite: str, only: Sequence[str]) -> None:
    """Refuses what no group of a suite can begin with, before the suite is imported; numbers are left to it."""
    known = throughput.WORDS[suite]
    for begin in only:
        letters = re.match(r"[A-Za-z]*", begin)
        if letters and not re.search(rf"\b{letters[0]}", known):
            raise UsageError(f"--only={begin}: no group of {suite} has a word that begins so; there are {known}")


def chosen_groups(suite, only: Sequence[str]) -> list[list[Benchmark]]:
    """The groups of a suite in whose name a word begins as one of `only`; all where it is empty.

    Raises:
      UsageError: no group has one of them.
    """
    groups = list(suite.groups())
    found = {}
    for begin in only:
        pattern = re.compile(rf"\b{re.escape(begin)}")
        found[begin] = {i for i, group in enumerate(groups) if pattern.search(group[0].group)}
        if not found[begin]:
            parts = dict.fromkeys(part for group in groups for part in group[0].group.split(", "))
            raise UsageError(f"--only={begin}: no group has a word that begins so; there are {', '.join(parts)}")
    kept = set.union(*found.values()) if only else range(len(groups))
    return [groups[i] for i in sorted(kept)]


def measure_rates(settings: ThroughputSettings, suite, old: list[dict] | None) -> None:
    """A suite of groups of benchmarks."""
    groups = chosen_groups(suite, settings.only)
    import jax

    from benchmarks.throughput import measure
    from benchmarks.throughput.roofline import measure_roofline

    jax.config.update("jax_enable_compilation_cache", False)  # the first call shall show what compiling costs
    on_cpu = jax.default_backend() == "cpu"
    about, clock = measure.machine(), "process CPU time" if on_cpu else "wall time"
    options = {"clock": time.process_time if on_cpu else time.perf_counter}
    options["roofline"] = measure_roofline(**options)
    about["roofline"] = dataclasses.asdict(options["roofline"])
    say(f"{about['processor']}, {about['device']}, load {about['load']}; per second of {clock}")
    say(f"limits: {options['roofline']}")
    rows = measure.run_suite(groups, repeats=settings.repeats or 5, seconds=settings.seconds, say=say, **options)
    if not rows:
        sys.exit("error: nothing could be measured")
    finish(settings, {"clock": clock, "machine": about, "rows": rows}, old)


def say(text: str) -> None:
    """Prints a line at once, as a pipe would not."""
    print(text, flush=True)


def main(argv: list[str]) -> None:
    given = parse(flags(), argv)
    settings = made(ThroughputSettings, given)
    if settings.suite == "pipeline" and settings.only:
        raise UsageError("--only is for groups of benchmarks; the suite pipeline runs the whole job")
    if settings.only:
        check_words(settings.suite, settings.only)
    if settings.output:
        check_output_file(settings.output)
    old = read_old(settings)
    if settings.suite != "pipeline" or "core" in given:
        pin(settings.core)
    if line := avoid_miscompilation():
        say(line)
    suite = importlib.import_module(throughput.SUITES[settings.suite])
    if settings.suite == "pipeline":
        measure_pipeline(settings, suite, old)
    else:
        measure_rates(settings, suite, old)
