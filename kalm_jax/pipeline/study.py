"""A study: the main job several times, with data, a language model and policies of its own each time, and its tables.

Each grounding is an ordinary run, in a folder `grounding-1`, `grounding-2` and so on of the study. Its seed is
`SPACING` above that of the one before, so that no two share a policy's seed or a test episode; the first has the seed
of the configuration, and is the run that the main job makes with it.
"""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from kalm_jax.disk import check_room, folder_bytes
from kalm_jax.distributed import broadcast_from_main, is_main_process
from kalm_jax.files import remove, replacing, write_csv, write_text
from kalm_jax.pipeline.config import CONDITIONS, PipelineConfig
from kalm_jax.pipeline.room import run_bytes
from kalm_jax.pipeline.run import Position, check, stages_of, work_through
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.run_records import EPISODES, check_stage, read_run, results_file
from kalm_jax.pipeline.schedule import Schedule, machine, plan_stages
from kalm_jax.pipeline.source import code_version, version_text
from kalm_jax.pipeline.stages.report import write_report
from kalm_jax.pipeline.study_results import ABOUT, GroundingResults, read_results, results_of_run, write_results
from kalm_jax.report.figures import study_figure
from kalm_jax.report.measures import amounts_of, noise
from kalm_jax.report.study import COLUMNS, KEY, Row, Tally, imagined_rows, success_rows
from kalm_jax.report.study_tables import markdown, overview
from kalm_jax.settings import MAX_SEED, MAX_SEEDS
from kalm_jax.worlds.base import get_world

RESULTS = "results"
"""Folder of a study with the results of each grounding (`study_results`), which may be copied from other machines."""
NAME = "grounding-"
"""Beginning of the groundings' folders; then comes a number, from 1 on."""
SPACING = MAX_SEEDS
"""Between the seeds of two groundings: a run's policies and test episodes have its seed and fewer than these more."""


def run(
    folder: str | pathlib.Path, config: PipelineConfig, groundings: int, command: str = "", only: int = 0
) -> list[Row]:
    """Makes every grounding that is not finished; after each it writes `study.csv`, `study.md` and `study.png`.

    The same call continues a killed study. A finished grounding is kept as it is, a damaged one is mended. One that was
    never finished here, but has results in `RESULTS`, is kept, too, whatever code made it. Of several processes
    (`setup_jax`) the first writes and prints.

    Args:
      only: number of the one grounding that is made; 0 makes all. Tables are of all that have results.

    Returns:
      The rows of `study.csv`; none in other processes than the first.

    Raises:
      ValueError: seeds beyond those that are allowed, results of other settings, or as of the main job.
    """
    every = configurations(config, groundings)
    if only and f"{NAME}{only}" not in every:
        raise ValueError(f"--only={only}: want a number from 1 to --groundings={groundings}, or 0 for all")
    jobs = every if not only else {f"{NAME}{only}": every[f"{NAME}{only}"]}
    check(config)
    whole = PipelineRun(folder, config, command, kind="study")  # which locks the folder until the end
    done, copied = set[str](), dict[str, GroundingResults]()
    if is_main_process():
        copied = copied_results(whole.path, every)
        to_make = len(jobs.keys() - copied.keys())
        check_room(whole.path, to_make * run_bytes(config) - folder_bytes(whole.path), "this study")
        done = {name for name, mine in jobs.items() if name in copied or is_finished(whole.path / name, mine)}
        for name in jobs.keys() - done:  # what will be made again is in no table before
            remove(whole.path / RESULTS / name)
    schedule = _schedule(whole.path, jobs, done)
    for name, mine in jobs.items():
        results = whole.path / RESULTS / name
        if broadcast_from_main(name in done):
            if is_main_process():
                if name not in copied and not _is_of(results, mine):
                    _keep_results(whole.path, name, mine, command)
                print(f"{name}: {'results copied' if name in copied else 'done before'}, kept", flush=True)
            continue
        position = Position(name)
        job = PipelineRun(whole.path / name, mine, command, position.say)
        work_through(job, stages_of(job), schedule, position, f"{name}/")
        if is_main_process():
            write_report(job, command)
            _keep_results(whole.path, name, mine, command)
            done.add(name)
            if len(done) < len(jobs):
                write_tables(whole.path, every, command)
    if not is_main_process():
        return []
    written = write_tables(whole.path, every, command)
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


