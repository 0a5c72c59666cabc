"""What a report is made from: plain data, read by the caller from the files of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from kalm_jax.report.measures import Measure, amounts_of, noise
from kalm_jax.types.pictures import Illustrations
from kalm_jax.worlds.labels import ReportLabels


@dataclasses.dataclass(frozen=True)
class ReportData:
    """Everything that a report can show. A part that is empty is left out of the page.

    Numbers in rows may be text, as `files.read_csv` gives them.

    Attributes:
      labels: what the world calls things, and the paper's numbers for it.
      results: rows with environment, algorithm, condition, level, family, seed, action_choice ("greedy" or "sampled"),
        episodes, successes, successes_early, median_steps. Rows whose condition is the algorithm's name are of the
        random baseline or of the expert.
      imagination: rows of `World.quality_rows`: level, family, rollouts, matched, transitions, a count
        `<kind>_transitions` for each of `labels.unrealistic` and, for single moves, actions_matched and states_matched.
      replayed: rows of `evaluation.replay.rows`: imagined rollouts played in the simulator, by level and family.
      explanation: rows of `World.explanation_row`: prompt ("seen" or "unseen"), rollouts, correct, exact.
      grounding_curve: rows with step and any losses; `val_<name>` is <name> on held-out rollouts.
      losses: which of them are shown, and what they are; None is as `measures.grounding_measures` has it.
      grounding_metrics: rows of `evaluation.metrics`: the language model's metrics at steps of its grounding.
      learning_curves: rows with algorithm, condition, seed, update, metric, value.
      collection: `World.statistics` of the collected data, key to number (or to a mapping of such).
      stage_seconds: stage to seconds, in the order of the stages.
      manifest: configuration, versions, hardware, seeds; `command` (text) is shown first.
      illustrations: rollouts in pictures, as the world draws them.
      lengths: name of a set of rollouts to their numbers of steps (N,); the recorded set comes first.
      real_alone: conditions of whose imagined rollouts none was kept: their policies learned from real ones alone.
      prompts: rows of `prompts.csv`, shown as they are.
      model: one phrase about the language model, such as "the built-in model, 2.1 million parameters".
      title: heading of the page.
    """

    labels: ReportLabels
    results: Sequence[Mapping] = ()
    imagination: Sequence[Mapping] = ()
    replayed: Sequence[Mapping] = ()
    explanation: Sequence[Mapping] = ()
    grounding_curve: Sequence[Mapping] = ()
    losses: Mapping[str, Measure] | None = None
    grounding_metrics: Sequence[Mapping] = ()
    learning_curves: Sequence[Mapping] = ()
    collection: Mapping = dataclasses.field(default_factory=dict)
    stage_seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    manifest: Mapping = dataclasses.field(default_factory=dict)
    illustrations: Illustrations = Illustrations()
    lengths: Mapping[str, Sequence[int]] = dataclasses.field(default_factory=dict)
    real_alone: Sequence[str] = ()
    prompts: Sequence[Mapping] = ()
    model: str = ""
    title: str = "KALM"

    def noise(self) -> str:
        """A line that says that the numbers are noise, with the amounts that are too small; "" where none is."""
        return noise(**amounts_of(self.results, self.learning_curves, self.grounding_curve))
