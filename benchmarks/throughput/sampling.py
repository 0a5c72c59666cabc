"""Where the time of a run goes: a thread samples a hundred times a second what the main thread is doing.

The program is not changed for it, so it works for any run. Time is one of four kinds: compiling (what JAX reports,
exactly), imports, files (their reading and writing, by `FILES`), and work, which is the rest. It is given to the stage
in whose `RunFolder.stage` the main thread is. A look is late only where the main thread computes in C without releasing
Python's lock; it is then still in the same call, which gets the time since the look before.

As a program, `python -m benchmarks.throughput.sampling PRESET FOLDER RESULT.json` observes one run of the main job.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import pathlib
import re
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from benchmarks.throughput import resources

INTERVAL = 0.01
KINDS = ("work", "compile", "files", "imports")
FILES = re.compile(
    r"/kalm_jax/(files|datasets/native|datasets/rollout_files|grounding/checkpoint|llm/hf/folder|llm/hf/weights)\.py$"
    r"|/(orbax|h5py|safetensors|msgpack)/|/flax/serialization\.py$|/numpy/lib/_?npyio|/pathlib(\.py|/)"
)
"""Source files whose functions read and write files."""
START, BETWEEN, REPORT = "start", "between stages", "report"
OUTSIDE = (START, BETWEEN, REPORT)
"""Where the time outside of stages goes: before the first, between them, and for figures and report.html."""
MEASURES = (*KINDS, "wall", "cpu", "cpu_overhead", "memory")


@dataclasses.dataclass(frozen=True)
class Look:
    """What the main thread did at the end of the span (begin, end), `cpu` process CPU seconds of it, `memory` bytes."""

    begin: float
    end: float
    cpu: float
    place: str
    kind: str
    memory: int


def classify(frame: FrameType | None, root: pathlib.Path) -> tuple[str, str]:
    """Where a stack (its innermost frame) is, and of which kind that is; `root` is the run's folder."""
    kind, place = "", START
    while frame is not None:
        file, name = frame.f_code.co_filename.replace("\\", "/"), frame.f_code.co_name
        if not kind and file.startswith("<frozen importlib"):
            kind = "imports"
        elif not kind and FILES.search(file):
            kind = "files"
        if name == "_work" and file.endswith("kalm_jax/pipeline/run_folder.py"):
            place = pathlib.Path(frame.f_locals["folder"]).relative_to(root).parts[0]
        elif name == "write_report" and file.endswith("kalm_jax/pipeline/stages/report.py"):
            place = REPORT
        elif name == "run" and file.endswith("kalm_jax/pipeline/run.py") and place == START:
            place = BETWEEN
        frame = frame.f_back
    return place, kind or "work"


class Sampler(threading.Thread):
    """Looks at the thread that made it, from `with` to its end; `looks` are in order and leave no gap."""

    def __init__(self, root: pathlib.Path):
        super().__init__(daemon=True)
        self.looks: list[Look] = []
        self._root, self._main, self._ending = root, threading.get_ident(), threading.Event()

    def __enter__(self) -> Sampler:
        self._last, self._cpu = time.perf_counter(), time.process_time()
        self.start()
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._ending.set()
        self.join()

    def run(self) -> None:
        """The thread's loop."""
        ending = False
        while not ending:
            ending = self._ending.wait(INTERVAL)
            place, kind = classify(sys._current_frames()[self._main], self._root)
            memory = resources.memory_now() or 0
            now, cpu = time.perf_counter(), time.process_time() - time.thread_time()  # not what looking costs
            self.looks.append(Look(self._last, now, max(0.0, cpu - self._cpu), place, kind, memory))
            self._last, self._cpu = now, cpu


def summarize(looks: list[Look], compiling: list[tuple[float, float]]) -> dict[str, dict[str, float]]:
    """Place -> `MEASURES`: seconds of wall time of each kind and their sum `wall`, process CPU seconds `cpu` and those
    of them that are neither compiling nor a stage's work, and `memory`, the most bytes seen.

    `compiling` are `resources.compile_spans`: what a look shares with them is compiling, whatever it saw.
    """
    out: dict[str, dict[str, float]] = collections.defaultdict(lambda: dict.fromkeys(MEASURES, 0))
    for look in looks:
        row, wall = out[look.place], look.end - look.begin
        compiled = resources.covered(compiling, look.begin, look.end)
        row["compile"] += compiled
        row[look.kind] += wall - compiled
        row["wall"] += wall
        row["cpu"] += look.cpu
        if look.kind != "work" or look.place in OUTSIDE:
            row["cpu_overhead"] += look.cpu * (wall - compiled) / max(wall, 1e-9)
        row["memory"] = max(row["memory"], look.memory)
    return dict(out)


def observe(work: Callable[[], object], root: pathlib.Path) -> dict:
    """Runs `work`, which writes the run folder `root`, and measures where its time goes.

    Returns:
      "places" (see `summarize`), "recorded": stage -> seconds in its done.json, "memory": most bytes in use.
    """
    with Sampler(root) as sampler:
        resources.listen()
        work()
    recorded: dict[str, float] = collections.defaultdict(float)
    for file in root.glob("**/done.json"):
        recorded[file.relative_to(root).parts[0]] += json.loads(file.read_text())["seconds"]
    places = summarize(sampler.looks, resources.compile_spans())
    return {"places": places, "recorded": dict(recorded), "memory": resources.memory_peak()}


def main(preset: str, folder: str, result: str) -> None:
    """Observes the main job with a preset and writes the result, with a description of the hardware."""

    def work():
        from kalm_jax.distributed import setup_jax
        from kalm_jax.pipeline import run as pipeline
        from kalm_jax.pipeline.config import load_presets

        setup_jax()
        pipeline.run(folder, load_presets("clevr")[preset])

    found = observe(work, pathlib.Path(folder))
    from benchmarks.throughput import measure

    found["machine"] = measure.machine()
    pathlib.Path(result).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
