"""A run's folder: stages are kept, continued or made again; what is damaged or another's is named."""

import errno
import gc
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from kalm_jax.disk import DiskFullError
from kalm_jax.files import read_json
from kalm_jax.pipeline import config, run_folder, run_records
from kalm_jax.pipeline.offline_config import OfflineConfig
from tests.paths import ROOT

SMOKE = config.load_presets("clevr")["smoke"]


def test_a_changed_setting_redoes_what_depends_on_it_and_says_why(tmp_path):
    said, made = [], []

    def job(settings):
        run = run_folder.RunFolder(tmp_path, say=said.append)
        run.stage("a", settings["a"], [], lambda f: made.append("a"))
        run.stage("b", settings["b"], [], lambda f: made.append("b"))
        run.stage("c", {}, ["a"], lambda f: made.append("c"))

    job({"a": {"x": 1, "y": (2, 3)}, "b": {}})
    job({"a": {"x": 1, "y": (2, 3)}, "b": {}})
    assert made == ["a", "b", "c"]
    job({"a": {"x": 2, "y": (2, 3)}, "b": {}})
    assert made == ["a", "b", "c", "a", "c"]
    again = [line for line in said if "again" in line]
    assert again == [
        "a: starts again, because settings changed: x 1 -> 2 (its files are deleted)",
        "c: starts again, because these stages did: a (its files are deleted)",
    ]


def test_what_will_be_kept_is_known_before(tmp_path):
    """Asking which stages are up to date makes nothing, and says what the same calls then keep."""
    said, made = [], []

    def stages(run, x):
        reads = lambda: (tmp_path / "b" / "done.json").read_text()  # noqa: E731
        return {
            "a": lambda: run.stage("a", {"x": x}, [], lambda f: made.append("a")),
            "b": lambda: run.stage("b", {}, ["a"], lambda f: made.append("b")),
            "c": lambda: run.stage("c", {}, [], lambda f: made.append("c")),
            "d": lambda: (reads(), run.stage("d", {}, ["c"], lambda f: made.append("d"))),
        }

    def job(x):
        run = run_folder.RunFolder(tmp_path, say=said.append)
        todo, before, lines = stages(run, x), list(made), len(said)
        kept = run.finished(todo)
        assert made == before and len(said) == lines
        for work in todo.values():
            work()
        return kept, set(made[len(before) :])

    assert job(1) == (set(), {"a", "b", "c", "d"})
    assert job(1) == ({"a", "b", "c", "d"}, set())
    assert job(2) == ({"c", "d"}, {"a", "b"})
    (tmp_path / "b" / "done.json").unlink()
    assert job(2) == ({"a", "c"}, {"b"})  # what d reads is not there yet


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("")])
def test_a_file_that_is_gone_or_cut_is_known_before(tmp_path, spoil):
    run_folder.RunFolder(tmp_path, say=lambda line: None).stage("a", {}, [], write_stage)
    run = run_folder.RunFolder(tmp_path, say=lambda line: None)
    work = {"a": lambda: run.stage("a", {}, [], write_stage)}
    assert run.finished(work) == {"a"}
    spoil(tmp_path / "a" / "rows.csv")
    assert run.finished(work) == set()


DAMAGE = {
    "a file": lambda stage: (stage / "rows").write_text("x"),
    "its record": lambda stage: (stage / "done.json").write_text("{}"),
    "no record": lambda stage: (stage / "done.json").unlink(),
    "all of it": lambda stage: shutil.rmtree(stage),
}


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_stage_that_is_mended_redoes_what_needs_it_only_where_it_comes_out_differently(tmp_path, damage, killed):
    """Other machines round differently: what was made from the files of before does not belong to those of now."""
    made, said = [], []

    def job(content, last="c"):
        run = run_folder.RunFolder(tmp_path, say=said.append)
        for name, needs in {"a": [], "b": ["a"], "c": ["b"]}.items():
            text = content if name == "a" else "as ever"
            run.stage(name, {}, needs, lambda f, text=text: (made.append(f.name), (f / "rows").write_text(text)))
            if name == last:
                return

    job("1")
    DAMAGE[damage](tmp_path / "a")
    job("1")
    assert made == ["a", "b", "c", "a"]
    DAMAGE[damage](tmp_path / "a")
    if killed:
        job("2", last="a")
        with pytest.raises(FileNotFoundError, match="was made from another a than there is now"):
            run_records.check_stage(tmp_path, "b")
    job("2")
    assert made == ["a", "b", "c", "a", "a", "b"]  # b came out as before, so c is kept
    assert "b: starts again, because these stages were made again and came out differently: a" in "".join(said)
    job("2")
    assert len(made) == 6 and run_records.check_stage(tmp_path, "c")


