"""Words for what a CLEVR-Robot state shows and for what a goal is about, in the fewest of them."""

from __future__ import annotations

import numpy as np

from kalm_jax.envs.clevr_goals import BALLS, DIRECTIONS, NEAR, UNIT


def short_goal(array) -> str:
    """The short form of a relation goal array (9,): "red blue left" for the red ball to the left of the blue one."""
    source, reference, direction = (int(x) for x in array[:3])
    return f"{BALLS[source]} {BALLS[reference]} {DIRECTIONS[direction]}"


def read_state(observation, rng: np.random.Generator, facts: int = 5) -> list[tuple[str, str]]:
    """Facts of a state (10,): ("red blue", "near left") says that red is left of blue and close enough to count.

    `facts` different pairs are drawn, each in a random order. Sectors and distance are those of `clevr_goals`.
    """
    centres = np.asarray(observation, np.float64).reshape(-1, 2)
    first, second = np.triu_indices(len(BALLS), 1)
    found = []
    for i in rng.permutation(len(first))[:facts]:
        source, reference = (first[i], second[i]) if rng.random() < 0.5 else (second[i], first[i])
        gap = centres[source] - centres[reference]
        distance = "near" if np.hypot(*gap) < NEAR else "far"
        found.append((f"{BALLS[source]} {BALLS[reference]}", f"{distance} {DIRECTIONS[int(np.argmax(UNIT @ gap))]}"))
    return found
