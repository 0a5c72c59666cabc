"""How good imagined rollouts and explanations of CLEVR-Robot are: unrealistic transitions, explanations (KALM, 5.3).

What a push can do is measured on the training rollouts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from kalm_jax.types import LEVELS, GoalTable, Rollouts
from kalm_jax.types.text import normalize_sentence
from kalm_jax.worlds.clevr import goals as clevr_goals

BENCH_LOW, BENCH_HIGH = np.array([-0.6, -0.3]), np.array([0.6, 0.7])
"""The walls: a ball whose center is beyond them has left the bench (meters)."""


def furthest_move(rollouts: Rollouts) -> float:
    """The largest distance (meters) that any ball moved in one recorded step."""
    step = rollouts.valid()
    moves = np.diff(rollouts.observations, axis=1)[step]
    return float(np.linalg.norm(moves.reshape(len(moves), -1, 2), axis=-1).max(initial=0.0))


def unrealistic(rollouts: Rollouts, limit: float) -> dict[str, np.ndarray]:
    """Unrealistic transitions, (N, T) bool of each kind.

    A ball's center ends beyond the walls, or a ball moves further than `limit` meters (see `furthest_move`).
    """
    step = rollouts.valid()
    after = rollouts.observations[:, 1:].reshape(len(rollouts), rollouts.horizon, -1, 2)
    before = rollouts.observations[:, :-1].reshape(after.shape)
    off = ((after < BENCH_LOW) | (after > BENCH_HIGH)).any((-1, -2)) & step
    far = (np.linalg.norm(after - before, axis=-1) > limit).any(-1) & step
    return {"off_bench": off, "beyond_dynamics": far}


def add_move_counts(rows: list[dict[str, Any]], rollouts: Rollouts, goals: GoalTable) -> list[dict[str, Any]]:
    """Adds to the rows of single moves how often the imagined action and how often the imagined state is right."""
    level, family = (np.asarray(x)[rollouts.goal] for x in (goals.level, goals.family))
    for row in rows:
        if row["family"] == clevr_goals.FAMILIES[clevr_goals.MOVE]:
            mine = (level == LEVELS.index(row["level"])) & (family == clevr_goals.MOVE)
            goal, obs = np.asarray(goals.array)[rollouts.goal[mine]], rollouts.observations[mine]
            row["actions_matched"] = int(clevr_goals.move_by_action(goal, rollouts.actions[mine][:, 0]).sum())
            row["states_matched"] = int(clevr_goals.move_by_state(goal, obs[:, 0], obs[:, 1]).sum())
    return rows


_DIRECTION_WORDS = {"behind": 0, "hind": 0, "back": 0, "left": 1, "front": 2, "right": 3}


def read_relation(text: str) -> tuple[int, int, int] | None:
    """(source, reference, direction) that a sentence states, or None: first ball, last ball, direction word."""
    words = re.findall(r"[a-z]+", normalize_sentence(text))
    balls = [(i, clevr_goals.BALLS.index(w)) for i, w in enumerate(words) if w in clevr_goals.BALLS]
    directions = [_DIRECTION_WORDS[w] for w in words if w in _DIRECTION_WORDS]
    if len(balls) < 2 or not directions or balls[0][1] == balls[-1][1]:
        return None
    return balls[0][1], balls[-1][1], directions[0]


def explanation_row(texts: Sequence[str], rollouts: Rollouts, goals: GoalTable, prompt: str) -> dict:
    """Counts of explanations that name the goal of their rollout.

    `exact` counts the same source, direction and reference. `correct` also counts the mirrored sentence, since "red
    behind blue" and "blue in front of red" hold in exactly the same states (the authors count keywords in this way).
    """
    exact = correct = 0
    for text, g in zip(texts, rollouts.goal, strict=True):
        source, reference, direction = (int(x) for x in goals.array[g][:3])
        said = read_relation(text)
        exact += said == (source, reference, direction)
        correct += said in ((source, reference, direction), (reference, source, clevr_goals.opposite(direction)))
    return {"prompt": prompt, "rollouts": len(texts), "correct": correct, "exact": exact}
