"""Compile time, memory, roofline: what the rows say beside their rates; where a run's time goes; --compare."""

import json
import pathlib
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.throughput import measure, offline_rl, pipeline, problems, resources, roofline, sampling
from benchmarks.throughput.measure import Benchmark, Program
from benchmarks.throughput.roofline import Cost, Roofline
from kalm_jax.files import write_json
from kalm_jax.pipeline.run_folder import RunFolder
from tests.paths import ROOT


def test_overlapping_spans_count_once():
    spans = resources.union([(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (1.5, 1.6)])
    assert spans == [(0.0, 3.0), (5.0, 6.0)]
    assert resources.covered(spans, 2.5, 5.5) == 1.0
    assert resources.covered(spans, -1.0, 9.0) == 4.0
    assert resources.covered(spans, 3.0, 5.0) == resources.covered([], 0.0, 1.0) == 0.0


def test_compiling_is_seen_and_running_is_not():
    x = jnp.ones(7)
    watch = resources.Watch()
    program = jax.jit(lambda x: jnp.sin(x) * 3 + jax.lax.fori_loop(0, 3, lambda i, y: y * x, x))
    program(x).block_until_ready()
    first = watch.compiling()
    assert 0 < first
    again = resources.Watch()
    program(x).block_until_ready()
    assert again.compiling() == 0 and watch.compiling() == first


@pytest.mark.skipif(not resources.forget_peak(), reason="the peak of this process cannot be reset here")
def test_memory_is_what_comes_on_top_at_the_peak():
    size = 200_000_000
    ballast = np.ones(size // 8)
    np.ones(2 * size // 8)  # freed and kept by the process, it must not hide what comes
    watch = resources.Watch()
    gone = np.ones(size // 8)
    del gone
    assert 0.9 * size < watch.memory() < 1.5 * size
    later = resources.Watch()
    assert later.memory() < 0.5 * size  # neither what is there already nor an earlier peak counts
    assert ballast.sum() == size // 8


def test_the_roofline_is_what_the_clock_says():
    """On a clock where a second passes per look: a block is one round of calls between two looks."""
    now = [0.0]

    def clock():
        now[0] += 1.0
        return now[0]

    found = roofline.measure_roofline(clock, repeats=2, seconds=0.5, sizes=(8, 100, "float32"))
    assert found.flops == roofline.AHEAD * 2 * 8**3 and found.bytes == roofline.AHEAD * 2 * 4 * 100
    assert "Gflop/s (float32)" in str(found)


def test_costs_are_those_of_the_program():
    x = jnp.ones((16, 32))
    cost = roofline.cost_of(jax.jit(lambda x: x @ x.T).lower(x).compile())
    assert cost.flops == 2 * 16 * 16 * 32 and cost.bytes >= 4 * (16 * 32 + 16 * 16)
    assert Cost(2, 3) + Cost(1, 1) * 2 == Cost(4, 5)


def test_a_program_says_its_share_of_the_roofline_and_others_do_not():
    benchmarks = [
        Benchmark("g", "kalm_jax", lambda: Program(lambda n: time.sleep(0.001 * n), lambda: Cost(50.0, 10.0))),
        Benchmark("g", "other", lambda: lambda n: time.sleep(0.001 * n)),
    ]
    limits = Roofline(flops=1e6, bytes=1e5, dtype="float32")
    ours, other = measure.measure(benchmarks, 2, 0.01, time.perf_counter, roofline=limits)
    assert ours["flops_share"] == pytest.approx(50 * ours["median"] / 1e6)
    assert ours["bytes_share"] == pytest.approx(10 * ours["median"] / 1e5)
    assert "flops_share" not in other and {"compile", "memory"} <= other.keys()
    assert "of the roofline" in measure.line(ours) and "of the roofline" not in measure.line(other)


def test_an_update_costs_as_much_alone_as_among_many():
    """XLA counts the loops over updates and seeds once: the cost is that of one update of one seed."""
    shape = problems.Shape("small", 4, 3, 2, False)
    one, four = (offline_rl.ours("bc", shape, {"batch_size": 32, "hidden": (16,)}, n)().cost() for n in (1, 4))
    dense = (4 + 3) * 16 + 16 * 2
    assert 4 * 32 * dense < one.flops < 20 * 32 * dense  # forward, then about twice that backward, and Adam
    assert four.flops == pytest.approx(one.flops, rel=0.3)


# --- where a run's time goes ---------------------------------------------------------------------------------------


def test_a_stack_tells_its_stage_and_whether_it_reads_files(tmp_path):
    root, seen = tmp_path / "run", []

    class Writing(dict):
        """Looks at the stack when its keys are asked for: while it is being written."""

        def __init__(self):
            super().__init__(a=1)

        def items(self):
            seen.append(sampling.classify(sys._getframe(), root))
            return super().items()

    def stage(folder):
        seen.append(sampling.classify(sys._getframe(), root))
        write_json(folder / "x.json", Writing())

    run = RunFolder(root, say=lambda text: None)
    run.stage("encode/data", {}, [], stage)
    assert seen[0] == ("encode", "work") and set(seen[1:]) == {("encode", "files")}
    assert sampling.classify(sys._getframe(), root) == ("start", "work")


def test_stages_and_the_report_are_where_the_pipeline_has_them():
    """Names of functions that `classify` looks for: a renamed one would silently put its time elsewhere."""
    from kalm_jax.pipeline import run as job
    from kalm_jax.pipeline import run_folder
    from kalm_jax.pipeline.stages import report

    assert "folder" in RunFolder._work.__code__.co_varnames and callable(report.write_report) and callable(job.run)
    for module, end in ((run_folder, "run_folder"), (report, "stages/report"), (job, "run")):
        assert module.__file__.endswith(f"kalm_jax/pipeline/{end}.py")
    for module in (
        "files",
        "datasets/native",
        "datasets/rollout_files",
        "grounding/checkpoint",
        "llm/hf/folder",
        "llm/hf/weights",
    ):
        file = f"{ROOT}/kalm_jax/{module}.py"
        assert pathlib.Path(file).is_file() and sampling.FILES.search(file)
    assert not sampling.FILES.search(f"{ROOT}/kalm_jax/grounding/decoding.py")


def test_looks_leave_no_gap_and_compiling_is_taken_out(tmp_path):
    def compiling(folder):
        jax.jit(lambda x: jax.lax.fori_loop(0, 3, lambda i, y: jnp.tanh(y) @ x, x))(jnp.ones((5, 5)))

    begun = time.perf_counter()
    found = sampling.observe(
        lambda: RunFolder(tmp_path, say=lambda text: None).stage("ground", {}, [], compiling), tmp_path
    )
    wall, places = time.perf_counter() - begun, found["places"]
    assert 0 < sum(place["wall"] for place in places.values()) <= wall
    assert sum(place["compile"] for place in places.values()) > 0 and found["recorded"].keys() == {"ground"}
    for place in places.values():
        assert place["wall"] == pytest.approx(sum(place[kind] for kind in sampling.KINDS))


def test_what_looks_saw_is_added_up():
    looks = [
        sampling.Look(0.0, 1.0, 2.0, "start", "work", 7),
        sampling.Look(1.0, 3.0, 4.0, "ground", "work", 9),
        sampling.Look(3.0, 4.0, 1.0, "ground", "files", 8),
    ]
    places = sampling.summarize(looks, [(2.0, 3.5)])
    assert places["ground"] == {
        **{"work": 1.0, "compile": 1.5, "files": 0.5, "imports": 0.0, "wall": 3.0},
        **{"cpu": 5.0, "cpu_overhead": 0.5, "memory": 9},
    }
    assert places["start"]["work"] == places["start"]["wall"] == 1.0 and places["start"]["cpu_overhead"] == 2.0


def test_an_import_is_one_wherever_it_happens(tmp_path):
    (tmp_path / "slow_to_import.py").write_text("import sys, pathlib\nfound = sys._getframe()\n")
    sys.path.insert(0, str(tmp_path))
    try:
        import slow_to_import
    finally:
        sys.path.remove(str(tmp_path))
    assert sampling.classify(slow_to_import.found, tmp_path)[1] == "imports"


def run_of(seconds, cpu, places, recorded):
    """A run whose places have these seconds of each kind, all of CPU time too; those of kind files are overhead."""
    kinds = {
        name: dict(zip(sampling.MEASURES, (*values, sum(values), sum(values), values[2], 5)))
        for name, values in places.items()
    }
    found = {"places": kinds, "recorded": recorded, "memory": 5, "machine": {"device": "TFRT_CPU_0"}}
    return found | {"seconds": seconds, "cpu": cpu}


def test_overhead_is_all_that_is_neither_work_nor_compiling():
    places = {"start": (1.0, 0.0, 0.0, 2.0), "ground": (50.0, 10.0, 2.0, 1.0), "report": (3.0, 0.5, 1.0, 0.0)}
    run = run_of(80.0, 100.0, places, {"ground": 64.0})
    rows = {row["group"]: row for row in pipeline.first_rows("p", [run])}
    # The stage's work takes up the second that its record has more; start what the process has around it all.
    assert rows["p, ground"]["work"] == 51.0 and rows["p, ground"]["wall"] == 64.0
    assert rows["p, start"]["wall"] == pytest.approx(80.0 - 64.0 - 4.5)
    assert rows["p, overhead"]["median"] == pytest.approx(80.0 - 51.0 - 10.5)
    assert rows["p, overhead"]["share"] == pytest.approx(18.5 / 80)
    assert rows["p, overhead"]["cpu_share"] == pytest.approx((3.0 + 100.0 - 70.5) / 100.0)
    assert rows["p, whole"]["median"] == 100.0 and rows["p, whole"]["wall"] == pytest.approx(80.0)
    assert sum(row["median"] for name, row in rows.items() if name.split(", ")[1] in places) == pytest.approx(100.0)
    assert all(pipeline.line(row) for row in rows.values())


def test_a_second_start_is_set_beside_its_own_first():
    first = [{"seconds": 100.0, "cpu": 90.0}, {"seconds": 60.0, "cpu": 60.0}]
    second = [{"seconds": 40.0, "cpu": 30.0}, {"seconds": 30.0, "cpu": 30.0}]
    wall, cpu = pipeline.second_rows("p", first, second)
    assert (wall["low"], wall["high"], cpu["low"], cpu["high"]) == (2.0, 2.5, 2.0, 3.0)
    assert "100.0 s, then 40.0 s" in pipeline.line(wall)


def test_a_run_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="no-such-preset"):
        pipeline.start("no-such-preset", tmp_path / "run", tmp_path / "cache")


# --- the program ---------------------------------------------------------------------------------------------------


def throughput(*flags):
    command = [sys.executable, "-m", "experiments.throughput", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_program_compares_with_an_earlier_run_and_exits_with_1_where_ours_is_slower(tmp_path):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    fast = {"group": "CLEVR-Robot, 1 tables", "name": "kalm_jax", "low": 1e12, "median": 1e12, "high": 1e12}
    old.write_text(json.dumps({"suite": "env", "rows": [fast]}))
    flags = ["--suite=env", "--repeats=2", "--seconds=0.02", "--only=1"]
    done = throughput(*flags, f"--compare={old}", f"--output={new}")
    assert done.returncode == 1 and "SLOWER" in done.stdout, done.stderr
    written = json.loads(new.read_text())
    assert written["machine"]["roofline"].keys() == {"flops", "bytes", "dtype"}
    assert {row["name"] for row in written["rows"]} >= {"kalm_jax", "mujoco.rollout"}


@pytest.mark.parametrize(
    "content, mend", [("{}", "not a file of an earlier run"), ('{"suite": "env", "rows": []}', "--suite=env")]
)
def test_a_file_that_cannot_be_compared_with_is_refused_before_any_work(tmp_path, content, mend):
    (tmp_path / "old.json").write_text(content)
    done = throughput("--suite=llm_decode", f"--compare={tmp_path / 'old.json'}")
    assert done.returncode == 1 and mend in done.stderr and "Traceback" not in done.stderr
