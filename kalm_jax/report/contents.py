"""What a report is made from: plain data, read by the caller from the files of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from kalm_jax.worlds.base import ReportLabels


@dataclasses.dataclass(frozen=True)
class ReportData:
    """Everything that a report can show. A part that is empty is left out of the page.

    Numbers in rows may be text, as `csv.DictReader` gives them.

    Attributes:
      results: rows with environment, algorithm, condition, level, family, seed, action_choice ("greedy" or "sampled"),
        episodes, successes, successes_early, median_steps. Rows of the algorithms `summary.REFERENCES` are the floor
        and the ceiling.
      imagination: rows of `imagination.quality.rollout_rows`: level, family, rollouts, matched, transitions, a count
        `<kind>_transitions` for each of `ReportLabels.unrealistic` and, for single moves, actions_matched and
        states_matched.
      replayed: rows of `evaluation.replayed.rows`: imagined rollouts played in the simulator, by level and family.
      explanation: rows of `imagination.quality.explanation_row`: prompt ("seen" or "unseen"), rollouts, correct, exact.
      grounding_curve: rows with step and any losses; `val_<name>` is <name> on held-out rollouts.
      grounding_metrics: rows of `evaluation.metrics`: the language model's metrics at steps of its grounding.
      learning_curves: rows with algorithm, condition, seed, update, metric, value.
      collection: statistics of the collected data, name to number (or to a mapping of such).
      stage_seconds: stage to seconds, in the order of the stages.
      manifest: configuration, versions, hardware, seeds; `command` (text) is shown first.
      examples: rollouts to be animated: instruction, kind ("real" or "imagined"), observations (T+1, 10), actions (T,)
        and, where known, reached (bool). The first real one stands beside the first imagined one, and so on.
      films: rollouts as pictures, where `examples` cannot be drawn: instruction, kind (a few words), outcome, frames
        (F, H, W, 3) uint8 and the step of each frame (F,). Those of one instruction stand under each other.
      lengths: name of a set of rollouts to their numbers of steps (N,); put the recorded set first.
      positions: name of a set of rollouts to the ball centres (M, 2) in it; put the recorded set first.
      prompts: rows of `prompts.csv`, shown as they are.
      model: one phrase about the language model, such as "the built-in model, 2.1 million parameters".
      title: heading of the page. terms: how the world is spoken of.
    """

    results: Sequence[Mapping] = ()
    imagination: Sequence[Mapping] = ()
    replayed: Sequence[Mapping] = ()
    explanation: Sequence[Mapping] = ()
    grounding_curve: Sequence[Mapping] = ()
    grounding_metrics: Sequence[Mapping] = ()
    learning_curves: Sequence[Mapping] = ()
    collection: Mapping = dataclasses.field(default_factory=dict)
    stage_seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    manifest: Mapping = dataclasses.field(default_factory=dict)
    examples: Sequence[Mapping] = ()
    films: Sequence[Mapping] = ()
    lengths: Mapping[str, Sequence[int]] = dataclasses.field(default_factory=dict)
    positions: Mapping[str, Sequence] = dataclasses.field(default_factory=dict)
    prompts: Sequence[Mapping] = ()
    model: str = ""
    title: str = "KALM"
    terms: ReportLabels = dataclasses.field(kw_only=True)
