"""Configuration of grounding that is free of JAX: the tasks and their shares, and the numbers of an environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import TYPE_CHECKING

from kalm_jax.settings import Checked, setting

if TYPE_CHECKING:
    import numpy as np

TASKS = ("generation", "explanation", "dynamics", "consequence", "description", "text", "plan")
"""Names of the grounding tasks; `tasks.py` describes them."""


@dataclasses.dataclass(frozen=True)
class TaskShares(Checked):
    """How often each task is drawn; 0 leaves it out. Shares count sequences, not positions.

    Raises:
      ValueError: a share is negative or not finite, or all are 0.
    """

    generation: float = setting(0.34, low=0, high=1e6)
    explanation: float = setting(0.44, low=0, high=1e6)
    dynamics: float = setting(0.05, low=0, high=1e6)
    consequence: float = setting(0.02, low=0, high=1e6)
    description: float = setting(0.2, low=0, high=1e6)
    text: float = setting(0.02, low=0, high=1e6)
    plan: float = setting(0.05, low=0, high=1e6)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not any(getattr(self, task) for task in TASKS):
            raise ValueError("the shares of all grounding tasks are 0, so nothing is learned; give one of them more")

    def only(self, tasks: Collection[str]) -> TaskShares:
        """Shares with which only `tasks` are drawn; the shares of the others are divided among them in proportion.

        Raises:
          ValueError: names the tasks that do not exist.
        """
        unknown = sorted(set(tasks) - set(TASKS))
        if unknown:
            raise ValueError(f"unknown grounding tasks {unknown}; there are {', '.join(TASKS)}")
        return dataclasses.replace(self, **{task: 0.0 for task in TASKS if task not in tasks})

    def probabilities(self) -> np.ndarray:
        """The shares in the order of TASKS, summing to 1."""
        import numpy as np  # Programs that read a configuration may have to start NumPy later.

        p = np.array([getattr(self, t) for t in TASKS], float)
        return p / p.sum()


@dataclasses.dataclass(frozen=True)
class NumericSpec:
    """The numbers of an environment and their scale. The statistics are part of the model and are saved with it.

    Attributes:
      state_dim: D.
      num_actions: number of discrete actions, or 0. One more id, `num_actions` itself, means "the goal is reached".
      action_dim: A, size of a continuous action, or 0.
      mean, std: D values each, statistics of single states.
      change_std: D values, standard deviation of s_{t+1} - s_t.
      predict_change: the state head predicts the change of state (ours) instead of the state (paper).
      hidden: width of the hidden layer of the encoder and the head; 0 makes both linear maps.
      action_mean, action_std: A values each, statistics of continuous actions.
      action_low, action_high: A values each, smallest and largest action of the data; decoded actions stay within.
      gaussian_states: the state head predicts a distribution (see `heads`) instead of a point.
      gaussian_actions: so does the head of continuous actions.
      differences: pairs of a state's numbers whose difference the encoder reads as well, such as positions along one
        axis, because interactions depend on them.
      difference_std: standard deviations of the differences, over states in which the first number is not 0.
      limit: the encoder clips normalized states and differences to [-limit, limit]; None does not clip. A number that
        never moves in the data is a hundred deviations off as soon as it moves.
    """

    state_dim: int
    num_actions: int = 0
    action_dim: int = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    change_std: tuple[float, ...] = ()
    predict_change: bool = True
    hidden: int = 512
    action_mean: tuple[float, ...] = ()
    action_std: tuple[float, ...] = ()
    action_low: tuple[float, ...] = ()
    action_high: tuple[float, ...] = ()
    gaussian_states: bool = False
    gaussian_actions: bool = False
    differences: tuple[tuple[int, int], ...] = ()
    difference_std: tuple[float, ...] = ()
    limit: float | None = None

    def __post_init__(self) -> None:
        if bool(self.num_actions) == bool(self.action_dim):
            raise ValueError(
                f"num_actions={self.num_actions} and action_dim={self.action_dim}: actions are either discrete or "
                "continuous, so exactly one of them is positive"
            )
        if self.gaussian_actions and self.num_actions:
            raise ValueError("gaussian_actions is for continuous actions; discrete ones have a distribution already")
        if self.limit is not None and self.limit <= 0:
            raise ValueError(f"limit={self.limit}: nothing would be read; use a positive one, or None")
        sizes = {"mean": self.state_dim, "std": self.state_dim, "change_std": self.state_dim}
        sizes |= {f"action_{k}": self.action_dim for k in ("mean", "std", "low", "high")}
        sizes["difference_std"] = len(self.differences)
        for name, size in sizes.items():
            if len(getattr(self, name)) != size:
                raise ValueError(f"{name} has {len(getattr(self, name))} numbers, but there are {size}")

    @property
    def width(self) -> int:
        """Number of values of a position in `Rows`, which states and actions share."""
        return max(self.state_dim, self.action_dim)


NO_NUMBERS = NumericSpec(1, num_actions=1, mean=(0.0,), std=(1.0,), change_std=(1.0,), hidden=8)
"""Of a model that reads and writes text alone: its number parts are small and unused."""
