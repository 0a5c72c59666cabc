"""The main job on a small scale: files, skipping, and being killed in every stage."""

import contextlib
import dataclasses
import errno
import gc
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kalm_jax
from kalm_jax.datasets import read_rollouts, write_rollouts
from kalm_jax.disk import DiskFullError
from kalm_jax.evaluation.llm_metrics import read_metrics
from kalm_jax.files import read_json
from kalm_jax.llm.hf.folder import BUILTIN, save_model
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.llm.transformer import Llama, LlamaConfig
from kalm_jax.pipeline import artifacts, config, run_folder, source
from kalm_jax.pipeline.grounding import check_sentences
from kalm_jax.pipeline.offline_config import OfflineConfig
from kalm_jax.pipeline.stages.ground import model_files
from kalm_jax.worlds.base import get_world
from tests.fixtures import SMALL_RUN, random_rollouts
from tests.paths import ROOT

SMOKE = config.load_presets("clevr")["smoke"]
CHECKED = (
    "results.csv",
    "collect/rollouts.h5",
    "ground/model/text/model.safetensors",
    "ground/model/numbers.safetensors",
    "ground/metrics.csv",
    "replayed/unseen_hard/replayed.json",
)


def run_job(folder):
    """The job of `small_run`, on two devices whatever the machine has."""
    from kalm_jax.cli import main
    from kalm_jax.distributed import setup_jax

    setup_jax(cpu_devices=2)
    main.run("clevr", ["--preset=smoke", *SMALL_RUN, f"--output={folder}"])


PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["kalm_jax.cli.main", "kalm_jax.pipeline.run", __name__])
"""Jobs are processes of their own; what they import is imported once for all of them."""


def start(folder):
    child = PROCESSES.Process(target=run_job, args=(str(folder),))
    child.start()
    return child


def small_llm(folder):
    """A language model given by the user: random weights with the built-in one's tokenizer; returns its folder."""
    tokenizer = load_tokenizer(BUILTIN)
    llm = LlamaConfig(tokenizer.vocab_size, 16, 1, 2, 2, 8, 32)
    tokens = jnp.zeros((1, 2), jnp.int32)
    params = Llama(llm).init(jax.random.key(0), tokens, tokens, jnp.ones((1, 2, 2), bool))["params"]
    save_model(folder, llm, params, tokenizer)
    return str(folder)


def kill_in(folder, stage, seconds=0.0):
    """Starts the job and kills it so long after the stage has begun; returns whether it was still running."""
    child = start(folder)
    while child.is_alive() and not (folder / stage / "begun.json").exists():
        time.sleep(0.01)
    time.sleep(seconds)
    running = child.is_alive()
    if running:
        os.kill(child.pid, signal.SIGKILL)
    child.join()
    return running


@pytest.mark.slow
@pytest.mark.parametrize(
    "stages",
    [
        ("ground", "learn/bc-kalm"),
        pytest.param(("imagine/rephrase", "evaluate/bc-kalm-rephrase"), marks=pytest.mark.nightly),
    ],
)
def test_killed_in_several_stages_it_ends_with_the_same_results(stages, small_run, tmp_path):
    killed = tmp_path / "killed"
    rng = random.Random(0)
    for stage in stages:
        seconds = {"ground": 0.0, "learn/bc-kalm": 3 * rng.random()}.get(stage, rng.random())
        assert kill_in(killed, stage, seconds), stage
        assert seconds or not (killed / stage / "done.json").exists()
    child = start(killed)
    child.join()
    assert child.exitcode == 0
    for name in CHECKED:
        assert (killed / name).read_bytes() == (small_run / name).read_bytes(), name
    assert [row["step"] for row in read_metrics(killed / "ground" / "metrics.csv")[::7]] == [2, 4]
    data, level = (np.load(killed / "encode" / part / "vectors.npy") for part in ("data", "offline"))
    np.testing.assert_array_equal(data, level)
    rollouts, goals = read_rollouts(killed / "imagine" / "rephrase" / "rollouts.h5")
    planned = read_json(killed / "imagine" / "rephrase" / "plans.json")
    assert set(planned) == {goals.text[g] for g in rollouts.goal}
    page = (killed / "report.html").read_text()
    assert "http://" not in page and "https://" not in page and len(page) > 50_000


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
            run_folder.check_stage(tmp_path, "b")
    job("2")
    assert made == ["a", "b", "c", "a", "a", "b"]  # b came out as before, so c is kept
    assert "b: starts again, because these stages were made again and came out differently: a" in "".join(said)
    job("2")
    assert len(made) == 6 and run_folder.check_stage(tmp_path, "c")


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


