"""Rollouts as flat transitions on the device, and batches drawn from them with a fixed share for every source.

Observations and goal vectors are stored once: a transition holds the row of its observation (the next observation is
the row after it) and the index of its goal. Letters: M transitions, P observations, K goals, S sources, B batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.offline_rl.networks import Batch, Spec
from kalm_jax.types import GoalTable, Rollouts, validate
from kalm_jax.types.transforms import ObservationTransform

DRAWS = ("transitions", "rollouts")
"""What can have equal chance of being drawn within a source."""
GOAL_STD_FLOOR = 0.01
"""Least standard deviation of a goal vector's entry, as a share of the largest: constant entries stay harmless."""


@dataclasses.dataclass(frozen=True)
class Relabel:
    """Goals put in the place of recorded ones (hindsight relabelling, Andrychowicz et al., NeurIPS 2017).

    What a push did is known for every goal, not only for the one it was made for, and a critic needs to know what
    pushes do that nobody makes for a goal. The other goal is that of another rollout of the same source.

    Attributes:
      share: probability that a place of a batch gets another goal, in [0, 1).
      judge: called as judge(family (B,), array (B, 9), observation, action, next_observation), answers with what the
        step would have been for that goal: reward (B,), reached (B,) bool, and possible (B,) bool, whether a rollout
        for the goal could have such a step (it ends at its first success).
    """

    share: float
    judge: Callable

    def __post_init__(self):
        if not 0 <= self.share < 1:
            raise ValueError(f"the share of relabelled goals is {self.share}, want 0 <= share < 1")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Buffer:
    """Transitions of several sources, one source after the other.

    Attributes:
      observations: (P, D) float32, the observations of each rollout in a row, the final one included.
      row: (M,) int32 into `observations`; the next observation is in `row + 1`.
      action: (M,) int32 or (M, A) float32. reward: (M,) float32.
      terminal: (M,) float32, 1 at the step that reached the goal.
      goal: (M,) int32 into `goal_vectors`.
      goal_vectors: (K, E) float32.
      wordings: (K,) int32, the goals in an order in which wordings of one goal (equal level, family and array) stand
        together; those of goal k are `wordings[wording_first[k] : wording_first[k] + wording_count[k]]`.
      unit_first, unit_length: (U,) int32, first transition and number of transitions of each unit that is drawn with
        equal chance: a rollout, or a single transition.
      first, count: (S,) int32, where each source's units begin, and how many they are.
      share_end: (S,) float32, cumulative shares of a batch; the last is 1.
      family, array: (K,) and (K, 9) int32, what each goal's success test reads.
      time: (M,) int32, steps of the rollout before this one. to_go: (M,) float32, rewards from this step to the
        rollout's end. What learns from windows needs them (`windows.py`); None in a `StreamBuffer`.
      num_actions: number of discrete actions, 0 for continuous ones.
      relabel: how goals are exchanged, or None.
      view: how networks see the observations.
    """

    observations: jax.Array
    row: jax.Array
    action: jax.Array
    reward: jax.Array
    terminal: jax.Array
    goal: jax.Array
    goal_vectors: jax.Array
    wordings: jax.Array
    wording_first: jax.Array
    wording_count: jax.Array
    unit_first: jax.Array
    unit_length: jax.Array
    first: jax.Array
    count: jax.Array
    share_end: jax.Array
    family: jax.Array
    array: jax.Array
    time: jax.Array | None
    to_go: jax.Array | None
    num_actions: int = dataclasses.field(metadata={"static": True})
    relabel: Relabel | None = dataclasses.field(metadata={"static": True})
    view: ObservationTransform = dataclasses.field(
        default=ObservationTransform(), metadata={"static": True}, kw_only=True
    )

    def __len__(self) -> int:
        return int(self.row.shape[0])

    def spec(self) -> Spec:
        """Sizes and normalisation statistics; constant entries of observations and goal vectors are guarded."""
        observations = np.asarray(self.observations, np.float64)
        spec = self._spec(observations.mean(0), observations.std(0))
        if not self.view.differences:
            return spec
        return dataclasses.replace(spec, difference_std=jnp.asarray(self.view.scale(observations), jnp.float32))

    def _spec(self, mean, std) -> Spec:
        """The spec with mean and standard deviation (D,) float64 of the observations."""
        vectors = np.asarray(self.goal_vectors, np.float64)
        goal_std = vectors.std(0)
        floor = max(GOAL_STD_FLOOR * goal_std.max(initial=0.0), 1e-6)
        statistics = (mean, std + self.view.offset, vectors.mean(0), np.maximum(goal_std, floor))
        action_dim = self.num_actions or int(self.action.shape[1])
        arrays = (jnp.asarray(x, jnp.float32) for x in statistics)
        return Spec(*arrays, action_dim, bool(self.num_actions), view=self.view)

    def sums(self) -> list[float]:
        """Sums of observations, rewards and goal vectors, by which a checkpoint knows its data."""
        return [float(np.asarray(x, np.float64).sum()) for x in (self.observations, self.reward, self.goal_vectors)]


