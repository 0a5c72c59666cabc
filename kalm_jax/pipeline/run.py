"""The main job: every stage in order. Each stage reads files of the run's folder and writes its own (`stages/`)."""

from __future__ import annotations

import functools
import itertools
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from kalm_jax.arguments import checked
from kalm_jax.distributed import is_main_process
from kalm_jax.pipeline.artifacts import (
    SUBGOALS,
    has_plans,
    imagined_levels,
    imagined_parts,
    imagining_stages,
    planner_stage,
    prompt_parts,
    read_prompts,
)
from kalm_jax.pipeline.config import LLM_POLICY, RELABELING, TRANSLATED, PipelineConfig, policies_of
from kalm_jax.pipeline.grounding import check_encoder, check_language_model, check_planner, check_sentences
from kalm_jax.pipeline.learners import configured_learner
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.schedule import Schedule, machine, plan_stages
from kalm_jax.pipeline.stages.baselines import run_baselines
from kalm_jax.pipeline.stages.collect import run_collect
from kalm_jax.pipeline.stages.encode import run_encode, run_encoder, run_whiten
from kalm_jax.pipeline.stages.evaluate import run_evaluate
from kalm_jax.pipeline.stages.explain import run_explain
from kalm_jax.pipeline.stages.ground import run_ground
from kalm_jax.pipeline.stages.imagine import run_imagine
from kalm_jax.pipeline.stages.learn import run_learn
from kalm_jax.pipeline.stages.llm_policy import run_llm_policy
from kalm_jax.pipeline.stages.oracle import run_oracle
from kalm_jax.pipeline.stages.planner import run_planner
from kalm_jax.pipeline.stages.prompts import run_prompts
from kalm_jax.pipeline.stages.relabel import run_relabel
from kalm_jax.pipeline.stages.replay import run_replay
from kalm_jax.pipeline.stages.report import write_report
from kalm_jax.report import terminal_table
from kalm_jax.settings import Setting
from kalm_jax.types import LEVELS
from kalm_jax.worlds.base import World, get_world


@checked(config=Setting("such as load_presets('clevr')['smoke']"))
def run(folder: str | pathlib.Path, config: PipelineConfig, command: str = "") -> list[dict[str, Any]]:
    """Runs every stage that is not done yet and prints the table of results.

        kalm_jax.run("runs/clevr", kalm_jax.PipelineConfig(world="clevr"))

    The same call continues a killed run. `pipeline.config.load_presets(world)` has tested configurations; `command` is
    what the user called, for the record. Several processes (`setup_jax`) call this together, with a folder that all of
    them see; the first prints.

    Returns:
      The rows of `results.csv`; none in other processes than the first.

    Raises:
      TypeError: an argument of another type.
      ValueError: an unknown behavior policy, learner or world, or files that cannot be read.
    """
    check(config)
    position = Position()
    run = PipelineRun(folder, config, command, position.say)
    stages = stages_of(run)
    speed, machine_name = machine()
    finished = run.finished(stages) if is_main_process() else set()
    schedule = Schedule(plan_stages(config, list(stages)), finished, speed)
    if is_main_process():
        total = schedule.total()
        print(f"{run.path}: {len(stages)} stages{f', {total}' if total else ''} on this machine ({machine_name})")
        print(schedule.table(), flush=True)
    work_through(run, stages, schedule, position)
    if not is_main_process():
        return []
    results, noise = write_report(run, command)
    print(terminal_table(results, run.world.labels, noise))
    print(f"report: {run.path / 'report.html'}")
    return results


class Position:
    """Says lines behind how far a run is, and behind `name` where there are several runs."""

    def __init__(self, name: str = "") -> None:
        self.name, self.reached = name, ""

    def say(self, text: str) -> None:
        """Prints a line."""
        print(" ".join(filter(None, (self.name, self.reached, text))), flush=True)


