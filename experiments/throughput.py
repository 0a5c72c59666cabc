r"""How fast the parts run: `python -m experiments.throughput --suite=offline_rl`.

Suites: offline_rl, updates of every learner at KALM's shapes, beside d3rlpy where that is installed; env, pushes in
CLEVR-Robot beside MuJoCo alone; llm_train, grounding with packed rows beside padded ones; llm_decode, imagined numbers
with a cache beside none; memory, bytes per device of a 7B model's training step, by compilation for simulated devices
(exits with 1 where more is needed than BUILD.md promises). Everything is pinned to one core and counted per second of
process CPU time, so that other jobs on the machine disturb little; on an accelerator it is wall time. `--output` keeps
the figures as JSON, and `--compare` sets them beside an earlier file and exits with 1 where ours got slower.
"""

import json
import os
import re
import sys
import time

from absl import app, flags, logging

FLAGS = flags.FLAGS
flags.DEFINE_enum(
    "suite", "offline_rl", ["offline_rl", "env", "llm_train", "llm_decode", "memory"], "What is measured."
)
flags.DEFINE_integer("repeats", 5, "Blocks of each contestant.", lower_bound=1)
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
        with open(FLAGS.output + ".tmp", "w") as file:
            json.dump(result, file, indent=2)
        os.replace(FLAGS.output + ".tmp", FLAGS.output)


def measure_memory(suite) -> None:
    """The suite that measures no time."""
    import jax

    if FLAGS.compare or FLAGS.only:
        sys.exit("error: --compare and --only are for rates; the memory suite has limits of its own")
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", suite.devices_needed())
    rows = suite.rows(say=lambda text: print(text, flush=True))
    write({"suite": FLAGS.suite, "rows": rows})
    if any(row["median"] > row["limit"] for row in rows):
        sys.exit("error: a step needs more than is promised")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments {argv[1:]}; settings are given as --name=value")
    logging.set_verbosity(logging.WARNING)
    old = None
    if FLAGS.compare:
        try:
            with open(FLAGS.compare) as file:
                old = json.load(file)["rows"]
        except (OSError, ValueError, KeyError) as error:
            sys.exit(f"error: {FLAGS.compare}: not a file of an earlier run ({error})")
    pin(FLAGS.core)
    import importlib

    import jax

    from kalm_jax.throughput import SUITES, measure

    jax.config.update("jax_enable_compilation_cache", False)  # the first call shall show what compiling costs
    suite = importlib.import_module(SUITES[FLAGS.suite])
    if FLAGS.suite == "memory":
        measure_memory(suite)
        return
    on_cpu = jax.default_backend() == "cpu"
    groups = suite.groups()
    if FLAGS.only:
        groups = (group for group in groups if any(re.search(rf"\b{re.escape(w)}", group[0].group) for w in FLAGS.only))
    about = measure.machine()
    clock = "process CPU time" if on_cpu else "wall time"
    print(f"{about['processor']}, {about['device']}, load {about['load']}; per second of {clock}", flush=True)
    rows = measure.run_suite(
        groups,
        repeats=FLAGS.repeats,
        seconds=FLAGS.seconds,
        clock=time.process_time if on_cpu else time.perf_counter,
        say=lambda text: print(text, flush=True),
    )
    if not rows:
        sys.exit(f"error: --only={','.join(FLAGS.only)} leaves nothing to measure")
    write({"suite": FLAGS.suite, "clock": clock, "machine": about, "rows": rows})
    if old is not None:
        lines, slower = measure.compare(old, rows)
        print("\n".join(["", f"against {FLAGS.compare}:", *lines]))
        if slower:
            sys.exit(1)


if __name__ == "__main__":
    app.run(main)
