"""The two types that everything passes: `Rollouts` (episodes) and `GoalTable` (what they are for).

Dimension letters: N rollouts, T time steps (padded), D observation, A action, K goals, G goal array, E goal vector.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

LEVELS = ("offline", "rephrase", "unseen_easy", "unseen_hard")
"""The four levels of goals (KALM, section 5.1); a level's code is its index here."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Rollouts:
    """A batch of episodes, zero-padded to a common number of steps T; the final state is kept.

    Attributes:
      observations: (N, T+1, D) float32; entry `length` is the final observation, later entries are zero.
      actions: (N, T) int32 for discrete or (N, T, A) float32 for continuous actions.
      rewards: (N, T) float32.
      length: (N,) int32, number of actions taken, 1..T.
      terminated: (N,) bool, the episode ended in its goal (running out of time is not termination).
      goal: (N,) int32 index into a `GoalTable`.
      imagined: (N,) bool, written by a model rather than recorded from the simulator.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    length: np.ndarray
    terminated: np.ndarray
    goal: np.ndarray
    imagined: np.ndarray

    def __len__(self) -> int:
        return int(self.length.shape[0])

    @property
    def horizon(self) -> int:
        """Padded number of steps T."""
        return int(self.actions.shape[1])

    def valid(self) -> np.ndarray:
        """(N, T) bool, True where a step was taken."""
        return np.arange(self.horizon)[None, :] < np.asarray(self.length)[:, None]

    def take(self, index) -> Rollouts:
        """The rollouts at `index` (integers, a slice or a boolean mask)."""
        return jax.tree.map(lambda x: x[index], self)

    def num_transitions(self) -> int:
        """Number of recorded steps over all rollouts."""
        return int(np.sum(self.length))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class GoalTable:
    """The distinct goals. A goal is one sentence: two sentences for one arrangement are two goals.

    Attributes:
      text: K instructions, a tuple of strings (not an array: it never enters a jitted function).
      level: (K,) int32 index into `LEVELS`.
      family: (K,) int32, the environment's code of the success test.
      array: (K, G) int32 or float32, what the success test reads.
      vector: (K, E) float32, the encoding of the text; E = 0 until a language model has encoded it.
    """

    level: np.ndarray
    family: np.ndarray
    array: np.ndarray
    vector: np.ndarray
    text: tuple[str, ...] = dataclasses.field(default=(), metadata={"static": True})

    def __len__(self) -> int:
        return int(self.level.shape[0])

    def take(self, index) -> GoalTable:
        """The goals at `index` (integers or a boolean mask)."""
        index = np.asarray(index)
        index = np.flatnonzero(index) if index.dtype == bool else index
        arrays = (np.asarray(x)[index] for x in (self.level, self.family, self.array, self.vector))
        return GoalTable(*arrays, text=tuple(self.text[i] for i in index))

    def with_vector(self, vector) -> GoalTable:
        """The same goals with other goal vectors (K, E)."""
        if len(vector) != len(self):
            raise ValueError(f"goal vectors for {len(vector)} goals, but the table has {len(self)}")
        return dataclasses.replace(self, vector=np.asarray(vector, np.float32))


def make_goal_table(text, level, family, array, vector=None) -> GoalTable:
    """A `GoalTable` from sequences; `level` and `family` may be one value for all goals."""
    k = len(text)
    array = np.asarray(array)
    if array.ndim != 2 or len(array) != k:
        raise ValueError(f"goal arrays have shape {array.shape}, want ({k}, G): one row for each of the {k} sentences")
    level, family = (np.broadcast_to(np.asarray(x, np.int32), (k,)).copy() for x in (level, family))
    if k and (level.min() < 0 or level.max() >= len(LEVELS)):
        raise ValueError(f"level codes {np.unique(level)} outside 0..{len(LEVELS) - 1}, the indices of {LEVELS}")
    vector = np.zeros((k, 0), np.float32) if vector is None else np.asarray(vector, np.float32)
    return GoalTable(level, family, array, vector, text=tuple(str(t) for t in text))


def unnamed_goal(vector=()) -> GoalTable:
    """One goal without words, for rollouts that were recorded without any; policies see its `vector` (E,), or nothing.

    Its family is -1: no success test is known, and no other goal says the same in other words.
    """
    return make_goal_table([""], 0, -1, np.zeros((1, 0), np.int32), np.asarray(vector, np.float32).reshape(1, -1))


def concatenate(parts) -> Rollouts:
    """One `Rollouts` from several with the same D and A; shorter ones are padded. Goal indices are kept as they are."""
    parts = [p for p in parts if len(p)]
    if not parts:
        raise ValueError("nothing to concatenate: every part is empty")
    horizon = max(p.horizon for p in parts)

    def pad(x, size):
        return np.pad(np.asarray(x), [(0, 0), (0, size - x.shape[1])] + [(0, 0)] * (x.ndim - 2))

    parts = [
        dataclasses.replace(
            p,
            observations=pad(p.observations, horizon + 1),
            actions=pad(p.actions, horizon),
            rewards=pad(p.rewards, horizon),
        )
        for p in parts
    ]
    return jax.tree.map(lambda *xs: np.concatenate(xs), *parts)


def last_steps(rollouts: Rollouts, steps: int) -> Rollouts:
    """The last `steps` steps of each rollout, or all where it has no more; 0 leaves them whole."""
    if not steps or steps >= rollouts.horizon:
        return rollouts
    length = np.minimum(rollouts.length, steps)
    first = (np.asarray(rollouts.length) - length)[:, None]
    rows, time = np.arange(len(rollouts))[:, None], np.arange(steps + 1)
    seen, step = time <= length[:, None], time[:-1] < length[:, None]

    def cut(x, places, mask):
        part = np.asarray(x)[rows, np.minimum(first + places, np.shape(x)[1] - 1)]
        return np.where(mask.reshape(*mask.shape, *[1] * (part.ndim - 2)), part, 0).astype(part.dtype)

    return dataclasses.replace(
        rollouts,
        observations=cut(rollouts.observations, time, seen),
        actions=cut(rollouts.actions, time[:-1], step),
        rewards=cut(rollouts.rewards, time[:-1], step),
        length=length.astype(np.int32),
    )


def concatenate_goals(tables) -> tuple[GoalTable, list[int]]:
    """One table from several, and the offset to add to each part's goal indices."""
    tables = list(tables)
    offsets = np.cumsum([0] + [len(t) for t in tables])[:-1].tolist()
    merged = GoalTable(
        *(np.concatenate([getattr(t, f) for t in tables]) for f in ("level", "family", "array", "vector")),
        text=tuple(s for t in tables for s in t.text),
    )
    return merged, offsets


