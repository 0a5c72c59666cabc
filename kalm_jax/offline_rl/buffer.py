"""Rollouts as flat transitions on the device, and batches sampled from them with a fixed share for every source.

Observations and goal vectors are stored once: a transition holds the row of its observation (the next observation is
the row after it) and the index of its goal.
Dimension letters: N transitions, R rows of observations, D observation, A action, K goals, E goal vector, G goal array,
U units, S sources, B batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from kalm_jax.offline_rl.normalization import DatasetStats
from kalm_jax.types import GoalTable, Rollouts, validate
from kalm_jax.types.pytree import pytree_dataclass
from kalm_jax.types.transforms import ObservationTransform

DRAWS = ("transitions", "rollouts")
"""What can have equal probability within a source."""
GOAL_STD_FLOOR = 0.01
"""Least standard deviation of a goal vector's entry, as a share of the largest: constant entries stay harmless."""


@pytree_dataclass
class Batch:
    """Transitions that one update learns from.

    Attributes:
      observation, next_observation, goal (vectors): float32, not normalized.
      action: int32, or float32 in [-1, 1].
      terminal: 1 where the goal was reached, so that nothing comes after; 0 at a time-out.
      is_original_goal: 1 where the action was taken for this goal, 0 where the goal was relabeled: values
        are learned from both, imitation only from the first. None means all 1.
    """

    observation: Float[Array, "B D"]
    goal: Float[Array, "B E"]
    action: Int[Array, " B"] | Float[Array, "B A"]
    reward: Float[Array, " B"]
    next_observation: Float[Array, "B D"]
    terminal: Float[Array, " B"]
    is_original_goal: Float[Array, " B"] | None = None


@dataclasses.dataclass(frozen=True)
class Relabel:
    """Hindsight relabeling: how goals are exchanged as batches are sampled (Andrychowicz et al., NeurIPS 2017).

    The outcome of an action is known for every goal, not only for the one it was taken for, and a critic needs the
    outcomes of actions that nobody takes for a goal. The other goal is that of another rollout of the same source.

    Attributes:
      share: probability that a row of a batch gets another goal, in [0, 1).
      judge: called as judge(family (B,), array (B, G), observation, action, next_observation), returns the outcome of
        the step for that goal: reward (B,), reached (B,) bool, and possible (B,) bool, whether a rollout for the goal
        could have such a step (it ends at its first success).
    """

    share: float
    judge: Callable[[Array, Array, Array, Array, Array], tuple[Array, Array, Array]]

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError(f"the share of relabeled goals is {self.share}, want 0 <= share < 1")


