"""A study: the main job several times, with data, a language model and policies of its own each time, and its tables.

Each grounding is an ordinary run, in a folder `grounding-1`, `grounding-2` and so on of the study. Its seed is
`SPACING` above that of the one before, so that no two share a policy's seed or a test episode; the first has the seed
of the configuration, and is the run that the main job makes with it.
"""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
import subprocess
from collections.abc import Mapping
from typing import Any

import kalm_jax
from kalm_jax.disk import check_room, folder_bytes
from kalm_jax.distributed import broadcast_from_main, is_main_process
from kalm_jax.evaluation import read_episodes_csv, result_rows
from kalm_jax.files import read_json, replacing, write_csv, write_text
from kalm_jax.pipeline.artifacts import imagined_levels, imagining_stages
from kalm_jax.pipeline.config import CONDITIONS, PipelineConfig
from kalm_jax.pipeline.room import run_bytes
from kalm_jax.pipeline.run import Position, check, stages_of, work_through
from kalm_jax.pipeline.run_folder import EPISODES, PipelineRun, check_stage, read_run, results_file
from kalm_jax.pipeline.schedule import Schedule, machine, plan_stages
from kalm_jax.pipeline.stages.report import write_report
from kalm_jax.report.figures import study_figure
from kalm_jax.report.measures import amounts_of, noise
from kalm_jax.report.study import (
    COLUMNS,
    Row,
    imagined_rows,
    success_rows,
    tally_episodes,
)
from kalm_jax.report.study_tables import markdown, overview
from kalm_jax.settings import MAX_SEED, MAX_SEEDS
from kalm_jax.worlds.base import get_world

NAME = "grounding-"
"""Beginning of the groundings' folders; then comes a number, from 1 on."""
SPACING = MAX_SEEDS
"""Between the seeds of two groundings: a run's policies and test episodes have its seed and fewer than these more."""


def run(folder: str | pathlib.Path, config: PipelineConfig, groundings: int, command: str = "") -> list[Row]:
    """Makes every grounding that is not finished; after each it writes `study.csv`, `study.md` and `study.png`.

    The same call continues a killed study. A finished grounding is kept as it is, a damaged one is mended. Of several
    processes (`setup_jax`) the first writes and prints.

    Returns:
      The rows of `study.csv`; none in other processes than the first.

    Raises:
      ValueError: seeds beyond those that are allowed, or as of the main job.
    """
    jobs = configurations(config, groundings)
    check(config)
    whole = PipelineRun(folder, config, command, kind="study")  # which locks the folder until the end
    done = set[str]()
    if is_main_process():
        check_room(whole.path, groundings * run_bytes(config) - folder_bytes(whole.path), "this study")
        done = {name for name, mine in jobs.items() if is_finished(whole.path / name, mine)}
    schedule = _schedule(whole.path, jobs, done)
    written: list[Row] = []
    for name, mine in jobs.items():
        if broadcast_from_main(name in done):
            if is_main_process():
                print(f"{name}: done before, kept", flush=True)
            continue
        position = Position(name)
        job = PipelineRun(whole.path / name, mine, command, position.say)
        work_through(job, stages_of(job), schedule, position, f"{name}/")
        if is_main_process():
            write_report(job, command)
            done.add(name)
            written = write_tables(whole.path, {name: jobs[name] for name in jobs if name in done}, groundings, command)
    if not is_main_process():
        return []
    written = written or write_tables(whole.path, jobs, groundings, command)
    print(f"\n{overview(written, whole.world.labels)}\n\ntables: {whole.path / 'study.md'}")
    return written


def configurations(config: PipelineConfig, groundings: int) -> dict[str, PipelineConfig]:
    """Name of a grounding, which is its folder's, -> its configuration.

    Raises:
      ValueError: the last one would have a seed that is not allowed.
    """
    most = MAX_SEED - (groundings - 1) * SPACING
    if config.seed > most:
        raise ValueError(
            f"--seed={config.seed} with --groundings={groundings}: the seed of each grounding is {SPACING} above that "
            f"of the one before, and the largest is {MAX_SEED}: give a seed of at most {most}"
        )
    return {f"{NAME}{i + 1}": dataclasses.replace(config, seed=config.seed + i * SPACING) for i in range(groundings)}