def validate(
    rollouts: Rollouts,
    num_goals: int | None = None,
    num_actions: int | None = None,
    name="rollouts",
    action_bounds=None,
) -> Rollouts:
    """Returns `rollouts` unchanged, or raises a ValueError that names field, index and mend.

    Checks shapes and types against `Rollouts`, lengths, finite numbers, action range (discrete actions in
    0..num_actions-1, or from 0 where their number is not given; continuous ones within `action_bounds`, a pair
    (low, high) that broadcasts to (A,)) and goal indices (0..num_goals-1).
    """

    def fail(field, problem):
        raise ValueError(f"{name}: {field} {problem}")

    obs, act = np.asarray(rollouts.observations), np.asarray(rollouts.actions)
    if obs.ndim != 3:
        fail("observations", f"have shape {obs.shape}, want (N, T+1, D)")
    n, t = obs.shape[0], obs.shape[1] - 1
    if act.shape[:2] != (n, t) or act.ndim not in (2, 3):
        fail("actions", f"have shape {act.shape}, want ({n}, {t}) or ({n}, {t}, A) to go with observations {obs.shape}")
    wanted = {"rewards": (n, t), "length": (n,), "terminated": (n,), "goal": (n,), "imagined": (n,)}
    for field, shape in wanted.items():
        if np.shape(getattr(rollouts, field)) != shape:
            fail(field, f"has shape {np.shape(getattr(rollouts, field))}, want {shape}")
    length, goal = np.asarray(rollouts.length), np.asarray(rollouts.goal)
    if n and (length.min() < 1 or length.max() > t):
        i = int(np.flatnonzero((length < 1) | (length > t))[0])
        fail("length", f"[{i}] is {length[i]}, want 1..{t}; drop empty rollouts before they come here")
    step = np.arange(t)[None] < length[:, None]
    seen = np.arange(t + 1)[None] <= length[:, None]
    for field, x, mask in (
        ("observations", obs, seen),
        ("rewards", np.asarray(rollouts.rewards), step),
        ("actions", act, step),
    ):
        bad = ~np.isfinite(x) if x.dtype.kind == "f" else np.zeros(x.shape, bool)
        bad = bad.reshape(*x.shape[:2], -1).any(-1) & mask
        if bad.any():
            i, j = np.argwhere(bad)[0]
            fail(field, f"[{i}, {j}] is not finite; repair or drop rollout {i}")
    if act.ndim == 2:
        bad = ((act < 0) | (act >= (np.inf if num_actions is None else num_actions))) & step
        if bad.any():
            i, j = np.argwhere(bad)[0]
            fail("actions", f"[{i}, {j}] is {act[i, j]}, want 0..{'' if num_actions is None else num_actions - 1}")
    elif action_bounds is not None:
        low, high = (np.broadcast_to(np.asarray(x, np.float64), act.shape[2:]) for x in action_bounds)
        # Rounding to float32 may put a bound itself a hair outside.
        slack = np.where(np.isfinite(high - low), 1e-5 * (high - low), 0.0)
        bad = ((act < low - slack) | (act > high + slack)) & step[..., None]
        if bad.any():
            i, j, k = np.argwhere(bad)[0]
            fail("actions", f"[{i}, {j}, {k}] is {act[i, j, k]:.6g}, want {low[k]:.6g}..{high[k]:.6g}")
    if num_goals is not None and n and (goal.min() < 0 or goal.max() >= num_goals):
        i = int(np.flatnonzero((goal < 0) | (goal >= num_goals))[0])
        fail("goal", f"[{i}] is {goal[i]}, but the goal table has {num_goals} goals")
    return rollouts