@pytree_dataclass
class Buffer:
    """Transitions of several sources, one source after the other.

    Attributes:
      observations: (R, D) float32, the observations of each rollout one after the other, the final one included.
      row: (N,) int32 into `observations`; the next observation is in `row + 1`.
      action: (N,) int32 or (N, A) float32. reward: (N,) float32.
      terminal: (N,) float32, 1 at the step that reached the goal.
      goal: (N,) int32 into `goal_vectors`.
      goal_vectors: (K, E) float32.
      wordings: (K,) int32, the goals ordered such that wordings of one goal (equal level, family and array) are
        adjacent; those of goal k are `wordings[wording_first[k] : wording_first[k] + wording_count[k]]`.
      unit_first, unit_length: (U,) int32, first transition and number of transitions of each unit that is sampled with
        equal probability: a rollout, or a single transition.
      first, count: (S,) int32, first unit of each source, and how many units it has.
      share_end: (S,) float32, cumulative shares of a batch; the last is 1.
      family, array: (K,) and (K, G) int32, the arguments of each goal's success test.
      time: (N,) int32, steps of the rollout before this one. returns_to_go: (N,) float32, sum of the rewards from this
        step to the end of the rollout. Learners of windows need both (`windows.py`); None in a `StreamBuffer`.
      num_actions: number of discrete actions, 0 for continuous ones.
      relabel: how goals are exchanged, or None.
      transform: how observations are presented to networks.
    """

    observations: Float[Array, "R D"]
    row: Int[Array, " N"]
    action: Int[Array, " N"] | Float[Array, "N A"]
    reward: Float[Array, " N"]
    terminal: Float[Array, " N"]
    goal: Int[Array, " N"]
    goal_vectors: Float[Array, "K E"]
    wordings: Int[Array, " K"]
    wording_first: Int[Array, " K"]
    wording_count: Int[Array, " K"]
    unit_first: Int[Array, " U"]
    unit_length: Int[Array, " U"]
    first: Int[Array, " S"]
    count: Int[Array, " S"]
    share_end: Float[Array, " S"]
    family: Int[Array, " K"]
    array: Int[Array, "K G"]
    time: Any
    returns_to_go: Any
    num_actions: int = dataclasses.field(metadata={"static": True})
    relabel: Relabel | None = dataclasses.field(metadata={"static": True})
    transform: ObservationTransform = dataclasses.field(
        default=ObservationTransform(), metadata={"static": True}, kw_only=True
    )

    def __len__(self) -> int:
        return int(self.row.shape[0])

    def stats(self) -> DatasetStats:
        """Sizes and normalization statistics; constant entries of observations and goal vectors are guarded."""
        observations = np.asarray(self.observations, np.float64)
        stats = self._stats_from(observations.mean(0), observations.std(0))
        if not self.transform.differences:
            return stats
        return dataclasses.replace(stats, difference_std=jnp.asarray(self.transform.scale(observations), jnp.float32))

    def _stats_from(self, mean: Float[np.ndarray, " D"], std: Float[np.ndarray, " D"]) -> DatasetStats:
        """The statistics, with mean and standard deviation (float64) of the observations given."""
        vectors = np.asarray(self.goal_vectors, np.float64)
        goal_std = vectors.std(0)
        floor = max(GOAL_STD_FLOOR * goal_std.max(initial=0.0), 1e-6)
        return DatasetStats(
            observation_mean=jnp.asarray(mean, jnp.float32),
            observation_std=jnp.asarray(std + self.transform.offset, jnp.float32),
            goal_mean=jnp.asarray(vectors.mean(0), jnp.float32),
            goal_std=jnp.asarray(np.maximum(goal_std, floor), jnp.float32),
            action_dim=self.num_actions or int(self.action.shape[1]),
            discrete=bool(self.num_actions),
            transform=self.transform,
        )

    def sums(self) -> list[float]:
        """Sums of observations, rewards and goal vectors, by which a checkpoint identifies its data."""
        return [float(np.asarray(x, np.float64).sum()) for x in (self.observations, self.reward, self.goal_vectors)]


Source = tuple[Rollouts, float]
"""Rollouts, and their share of every batch."""


def one_to_one(real: Rollouts, imagined: list[Rollouts], shares: list[float]) -> list[Source]:
    """Sources for `make_buffer`: half of each batch real, the other half divided among the imagined by `shares`."""
    if not imagined:
        return [(real, 1.0)]
    total = sum(shares)
    return [(real, 0.5)] + [(part, 0.5 * share / total) for part, share in zip(imagined, shares, strict=True)]


