"""What a report calls things in a world."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class ReportLabels:
    """What a report calls things in this world, and the paper's results for it.

    Attributes:
      horizon, early_steps: as in `Spaces`.
      steps: what steps are called.
      template: jinja2 template that extends `report.html` and replaces blocks of the report's text; None for none.
      unrealistic: kind of unrealistic transition (rows have a column `<kind>_transitions`) -> its description.
      readings: by what imagination and policies go on to the next subgoal, at the end of a sentence.
      explained: descriptions of the two counts of explanations, `correct` and `exact`.
      statistics: key of `World.statistics` -> what it is in words, in the order of the report's table. A name that ends
        in "%" makes percent of a share; "{}" stands for the keys of a statistic that is a mapping.
      paper_match: level -> match rate in percent (KALM, table 1).
      paper_unrealistic: level -> percent of each kind of unrealistic transition, in the order of `unrealistic`.
      paper_explanation: the paper's explanation accuracy in percent, "-" for none.
      paper_ablation: name of a set of grounding tasks -> level -> match rate in percent (KALM, table 1).
    """

    horizon: int
    early_steps: int
    steps: str = "steps"
    template: pathlib.Path | None = None
    unrealistic: Mapping[str, str] = dataclasses.field(
        default_factory=lambda: {"outside": "outside the data", "dynamics": "beyond the dynamics"}
    )
    readings: str = "the tests of its subgoals, as states cannot be asked about here"
    explained: tuple[str, str] = ("right goal", "in the data's words")
    statistics: Mapping[str, str] = dataclasses.field(
        default_factory=lambda: {
            "rollouts": "rollouts",
            "sentences": "different sentences",
            "length_mean": "steps of a rollout, mean",
            "length_min": "steps of the shortest rollout",
            "length_max": "steps of the longest rollout",
            "return_mean": "rewards of a rollout together, mean",
        }
    )
    paper_match: Mapping[str, float] = dataclasses.field(default_factory=dict)
    paper_unrealistic: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    paper_explanation: str = "-"
    paper_ablation: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
