"""Studies: seeds that do not overlap, tables of what is finished, wrong flags, and the whole command once."""

import csv
import dataclasses
import shutil

import numpy as np
import pytest

from kalm_jax.cli.main import run as command
from kalm_jax.evaluation.results import write_results
from kalm_jax.files import write_json
from kalm_jax.pipeline import study
from kalm_jax.pipeline.config import LearnConfig, load_presets
from kalm_jax.pipeline.run_folder import PipelineRun, make_manifest, write_manifest
from kalm_jax.pipeline.run_records import read_run, results_file
from kalm_jax.pipeline.study_results import read_results, results_of_run
from kalm_jax.pipeline.study_results import write_results as write_grounding
from kalm_jax.settings import MAX_SEED
from kalm_jax.worlds.base import get_world
from tests.fixtures import SMALL_RUN
from tests.report.rows import episodes, make_imagination

CONFIG = load_presets("clevr")["smoke"]
WORLD = get_world("clevr")


def test_groundings_share_no_seed_and_no_episode():
    most = dataclasses.replace(CONFIG, seed=7, learn=LearnConfig(seeds=1000))
    jobs = study.configurations(most, 3)
    assert list(jobs) == ["grounding-1", "grounding-2", "grounding-3"] and jobs["grounding-1"] == most
    seeds = [seed for job in jobs.values() for seed in range(job.seed, job.seed + job.learn.seeds)]
    assert len(seeds) == len(set(seeds)) == 3000
    last, first = (WORLD.test_episodes("rephrase", 20, seed, True) for seed in (seeds[999], seeds[1000]))
    assert not np.isclose(np.asarray(last.states), np.asarray(first.states)).all(1).any()


def test_a_seed_without_room_for_all_groundings_is_refused(tmp_path):
    fits = dataclasses.replace(CONFIG, seed=MAX_SEED - 4000)
    assert study.configurations(fits, 5)["grounding-5"].seed == MAX_SEED
    beyond = dataclasses.replace(CONFIG, seed=MAX_SEED - 3999)
    with pytest.raises(ValueError, match=rf"--seed={MAX_SEED - 3999} with --groundings=5.*at most {MAX_SEED - 4000}"):
        study.run(tmp_path / "study", beyond, 5)
    assert not (tmp_path / "study").exists()


def finished_run(study_folder, name, config, grounding):
    """A folder with what the tables of a study read of a finished run, and its results beside it."""
    folder = study_folder / name
    run = PipelineRun(folder, config, "a command")
    write_results(folder, WORLD, episodes(grounding))
    write_manifest(folder, make_manifest(config, "a command"))
    imagined = make_imagination()
    for level in ("rephrase", "unseen_easy", "unseen_hard"):
        for stage, file in (("imagine", "quality"), ("replayed", "replayed")):
            (folder / stage / level).mkdir(parents=True)
            write_json(folder / stage / level / f"{file}.json", [row for row in imagined if row["level"] == level])
    (folder / "explain").mkdir()
    write_json(folder / "explain" / "explanation.json", [{"prompt": "seen", "rollouts": 4, "correct": 3, "exact": 1}])
    results = results_of_run(folder, config, f"made {grounding // 2}", "a command")
    write_grounding(study_folder / study.RESULTS / name, results)
    return run


@pytest.fixture
def partial(tmp_path):
    """Folder of a study with three groundings, and their configurations."""
    jobs = study.configurations(CONFIG, 3)
    runs = [finished_run(tmp_path, name, mine, i) for i, (name, mine) in enumerate(jobs.items())]
    yield tmp_path, jobs
    del runs