def test_a_stage_whose_needs_were_made_again_is_not_read(tmp_path):
    """A killed run may have begun an early stage again: what later ones made from the old one is no longer its own."""

    def job(x, last):
        run = run_folder.RunFolder(tmp_path, say=lambda line: None)
        for name, needs in {"a": [], "b": ["a"], "c": ["b"]}.items():
            run.stage(name, {"x": x} if name == "a" else {}, needs, lambda f: None)
            if name == last:
                return

    job(1, "c")
    assert run_folder.check_stage(tmp_path, "c")
    for last in ("a", "b"):
        job(2, last)
        with pytest.raises(FileNotFoundError, match=r"was made from another . than there is now"):
            run_folder.check_stage(tmp_path, "c")
    job(2, "c")
    assert run_folder.check_stage(tmp_path, "c")


def test_goals_are_known_by_what_they_ask_for(tmp_path):
    """The same sentences with other goals are another table, and rollouts imagined for it are imagined again."""
    goals = get_world("clevr").goals("rephrase").take(range(4))
    other = dataclasses.replace(goals, array=goals.array[::-1].copy())
    assert (other.array != goals.array).any() and artifacts.text_mark(other) == artifacts.text_mark(goals)
    assert artifacts.goals_mark(goals.take(range(4))) == artifacts.goals_mark(goals) != artifacts.goals_mark(other)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_language_model_is_known_by_all_of_its_files(tmp_path, name, monkeypatch):
    """A byte in the middle that changes, size and all else being equal; of large files the time tells it."""
    shutil.copytree(BUILTIN, tmp_path / "llm")
    shutil.copytree(BUILTIN, tmp_path / "copy")

    def marks(folder):
        return [artifacts.content_mark(file) for file in model_files(tmp_path / folder)]

    before = marks("llm")
    assert before == marks("copy") and len(before) == 3
    content = bytearray((tmp_path / "llm" / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "llm" / name).write_bytes(content)
    assert sum(a != b for a, b in zip(before, marks("llm"), strict=True)) == 1
    monkeypatch.setattr(artifacts, "READ_WHOLE", 10)
    before = marks("copy")
    os.utime(tmp_path / "copy" / name, (1, 1))
    assert sum(a != b for a, b in zip(before, marks("copy"), strict=True)) == 1


def test_other_code_redoes_a_stage_and_other_comments_do_not(tmp_path, monkeypatch):
    said, made = [], []
    monkeypatch.syspath_prepend(tmp_path)

    def job(body):
        (tmp_path / "own_learner_for_test.py").write_text(body)
        source._read.cache_clear()
        run = run_folder.RunFolder(tmp_path / "run", say=said.append)
        run.stage("learn", {}, [], lambda f: made.append(1), modules=["own_learner_for_test"])

    job('"""One."""\nRATE = 1\n')
    job('"""Other words."""\n# And a comment.\nRATE = 1\n')
    assert len(made) == 1
    job("RATE = 2\n")
    assert (
        len(made) == 2
        and said[-1] == "learn: starts again, because code changed: own_learner_for_test (its files are deleted)"
    )
    for name in ("begun.json", "done.json"):  # a folder of version 0.1.0, which knew nothing of code
        old = {"fingerprint": "0", "settings": {}, "seconds": 1.0, "files": {}}
        (tmp_path / "run" / "learn" / name).write_text(json.dumps(old))
    job("RATE = 2\n")
    assert (
        len(made) == 3
        and said[-1] == "learn: starts again, because another version of kalm_jax made it (its files are deleted)"
    )


def test_code_that_a_stage_uses_is_found_through_its_imports():
    code = source.source_hashes(["kalm_jax.pipeline.stages.ground", "kalm_jax.worlds.clevr.world"])
    assert {"kalm_jax.grounding.trainer", "kalm_jax.llm.lora", "kalm_jax.worlds.clevr.text"} <= set(code)
    assert "kalm_jax.worlds.clevr/data/words.txt" in code
    assert not [name for name in code if name.startswith(("kalm_jax.report", "kalm_jax.worlds.metaworld"))]
    assert not [name for name in code if name.startswith("kalm_jax.offline_rl.algorithms")]
    code = source.source_hashes(["kalm_jax.pipeline.stages.learn", "examples.own_world"])
    assert {"kalm_jax.offline_rl.algorithms.td3bc", "examples.own_world"} <= set(code)


@pytest.mark.parametrize("world", ["clevr", "metaworld"])
@pytest.mark.parametrize("preset", config.PRESET_NAMES)
def test_a_run_folder_has_the_whole_configuration(tmp_path, world, preset):
    made = config.configure(config.load_presets(world)[preset], {"algo": ("bc", "a.b"), "grounding_tasks": ("text",)})
    run_folder.RunFolder(tmp_path, made, "kalm")
    assert run_folder.read_run(tmp_path) == made


def test_a_folder_that_is_no_run_or_of_another_schema_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no run\.json"):
        run_folder.read_run(tmp_path)
    offline = OfflineConfig("Pendulum-v1", "p.h5", settings=(("td3bc", "hidden", (8, 8)), ("", "alpha", 1.5)))
    run_folder.RunFolder(tmp_path, offline)
    assert run_folder.read_run(tmp_path) == offline
    content = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(content | {"schema": 99}))
    for use in (run_folder.read_run, lambda folder: run_folder.RunFolder(folder, offline)):
        with pytest.raises(ValueError, match="schema 99 and this version of kalm_jax reads 1"):
            use(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(content | {"configuration": {"envi": 1}}))
    with pytest.raises(ValueError, match="OfflineConfig has no field 'envi'"):
        run_folder.read_run(tmp_path)


