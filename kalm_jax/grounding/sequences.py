"""Training rows: arrays of mixed positions of words, states and actions, with several short sequences packed into a
row.

Dimension letters: B rows, T positions, N steps of a rollout, D observation, A action; "width" is the number of values
of a position (`NumericSpec.width`), which states and continuous actions share.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int, Num

PAD, TEXT, STATE, ACTION = 0, 1, 2, 3
"""The kinds of position."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Rows:
    """What the model reads and what it is to predict.

    Attributes:
      kind: (B, T) int32, one of PAD, TEXT, STATE, ACTION.
      token: (B, T) int32, word id (TEXT) or discrete action id (ACTION).
      value: (B, T, width) float32, the state (STATE) or the continuous action (ACTION).
      base: (B, T, width) float32, the latest state at or before this position in its sequence; zero before the first.
      segment: (B, T) int32, number of the sequence within its row, from 1; 0 is padding.
      position: (B, T) int32, position within its sequence.
      weight: (B, T) float32, weight of predicting position t + 1 from position t.
    """

    kind: Any
    token: Any
    value: Any
    base: Any
    segment: Any
    position: Any
    weight: Any


@dataclasses.dataclass
class RowSequence:
    """One sequence under construction; pieces are appended from left to right."""

    width: int
    kind: list = dataclasses.field(default_factory=list)
    token: list = dataclasses.field(default_factory=list)
    value: list = dataclasses.field(default_factory=list)
    weight: list = dataclasses.field(default_factory=list)
    length: int = 0

    def _append(self, kind: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Appends positions of these kinds and weights; returns their tokens and values, all 0, to be filled in."""
        token, value = np.zeros(len(kind), np.int32), np.zeros((len(kind), self.width), np.float32)
        self.kind.append(kind)
        self.token.append(token)
        self.value.append(value)
        self.weight.append(weight)
        self.length += len(kind)
        return token, value

    def text(self, ids: Sequence[int] | Int[np.ndarray, " T"], weight: float = 0.0) -> RowSequence:
        """Appends words by their token ids; each is predicted with `weight`."""
        token, _ = self._append(np.full(len(ids), TEXT), np.full(len(ids), weight, np.float32))
        token[:] = ids
        return self

    def state(self, state: Float[np.ndarray, " D"], weight: float = 0.0) -> RowSequence:
        """Appends one state in raw units."""
        _, value = self._append(np.array([STATE]), np.array([weight], np.float32))
        value[0, : len(state)] = state
        return self

    def action(self, action: Any, weight: float = 0.0) -> RowSequence:
        """Appends one action: an id, or a vector (A,)."""
        token, value = self._append(np.array([ACTION]), np.array([weight], np.float32))
        if np.ndim(action):
            value[0, : len(action)] = action
        else:
            token[0] = action
        return self

    def rollout(
        self,
        states: Float[np.ndarray, "states D"],
        actions: Num[np.ndarray, " N"] | Float[np.ndarray, "N A"],
        state_weight: float,
        action_weight: float,
    ) -> RowSequence:
        """Appends s_0 a_0 s_1 ... s_N from N+1 states and N actions; s_0 itself is never predicted."""
        n, d = len(actions), states.shape[1]
        kind, weight = np.full(2 * n + 1, STATE), np.full(2 * n + 1, state_weight, np.float32)
        kind[1::2], weight[1::2], weight[0] = ACTION, action_weight, 0.0
        token, value = self._append(kind, weight)
        value[0::2, :d] = states
        if np.ndim(actions) == 1:
            token[1::2] = actions
        else:
            value[1::2, : actions.shape[1]] = actions
        return self

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Kind, token, value, base and the weight of predicting the NEXT position, all with leading axis T."""
        kind, token, value, weight = (np.concatenate(x) for x in (self.kind, self.token, self.value, self.weight))
        latest = np.maximum.accumulate(np.where(kind == STATE, np.arange(len(kind)), -1))
        base = np.where((latest >= 0)[:, None], value[np.maximum(latest, 0)], 0.0)
        return kind, token, value, base, np.append(weight[1:], np.float32(0.0))


def empty_rows(rows: int, length: int, width: int) -> Rows:
    """Rows of padding."""
    ints = {name: np.zeros((rows, length), np.int32) for name in ("kind", "token", "segment", "position")}
    values = {name: np.zeros((rows, length, width), np.float32) for name in ("value", "base")}
    return Rows(**ints, **values, weight=np.zeros((rows, length), np.float32))


def _write(out: Rows, row: int, start: int, segment: int, sequence: RowSequence) -> None:
    kind, token, value, base, weight = sequence.arrays()
    at = slice(start, start + len(kind))
    out.kind[row, at], out.token[row, at], out.weight[row, at] = kind, token, weight
    out.value[row, at], out.base[row, at] = value, base
    out.segment[row, at], out.position[row, at] = segment, np.arange(len(kind))


def pack(sequences: Iterable[RowSequence], rows: int, length: int, width: int, max_misses: int = 8) -> Rows:
    """Packs sequences from an iterator into `rows` rows of `length`, first fit, until `max_misses` did not fit.

    Raises:
      ValueError: a sequence is longer than a row.
    """
    out = empty_rows(rows, length, width)
    used, count, misses = np.zeros(rows, int), np.zeros(rows, int), 0
    for sequence in sequences:
        if sequence.length > length:
            raise ValueError(
                f"a sequence of {sequence.length} positions does not fit rows of {length}; raise row_length"
            )
        fits = np.flatnonzero(used + sequence.length <= length)
        if not len(fits):
            misses += 1
            if misses == max_misses:
                break
            continue
        row = fits[0]
        count[row] += 1
        _write(out, int(row), int(used[row]), int(count[row]), sequence)
        used[row] += sequence.length
    return out


def align_right(sequences: Sequence[RowSequence], length: int, width: int) -> Rows:
    """One sequence per row, aligned at its end: prompts for decoding, where all rows continue at the same slot.

    Raises:
      ValueError: a sequence is longer than `length`.
    """
    out = empty_rows(len(sequences), length, width)
    for i, sequence in enumerate(sequences):
        if sequence.length > length:
            raise ValueError(f"prompt {i} has {sequence.length} positions, more than the {length} allowed; shorten it")
        _write(out, i, length - sequence.length, 1, sequence)
    return out