def make_buffer(
    sources: list[Source],
    goals: GoalTable,
    num_actions: int | None = None,
    draw: str = "transitions",
    relabel: Relabel | None = None,
    transform: ObservationTransform = ObservationTransform(),
) -> Buffer:
    """Puts the transitions of the sources on the default device.

    Args:
      sources: (rollouts, share) pairs; shares are positive and are scaled to sum to 1. All rollouts index `goals`.
      goals: with goal vectors (K, E); E may be 0 where there is a single goal.
      draw: what has equal probability within a source, one of `DRAWS`: with "transitions" a rollout of 40 steps counts
        ten times as much as one of 4; with "rollouts" both count the same, so that long failures do not dominate.
      num_actions: of a discrete action space; None takes the largest recorded action + 1, or a continuous space.
      relabel: exchanges goals as batches are sampled; all goals must then be of known family.
      transform: how observations are presented to networks.

    Raises:
      ValueError: an empty source, a share that is not positive, goals without vectors, malformed rollouts.
    """
    shares = checked_shares(sources, goals, draw)
    if relabel is not None and (np.asarray(goals.family) < 0).any():
        raise ValueError("goals of unknown family (-1) cannot be judged: leave out `relabel`")
    parts, lengths, first_row = [], [], 0
    for i, (rollouts, _) in enumerate(sources):
        if not len(rollouts):
            raise ValueError(f"source {i} has no rollouts; leave it out")
        rollouts = validate(rollouts, len(goals), num_actions, name=f"source {i}")
        parts.append(flatten(rollouts, first_row))
        lengths.append(np.asarray(rollouts.length) if draw == "rollouts" else np.ones(len(parts[-1]["row"]), np.int32))
        first_row += len(parts[-1]["observations"])
    flat = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
    discrete = flat["action"].ndim == 1
    check_unit(flat["action"])
    lengths = [n[n > 0] for n in lengths]
    count, length = np.array([len(n) for n in lengths], np.int32), np.concatenate(lengths)
    arrays = dict(
        flat,
        **goal_fields(goals),
        unit_first=(np.cumsum(length) - length).astype(np.int32),
        unit_length=length.astype(np.int32),
        first=(np.cumsum(count) - count).astype(np.int32),
        count=count,
        share_end=shares,
    )
    actions = (num_actions or int(flat["action"].max()) + 1) if discrete else 0
    return Buffer(
        **{k: jnp.asarray(v) for k, v in arrays.items()}, num_actions=actions, relabel=relabel, transform=transform
    )


def checked_shares(sources: Sequence[tuple[object, float]], goals: GoalTable, draw: str) -> Float[np.ndarray, " S"]:
    """`Buffer.share_end` of (rollouts, share) pairs, after all checks that do not read the rollouts."""
    if not sources:
        raise ValueError("no source of rollouts: give at least one (rollouts, share)")
    if draw not in DRAWS:
        raise ValueError(f"unknown draw {draw!r}: use one of {', '.join(DRAWS)}")
    if goals.vector.shape[-1] == 0 and len(goals) > 1:
        raise ValueError(f"the {len(goals)} goals have no goal vectors: encode them first, see GoalTable.with_vector")
    if not np.isfinite(goals.vector).all():
        raise ValueError("goal vectors are not all finite; encode the goals again")
    shares = np.array([share for _, share in sources], np.float64)
    if not (np.isfinite(shares).all() and (shares > 0).all()):
        raise ValueError(f"shares of the sources are {shares.tolist()}, want positive ones; leave unused sources out")
    # Rounding could leave the last share at 0.9999999 and the last rows of a batch without a source.
    return np.append(np.cumsum(shares / shares.sum())[:-1], 1.0).astype(np.float32)


def check_unit(actions: np.ndarray) -> None:
    """Raises a ValueError for continuous actions (M, A) outside [-1, 1]."""
    if actions.ndim == 2 and np.abs(actions).max() > 1:
        raise ValueError(f"continuous actions reach {np.abs(actions).max():.3g}, want [-1, 1]; rescale them")


def flatten(rollouts: Rollouts, first_row: int) -> dict[str, np.ndarray]:
    """The steps taken in `rollouts` as flat arrays; observation rows are counted from `first_row` on."""
    length = np.asarray(rollouts.length)
    step = rollouts.valid()
    returns_to_go = np.cumsum(np.where(step, rollouts.rewards, 0.0)[:, ::-1], axis=1, dtype=np.float64)[:, ::-1]
    observed = np.arange(rollouts.horizon + 1)[None] <= length[:, None]
    start = np.cumsum(length + 1) - (length + 1)
    time = np.broadcast_to(np.arange(rollouts.horizon), step.shape)
    last = time == length[:, None] - 1
    actions = np.asarray(rollouts.actions)
    return {
        "observations": np.asarray(rollouts.observations, np.float32)[observed],
        "row": (first_row + start[:, None] + time)[step].astype(np.int32),
        "action": actions[step].astype(np.int32 if actions.ndim == 2 else np.float32),
        "reward": np.asarray(rollouts.rewards, np.float32)[step],
        "terminal": (last & np.asarray(rollouts.terminated)[:, None])[step].astype(np.float32),
        "goal": np.broadcast_to(np.asarray(rollouts.goal)[:, None], step.shape)[step].astype(np.int32),
        "time": time[step].astype(np.int32),
        "returns_to_go": returns_to_go[step].astype(np.float32),
    }


