"""Names and shares of the grounding tasks, free of JAX: what a configuration says about them. See `tasks.py`."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

TASKS = ("generation", "explanation", "dynamics", "consequence", "description", "text", "plan")


@dataclasses.dataclass(frozen=True)
class TaskShares:
    """How often each task is drawn; 0 leaves it out. Shares count sequences, not positions."""

    generation: float = 0.34
    explanation: float = 0.44
    dynamics: float = 0.05
    consequence: float = 0.02
    description: float = 0.2
    text: float = 0.02
    plan: float = 0.05

    def only(self, tasks: Collection[str]) -> TaskShares:
        """Shares with which only `tasks` are drawn: those of the others are divided among them, in proportion."""
        unknown = sorted(set(tasks) - set(TASKS))
        if unknown:
            raise ValueError(f"unknown grounding tasks {unknown}; there are {', '.join(TASKS)}")
        return dataclasses.replace(self, **{task: 0.0 for task in TASKS if task not in tasks})

    def probabilities(self) -> np.ndarray:
        """The shares in the order of TASKS, summing to 1. ValueError where one is negative or all are 0."""
        import numpy as np  # here, as programs that read a configuration may not have NumPy started yet

        p = np.array([getattr(self, t) for t in TASKS], float)
        if p.min() < 0 or p.sum() <= 0:
            raise ValueError(f"task shares {self} must be non-negative with a positive sum")
        return p / p.sum()
