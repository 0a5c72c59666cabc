"""Summary of a run's rows: success pooled over seeds, differences between conditions, rates of imagined rollouts.

Rows are plain dicts as they stand in `results.csv`; numbers may be text, as `csv.DictReader` gives them. Pooling and
every interval (95%) come from `kalm_jax.evaluation`.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kalm_jax.evaluation import difference_interval, pooled_interval, wilson_interval
from kalm_jax.evaluation.results import SENTENCE_SETS
from kalm_jax.types import LEVELS

RANDOM = "random"
"""The algorithm whose rows are the random baseline."""
COMPARED = (
    ("kalm", "offline"),
    ("kalm", "relabel"),
    ("kalm", "translate"),
    ("kalm+translate", "translate"),
    ("kalm+translate", "relabel+translate"),
    ("kalm+translate", "kalm"),
    ("kalm-privileged", "offline"),
    ("kalm-privileged", "kalm"),
)
"""Pairs of conditions whose difference is shown."""
CONDITION_ORDER = (
    "offline",
    "relabel",
    "translate",
    "relabel+translate",
    "kalm",
    "kalm+translate",
    "kalm-privileged",
    "oracle",
    "words",
    "plan",
)
_PLANS = "of novel sentences the language model's plans, and {readings}"
TOLD = {
    "offline": ("real rollouts", "nothing of novel sentences", "the sentence"),
    "relabel": (
        "real rollouts, and parts of them under novel sentences whose goal they reach",
        "true goals and success tests of novel sentences",
        "the sentence",
    ),
    "translate": (
        "real rollouts (the policies of offline)",
        "nothing of novel sentences",
        "the language model's subgoals for the sentence, one after the other by {readings}",
    ),
    "relabel+translate": (
        "real rollouts, and parts of them for single subgoals of novel sentences",
        "true subgoals of novel sentences and their success tests",
        "the language model's subgoals for the sentence, one after the other by {readings}",
    ),
    "kalm": ("real and imagined rollouts", _PLANS, "the sentence"),
    "kalm+translate": (
        "real rollouts, and parts of imagined ones for single subgoals",
        _PLANS,
        "the language model's subgoals for the sentence, one after the other by {readings}",
    ),
    "kalm-privileged": (
        "real and imagined rollouts",
        "true goals, success tests and rewards of novel sentences (the other conditions have one reward for all)",
        "the sentence",
    ),
    "oracle": ("real rollouts of all goals", "true goals and success tests of novel sentences", "the sentence"),
}
"""Condition -> what its policies learn from, what their training is told, and what they are told in tests."""
LEVEL_NAMES = {
    "offline": "goals of the data",
    "rephrase": "rephrase",
    "unseen_easy": "unseen easy",
    "unseen_hard": "unseen hard",
    "prompts": "your own prompts",
}
"""Level, or other part for which rollouts are imagined -> what tables call it."""
ALGORITHM_NAMES = {
    "bc": "BC",
    "td3bc": "TD3+BC",
    "cql": "CQL",
    "iql": "IQL",
    "awac": "AWAC",
    "combo": "COMBO",
    "decision_transformer": "DT",
    "llm_policy": "language model",
}
NAMES = ("algorithm", "condition", "level", "sentences", "family", "action_choice")
"""Columns of result rows that say which policy played what."""
PAPER_NAME = "KALM paper (Llama-2-7B)"


@dataclasses.dataclass(frozen=True)
class Share:
    """A rate or a difference of rates with its 95% interval, each a fraction (not percent); NaN where unknown."""

    value: float
    low: float
    high: float

    def clear_of_zero(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


@dataclasses.dataclass(frozen=True)
class Success:
    """Success of one kind of policy at one level (and family), pooled over seeds.

    Attributes:
      algorithm, condition, level, sentences, action_choice: as in the rows.
      family: goal family, or "" for all families of the level together.
      by_seed: (seeds, 3) episodes, successes, early successes of each seed.
      within: share of episodes that reach the goal within the horizon.
      early: share of episodes that reach it within the stricter limit.
      median_steps: the median of the rows' medians, each counted as often as it has successes.
    """

    algorithm: str
    condition: str
    level: str
    sentences: str
    family: str
    action_choice: str
    by_seed: np.ndarray
    within: Share
    early: Share
    median_steps: float

    @property
    def learner(self) -> tuple[str, str, str, str]:
        """Algorithm, level, set of sentences and action choice: what policies that are compared have in common."""
        return self.algorithm, self.level, self.sentences, self.action_choice

    @property
    def seeds(self) -> int:
        """Number of training seeds."""
        return len(self.by_seed)

    @property
    def episodes(self) -> int:
        """Number of episodes over all seeds."""
        return int(self.by_seed[:, 0].sum())

    @property
    def is_baseline(self) -> bool:
        """Whether nothing was learned: the random baseline or the expert, whose condition is its own name."""
        return self.algorithm == self.condition

    @property
    def name(self) -> str:
        """The policy as a reader sees it, such as "TD3+BC greedy", "random baseline" or "lookahead (expert)"."""
        if not self.is_baseline:
            return learner_name(self.algorithm, self.action_choice)
        if self.algorithm == RANDOM:
            return "random baseline"
        return self.algorithm if self.algorithm == "expert" else f"{self.algorithm} (expert)"

    @property
    def condition_name(self) -> str:
        """The condition, "" for a baseline, which has none."""
        return "" if self.is_baseline else self.condition


@dataclasses.dataclass(frozen=True)
class Difference:
    """How much more often `new` succeeds than `base`, the same learner in another condition."""

    new: Success
    base: Success
    within: Share
    early: Share


def number(value: Any) -> float:
    """A float from a number or its text; NaN from None, empty text or "nan"."""
    return math.nan if value is None or value == "" else float(value)


def rank(order: Sequence[str], name: str) -> tuple[int, str]:
    """Sort key: the names of `order` first and in its order, others behind them by alphabet."""
    return (order.index(name), "") if name in order else (len(order), name)


def learner_name(algorithm: str, action_choice: str = "") -> str:
    """A learner as a reader sees it, such as "TD3+BC greedy"."""
    return f"{ALGORITHM_NAMES.get(algorithm, algorithm)} {action_choice}".strip()


def level_name(level: str) -> str:
    """A level as a reader sees it."""
    return LEVEL_NAMES.get(level, level)


def successes(results: Iterable[Mapping], by_family: bool = False) -> list[Success]:
    """Pools rows of one world over seeds, and over the families of a level unless `by_family`, ordered as in tables.

    Raises:
      ValueError: a seed has no episode.
    """
    groups: dict[tuple[str, ...], list[Mapping]] = collections.defaultdict(list)
    for row in results:
        row = {"sentences": "any", **row, **({} if by_family else {"family": ""})}
        groups[tuple(str(row[name]) for name in NAMES)].append(row)
    return sorted(
        (_pool(dict(zip(NAMES, key)), rows) for key, rows in groups.items()),
        key=lambda s: (
            rank(LEVELS, s.level),
            s.family,
            (s.is_baseline and s.algorithm != RANDOM, s.algorithm != RANDOM, s.algorithm),
            s.action_choice,
            rank(SENTENCE_SETS, s.sentences),
            rank(CONDITION_ORDER, s.condition),
        ),
    )


def _pool(names: Mapping[str, str], rows: Sequence[Mapping]) -> Success:
    sums: dict[int, np.ndarray] = collections.defaultdict(lambda: np.zeros(3))
    for row in rows:
        sums[int(row["seed"])] += [int(row[k]) for k in ("episodes", "successes", "successes_early")]
    by_seed = np.array([sums[seed] for seed in sorted(sums)])
    episodes = by_seed[:, 0]
    if episodes.min() <= 0:
        policy = f"{names['algorithm']}, condition {names['condition']}, level {names['level']}"
        raise ValueError(f"results of {policy}: a seed has no episode; leave its rows out")
    within, early = (
        Share(float(good.sum() / episodes.sum()), *pooled_interval(good, episodes)) for good in by_seed[:, 1:].T
    )
    steps = [number(row["median_steps"]) for row in rows for _ in range(int(row["successes"]))]
    median = float(np.median(steps)) if steps else math.nan
    return Success(**names, by_seed=by_seed, within=within, early=early, median_steps=median)


def headline(pooled: Sequence[Success]) -> list[Success]:
    """Of each level the successes with new sentences, where there are such, and those of policies that read none."""
    new = {s.level for s in pooled if s.sentences == "new"}
    return [s for s in pooled if s.level not in new or s.sentences != "met"]


def differences(pooled: Iterable[Success], condition: str = "", base: str = "offline") -> list[Difference]:
    """The difference of the conditions `condition` and `base` wherever both were evaluated.

    Without a `condition` it is "kalm", or "kalm-privileged" in a run without it.
    """
    pooled = [s for s in pooled if not s.family]
    condition = condition or imagined_condition(pooled)
    bases = {s.learner: s for s in pooled if s.condition == base}
    pairs = [(s, bases[s.learner]) for s in pooled if s.condition == condition and s.learner in bases]
    return [Difference(new, base, *(_difference(new.by_seed, base.by_seed, k) for k in (1, 2))) for new, base in pairs]


def imagined_condition(pooled: Iterable[Success]) -> str:
    """The condition by which a run shows what imagination brings."""
    used = {s.condition for s in pooled}
    return "kalm-privileged" if "kalm-privileged" in used and "kalm" not in used else "kalm"


def compared(pooled: Sequence[Success], privileged: bool = True) -> list[Difference]:
    """The differences of all pairs `COMPARED`, or without those of a condition that is told more than another."""
    main = imagined_condition(pooled)
    pairs = [pair for pair in COMPARED if privileged or pair[0] in (main, "kalm+translate")]
    return [change for new, base in pairs for change in differences(pooled, new, base)]


def _difference(new: np.ndarray, old: np.ndarray, column: int) -> Share:
    low, high = difference_interval(new[:, column], new[:, 0], old[:, column], old[:, 0])
    value = new[:, column].sum() / new[:, 0].sum() - old[:, column].sum() / old[:, 0].sum()
    return Share(float(value), float(low), float(high))


def difference_share(new: Success, base: Success) -> Share:
    """How much more often `new` succeeds than `base` within the stricter limit."""
    return _difference(new.by_seed, base.by_seed, 2)


def oracle_gain_share(pooled: Sequence[Success], difference: Difference) -> float:
    """The gain over `offline` as a share of the gain of `oracle` over `offline`, within the stricter limit.

    NaN where no oracle was evaluated, or where it is not clearly ahead of offline: a share of nearly nothing is noise.
    """
    whole = [d.early for d in differences(pooled, "oracle") if d.base.learner == difference.base.learner]
    return difference.early.value / whole[0].value if whole and whole[0].low > 0 else math.nan


def rate(row: Mapping, good: str, total: str) -> Share | None:
    """The share row[good] / row[total] with its interval; None where the row has no such count or the total is zero."""
    counts = number(row.get(good)), number(row.get(total))
    if any(math.isnan(x) for x in counts) or counts[1] == 0:
        return None
    low, high = wilson_interval(int(counts[0]), int(counts[1]))
    return Share(counts[0] / counts[1], float(low), float(high))


def sum_rows(rows: Iterable[Mapping], key: str) -> list[dict]:
    """One dict for every value of `key`, in order of appearance, with the counts of its rows added up.

    Text columns other than `key` fall away; a count that only some of the rows have is the sum of those.
    """
    sums: dict[str, dict] = {}
    for row in rows:
        into = sums.setdefault(str(row[key]), {key: str(row[key])})
        for name, value in row.items():
            try:
                count = number(value)
            except ValueError:
                continue
            if name != key and not math.isnan(count):
                into[name] = into.get(name, 0.0) + count
    return list(sums.values())


def in_order(levels: Iterable[str]) -> list[str]:
    """Each of the levels once, in the order of `LEVELS`."""
    return sorted(set(levels), key=lambda level: rank(LEVELS, level))


def by_level_and_family(rows: Sequence[Mapping]) -> list[tuple[str, str, bool, dict]]:
    """(level, name, is it the whole level, added-up counts): each level and, if it has several, its families."""
    found: list[tuple[str, str, bool, dict]] = []
    for level in in_order(row["level"] for row in rows):
        mine = [row for row in rows if row["level"] == level]
        found.append((level, level_name(level), True, sum_rows(mine, "level")[0]))
        families = sorted(sum_rows(mine, "family"), key=lambda row: row["family"])
        if len(families) > 1:
            found += [(level, row["family"].replace("_", " "), False, row) for row in families]
    return found
