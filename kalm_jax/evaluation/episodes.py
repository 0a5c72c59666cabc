"""Draws the goals of evaluation episodes: evenly over families, and within a family over sentence templates."""

from __future__ import annotations

import numpy as np


def balanced_goals(
    rng: np.random.Generator,
    family: np.ndarray,
    families: np.ndarray,
    num: int | np.ndarray,
    template: np.ndarray | None = None,
) -> np.ndarray:
    """(num,) int32 indices of goals, family after family, each family equally often.

    Within a family templates are equally frequent, and no goal repeats until all have been drawn.

    Args:
      rng: source of the draws.
      family: (K,) the family of each goal.
      families: the families to draw from.
      num: number of draws, at least 1, or that of each family; the first get one more where it does not divide evenly.
      template: (K,) the template of each goal's sentence; None treats all sentences alike.
    """
    if np.sum(num) < 1:
        raise ValueError(f"num is {num}, want at least one episode")
    template = np.zeros(len(family), np.int64) if template is None else template
    count, rest = np.divmod(num, len(families))
    sizes = np.asarray(num) if np.ndim(num) else count + (np.arange(len(families)) < rest)
    drawn = []
    for code, size in zip(families, sizes):
        members = np.flatnonzero(family == code)
        rounds: list[np.ndarray] = []
        while len(rounds) * len(members) < size:
            order = rng.permutation(members)
            _, group = np.unique(template[order], return_inverse=True)
            by_group = np.argsort(group, kind="stable")
            rank = np.empty(len(order), np.int64)
            rank[by_group] = np.concatenate([np.arange(n) for n in np.bincount(group)])
            rounds.append(order[np.argsort(rank, kind="stable")])
        drawn.append(np.concatenate([np.empty(0, np.int64), *rounds])[:size])
    return np.concatenate(drawn).astype(np.int32)
