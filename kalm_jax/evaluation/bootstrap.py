"""Success over several groundings: interquartile mean, paired differences, probability of improvement, and intervals.

A grounding is a whole run, with data, a language model, imagined rollouts and policies of its own. Its score is a
success rate. Groundings differ, and so do the sentence templates that a test is made of, so a resample draws both
again, with replacement: as many groundings, and in each stratum (a family of goals) as many templates. The wordings of
a template are the same in every grounding, so a resample has the same templates in all of them. What is compared shares
its draws, so that differences are paired.

An interval is the value plus and minus the standard error of the resamples, times sqrt(G / (G - 1)) and Student's
quantile with G - 1 degrees of freedom, within the limits of what is measured. For the mean of groundings that are known
exactly this is Student's interval. The percentiles of the resamples, which rliable reports, are too narrow for so few
runs, as the simulation in `tests/evaluation/test_bootstrap.py` shows: for the mean of three and of five groundings
whose rates scatter by ten points they cover 84 and 88%, and these intervals 99 and 97%.

Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS 2021 (rliable).
Dimension letters: G groundings, T templates, R resamples.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from scipy import special

from kalm_jax.evaluation.statistics import CONFIDENCE, FEWEST_VALUES

RESAMPLES = 5000
"""Resamples behind an interval: its length is known within 2%."""


@dataclasses.dataclass(frozen=True)
class Draws:
    """Resamples: `groundings` (R, G) indices, `templates` (R, T) how often each is drawn."""

    groundings: np.ndarray
    templates: np.ndarray


@dataclasses.dataclass(frozen=True)
class Scores:
    """Success rates of groundings: `own` (G,) as they were measured, `drawn` (R, G) in resamples."""

    own: np.ndarray
    drawn: np.ndarray


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval; NaN where there is no interval, below `FEWEST_VALUES` groundings."""

    value: float
    low: float
    high: float


def draw(groundings: int, strata: Sequence[Hashable], resamples: int = RESAMPLES, seed: int = 0) -> Draws:
    """Resamples of G groundings, and of T templates within the strata that they belong to, `strata` (T,).

    The same arguments give the same draws. ValueError where there is no grounding, template or resample.
    """
    if min(groundings, len(strata), resamples) < 1:
        raise ValueError(
            f"{groundings} groundings, {len(strata)} templates, {resamples} resamples: want at least one of each"
        )
    rng = np.random.default_rng(seed)
    drawn = rng.integers(groundings, size=(resamples, groundings))
    counts = np.zeros((resamples, len(strata)))
    for stratum in dict.fromkeys(strata):
        mine = [i for i, other in enumerate(strata) if other == stratum]
        counts[:, mine] = rng.multinomial(len(mine), np.full(len(mine), 1 / len(mine)), size=resamples)
    return Draws(drawn, counts)


def score(successes: np.ndarray, episodes: np.ndarray, draws: Draws) -> Scores:
    """Success rates from counts (G, T) by grounding and template.

    A grounding that has none of a resample's templates keeps its own rate there. ValueError where a grounding has no
    episodes, or counts do not fit each other or the draws.
    """
    good, played = np.asarray(successes, np.float64), np.asarray(episodes, np.float64)
    shape = draws.groundings.shape[1], draws.templates.shape[1]
    if good.shape != shape or played.shape != shape or (good < 0).any() or (good > played).any():
        raise ValueError(f"successes {good.shape} of episodes {played.shape}: want counts of (groundings, templates)")
    if not (played.sum(1) > 0).all():
        raise ValueError(f"grounding {int(played.sum(1).argmin())} has no episodes: leave it out")
    own = good.sum(1) / played.sum(1)
    total = draws.templates @ played.T
    rates = np.where(total > 0, draws.templates @ good.T / np.where(total > 0, total, 1), own)
    return Scores(own, np.take_along_axis(rates, draws.groundings, 1))


def mean(x: np.ndarray) -> np.ndarray:
    """The mean over the last axis, the groundings."""
    return np.asarray(x).mean(-1)


def interquartile_mean(x: np.ndarray) -> np.ndarray:
    """The mean over the last axis without its lowest and its highest quarter, each rounded down (rliable's IQM)."""
    ordered = np.sort(x, -1)
    cut = ordered.shape[-1] // 4
    return ordered[..., cut : ordered.shape[-1] - cut].mean(-1)


def mean_difference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The mean over groundings of x minus y."""
    return mean(np.asarray(x) - y)


def interquartile_difference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The interquartile mean over groundings of x minus y."""
    return interquartile_mean(np.asarray(x) - y)


def probability_of_improvement(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """P(X > Y) over all pairs of a run of x (..., G) and one of y (..., G'), ties half (rliable's for one task)."""
    x, y = np.asarray(x), np.asarray(y)
    above = sum(0.5 * (np.sign(x[..., i, None] - y) + 1).mean(-1) for i in range(x.shape[-1]))
    return np.asarray(above) / x.shape[-1]


def estimate(
    statistic: Callable[..., np.ndarray], *scores: Scores, lowest: float = 0.0, highest: float = 1.0
) -> Estimate:
    """A statistic of scores with its interval, which is cut at `lowest` and `highest`.

    Args:
      statistic: arrays (..., G), one for each of `scores`, -> (...); such as `interquartile_mean`.
      scores: of the same draws.
    """
    value = float(statistic(*(s.own for s in scores)))
    groundings = len(scores[0].own)
    if groundings < FEWEST_VALUES:
        return Estimate(value, math.nan, math.nan)
    spread = float(statistic(*(s.drawn for s in scores)).std()) * math.sqrt(groundings / (groundings - 1))
    half = float(special.stdtrit(groundings - 1, (1 + CONFIDENCE) / 2)) * spread
    return Estimate(value, min(value, max(lowest, value - half)), max(value, min(highest, value + half)))