@pytest.mark.parametrize("content, made", [("same", ["a", "b", "a"]), ("other", ["a", "b", "a", "b"])])
def test_policies_that_have_the_same_numbers_in_other_bytes_redo_nothing(tmp_path, content, made):
    done = []

    def job(text, storage):
        def learn(folder):
            done.append("a")
            (folder / "policies" / "4").mkdir(parents=True)
            (folder / "policies" / "4" / "data").write_text(storage)
            (folder / "policies" / "4.files.json").write_text(storage)
            (folder / "policies" / "4.content.json").write_text(text)

        run = run_folder.RunFolder(tmp_path, say=lambda line: None)
        run.stage("a", {}, [], learn)
        run.stage("b", {}, ["a"], lambda folder: done.append("b"))

    job("same", "1")
    (tmp_path / "a" / "policies" / "4" / "data").unlink()
    job(content, "2")
    assert done == made


WRONG_KINDS = {
    "results.csv/": "is a folder, and a file is written there",
    "report.html/": "is a folder, and a file is written there",
    "run.json/": "is a folder, and a file is written there",
    "manifest.json/": "is a folder, and a file is written there",
    "figures/success.png/": "is a folder, and a file is written there",
    "figures": "is no folder",
    "tensorboard": "is no folder",
    "all/imagine/rephrase": "is no folder",
    "b/metrics.csv/": "is a folder, and a file is written there",
    "b/checkpoints": "is no folder",
    ".lock/": "cannot be the folder's lock",
}


@pytest.mark.parametrize("place", WRONG_KINDS)
def test_what_has_the_place_of_another_kind_is_named_before_any_work_and_kept(tmp_path, place):
    run = run_folder.RunFolder(tmp_path, SMOKE, say=lambda line: None)
    run.stage("a", {}, [], write_stage)
    with pytest.raises(RuntimeError):
        run.stage("b", {}, [], lambda folder: unfinished())
    del run
    gc.collect()  # from Python 3.13 on the error above keeps the run, and with it the lock
    gone = tmp_path / place
    gone.parent.mkdir(parents=True, exist_ok=True)
    gone.unlink(missing_ok=True)
    if place.endswith("/"):
        gone.mkdir()
        gone = gone / "mine"
    gone.write_text("precious")
    with pytest.raises(ValueError, match=f"{place.rstrip('/')} {WRONG_KINDS[place]}"):
        run_folder.RunFolder(tmp_path, SMOKE)
    assert gone.read_text() == "precious" and (tmp_path / "a" / "done.json").exists()


def unfinished():
    raise RuntimeError


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is writable for root")
def test_a_folder_that_cannot_be_written_is_named_before_any_work(tmp_path):
    (tmp_path / "learn").mkdir()
    (tmp_path / "learn").chmod(0o500)
    with pytest.raises(ValueError, match=r"nothing can be written in .*learn"):
        run_folder.RunFolder(tmp_path)


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path):
    thesis = tmp_path / "collect" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("precious")
    with pytest.raises(ValueError, match="is no run's folder and not empty"):
        run_folder.RunFolder(tmp_path, SMOKE)
    with pytest.raises(ValueError, match=r"is no stage's folder.*move it or delete it"):
        run_folder.RunFolder(tmp_path).stage("collect", {}, [], lambda folder: None)
    assert thesis.read_text() == "precious"


def test_a_run_of_another_kind_or_world_is_refused_and_kept(tmp_path):
    run_folder.RunFolder(tmp_path, SMOKE)
    for other in (OfflineConfig("Pendulum-v1", "p.h5"), config.load_presets("metaworld")["smoke"]):
        with pytest.raises(ValueError, match="choose another folder"):
            run_folder.RunFolder(tmp_path, other)
    assert run_records.read_run(tmp_path) == SMOKE


