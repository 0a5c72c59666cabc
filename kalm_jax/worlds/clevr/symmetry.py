"""CLEVR-Robot with its balls renamed: an equivalent environment, in which the same pushes have the same effects.

A model that treats all balls alike answers the same for both; for any other model the errors differ.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from kalm_jax.worlds.clevr.goals import BALLS, DIRECTIONS, PUSHES, RELATION, make_goal
from kalm_jax.worlds.clevr.instructions import goal_summary


@dataclasses.dataclass(frozen=True)
class Renaming:
    """Ball b gets the name of ball `order[b]`; arrays have any leading axes."""

    order: tuple[int, ...]

    @property
    def inverse(self) -> Renaming:
        """The renaming that restores the old names."""
        return Renaming(tuple(int(b) for b in np.argsort(self.order)))

    def observations(self, observations: np.ndarray) -> np.ndarray:
        """Observations (..., 10) of the renamed balls."""
        places = np.asarray(observations)
        places = places.reshape(*places.shape[:-1], len(BALLS), 2)[..., self.inverse.order, :]
        return places.reshape(np.shape(observations))

    def actions(self, actions: np.ndarray) -> np.ndarray:
        """The same pushes (...,) int of the renamed balls."""
        actions = np.asarray(actions)
        ball, push = np.divmod(actions, len(PUSHES))
        return (np.array(self.order)[ball] * len(PUSHES) + push).astype(actions.dtype)

    def text(self, text: str) -> str:
        """A sentence with the balls' new names."""
        return " ".join(BALLS[self.order[BALLS.index(word)]] if word in BALLS else word for word in text.split(" "))

    def goal_summary(self, text: str) -> str:
        """An `instructions.goal_summary` of the renamed balls; other texts are unchanged."""
        words = text.split()
        if len(words) != 3 or not {*words[:2]} <= {*BALLS} or words[2] not in DIRECTIONS or words[0] == words[1]:
            return text
        a, b = (self.order[BALLS.index(word)] for word in words[:2])
        return goal_summary(RELATION, make_goal(RELATION, (a, b, DIRECTIONS.index(words[2]))))


def renamings(count: int) -> list[Renaming]:
    """`count` renamings, at most 120 and always the same ones; the first keeps all names."""
    orders = [tuple(range(len(BALLS)))]
    rng = np.random.default_rng(0)
    while len(orders) < min(count, 120):
        order = tuple(int(b) for b in rng.permutation(len(BALLS)))
        if order not in orders:
            orders.append(order)
    return [Renaming(order) for order in orders]