@pytest.mark.parametrize("content", ["[]", "3", '{"schema": 1}', '{"schema": 1, "kind": "x", "configuration": {}}'])
def test_a_damaged_record_of_a_run_is_named(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=r"run\.json is damaged.*again"):
        run_folder.read_run(tmp_path)


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
    assert run_folder.read_run(tmp_path) == SMOKE


def test_stages_of_another_configuration_are_not_read_until_they_are_checked(tmp_path):
    def job(settings, stages):
        run = run_folder.PipelineRun(tmp_path, settings, say=lambda text: None)
        for name in stages:
            run.stage(name, {"rate": 1 if name == "collect" else settings.imagine.temperature}, [], write_stage)

    def known():
        found = []
        for name in ("collect", "learn/a"):
            with contextlib.suppress(FileNotFoundError):
                found.append((name, run_folder.check_stage(tmp_path, name)["settings"]["rate"]))
        return found

    other = config.configure(SMOKE, {"temperature": 2.0})
    job(SMOKE, ["collect", "learn/a"])
    assert known() == [("collect", 1), ("learn/a", 1.0)]
    job(other, ["collect"])  # and is killed
    assert known() == [("collect", 1)]
    with pytest.raises(FileNotFoundError, match=r"learn/a is of another configuration than run.json's\); run the same"):
        run_folder.check_stage(tmp_path, "learn/a")
    job(other, [])  # killed at once
    assert known() == [("collect", 1)]
    job(other, ["collect", "learn/a"])
    assert known() == [("collect", 1), ("learn/a", 2.0)]
    (tmp_path / "run.json").write_text("{")
    job(other, ["collect"])
    assert known() == [("collect", 1)]


def test_folders_of_other_programs_are_no_runs(tmp_path):
    run_folder.PipelineRun(tmp_path / "a", SMOKE, kind="ablation")
    with pytest.raises(ValueError, match=r"is the folder of kalm ablation, and no run that can be loaded"):
        run_folder.read_run(tmp_path / "a")
    with pytest.raises(ValueError, match=r"kind 'ablation'.*not of 'pipeline'.*choose another folder"):
        run_folder.PipelineRun(tmp_path / "a", SMOKE)
    run_folder.PipelineRun(tmp_path / "b", SMOKE)
    for kind in run_folder.OTHER_KINDS:
        with pytest.raises(ValueError, match=f"kind 'pipeline'.*not of '{kind}'.*choose another folder"):
            run_folder.PipelineRun(tmp_path / "b", SMOKE, kind=kind)
    assert run_folder.read_run(tmp_path / "b") == SMOKE


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