def is_finished(folder: pathlib.Path, config: PipelineConfig) -> bool:
    """Whether a folder has a finished run of a configuration, made by this code, with all of its files undamaged."""
    try:
        if read_run(folder) != config or not results_file(folder).with_name(EPISODES).exists():
            return False
        job = PipelineRun(folder, config, None)
        stages = stages_of(job)
        if job.finished(stages) != set(stages):
            return False
        for name in stages:
            check_stage(folder, name)
    except (OSError, ValueError):
        return False
    return True


def _schedule(folder: pathlib.Path, jobs: Mapping[str, PipelineConfig], done: set[str]) -> Schedule:
    """The stages of all groundings in one plan, which is printed."""
    planned, finished, count = [], set[str](), 0
    for name, mine in jobs.items():
        job = PipelineRun(folder / name, mine, None)
        stages = stages_of(job)
        count = len(stages)
        planned += [dataclasses.replace(p, name=f"{name}/{p.name}") for p in plan_stages(mine, list(stages))]
        if is_main_process():
            kept = set(stages) if name in done else job.finished(stages)
            finished |= {f"{name}/{stage}" for stage in kept}
    speed, machine_name = machine()
    schedule = Schedule(planned, finished, speed)
    if is_main_process():
        total = f", {schedule.total()} in all" if schedule.total() else ""
        print(f"{folder}: {len(jobs)} groundings of {count} stages{total} on this machine ({machine_name})")
        print(schedule.table(), flush=True)
    return schedule


def write_tables(folder: pathlib.Path, jobs: Mapping[str, PipelineConfig], groundings: int, command: str) -> list[Row]:
    """`study.csv`, `study.md` and `study.png` of the groundings `jobs`, which are finished; returns the rows.

    `groundings` is how many the study will have.
    """
    config = next(iter(jobs.values()))
    world = get_world(config.world)
    played = [read_episodes_csv(folder / name / EPISODES) for name in jobs]
    small = noise(**amounts_of(result_rows(played[0], world.spaces.early_steps)))
    tallies = [tally_episodes(each, world.spaces.early_steps) for each in played]
    rows = success_rows(dict(zip((int(name.removeprefix(NAME)) for name in jobs), tallies)), CONDITIONS)
    rows += imagined_rows([_imagined(folder / name, mine) for name, mine in jobs.items()])
    write_csv(folder / "study.csv", COLUMNS, rows)
    text = "\n\n".join(
        [
            f"# {world.title}: {len(jobs)} of {groundings} groundings",
            f"    {command}",
            f"{_made_by()}. Every grounding has data, a language model, imagined rollouts and {config.learn.seeds} "
            "policies of each kind of its own.",
            *([small] if small else []),
            markdown(rows, world.labels),
        ]
    )
    write_text(folder / "study.md", f"{text}\n")
    if any(row["table"] == "success" and row["algorithm"] != row["condition"] for row in rows):
        with replacing(folder / "study.png") as temporary:
            study_figure(rows, world.labels).savefig(temporary, dpi=120)
    print(f"tables of {len(jobs)} of {groundings} groundings: {folder / 'study.md'}", flush=True)
    return rows


def _imagined(folder: pathlib.Path, config: PipelineConfig) -> dict[str, list[dict[str, Any]]]:
    """Stage -> rows of counts: imagined rollouts and their replay of all levels, and explanations."""
    levels = imagined_levels(config)
    found = {stage: [folder / stage / level / "quality.json" for level in levels] for stage in imagining_stages(config)}
    found["replayed"] = [folder / "replayed" / level / "replayed.json" for level in levels]
    found["explain"] = [folder / "explain" / "explanation.json"]
    return {stage: [row for file in files for row in read_json(file, list)] for stage, files in found.items()}


def _made_by() -> str:
    """Version, commit in a checkout, and date, for the record."""
    root = pathlib.Path(__file__).parents[2]
    commit = ""
    if (root / ".git").exists():
        asked = ["git", "-C", str(root), "describe", "--always", "--dirty"]
        try:
            commit = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            commit = ""
    return ", ".join(
        filter(
            None,
            (f"kalm_jax {kalm_jax.__version__}", commit and f"commit {commit}", datetime.date.today().isoformat()),
        )
    )
