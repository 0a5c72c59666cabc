r"""How fast the parts run: `python -m experiments.throughput --suite=offline_rl`.

Suites: offline_rl, updates of every learner at KALM's shapes, beside d3rlpy where that is installed; env, pushes in
CLEVR-Robot beside MuJoCo alone, and Meta-world beside the bare package; llm_train, grounding with packed rows beside
padded ones, and text beside transformers on torch where that is installed; llm_decode, imagined numbers with a cache
beside none, and words beside transformers;
pipeline, where the time of the main job goes (--preset), and how fast its second start is; memory, bytes per device of
a 7B model's training step, compiled for simulated devices (exits with 1 where more is needed than BUILD.md promises).

Everything is pinned to one core and counted per second of process CPU time, so that other jobs on the machine disturb
little; on an accelerator it is wall time. Rows also say what compiling took, the memory, and for compiled programs
which share they reach of the hardware's limits, measured first. Suite pipeline runs on all cores, in processes of its
own, as the main job does. `--output` keeps the figures as JSON, and `--compare` sets them beside an earlier file and
exits with 1 where ours got slower.
"""

import dataclasses
import json
import os
import re
import sys
import time

from absl import app, flags, logging

from kalm_jax.files import write_json

FLAGS = flags.FLAGS
SUITES = ["offline_rl", "env", "llm_train", "llm_decode", "pipeline", "memory"]
flags.DEFINE_enum("suite", "offline_rl", SUITES, "What is measured.")
flags.DEFINE_enum("preset", "smoke", ["smoke", "default", "paper"], "Run that the suite pipeline measures.")
flags.DEFINE_integer("repeats", None, "Blocks of each contestant (default: 5), or runs (1).", lower_bound=1)
flags.DEFINE_float("seconds", 2.0, "Seconds of a block, about.", lower_bound=0.0)
flags.DEFINE_list("only", [], "Only groups in whose name a word begins so, such as td3bc.")
flags.DEFINE_integer("core", -1, "Core to run on; -1 is the last one that this process may use, -2 is all of them.")
flags.DEFINE_string("output", None, "JSON file to write.")
flags.DEFINE_string("compare", None, "JSON file of an earlier run.")


def pin(core: int) -> None:
    """Keeps this process on one core, and every library in it on one thread; before any of them is imported."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    if core != -2 and hasattr(os, "sched_setaffinity"):
        allowed = os.sched_getaffinity(0)
        if core != -1 and core not in allowed:
            raise app.UsageError(f"--core={core}: this process may use {sorted(allowed)}")
        os.sched_setaffinity(0, {max(allowed) if core == -1 else core})


def write(result: dict) -> None:
    """Keeps the figures in --output, if given."""
    if FLAGS.output:
        write_json(FLAGS.output, result, sort_keys=False)


def read_old() -> list[dict] | None:
    """The rows of --compare, None where it is not given; ends the program where they cannot be compared with."""
    if not FLAGS.compare:
        return None
    try:
        with open(FLAGS.compare) as file:
            old = json.load(file)
        suite, rows = old["suite"], old["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"error: {FLAGS.compare}: not a file of an earlier run ({error})")
    if suite != FLAGS.suite:
        sys.exit(f"error: {FLAGS.compare} is of the suite {suite}; compare it with --suite={suite}")
    return rows


def finish(result: dict, old: list[dict] | None) -> None:
    """Keeps the figures and sets them beside those of before; exits with 1 where ours got slower."""
    from benchmarks.throughput import measure

    write({"suite": FLAGS.suite, **result})
    if old is None:
        return
    lines, slower = measure.compare(old, result["rows"])
    print("\n".join(["", f"against {FLAGS.compare}:", *lines]))
    if slower:
        sys.exit(1)


def measure_memory(suite) -> None:
    """The suite that measures no time."""
    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", suite.devices_needed())
    rows = suite.rows(say=say)
    write({"suite": FLAGS.suite, "rows": rows})
    if any(row["median"] > row["limit"] for row in rows):
        sys.exit("error: a step needs more than is promised")


def measure_pipeline(suite, old: list[dict] | None) -> None:
    """The suite of whole runs, each a process of its own: this one touches no device."""
    try:
        rows, about = suite.rows(FLAGS.preset, FLAGS.repeats or 1, say)
    except RuntimeError as error:
        sys.exit(f"error: {error}")
    finish({"machine": about, "rows": rows}, old)


def measure_rates(suite, old: list[dict] | None) -> None:
    """A suite of contestants."""
    import jax

    from benchmarks.throughput import measure
    from benchmarks.throughput.roofline import measure_roofline

    jax.config.update("jax_enable_compilation_cache", False)  # the first call shall show what compiling costs
    on_cpu = jax.default_backend() == "cpu"
    groups = suite.groups()
    if FLAGS.only:
        groups = (group for group in groups if any(re.search(rf"\b{re.escape(w)}", group[0].group) for w in FLAGS.only))
    about, clock = measure.machine(), "process CPU time" if on_cpu else "wall time"
    settings = {"clock": time.process_time if on_cpu else time.perf_counter}
    settings["roofline"] = measure_roofline(**settings)
    about["roofline"] = dataclasses.asdict(settings["roofline"])
    say(f"{about['processor']}, {about['device']}, load {about['load']}; per second of {clock}")
    say(f"limits: {settings['roofline']}")
    rows = measure.run_suite(groups, repeats=FLAGS.repeats or 5, seconds=FLAGS.seconds, say=say, **settings)
    if not rows:
        sys.exit(f"error: --only={','.join(FLAGS.only)} leaves nothing to measure")
    finish({"clock": clock, "machine": about, "rows": rows}, old)


def say(text: str) -> None:
    """Prints a line at once, as a pipe would not."""
    print(text, flush=True)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments {argv[1:]}; settings are given as --name=value")
    logging.set_verbosity(logging.WARNING)
    if FLAGS.suite == "memory" and (FLAGS.compare or FLAGS.only):
        sys.exit("error: --compare and --only are for rates; the memory suite has limits of its own")
    if FLAGS.suite == "pipeline" and FLAGS.only:
        sys.exit("error: --only is for groups of contestants; the suite pipeline runs the whole job")
    old = read_old()
    if FLAGS.suite != "pipeline" or FLAGS["core"].present:
        pin(FLAGS.core)
    import importlib

    from benchmarks import throughput
    from kalm_jax.malloc import configure_malloc

    configure_malloc()  # as all programs of ours do; peers in this process have it too
    suite = importlib.import_module(throughput.SUITES[FLAGS.suite])
    if FLAGS.suite == "memory":
        measure_memory(suite)
    elif FLAGS.suite == "pipeline":
        measure_pipeline(suite, old)
    else:
        measure_rates(suite, old)


if __name__ == "__main__":
    app.run(main)
