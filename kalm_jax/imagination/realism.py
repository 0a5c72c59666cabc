"""Rows of counts about imagined rollouts, which every world's quality is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kalm_jax.types import LEVELS, GoalTable, Rollouts


def sound(rollouts: Rollouts, marks: Iterable[np.ndarray]) -> np.ndarray:
    """(N,) bool: rollouts that reach their goal without a step that one of `marks` (N, T) bool calls unrealistic."""
    return np.asarray(rollouts.terminated) & ~np.logical_or.reduce(list(marks)).any(1)


def count_rows(
    rollouts: Rollouts, goals: GoalTable, marks: Mapping[str, np.ndarray], families: Sequence[str]
) -> list[dict]:
    """One row per (level, family): rollouts, matched, kept (`sound`), transitions, and `<kind>_transitions` of `marks`.

    Args:
      marks: kind of unrealistic transition -> (N, T) bool. families: the world's names.
    """
    level, family = (np.asarray(x)[rollouts.goal] for x in (goals.level, goals.family))
    kept, step = sound(rollouts, marks.values()), rollouts.valid()
    rows = []
    for lv, f in sorted({(int(a), int(b)) for a, b in zip(level, family, strict=True)}):
        mine = (level == lv) & (family == f)
        rows.append(
            {
                "level": LEVELS[lv],
                "family": families[f],
                "rollouts": int(mine.sum()),
                "matched": int(np.asarray(rollouts.terminated)[mine].sum()),
                "kept": int(kept[mine].sum()),
                "transitions": int(step[mine].sum()),
                **{f"{kind}_transitions": int(mark[mine].sum()) for kind, mark in marks.items()},
            }
        )
    return rows
