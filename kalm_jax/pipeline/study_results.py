"""What the tables of a study need of a finished grounding: a folder of two small files, which may be copied.

`counts.csv` has the episodes by sentence template, `grounding.json` the configuration, the command, what made them, and
the counts of imagined rollouts and explanations.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kalm_jax.evaluation import read_episodes_csv
from kalm_jax.files import describe_file, find_damage, read_csv, read_json, remove, write_csv, write_json
from kalm_jax.pipeline.artifacts import imagined_levels, imagining_stages
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.run_records import EPISODES
from kalm_jax.report.study import KEY, Tally, tally_episodes
from kalm_jax.settings import build
from kalm_jax.worlds.base import get_world

MOST_EPISODES = 10**12
"""More are not believed."""
COUNTS, ABOUT = "counts.csv", "grounding.json"
NUMBERS = ("episodes", "successes_early", "successes")
"""Columns of `counts.csv` after those of `KEY`."""


@dataclasses.dataclass(frozen=True)
class GroundingResults:
    """A finished grounding's results.

    Attributes:
      config: of its run.
      made_by: version, commit and date. command: what was called.
      tally: episodes and successes by sentence template.
      imagined: stage -> rows of counts, of imagined rollouts, their replay, and explanations.
    """

    config: PipelineConfig
    made_by: str
    command: str
    tally: Tally
    imagined: Mapping[str, Sequence[Mapping[str, Any]]]


def results_of_run(run: pathlib.Path, config: PipelineConfig, made_by: str, command: str) -> GroundingResults:
    """The results of the finished run in a folder."""
    levels = imagined_levels(config)
    found = {stage: [run / stage / level / "quality.json" for level in levels] for stage in imagining_stages(config)}
    found["replayed"] = [run / "replayed" / level / "replayed.json" for level in levels]
    found["explain"] = [run / "explain" / "explanation.json"]
    imagined = {stage: [row for file in files for row in read_json(file, list)] for stage, files in found.items()}
    early = get_world(config.world).spaces.early_steps
    return GroundingResults(
        config, made_by, command, tally_episodes(read_episodes_csv(run / EPISODES), early), imagined
    )


def write_results(folder: pathlib.Path, results: GroundingResults) -> None:
    """Writes the two files; `read_results` finds nothing before both are complete."""
    folder.mkdir(parents=True, exist_ok=True)
    remove(folder / ABOUT)
    rows = [dict(zip(KEY, key)) | dict(zip(NUMBERS, counts.tolist())) for key, counts in sorted(results.tally.items())]
    write_csv(folder / COUNTS, (*KEY, *NUMBERS), rows)
    about = {
        "made_by": results.made_by,
        "command": results.command,
        "configuration": dataclasses.asdict(results.config),
        "imagined": results.imagined,
        "files": {COUNTS: describe_file(folder / COUNTS)},
    }
    write_json(folder / ABOUT, about)


def read_results(folder: pathlib.Path) -> GroundingResults | None:
    """The results in a folder, None where there are none.

    Raises:
      ValueError: they are damaged.
    """
    if not (folder / ABOUT).exists():
        return None
    remedy = "copy the folder again, or delete it, which makes the grounding again"
    try:
        about = read_json(folder / ABOUT, dict)
        config = build(PipelineConfig, about["configuration"])
        made_by, command, imagined = str(about["made_by"]), str(about["command"]), dict(about["imagined"])
        damage = find_damage(folder, about.get("files"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder / ABOUT} is damaged ({error}): {remedy}") from error
    if damage:
        raise ValueError(f"{folder}: {damage}; {remedy}")
    rows = read_csv(folder / COUNTS, **dict.fromkeys(KEY, str), **dict.fromkeys(NUMBERS, int))
    tally = {tuple(row[name] for name in KEY): np.array([row[name] for name in NUMBERS], np.int64) for row in rows}
    if len(tally) < max(1, len(rows)) or any(
        not MOST_EPISODES >= e >= s >= early >= 0 for e, early, s in tally.values()
    ):
        raise ValueError(f"{folder / COUNTS} has no rows, a row twice, or counts that cannot be: {remedy}")
    counted = [row for found in imagined.values() for row in (found if isinstance(found, list) else [None])]
    if not all(isinstance(row, dict) and all(_is_count(value) for value in row.values()) for row in counted):
        raise ValueError(f"{folder / ABOUT} is damaged (counts of imagined rollouts): {remedy}")
    return GroundingResults(config, made_by, command, tally, imagined)


def _is_count(value: object) -> bool:
    """A name or a number that counts."""
    return isinstance(value, str) or (isinstance(value, int | float) and 0 <= value <= MOST_EPISODES)