def test_a_study_that_is_not_finished_has_tables(partial):
    folder, jobs = partial
    jobs |= {"grounding-4": study.configurations(CONFIG, 4)["grounding-4"]}
    rows = study.write_tables(folder, jobs, "kalm study --world=clevr")
    text = (folder / "study.md").read_text()
    assert text.startswith(
        "# KALM on CLEVR-Robot: 3 of 4 groundings\n\n    kalm study --world=clevr\n\ngrounding-1 by made 0; "
    )
    assert "## Unseen hard, new sentences" in text and "| seen | 75.0 (75.0 to 75.0) |" in text
    with (folder / "study.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [{name: str(value) for name, value in row.items()} for row in rows] == written
    assert (folder / "study.png").read_bytes().startswith(b"\x89PNG")
    assert {row["groundings"] for row in rows if row["table"] == "success"} == {3}
    assert study.write_tables(folder, jobs, "kalm study --world=clevr") == rows


def test_results_of_several_machines_make_the_same_tables(partial, tmp_path, capsys):
    folder, jobs = partial
    rows = study.write_tables(folder, jobs, "a command")
    for name in jobs:
        shutil.copytree(folder / study.RESULTS / name, tmp_path / "all" / study.RESULTS / name)
    assert study.run(tmp_path / "all", CONFIG, 3, "a command") == rows
    assert capsys.readouterr().out.count("results copied, kept") == 3
    assert not list((tmp_path / "all").glob("grounding-*"))
    for name in ("study.csv", "study.md"):
        assert (tmp_path / "all" / name).read_bytes() == (folder / name).read_bytes()


def test_wrong_results_are_refused_before_anything_is_made(partial, tmp_path):
    folder, jobs = partial
    other, results = tmp_path / "other", study.RESULTS
    shutil.copytree(folder / results / "grounding-2", other / results / "grounding-1")
    with pytest.raises(ValueError, match="grounding-1 has results of other settings: seed is 1000 there and 0 here"):
        study.run(other, CONFIG, 2)
    counts = folder / results / "grounding-2" / "counts.csv"
    counts.write_bytes(counts.read_bytes().replace(b"new", b"met"))
    with pytest.raises(ValueError, match=r"grounding-2: counts.csv has changed; copy the folder again, or delete it"):
        study.write_tables(folder, jobs, "a command")
    (folder / results / "grounding-2" / "grounding.json").write_text('{"configuration": {}}')
    with pytest.raises(ValueError, match=r"grounding.json is damaged .*: copy the folder again"):
        study.write_tables(folder, jobs, "a command")


def test_copied_results_are_kept_beside_a_run_that_was_begun(partial, tmp_path, capsys):
    folder, jobs = partial
    for name in jobs:
        shutil.copytree(folder / study.RESULTS / name, tmp_path / "all" / study.RESULTS / name)
        (tmp_path / "all" / name).mkdir()
    study.run(tmp_path / "all", CONFIG, 3, "a command")
    assert capsys.readouterr().out.count("results copied, kept") == 3
    (tmp_path / "all" / study.RESULTS / "grounding-3" / "grounding.json").unlink()
    with pytest.raises(ValueError, match=r"grounding-3 has no grounding.json: copy the folder again"):
        study.run(tmp_path / "all", CONFIG, 3)


def test_results_of_other_settings_are_in_no_table(partial):
    folder, jobs = partial
    longer = {name: dataclasses.replace(c, learn=dataclasses.replace(c.learn, updates=77)) for name, c in jobs.items()}
    changed = {**jobs, "grounding-2": longer["grounding-2"]}
    rows = study.write_tables(folder, changed, "a command")
    assert {row["groundings"] for row in rows if row["table"] == "success"} == {2}


def test_counts_that_cannot_be_are_refused(partial):
    folder, jobs = partial
    made = results_of_run(folder / "grounding-1", jobs["grounding-1"], "somebody", "a command")
    for wrong in ([1, 0, 2], [1, 2, 2], [-1, -1, -1], [10**15, 0, 0]):
        tally = {**made.tally, next(iter(made.tally)): np.array(wrong)}
        write_grounding(folder / "wrong", dataclasses.replace(made, tally=tally))
        with pytest.raises(ValueError, match=r"counts\.csv has no rows, a row twice, or counts that cannot be: copy"):
            read_results(folder / "wrong")
    for wrong in ({"imagine": 5}, {"imagine": [5]}, {"imagine": [{"rollouts": float("nan")}]}):
        write_grounding(folder / "wrong", dataclasses.replace(made, imagined=wrong))
        with pytest.raises(ValueError, match=r"grounding\.json is damaged \(counts of imagined rollouts\)"):
            read_results(folder / "wrong")


def test_results_that_were_written_are_read(partial):
    folder, jobs = partial
    for name, mine in jobs.items():
        made = results_of_run(folder / name, mine, "somebody", "a command")
        write_grounding(folder / "again", made)
        read = read_results(folder / "again")
        assert (read.config, read.made_by, read.command) == (mine, "somebody", "a command")
        assert {key: counts.tolist() for key, counts in read.tally.items()} == {
            key: counts.tolist() for key, counts in made.tally.items()
        }
        assert read.imagined == made.imagined
    (folder / "again" / "grounding.json").unlink()
    assert read_results(folder / "again") is None


@pytest.mark.parametrize("name", ["episodes.csv", "results.csv"])
def test_damaged_results_are_noticed(name, partial):
    folder, _ = partial
    file = folder / "grounding-2" / name
    assert results_file(folder / "grounding-2").exists()
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ValueError, match=name):
        results_file(folder / "grounding-2")