@pytest.mark.parametrize("flag", ["offline_data", "llm", "planner", "eval_prompts"])
def test_what_is_in_the_runs_own_folder_is_no_input(tmp_path, flag):
    mine = tmp_path / "run" / "collect" / "rollouts.h5"
    mine.parent.mkdir(parents=True)
    mine.write_text("precious")
    (mine.parent / "begun.json").write_text("{}")
    given = config.configure(SMOKE, {flag: str(mine)})
    with pytest.raises(ValueError, match=f"--{flag}=.*is in the run's own folder .*: move it, or choose another"):
        run_folder.PipelineRun(tmp_path / "run", given)
    assert mine.read_text() == "precious"
    offline = OfflineConfig("Pendulum-v1", str(mine))
    with pytest.raises(ValueError, match=r"--data=.*is in the run's own folder"):
        run_folder.RunFolder(tmp_path / "run", offline)


def change_record(stage, **changes):
    done = {name: x for name, x in (read_json(stage / "done.json") | changes).items() if x is not None}
    (stage / "done.json").write_text(json.dumps(done))


DAMAGES = {
    "emptied": lambda stage: (stage / "rows.csv").write_text(""),
    "halved": lambda stage: (stage / "deep" / "table").write_text("12345"),
    "another's of the same size": lambda stage: (stage / "deep" / "table").write_text("9876543210"),
    "deleted": lambda stage: (stage / "rows.csv").unlink(),
    "a folder deleted": lambda stage: shutil.rmtree(stage / "deep"),
    "a file for a folder": lambda stage: (shutil.rmtree(stage / "deep"), (stage / "deep").write_text("x")),
    "a folder for a file": lambda stage: ((stage / "rows.csv").unlink(), (stage / "rows.csv").mkdir()),
    "record {}": lambda stage: (stage / "done.json").write_text("{}"),
    "record []": lambda stage: (stage / "done.json").write_text("[]"),
    "record no JSON": lambda stage: (stage / "done.json").write_text('{"finger'),
    "record binary": lambda stage: (stage / "done.json").write_bytes(b"\xff\x00"),
    "record a folder": lambda stage: ((stage / "done.json").unlink(), (stage / "done.json").mkdir()),
    "record of wrong types": lambda stage: (stage / "done.json").write_text('{"fingerprint": 1, "seconds": "x"}'),
    "record without files": lambda stage: change_record(stage, files=None),
    "record of no time": lambda stage: change_record(stage, seconds=float("nan")),
    "both records": lambda stage: [(stage / f"{name}.json").write_text("{}") for name in ("begun", "done")],
}


def write_stage(folder):
    (folder / "rows.csv").write_text("a,b\n1,2\n")
    (folder / "deep").mkdir(exist_ok=True)
    (folder / "deep" / "table").write_text("0123456789")
    (folder / "checkpoints").mkdir(exist_ok=True)
    (folder / "checkpoints" / "1").write_text("only for an unfinished stage")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_stage_is_named_to_readers_and_made_again(tmp_path, damage):
    said, again = [], []

    def job():
        run = run_folder.RunFolder(tmp_path, say=said.append)
        run.stage("learn/a", {"x": 1}, [], lambda folder: (write_stage(folder), again.append(1)))

    job()
    shutil.rmtree(tmp_path / "learn" / "a" / "checkpoints")
    (tmp_path / "learn" / "a" / "begun.json").unlink()
    job()
    assert len(again) == 1 and run_records.check_stage(tmp_path, "learn/a")["settings"] == {"x": 1}
    DAMAGES[damage](tmp_path / "learn" / "a")
    with pytest.raises(ValueError, match=r"learn/a: .*run the command that made the run again.*learn/a again"):
        run_records.check_stage(tmp_path, "learn/a")
    job()
    assert len(again) == 2 and said[-1].startswith("learn/a: starts again, because ")
    assert run_records.check_stage(tmp_path, "learn/a") and (tmp_path / "learn" / "a" / "rows.csv").read_text()
    job()
    assert len(again) == 2 and "kept" in said[-1]


@pytest.mark.parametrize(
    "content", ["{}", "[", "3", '{"fingerprint": ""}', '{"fingerprint": "", "seconds": 0.0}', None]
)
def test_a_damaged_record_of_an_unfinished_stage_makes_it_again(tmp_path, content):
    said = []

    def fail(folder):
        (folder / "half").write_text("computed")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run_folder.RunFolder(tmp_path, say=said.append).stage("a", {}, [], fail)
    (tmp_path / "a" / "begun.json").unlink()
    if content is None:
        (tmp_path / "a" / "begun.json").mkdir()
    else:
        (tmp_path / "a" / "begun.json").write_text(content)
    run_folder.RunFolder(tmp_path, say=said.append).stage("a", {}, [], lambda f: (f / "whole").write_text("x"))
    assert (
        len(said) == 1 and said[0].startswith("a: starts again, because it") and not (tmp_path / "a" / "half").exists()
    )