def one_to_one(real: Rollouts, imagined: list[Rollouts], shares: list[float]) -> list[tuple[Rollouts, float]]:
    """Sources for `make_buffer`: half of each batch real, the other half divided among the imagined by `shares`."""
    if not imagined:
        return [(real, 1.0)]
    total = sum(shares)
    return [(real, 0.5)] + [(part, 0.5 * share / total) for part, share in zip(imagined, shares, strict=True)]


def make_buffer(
    sources: list[tuple[Rollouts, float]],
    goals: GoalTable,
    num_actions: int | None = None,
    draw: str = "transitions",
    relabel: Relabel | None = None,
    view: ObservationTransform = ObservationTransform(),
) -> Buffer:
    """Puts the transitions of the sources on the default device.

    Args:
      sources: (rollouts, share) pairs; shares are positive and are scaled to sum to 1. All rollouts index `goals`.
      goals: with goal vectors (K, E); E may be 0 where there is one goal, which needs no telling.
      draw: what has equal chance within a source, one of `DRAWS`: with "transitions" a rollout of 40 steps counts ten
        times as much as one of 4; with "rollouts" they count alike, so that long, stuck ones do not rule the data.
      num_actions: of a discrete action space; None takes the largest recorded action + 1, or a continuous space.
      relabel: exchanges goals as batches are drawn; all goals must then be of known family.
      view: how networks see the observations.

    Raises:
      ValueError: an empty source, a share that is not positive, goals without vectors, malformed rollouts.
    """
    shares = checked_shares(sources, goals, draw)
    if relabel is not None and (np.asarray(goals.family) < 0).any():
        raise ValueError("goals of unknown family (-1) cannot be judged: leave `relabel` out")
    parts, lengths, first_row = [], [], 0
    for i, (rollouts, _) in enumerate(sources):
        if not len(rollouts):
            raise ValueError(f"source {i} has no rollouts; leave it out")
        validate(rollouts, len(goals), num_actions, name=f"source {i}")
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
        goal_vectors=np.asarray(goals.vector, np.float32),
        **wordings(goals),
        unit_first=(np.cumsum(length) - length).astype(np.int32),
        unit_length=length.astype(np.int32),
        first=(np.cumsum(count) - count).astype(np.int32),
        count=count,
        share_end=shares,
        family=np.asarray(goals.family),
        array=np.asarray(goals.array),
    )
    actions = (num_actions or int(flat["action"].max()) + 1) if discrete else 0
    return Buffer(**{k: jnp.asarray(v) for k, v in arrays.items()}, num_actions=actions, relabel=relabel, view=view)


def checked_shares(sources, goals: GoalTable, draw: str) -> np.ndarray:
    """`Buffer.share_end` of (rollouts, share) pairs, after the checks that need no look at the rollouts."""
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
    # Python's own sum order would leave the last share at 0.9999999 and the last rows of a batch without a source.
    return np.append(np.cumsum(shares / shares.sum())[:-1], 1.0).astype(np.float32)


def check_unit(actions: np.ndarray) -> None:
    """Raises a ValueError for continuous actions (M, A) outside [-1, 1]."""
    if actions.ndim == 2 and np.abs(actions).max() > 1:
        raise ValueError(f"continuous actions reach {np.abs(actions).max():.3g}, want [-1, 1]; rescale them")