def copied_results(folder: pathlib.Path, jobs: Mapping[str, PipelineConfig]) -> dict[str, GroundingResults]:
    """The results of groundings that were never finished here, such as those that another machine made.

    Raises:
      ValueError: results are damaged, or of other settings.
    """
    found = {}
    for name, mine in jobs.items():
        if (folder / name / "manifest.json").exists():
            continue  # the results are those of the run that was once finished there
        results = read_results(folder / RESULTS / name)
        if results is None and (folder / RESULTS / name).exists():
            raise ValueError(f"{folder / RESULTS / name} has no {ABOUT}: copy the folder again, or delete it")
        if results is None:
            continue
        if results.config != mine:
            raise ValueError(
                f"{folder / RESULTS / name} has results of other settings: {_first_difference(results.config, mine)}"
            )
        found[name] = results
    return found


def _keep_results(folder: pathlib.Path, name: str, config: PipelineConfig, command: str) -> None:
    """Writes the results of the finished grounding in a study's folder."""
    write_results(folder / RESULTS / name, results_of_run(folder / name, config, made_by(), command))


def _is_of(results: pathlib.Path, config: PipelineConfig) -> bool:
    """Whether there are undamaged results of a configuration."""
    try:
        found = read_results(results)
    except ValueError:
        return False
    return found is not None and found.config == config


def _first_difference(theirs: PipelineConfig, ours: PipelineConfig) -> str:
    """The first setting that two configurations do not share."""
    flat = [dict(_flat(dataclasses.asdict(config))) for config in (theirs, ours)]
    name = next(name for name in flat[1] if flat[0].get(name) != flat[1][name])
    return f"{name} is {flat[0].get(name)} there and {flat[1][name]} here"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


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


def write_tables(folder: pathlib.Path, jobs: Mapping[str, PipelineConfig], command: str) -> list[Row]:
    """`study.csv`, `study.md` and `study.png` of the groundings that have results; returns the rows.

    `jobs` are all that the study will have.
    """
    read = {name: read_results(folder / RESULTS / name) for name in jobs}
    found = {name: results for name, results in read.items() if results is not None and results.config == jobs[name]}
    config = next(iter(jobs.values()))
    world = get_world(config.world)
    tallies = {int(name.removeprefix(NAME)): results.tally for name, results in found.items()}
    small = noise(**amounts_of(_amounts(next(iter(tallies.values())))))
    rows = success_rows(tallies, CONDITIONS) + imagined_rows([results.imagined for results in found.values()])
    write_csv(folder / "study.csv", COLUMNS, rows)
    text = "\n\n".join(
        [
            f"# {world.title}: {len(found)} of {len(jobs)} groundings",
            f"    {command}",
            f"{_makers(found)}. Every grounding has data, a language model, imagined rollouts and {config.learn.seeds} "
            "policies of each kind of its own.",
            *([small] if small else []),
            markdown(rows, world.labels),
        ]
    )
    write_text(folder / "study.md", f"{text}\n")
    if any(row["table"] == "success" and row["algorithm"] != row["condition"] for row in rows):
        with replacing(folder / "study.png") as temporary:
            study_figure(rows, world.labels).savefig(temporary, dpi=120)
    print(f"tables of {len(found)} of {len(jobs)} groundings: {folder / 'study.md'}", flush=True)
    return rows


def _amounts(tally: Tally) -> Iterator[Row]:
    """Episodes as `amounts_of` reads them."""
    for key, counts in tally.items():
        yield dict(zip(KEY, key)) | {"episodes": counts[0]}


def _makers(found: Mapping[str, GroundingResults]) -> str:
    """What made the groundings, once where it is the same for all."""
    makers = {name: results.made_by for name, results in found.items()}
    if len(set(makers.values())) == 1:
        return next(iter(makers.values()))
    return "; ".join(f"{name} by {maker}" for name, maker in makers.items())


def made_by() -> str:
    """Version, commit in a checkout, and date, for the record."""
    return f"{version_text(code_version())}, {datetime.date.today()}"
