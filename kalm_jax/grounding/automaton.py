"""Finite automata of what a text may be, token by token: a model that is decoded along one answers nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Automaton:
    """A finite automaton of the token sequences that a text may be; S states, of at most M moves each.

    Attributes:
      token: (S, M) int32, the tokens that may come next in each state, -1 where there are fewer than M.
      next: (S, M) int32, the state that each leads to. A text begins in state 0.
    """

    token: Any
    next: Any


def one_or_several(
    pieces: Sequence[Sequence[int]],
    between: Sequence[int],
    end: int,
    first: Sequence[Sequence[int]] | None = None,
) -> Automaton:
    """The automaton of one of `pieces`, or several with the tokens `between` them, and then `end`.

    `first` are the pieces as a text begins with them, where that differs.
    """
    again = 0 if first is None else 2
    moves: list[dict[int, int]] = [{}, {end: 1}] + [{}] * bool(again)

    def add(ids: Sequence[int], start: int, goal: int | None = None) -> int:
        """Adds a path of tokens from a state, to a state or a new one, and returns where it ends."""
        for i, token in enumerate(map(int, ids)):
            if goal is not None and i == len(ids) - 1:
                moves[start][token] = goal
            elif token not in moves[start]:
                moves.append({})
                moves[start][token] = len(moves) - 1
            start = moves[start][token]
        return start

    for root, texts in {0: first or pieces, again: pieces}.items():
        for ids in texts:
            last = add(ids, root)
            add(between, last, again)
            add([end], last, 1)
    widest = max(map(len, moves))
    token, state = np.full((len(moves), widest), -1, np.int32), np.zeros((len(moves), widest), np.int32)
    for i, move in enumerate(moves):
        token[i, : len(move)], state[i, : len(move)] = list(move), list(move.values())
    return Automaton(token, state)
