"""CLEVR-Robot with its balls named in another order: the same world, in which the same pushes do the same.

A model that has learned all balls alike says the same of both; one that has not errs differently.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from kalm_jax.worlds.clevr.goals import BALLS, DIRECTIONS, PUSHES, RELATION, make_goal
from kalm_jax.worlds.clevr.instructions import goal_summary


@dataclasses.dataclass(frozen=True)
class Renaming:
    """Ball b gets the name of ball `order[b]`. Letters: any leading axes."""

    order: tuple[int, ...]

    @property
    def inverse(self) -> Renaming:
        """What gives back the old names."""
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
        """A sentence with the balls' other names."""
        return " ".join(BALLS[self.order[BALLS.index(word)]] if word in BALLS else word for word in text.split(" "))

    def gist(self, text: str) -> str:
        """A `language.gist` of the renamed balls; other texts as they are."""
        words = text.split()
        if len(words) != 3 or not {*words[:2]} <= {*BALLS} or words[2] not in DIRECTIONS or words[0] == words[1]:
            return text
        a, b = (self.order[BALLS.index(word)] for word in words[:2])
        return goal_summary(RELATION, make_goal(RELATION, (a, b, DIRECTIONS.index(words[2]))))


def renamings(count: int) -> list[Renaming]:
    """`count` orders of the balls, always the same ones and at most 120: the first keeps all names."""
    drawn = [tuple(range(len(BALLS)))]
    rng = np.random.default_rng(0)
    while len(drawn) < min(count, 120):
        order = tuple(int(b) for b in rng.permutation(len(BALLS)))
        if order not in drawn:
            drawn.append(order)
    return [Renaming(order) for order in drawn]