def goal_fields(goals: GoalTable) -> dict[str, np.ndarray]:
    """The fields of `Buffer` that describe goals; a goal of unknown family (-1) has a single wording."""
    known = np.asarray(goals.family) >= 0
    alone = np.where(known, -1, np.arange(len(goals)))
    keys = np.column_stack([goals.level, goals.family, goals.array, alone])
    _, group, size = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)
    return {
        "goal_vectors": np.asarray(goals.vector, np.float32),
        "wordings": np.argsort(group, kind="stable").astype(np.int32),
        "wording_first": (np.cumsum(size) - size)[group].astype(np.int32),
        "wording_count": size[group].astype(np.int32),
        "family": np.asarray(goals.family),
        "array": np.asarray(goals.array),
    }


def source_of_rows(share_end: Float[Array, " S"], batch_size: int) -> Int[Array, " B"]:
    """The source of each row of a batch, so that every batch has the same number of each."""
    place = (jnp.arange(batch_size) + 0.5) / batch_size
    return jnp.searchsorted(share_end[:-1], place, side="right").astype(jnp.int32)


def sample_below(key: Array, count: Int[Array, " B"]) -> Int[Array, " B"]:
    """Random integers from 0 to count - 1, each equally likely."""
    return jax.random.randint(key, count.shape, 0, count)


def sample(buffer: Buffer, key: Array, batch_size: int) -> Batch:
    """A batch, each row sampled with replacement from its source: a unit, then a transition of it.

    A transition's goal is given in a wording sampled from all of its level's: a rollout was recorded, or imagined, for
    a goal, and any sentence of that goal fits.
    """
    source = source_of_rows(buffer.share_end, batch_size)
    draw_key, goal_key, wording_key = jax.random.split(key, 3)
    index = sample_transitions(buffer, draw_key, source)
    row = buffer.row[index]
    batch = Batch(
        observation=buffer.observations[row],
        goal=buffer.goal[index],
        action=buffer.action[index],
        reward=buffer.reward[index],
        next_observation=buffer.observations[row + 1],
        terminal=buffer.terminal[index],
    )
    if buffer.relabel is not None:
        other_key, swap_key = jax.random.split(goal_key)
        other = buffer.goal[sample_transitions(buffer, other_key, source)]
        batch = relabel_goals(buffer, buffer.relabel, swap_key, batch, other)
    return dataclasses.replace(batch, goal=buffer.goal_vectors[sample_wording(buffer, wording_key, batch.goal)])


def relabel_goals(buffer: Buffer, relabel: Relabel, key: Array, batch: Batch, other: Int[Array, " B"]) -> Batch:
    """The batch with some goals replaced by `other` ones; its `goal` (B,) int32 is the row of `goal_vectors`."""
    reward, reached, possible = relabel.judge(
        buffer.family[other], buffer.array[other], batch.observation, batch.action, batch.next_observation
    )
    swap = jax.random.uniform(key, batch.goal.shape) < relabel.share
    swap = swap & possible & (other != batch.goal)
    return dataclasses.replace(
        batch,
        goal=jnp.where(swap, other, batch.goal),
        reward=jnp.where(swap, reward, batch.reward).astype(batch.reward.dtype),
        terminal=jnp.where(swap, reached, batch.terminal).astype(batch.terminal.dtype),
        is_original_goal=1.0 - swap,
    )


def sample_wording(buffer: Buffer, key: Array, goal: Int[Array, " B"]) -> Int[Array, " B"]:
    """Goals that mean the same as `goal` on its level, each wording equally likely."""
    return buffer.wordings[buffer.wording_first[goal] + sample_below(key, buffer.wording_count[goal])]


def sample_transitions(buffer: Buffer, key: Array, source: Int[Array, " B"]) -> Int[Array, " B"]:
    """Indices of transitions, one from each row's source: a unit, then a transition of it."""
    unit_key, step_key = jax.random.split(key)
    unit = buffer.first[source] + sample_below(unit_key, buffer.count[source])
    return buffer.unit_first[unit] + sample_below(step_key, buffer.unit_length[unit])
