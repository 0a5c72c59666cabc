"""The paper's ablation: a language model grounded by some of the tasks only (KALM, tables 1 and 5).

Each set of tasks is a run in the folder, with the same seeds, settings and steps, and all share the collected rollouts.
The shares of tasks that are left out are divided among the others in proportion. `VARIANTS` of the first set change how
numbers enter and leave the model, or how it imagines.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from kalm_jax.distributed import is_main_process
from kalm_jax.evaluation import difference_interval
from kalm_jax.evaluation.llm_metrics import COLUMNS, STEP_TESTS, metric_rows
from kalm_jax.files import read_json, write_csv, write_text
from kalm_jax.grounding.tasks import possible_tasks
from kalm_jax.pipeline.artifacts import NOVEL_LEVELS, PRIVILEGED, imagined_levels, planner_stage
from kalm_jax.pipeline.config import VARIANTS, GroundConfig, PipelineConfig
from kalm_jax.pipeline.grounding import check_language_model, check_planner
from kalm_jax.pipeline.imagining import draws_of
from kalm_jax.pipeline.run_folder import PipelineRun, delete_stage
from kalm_jax.pipeline.stages.collect import run_collect
from kalm_jax.pipeline.stages.explain import run_explain
from kalm_jax.pipeline.stages.ground import run_ground
from kalm_jax.pipeline.stages.imagine import run_imagine
from kalm_jax.pipeline.stages.planner import run_planner
from kalm_jax.report.measures import noise
from kalm_jax.report.summary import LEVEL_NAMES, Share
from kalm_jax.report.tables import MISSING, percent, points
from kalm_jax.worlds.base import World, get_world


def run(
    folder: str | pathlib.Path,
    config: PipelineConfig,
    sets: Mapping[str, Sequence[str]],
    levels: Sequence[str] = NOVEL_LEVELS,
    command: str = "",
    variants: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Grounds, imagines and explains for every set of tasks and every variant; writes, prints and returns the table.

    The same call continues a killed run. Of several processes (`setup_jax`) the first writes and prints.

    Args:
      folder: of the comparison: `collect/`, a folder for each set, `ablation.csv` and `ablation.md`.
      sets: name of a set -> its tasks, to which the configuration is narrowed; the others are compared with the first.
      levels: whose sentences are imagined.
      variants: names of `VARIANTS`, each with the tasks of the first set.

    Raises:
      ValueError: unknown tasks, tasks whose shares are all 0, a set or a variant that is unknown or changes nothing, or
        a model that cannot be read.
    """
    configs = {name: _narrowed(config, tasks) for name, tasks in sets.items()}
    first = next(iter(sets))
    levels = [level for level in levels if level in imagined_levels(config)]
    configs |= {name: _varied(configs[first], name, levels) for name in variants}
    _check_different(configs, get_world(config.world))
    for narrow in configs.values():
        check_language_model(narrow.ground, get_world(config.world))
    check_planner(config.planner, get_world(config.world))
    folder = pathlib.Path(folder)
    whole = PipelineRun(folder, config, command, kind="ablation")  # which locks the folder until the end
    run_collect(whole)
    rows = []
    for name, narrow in configs.items():
        if is_main_process():
            print(f"--- {name}: {', '.join(sets.get(name, (first,)))}")
        grounded = name in variants and narrow.ground == configs[first].ground
        shared = {"collect": "../collect"} | ({"ground": f"../{first}/ground"} if grounded else {})
        rows += [{"tasks": name, **row} for row in _measure(folder / name, narrow, levels, shared)]
    if not is_main_process():
        return []
    write_csv(folder / "ablation.csv", ("tasks", "level", *COLUMNS), rows)
    labels = get_world(config.world).labels
    small = noise(steps=config.ground.steps)
    text = "\n".join(table(rows, labels.unrealistic, labels.paper_ablation) + ["", small] * bool(small))
    title = "Which grounding tasks matter" + ", and what else" * bool(variants)
    write_text(folder / "ablation.md", f"# {title}\n\n    {command}\n\n{text}\n")
    print(text)
    return rows


def _narrowed(config: PipelineConfig, tasks: Sequence[str]) -> PipelineConfig:
    return dataclasses.replace(
        config, ground=dataclasses.replace(config.ground, shares=config.ground.shares.only(tasks))
    )