def test_sentences_that_are_longer_than_rows_are_refused_before_the_first_stage(tmp_path):
    goals, rollouts = get_world("clevr").goals("offline"), random_rollouts(observation_dim=10, num_actions=40)
    text = list(goals.text)
    text[rollouts.goal[3]] = "please " * 200 + "put the red ball left of the blue one"
    goals = dataclasses.replace(goals, text=tuple(text))
    write_rollouts(tmp_path / "r.h5", dataclasses.replace(rollouts, imagined=rollouts.length < 0), goals)
    said = rf"r\.h5: goal {rollouts.goal[3]} has the sentence 'please .*\.\.\.', which takes \d+ positions .*"
    given = config.configure(SMOKE, {"offline_data": str(tmp_path / "r.h5")})
    with pytest.raises(ValueError, match=said + "--grounding_row_length=128"):
        kalm_jax.run(tmp_path / "run", given)
    assert not (tmp_path / "run" / "collect" / "done.json").exists()
    with pytest.raises(ValueError, match=said.replace(r"r\.h5", "goals") + "--grounding_row_length=128"):
        kalm_jax.ground(rollouts, goals, "clevr", steps=1)
    planner = config.configure(SMOKE, {"planner": str(BUILTIN), "grounding_row_length": 1024})
    with pytest.raises(ValueError, match=said + "--planner_row_length=128"):
        check_sentences(planner, goals, str(tmp_path / "r.h5"))


def test_code_of_a_users_package_counts_whatever_its_names(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "lp_for_test").mkdir()
    files = {
        "__init__": "",
        "learner": "from .helper import X\nfrom . import files\n",
        "helper": "X = 1",
        "files": "Y = 2",
    }
    for name, code in files.items():
        (tmp_path / "lp_for_test" / f"{name}.py").write_text(code)
    assert set(source.source_hashes(["lp_for_test.learner"])) == {
        "lp_for_test", "lp_for_test.learner", "lp_for_test.helper", "lp_for_test.files"
    }  # fmt: skip


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
    assert len(again) == 1 and run_folder.check_stage(tmp_path, "learn/a")["settings"] == {"x": 1}
    DAMAGES[damage](tmp_path / "learn" / "a")
    with pytest.raises(ValueError, match=r"learn/a: .*run the command that made the run again.*learn/a again"):
        run_folder.check_stage(tmp_path, "learn/a")
    job()
    assert len(again) == 2 and said[-1].startswith("learn/a: starts again, because ")
    assert run_folder.check_stage(tmp_path, "learn/a") and (tmp_path / "learn" / "a" / "rows.csv").read_text()
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
        assert run_folder.read_run(tmp_path) == SMOKE and "kept" in said[-1]
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
    assert run_folder.read_run(tmp_path).data == "p.h5"
    with pytest.raises(FileNotFoundError, match="stage a is missing"):
        run_folder.check_stage(tmp_path, "a")
    (tmp_path / "a" / ".writing-1-0123abcd-rows.csv").write_text("half")  # of a killed process on any host
    child.kill()
    child.wait()
    run_folder.RunFolder(tmp_path, other, say=lambda s: None).stage("a", {}, [], write_stage)
    assert run_folder.read_run(tmp_path) == other and not list(tmp_path.rglob(".writing-*"))


def test_reading_a_run_makes_nothing(tmp_path):
    run_folder.PipelineRun(tmp_path / "none", SMOKE, command=None)
    for use in (
        lambda path: run_folder.read_run(path),
        lambda path: run_folder.check_stage(path, "learn/a"),
        lambda path: run_folder.results_file(path),
        lambda path: kalm_jax.load_run(path),
    ):
        with pytest.raises(FileNotFoundError, match="none"):
            use(tmp_path / "none")
    assert not list(tmp_path.iterdir())


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
