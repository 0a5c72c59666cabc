"""What a report is made from: plain data, read by the caller from the files of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class ReportData:
    """Everything that a report can show. A part that is empty is left out of the page.

    Numbers in rows may be text, as `csv.DictReader` gives them.

    Attributes:
      results: rows with environment, algorithm, arm, level, family, seed, action_choice ("greedy" or "sampled"),
        episodes, successes (within 50 pushes), successes_10 (within 10), median_steps. Rows of the algorithms "random"
        and "lookahead" are the floor and the ceiling.
      imagination: rows of `imagination.quality.rollout_rows`: level, family, rollouts, matched, transitions,
        off_bench_transitions, beyond_dynamics_transitions and, for single moves, actions_matched, states_matched.
      explanation: rows of `imagination.quality.explanation_row`: prompt ("seen" or "unseen"), rollouts, correct, exact.
      grounding_curve: rows with step and any losses; `val_<name>` is <name> on held-out rollouts.
      learning_curves: rows with algorithm, arm, seed, update, metric, value.
      collection: statistics of the collected data, name to number (or to a mapping of such).
      stage_seconds: stage to seconds, in the order of the stages.
      manifest: configuration, versions, hardware, seeds; `command` (text) is shown first.
      examples: rollouts to be animated: instruction, kind ("real" or "imagined"), observations (T+1, 10), actions (T,)
        and, where known, reached (bool). The first real one stands beside the first imagined one, and so on.
      lengths: name of a set of rollouts to their numbers of pushes (N,); put the recorded set first.
      positions: name of a set of rollouts to the ball centres (M, 2) in it; put the recorded set first.
      prompts: rows of `prompts.csv`, shown as they are.
      model: one phrase about the language model, such as "the built-in model, 2.1 million parameters".
      title: heading of the page.
    """

    results: Sequence[Mapping] = ()
    imagination: Sequence[Mapping] = ()
    explanation: Sequence[Mapping] = ()
    grounding_curve: Sequence[Mapping] = ()
    learning_curves: Sequence[Mapping] = ()
    collection: Mapping = dataclasses.field(default_factory=dict)
    stage_seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    manifest: Mapping = dataclasses.field(default_factory=dict)
    examples: Sequence[Mapping] = ()
    lengths: Mapping[str, Sequence[int]] = dataclasses.field(default_factory=dict)
    positions: Mapping[str, Sequence] = dataclasses.field(default_factory=dict)
    prompts: Sequence[Mapping] = ()
    model: str = ""
    title: str = "KALM on CLEVR-Robot"