def _varied(config: PipelineConfig, name: str, levels: Sequence[str]) -> PipelineConfig:
    if name not in VARIANTS:
        raise ValueError(f"unknown variant {name!r}; there are {', '.join(VARIANTS)}")
    part, changes = VARIANTS[name]
    varied = dataclasses.replace(config, **{part: dataclasses.replace(getattr(config, part), **changes)})
    if varied == config:
        raise ValueError(f"the variant {name!r} is what all runs here are; leave one of the two out")
    if name == "single_draws" and (
        config.imagine.search or draws_of(config) == 1 or not set(levels) & set(NOVEL_LEVELS[1:])
    ):
        raise ValueError(
            f"the variant {name!r} changes nothing here: draws are chosen for unseen goals alone "
            "(--imagined_unseen_easy, --imagined_unseen_hard), by subgoals (--plan), in worlds whose states can be "
            "asked about; leave it out"
        )
    if name == "search" and draws_of(varied) == 1:
        raise ValueError(
            f"the variant {name!r} needs subgoals (--plan) and a world with discrete actions whose states can be asked "
            "about; leave it out"
        )
    return varied


def _check_different(configs: Mapping[str, PipelineConfig], world: World) -> None:
    """Refuses a model that would be grounded and asked just as another one."""
    known: dict[Any, str] = {}
    for name, config in configs.items():
        chances = tuple(possible_tasks(config.ground.shares, world.language, has_rollouts=True).round(9).tolist())
        named = config.ground.augmentations if world.augment else ("none",)
        ground = dataclasses.replace(config.ground, shares=GroundConfig().shares, augmentations=named)
        other = known.setdefault((ground, config.imagine, chances), name)
        if other != name:
            raise ValueError(
                f"{name!r} is the same as {other!r} in the world {world.name}, which has data for some tasks and "
                "augmentations only: leave one of the two out"
            )


def _measure(
    folder: pathlib.Path, config: PipelineConfig, levels: Sequence[str], shared: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Rows of `metric_rows` by level for one model; rows of explanations have no level.

    `shared` are stages that another run has done -> their places relative to `folder`.
    """
    folder.mkdir(exist_ok=True)
    for stage, place in shared.items():
        link = folder / stage
        if is_main_process() and not (link.is_symlink() and os.readlink(link) == place):
            if link.is_symlink() or (link / "begun.json").exists():  # of another comparison; nothing else is deleted
                delete_stage(link)
            link.symlink_to(place, target_is_directory=True)
    run, rows = PipelineRun(folder, config), []
    step, kinds = config.ground.steps, run.world.labels.unrealistic
    run_collect(run)
    if planner_stage(config):
        run_planner(run)
    run_ground(run)
    for level in levels:
        run_imagine(run, PRIVILEGED, level)
        quality = read_json(folder / PRIVILEGED / level / "quality.json")
        rows += [{**row, "level": level} for row in metric_rows(step, quality, [], kinds)]
    run_explain(run)
    said = read_json(folder / "explain" / "explanation.json")
    return rows + [{**row, "level": ""} for row in metric_rows(step, [], said, kinds)]


def table(
    rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str], paper: Mapping[str, Mapping[str, float]]
) -> list[str]:
    """Lines of Markdown: match rate and unrealistic transitions by level, then explanations, all with 95% intervals.

    `rows` are those of `run`; `kinds` and `paper` are `unrealistic` and `paper_ablation` of `ReportLabels`.
    """
    names = list(dict.fromkeys(row["tasks"] for row in rows))
    found = {(row["tasks"], row["level"], row["metric"]): row for row in rows}
    shown = {name: name.replace("_", " ") for name in STEP_TESTS if any(row["metric"] == name for row in rows)}
    shown |= {f"{kind}_transitions": name for kind, name in kinds.items()}
    header = ["level", "tasks", "match rate, %", f"minus {names[0]}, points", *(f"{x}, %" for x in shown.values())]
    matches = []
    for level in dict.fromkeys(row["level"] for row in rows if row["level"]):
        first = found[names[0], level, "match_rate"]
        for name in names:
            match = found[name, level, "match_rate"]
            cells = [LEVEL_NAMES.get(level, level), name, percent(_share(match)), _beside(match, first)]
            cells += [percent(_share(found.get((name, level, metric)))) for metric in shown]
            matches.append(cells + [str(paper.get(name, {}).get(level, MISSING))] * bool(paper))
    prompts = list(dict.fromkeys(row["metric"] for row in rows if not row["level"]))
    said = [[name, *(percent(_share(found.get((name, "", prompt)))) for prompt in prompts)] for name in names]
    return [
        *_markdown(header + ["KALM paper: match rate, %"] * bool(paper), matches),
        "",
        *_markdown(["tasks", *(f"{prompt.replace('_', ' ')}, %" for prompt in prompts)], said),
    ]


def _share(row: Mapping | None) -> Share | None:
    return None if row is None else Share(row["rate"], row["low"], row["high"])


def _beside(row: Mapping, first: Mapping) -> str:
    if row is first:
        return MISSING
    low, high = difference_interval([row["count"]], [row["total"]], [first["count"]], [first["total"]])
    return points(Share(row["rate"] - first["rate"], low, high))


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