@pytest.mark.parametrize("place", ["learn", "learn/a"])
def test_a_file_where_a_stage_belongs_is_named_and_kept(tmp_path, place):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("precious")
    with pytest.raises(ValueError, match=rf"{place} is no folder.*delete it and run the same command again"):
        run_folder.RunFolder(tmp_path)  # at once, not when the stage's turn comes
    assert (tmp_path / place).read_text() == "precious"
    (tmp_path / place).unlink()
    run_folder.RunFolder(tmp_path, say=lambda s: None).stage("learn/a", {}, [], write_stage)


def test_a_damaged_or_lost_record_of_a_run_is_written_again(tmp_path):
    said = []
    run_folder.RunFolder(tmp_path, SMOKE, say=said.append).stage("a", {}, [], write_stage)
    for spoil in (lambda path: path.write_text('{"sch'), lambda path: path.unlink()):
        spoil(tmp_path / "run.json")
        run_folder.RunFolder(tmp_path, SMOKE, say=said.append).stage("a", {}, [], write_stage)
        assert run_records.read_run(tmp_path) == SMOKE and "kept" in said[-1]
    assert [line for line in said if "damaged" in line] == [f"{tmp_path / 'run.json'} is damaged, written again"]


def test_a_folder_in_use_is_refused_to_jobs_and_open_to_readers(tmp_path):
    code = (
        "import sys, time; from kalm_jax.pipeline import offline_config, run_folder; "
        "run_folder.RunFolder(sys.argv[1], offline_config.OfflineConfig('Pendulum-v1', 'p.h5'), say=print)"
        ".stage('a', {}, [], lambda folder: (print('working', flush=True), time.sleep(600)))"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "working\n"
    other = OfflineConfig("Pendulum-v1", "other.h5")
    with pytest.raises(ValueError, match=rf"in use by process {child.pid} on host"):
        run_folder.RunFolder(tmp_path, other)
    assert run_records.read_run(tmp_path).data == "p.h5"
    with pytest.raises(FileNotFoundError, match="stage a is missing"):
        run_records.check_stage(tmp_path, "a")
    (tmp_path / "a" / ".writing-1-0123abcd-rows.csv").write_text("half")  # of a killed process on any host
    child.kill()
    child.wait()
    run_folder.RunFolder(tmp_path, other, say=lambda s: None).stage("a", {}, [], write_stage)
    assert run_records.read_run(tmp_path) == other and not list(tmp_path.rglob(".writing-*"))


@pytest.mark.parametrize(
    "output, message", [("file", "is a file"), ("file/below", "cannot be made"), ("/proc/none", "cannot be made")]
)
def test_an_output_that_cannot_be_made_is_one_line(tmp_path, output, message):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match=message + ".*--output"):
        run_folder.RunFolder(tmp_path / output, SMOKE)


def test_a_stage_that_fills_the_disk_says_so_and_can_go_on(tmp_path):
    def fill(folder):
        (folder / "kept").write_text("x")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskFullError, match=r"a: no space is left.*make room there and run the same command again"):
        run_folder.RunFolder(tmp_path, say=lambda s: None).stage("a", {}, [], fill)
    said = []
    run_folder.RunFolder(tmp_path, say=said.append).stage("a", {}, [], write_stage)
    assert said == ["a: continues"] and (tmp_path / "a" / "kept").exists()


def test_a_stage_that_fails_is_continued_and_its_files_kept(tmp_path):
    def fail(folder):
        (folder / "half").write_text("computed")
        raise RuntimeError("out of memory")

    run = run_folder.RunFolder(tmp_path, say=lambda s: None)
    with pytest.raises(RuntimeError):
        run.stage("a", {}, [], fail)
    run = run_folder.RunFolder(tmp_path, say=lambda s: None)
    run.stage("a", {}, [], lambda folder: np.testing.assert_equal((folder / "half").read_text(), "computed"))
    (tmp_path / "a" / "done.json").write_text('{"finger')
    said = []
    run_folder.RunFolder(tmp_path, say=said.append).stage("a", {}, [], lambda folder: None)
    assert said == ["a: starts again, because done.json is damaged (its files are deleted)"]
