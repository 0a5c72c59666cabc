"""The paper's ablation: the language model grounded by some of the tasks only (KALM, tables 1 and 5).

Every set of tasks has a run of its own in the folder, with the same seeds, settings and steps, and all share the
collected rollouts. Shares of tasks that are left out go to the others, in proportion.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from kalm_jax import parallel
from kalm_jax.config import PipelineConfig
from kalm_jax.evaluation import difference_interval
from kalm_jax.evaluation.metrics import COLUMNS, STEP_TESTS, metric_rows
from kalm_jax.evaluation.success import write_csv
from kalm_jax.llm import attention
from kalm_jax.llm.folder import BUILTIN, check_folder
from kalm_jax.report.summary import LEVEL_NAMES, Share
from kalm_jax.report.tables import MISSING, percent, points
from kalm_jax.run_folder import RunFolder, read_json
from kalm_jax.stages import NOVEL_LEVELS, run_collect, run_explain, run_ground, run_imagine
from kalm_jax.worlds import get_world

PAPER = {
    "all": {"rephrase": 85, "unseen_easy": 36, "unseen_hard": 28},
    "all-explanation": {"rephrase": 83, "unseen_easy": 39, "unseen_hard": 8},
    "all-dynamics": {"rephrase": 83, "unseen_easy": 42, "unseen_hard": 15},
}
"""Match rates in percent (KALM, table 1, Llama-2-7B on CLEVR-Robot), by name of the set."""


def run(
    folder: str | pathlib.Path,
    config: PipelineConfig,
    sets: Mapping[str, Sequence[str]],
    levels: Sequence[str] = NOVEL_LEVELS,
    command: str = "",
) -> list[dict]:
    """Grounds, imagines and explains once for every set of tasks; writes and prints the tables, returns their rows.

    Killed, the same call carries on. Of several processes (`parallel.start`) the first writes and prints.

    Args:
      folder: of the comparison: `collect/`, a folder for each set, `ablation.csv` and `ablation.md`.
      config: of every run; its task shares are narrowed to each set.
      sets: name of a set -> its tasks; the others are compared with the first.
      levels: whose sentences are imagined.

    Raises:
      ValueError: unknown tasks, tasks that the configuration draws none of, or a model that cannot be read.
    """
    check_folder(config.ground.llm or BUILTIN)
    attention.check(config.ground.attention, config.ground.compute)
    configs = {name: _narrowed(config, tasks) for name, tasks in sets.items()}
    folder = pathlib.Path(folder)
    run_collect(RunFolder(folder), config)
    rows = []
    for name, narrow in configs.items():
        if parallel.is_writer():
            print(f"--- {name}: {', '.join(sets[name])}")
        rows += [{"tasks": name, **row} for row in _measure(folder / name, narrow, levels)]
    if not parallel.is_writer():
        return []
    write_csv(folder / "ablation.csv", ("tasks", "level", *COLUMNS), rows)
    text = "\n".join(table(rows, get_world(config.world).terms.unrealistic, config.world == "clevr"))
    (folder / "ablation.md").write_text(f"# Which grounding tasks matter\n\n    {command}\n\n{text}\n")
    print(text)
    return rows


def _narrowed(config: PipelineConfig, tasks: Sequence[str]) -> PipelineConfig:
    shares = config.ground.shares.only(tasks)
    shares.probabilities()  # refuses a set that nothing is drawn of, before any work
    return dataclasses.replace(config, ground=dataclasses.replace(config.ground, shares=shares))


def _measure(folder: pathlib.Path, config: PipelineConfig, levels: Sequence[str]) -> list[dict]:
    """Rows of `metric_rows` by level for one set of tasks; those of explanations belong to no level."""
    folder.mkdir(exist_ok=True)
    if parallel.is_writer() and not (folder / "collect").is_symlink():
        (folder / "collect").symlink_to(pathlib.Path("..", "collect"), target_is_directory=True)
    mine, kinds = RunFolder(folder), get_world(config.world).terms.unrealistic
    run_collect(mine, config)
    run_ground(mine, config)
    rows = []
    for level in levels:
        run_imagine(mine, config, level)
        quality = read_json(folder / "imagine" / level / "quality.json")
        rows += [{**row, "level": level} for row in metric_rows(config.ground.steps, quality, [], kinds)]
    run_explain(mine, config)
    said = read_json(folder / "explain" / "explanation.json")
    return rows + [{**row, "level": ""} for row in metric_rows(config.ground.steps, [], said, kinds)]


def table(rows: Sequence[Mapping], kinds: Mapping[str, str], beside_paper: bool) -> list[str]:
    """Lines of Markdown: match rate and unrealistic transitions by level, then explanations, all with 95% intervals.

    Args:
      rows: as `run` returns them. kinds: of unrealistic transitions, and what they are called.
      beside_paper: whether the paper's match rates stand beside ours.
    """
    names = list(dict.fromkeys(row["tasks"] for row in rows))
    found = {(row["tasks"], row["level"], row["metric"]): row for row in rows}
    shown = {name: name.replace("_", " ") for name in STEP_TESTS if any(row["metric"] == name for row in rows)}
    shown |= {f"{kind}_transitions": name for kind, name in kinds.items()}
    header = ["level", "tasks", "match rate, %", f"minus {names[0]}, points", *(f"{x}, %" for x in shown.values())]
    lines = _head(header + ["KALM paper: match rate, %"] * beside_paper)
    for level in dict.fromkeys(row["level"] for row in rows if row["level"]):
        first = found[names[0], level, "match_rate"]
        for name in names:
            match = found[name, level, "match_rate"]
            cells = [LEVEL_NAMES.get(level, level), name, percent(_share(match)), _beside(match, first)]
            cells += [percent(_share(found.get((name, level, metric)))) for metric in shown]
            cells += [str(PAPER.get(name, {}).get(level, MISSING))] * beside_paper
            lines.append(_line(cells))
    prompts = list(dict.fromkeys(row["metric"] for row in rows if not row["level"]))
    lines += ["", *_head(["tasks", *(f"{prompt.replace('_', ' ')}, %" for prompt in prompts)])]
    lines += [_line([name, *(percent(_share(found.get((name, "", prompt)))) for prompt in prompts)]) for name in names]
    return lines


def _share(row: Mapping | None) -> Share | None:
    return None if row is None else Share(row["rate"], row["low"], row["high"])


def _beside(row: Mapping, first: Mapping) -> str:
    if row is first:
        return MISSING
    low, high = difference_interval([row["count"]], [row["total"]], [first["count"]], [first["total"]])
    return points(Share(row["rate"] - first["rate"], low, high))


def _head(names: Sequence[str]) -> list[str]:
    return [_line(names), _line(["---"] * len(names))]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
