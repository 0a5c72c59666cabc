"""Sentences of the page that speak of a run's own numbers. Each is "" where the run has nothing to say about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kalm_jax.report import summary
from kalm_jax.report.measures import listed
from kalm_jax.report.summary import Success
from kalm_jax.worlds.labels import ReportLabels


def verdicts(pooled: Sequence[Success]) -> str:
    """How many comparisons of imagination and offline came out which way, within the stricter limit."""
    name, changes = summary.imagined_condition(pooled), [d.early for d in summary.differences(pooled)]
    if not changes:
        return ""
    ahead = sum(share.low > 0 for share in changes)
    behind = sum(share.high < 0 for share in changes)
    rest = len(changes) - ahead - behind
    return (
        f"Of the {_count(len(changes), 'comparison')} of this run, {name} is ahead in {ahead} and behind in {behind}; "
        f"{rest} {'shows' if rest == 1 else 'show'} no clear difference."
    )


def baselines(pooled: Sequence[Success], labels: ReportLabels) -> str:
    """What the random baseline and the expert reach here, level by level."""
    texts = []
    for name, random in (("the random baseline", True), ("the expert", False)):
        mine = [s for s in pooled if s.is_baseline and (s.algorithm == summary.RANDOM) == random and not s.family]
        rates = [f"{100 * s.early.value:.0f}% ({summary.level_name(s.level)})" for s in mine]
        texts += [f"{name} reaches {listed(rates)}"] if rates else []
    text = ", and ".join(texts)
    return f"Within {labels.early_steps} {labels.steps} {text} in this run." if texts else ""


def against_random(pooled: Sequence[Success]) -> str:
    """How many rates of learned policies are clear of the random baseline of their level."""
    random = {s.level: s for s in pooled if s.algorithm == summary.RANDOM and not s.family}
    learned = [s for s in pooled if not s.is_baseline and not s.family and s.level in random]
    if not learned:
        return ""
    gains = [summary.difference_share(s, random[s.level]) for s in learned]
    above, below = sum(gain.low > 0 for gain in gains), sum(gain.high < 0 for gain in gains)
    text = f"Of the {_count(len(learned), 'rate')} of learned policies below, {above} {'is' if above == 1 else 'are'} "
    return f"{text}clearly above the random baseline of the same level and {below} clearly below it."


def episodes(pooled: Sequence[Success]) -> str:
    """What the column of episodes says, by the numbers of this run."""
    learned = [s for s in pooled if not s.is_baseline]
    if not learned:
        return ""
    s = learned[0]
    each = s.episodes / s.seeds
    text = f"“{s.seeds} x {each:.0f}” episodes: {_count(s.seeds, 'training seed')}, {_count(round(each), 'episode')}"
    return f"{text} each." if s.seeds > 1 else f"{text}."


def seeds(counts: Sequence[int]) -> str:
    """What so few training seeds mean; `counts` are the different numbers of seeds of the policies."""
    if not counts:
        return ""
    if counts[0] == 1:
        return "The intervals of one training seed show the chance of the episodes alone, not how training varies."
    if counts[0] == 2:
        return (
            "How much two training seeds vary can hardly be estimated: where they differ by more than chance, their "
            "intervals are nearly as wide as the scale."
        )
    return "So few seeds say little about how training varies." if counts[0] < 5 else ""


def kept(imagination: Sequence[Mapping]) -> str:
    """How many imagined rollouts policies learn from, level by level."""
    rows = [row for row in summary.sum_rows(imagination, "level") if "learned" in row and row.get("rollouts")]
    shares = [f"{row['learned']:.0f} of {row['rollouts']:.0f} ({summary.level_name(row['level'])})" for row in rows]
    return f"In this run these are {listed(shares)}." if shares else ""


def unimagined(results: Iterable[Mapping], amounts: Mapping) -> str:
    """For which levels the policies of kalm and oracle had no rollouts; `amounts` are `ImagineConfig`'s, by level."""
    rows = [
        row for row in results if row["condition"] in summary.TOLD and row["condition"] not in ("offline", "translate")
    ]
    levels = [level for level in summary.in_order(row["level"] for row in rows) if amounts.get(level) == 0]
    if not levels:
        return ""
    conditions = listed(sorted({row["condition"] for row in rows}))
    return f"This run has no rollouts for {listed(list(map(summary.level_name, levels)))} goals in {conditions}."


def real_alone(conditions: Sequence[str]) -> str:
    """That the policies of these conditions learned from nothing that was imagined, "" where there are none."""
    if not conditions:
        return ""
    return (
        f"Nothing that was imagined for {listed(conditions)} was kept, so the policies of "
        f"{'this condition' if len(conditions) == 1 else 'these conditions'} learned from real rollouts alone."
    )


def full_length(lengths: Mapping[str, Sequence[int]], labels: ReportLabels) -> str:
    """Which share of each set of rollouts runs to the limit."""
    full = {name: 100 * np.mean(np.asarray(n) >= labels.horizon) for name, n in lengths.items() if len(n)}
    shares = [f"{share:.0f}% of the {name}" for name, share in full.items()]
    return f"{listed(shares)} rollouts have all {labels.horizon} {labels.steps}." if shares else ""


def points(at: Iterable[float], what: str) -> str:
    """That a curve is a single point, where it is one; `at` are the places of its points."""
    places = sorted(set(at))
    return f"This run has one point of each curve, at {what} {places[0]:,.0f}." if len(places) == 1 else ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