def flatten(rollouts: Rollouts, first_row: int) -> dict[str, np.ndarray]:
    """The steps taken in `rollouts` as flat arrays; observation rows are counted from `first_row` on."""
    length = np.asarray(rollouts.length)
    step = rollouts.valid()
    to_go = np.cumsum(np.where(step, rollouts.rewards, 0.0)[:, ::-1], axis=1, dtype=np.float64)[:, ::-1]
    seen = np.arange(rollouts.horizon + 1)[None] <= length[:, None]
    start = np.cumsum(length + 1) - (length + 1)
    time = np.broadcast_to(np.arange(rollouts.horizon), step.shape)
    last = time == length[:, None] - 1
    actions = np.asarray(rollouts.actions)
    return {
        "observations": np.asarray(rollouts.observations, np.float32)[seen],
        "row": (first_row + start[:, None] + time)[step].astype(np.int32),
        "action": actions[step].astype(np.int32 if actions.ndim == 2 else np.float32),
        "reward": np.asarray(rollouts.rewards, np.float32)[step],
        "terminal": (last & np.asarray(rollouts.terminated)[:, None])[step].astype(np.float32),
        "goal": np.broadcast_to(np.asarray(rollouts.goal)[:, None], step.shape)[step].astype(np.int32),
        "time": time[step].astype(np.int32),
        "to_go": to_go[step].astype(np.float32),
    }


def wordings(goals: GoalTable) -> dict[str, np.ndarray]:
    """The fields of `Buffer` that list the wordings of each goal; a goal of unknown family (-1) has only its own."""
    known = np.asarray(goals.family) >= 0
    alone = np.where(known, -1, np.arange(len(goals)))
    keys = np.column_stack([goals.level, goals.family, goals.array, alone])
    _, group, size = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)
    fields = (np.argsort(group, kind="stable"), (np.cumsum(size) - size)[group], size[group])
    return dict(zip(("wordings", "wording_first", "wording_count"), (x.astype(np.int32) for x in fields)))


def source_of_place(buffer: Buffer, batch_size: int) -> jax.Array:
    """(B,) int32: which source fills each place of a batch, so that every batch has the same number of each."""
    place = (jnp.arange(batch_size) + 0.5) / batch_size
    return jnp.searchsorted(buffer.share_end[:-1], place, side="right").astype(jnp.int32)


def draw_below(key, count) -> jax.Array:
    """Random integers from 0 to count - 1 for counts (B,), each equally likely."""
    return jax.random.randint(key, count.shape, 0, count)


def sample(buffer: Buffer, key, batch_size: int) -> Batch:
    """A batch, each place drawn with replacement from its source: a unit, then a transition of it.

    A transition's goal is put in a wording drawn from all of its level's: a rollout was recorded, or imagined, for what
    is wanted, and any sentence that wants it fits.
    """
    source = source_of_place(buffer, batch_size)
    draw_key, goal_key, wording_key = jax.random.split(key, 3)
    index = draw_transitions(buffer, draw_key, source)
    row, goal = buffer.row[index], buffer.goal[index]
    observation, next_observation = buffer.observations[row], buffer.observations[row + 1]
    action, reward, terminal = buffer.action[index], buffer.reward[index], buffer.terminal[index]
    own = None
    if buffer.relabel is not None:
        other_key, swap_key = jax.random.split(goal_key)
        other = buffer.goal[draw_transitions(buffer, other_key, source)]
        judged = buffer.relabel.judge(buffer.family[other], buffer.array[other], observation, action, next_observation)
        swap = jax.random.uniform(swap_key, (batch_size,)) < buffer.relabel.share
        swap = swap & judged[2] & (other != goal)
        goal, own = jnp.where(swap, other, goal), 1.0 - swap
        reward, terminal = (jnp.where(swap, new, old).astype(old.dtype) for new, old in zip(judged, (reward, terminal)))
    vector = buffer.goal_vectors[draw_wording(buffer, wording_key, goal)]
    return Batch(observation, vector, action, reward, next_observation, terminal, own)


def draw_wording(buffer: Buffer, key, goal):
    """(B,) goals that say the same as `goal` (B,) on its level, each wording equally likely."""
    return buffer.wordings[buffer.wording_first[goal] + draw_below(key, buffer.wording_count[goal])]


def draw_transitions(buffer: Buffer, key, source):
    """(B,) transitions, one from each place's source: a unit, then a transition of it."""
    unit_key, step_key = jax.random.split(key)
    unit = buffer.first[source] + draw_below(unit_key, buffer.count[source])
    return buffer.unit_first[unit] + draw_below(step_key, buffer.unit_length[unit])