def test_results_without_their_stages_are_not_finished(partial):
    folder, jobs = partial
    assert not any(study.is_finished(folder / name, mine) for name, mine in jobs.items())


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--groundings=1", "want an integer from 2 to 100"),
        ("--groundings=101", "want an integer from 2 to 100"),
        ("--offline_data=data.h5", "--offline_data: every grounding collects rollouts of its own; leave it out"),
        ("--eval_prompts=p.npy", "--eval_prompts: a study has no table of them; leave it out"),
        ("--tensorboard", "--tensorboard: its curves are those of a single run; leave it out"),
        ("--only=6", "--only=6: want a number from 1 to --groundings=5, or 0 for all"),
        ("--only=-1", "want an integer from 0 to 100"),
        (f"--seed={MAX_SEED}", "give a seed of at most"),
        ("--behavior=lazy", "this world has scripted"),
        ("--world=nowhere", "nowhere"),
        ("--noplan", "--conditions="),
    ],
)
def test_wrong_flags_fail_at_once(flag, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        command("study", ["--world=clevr", "--preset=smoke", flag, f"--output={tmp_path / 'study'}"])
    assert message in f"{stopped.value}{capsys.readouterr().err}" and not (tmp_path / "study").exists()


def test_a_study_needs_a_world_and_a_folder_of_its_own(tmp_path, capsys):
    with pytest.raises(SystemExit):
        command("study", [f"--output={tmp_path / 'study'}"])
    assert "--world is required" in capsys.readouterr().err
    PipelineRun(tmp_path / "run", CONFIG, "a command")
    with pytest.raises(ValueError, match=r"has a run of kind 'pipeline'.*not of 'study'"):
        study.run(tmp_path / "run", CONFIG, 2)
    PipelineRun(tmp_path / "study", CONFIG, "a command", kind="study")
    with pytest.raises(ValueError, match="is the folder of kalm study, and no run"):
        read_run(tmp_path / "study")


@pytest.mark.slow
@pytest.mark.nightly
def test_a_study_carries_on_and_mends_what_is_damaged(small_run, tmp_path, capsys):
    folder = tmp_path / "study"
    shutil.copytree(small_run, folder / "grounding-1")  # the run that the command itself makes first
    flags = ["--world=clevr", "--groundings=2", "--preset=smoke", *SMALL_RUN, f"--output={folder}"]
    PipelineRun(folder, read_run(small_run), "a command", kind="study")  # as of a study that was killed
    command("study", flags)
    said = capsys.readouterr().out
    assert "grounding-1: done before, kept" in said and "tables of 2 of 2 groundings" in said
    assert "grounding-1 [" not in said and "left] collect: begins" in said
    for name in ("results.csv", "episodes.csv"):
        assert (folder / "grounding-1" / name).read_bytes() == (small_run / name).read_bytes()
    tables = [(folder / name).read_bytes() for name in ("study.csv", "study.png")]
    command("study", flags)
    said = capsys.readouterr().out
    assert "begins" not in said and said.count("done before, kept") == 2
    (folder / "grounding-1" / "results.csv").write_text("damaged")
    file = folder / "grounding-2" / "evaluate" / "bc-offline-rephrase" / "episodes.csv"
    file.write_bytes(file.read_bytes()[:-9])
    command("study", flags)
    said = capsys.readouterr().out
    assert "evaluate/bc-offline-rephrase: starts again, because episodes.csv has" in said
    assert said.count("starts again") == 1 and "tables of 1 of 2 groundings" in said
    assert [(folder / name).read_bytes() for name in ("study.csv", "study.png")] == tables