def work_through(
    run: PipelineRun, stages: Mapping[str, Callable[[], None]], schedule: Schedule, position: Position, group: str = ""
) -> None:
    """Does every stage of a run that is not done; in the schedule their names begin with `group`."""
    for name, work in stages.items():
        position.reached, start = schedule.position(group + name), time.monotonic()
        if is_main_process() and not (run.path / name).exists():
            position.say(f"{name}: begins")
        work()
        schedule.finish(group + name, time.monotonic() - start)


def check(config: PipelineConfig) -> None:
    """Refuses by a ValueError what cannot be read or is not there, before anything is computed."""
    world = get_world(config.world)
    if config.collect.behavior not in ("", *world.behaviors):
        raise ValueError(f"behavior {config.collect.behavior!r}: this world has {', '.join(world.behaviors)}")
    if config.collect.file and not pathlib.Path(config.collect.file).exists():
        raise ValueError(f"collect.file is {config.collect.file!r}: there is no such file")
    check_language_model(config.ground, world)
    check_planner(config.planner, world)
    check_encoder(config.learn.encoder, world)
    if config.prompts:
        check_sentences(config, read_prompts(config)[0], config.prompts)
    check_conditions(config, world)
    for algorithm in config.learn.learners:
        configured_learner(config, algorithm)


def check_conditions(config: PipelineConfig, world: World) -> None:
    """Refuses conditions that a world or its configuration does not have by a ValueError."""
    conditions = config.learn.conditions if config.learn.learners else ()
    relabeled = [condition for condition in conditions if condition in RELABELING]
    if relabeled and world.learning.relabel is None:
        raise ValueError(
            f"--conditions={relabeled[0]}: in the world {world.name} a single step does not show which other goals it "
            "reaches; leave it out"
        )
    planned = [condition for condition in conditions if condition in (*TRANSLATED, "kalm")]
    if planned and not has_plans(config):
        remedy = "leave --noplan out" if world.language.subgoals() else f"the world {world.name} has none"
        raise ValueError(
            f"--conditions={planned[0]} goes by the subgoals that the language model writes, and there are none here "
            f"({remedy}): take --conditions=offline,kalm-privileged"
        )


def stages_of(run: PipelineRun) -> dict[str, Callable[[], None]]:
    """Every stage of a run by name, in order, and what does it."""
    config, learn = run.config, run.config.learn
    stages: dict[str, Callable[[], None]] = {}

    def add(name: str, work: Callable[..., None], *args: str) -> None:
        stages[name] = functools.partial(work, run, *args)

    add("collect", run_collect)
    if planner_stage(config):
        add("planner", run_planner)
    add("ground", run_ground)
    if learn.encoder:
        add("encoder", run_encoder)
    for stage, part in itertools.product(imagining_stages(config), imagined_parts(config)):
        add(f"{stage}/{part}", run_imagine, stage, part)
    told = [SUBGOALS] if set(TRANSLATED) & set(learn.conditions) else []
    for part in ("data", *LEVELS, *prompt_parts(config), *told):
        add(f"encode/{part}", run_encode, part)
    if learn.whitening:
        add("encode/whitening", run_whiten)
    for level in imagined_levels(config):
        add(f"replayed/{level}", run_replay, level)
    add("explain", run_explain)
    for level in LEVELS:
        add(f"evaluate/baselines-{level}", run_baselines, level)
    if LLM_POLICY in learn.algorithms:
        for level in LEVELS:
            add(f"evaluate/{LLM_POLICY}-{level}", run_llm_policy, level)
    if "oracle" in learn.conditions and learn.learners:
        for level in imagined_levels(config):
            add(f"oracle/{level}", run_oracle, level)
    for condition in RELABELING:
        if condition in learn.conditions and learn.learners:
            for level in imagined_levels(config):
                add(f"{condition}/{level}", run_relabel, condition, level)
    for algorithm, condition in itertools.product(learn.learners, learn.conditions):
        add(f"learn/{algorithm}-{policies_of(condition)}", run_learn, algorithm, policies_of(condition))
        for level in LEVELS:
            add(f"evaluate/{algorithm}-{condition}-{level}", run_evaluate, algorithm, condition, level)
    if config.prompts:
        add("prompts", run_prompts)
    return stages
