"""Random transitions of KALM's shapes, on which learners are measured."""

from __future__ import annotations

import dataclasses

import numpy as np

from kalm_jax.types import GoalTable, Rollouts, make_goal_table

EPISODES, STEPS, GOALS = 400, 50, 200


@dataclasses.dataclass(frozen=True)
class Shape:
    """Sizes of a problem: observation D, goal vector E, actions A (discrete or not)."""

    name: str
    observation: int
    goal: int
    actions: int
    discrete: bool

    def __str__(self) -> str:
        kind = "discrete actions" if self.discrete else "continuous"
        return f"{self.name}: {self.observation}+{self.goal}, {self.actions} {kind}"


SHAPES = (
    Shape("CLEVR-Robot", 10, 768, 40, True),
    Shape("Meta-World", 91, 768, 4, False),
    Shape("HalfCheetah", 17, 0, 6, False),
)


def problem(shape: Shape, seed: int = 0) -> tuple[Rollouts, GoalTable]:
    """Random rollouts of a shape; speed does not depend on what they show."""
    rng = np.random.default_rng(seed)
    k = GOALS if shape.goal else 1
    actions = rng.integers(0, shape.actions, (EPISODES, STEPS)).astype(np.int32)
    if not shape.discrete:
        actions = rng.uniform(-1, 1, (EPISODES, STEPS, shape.actions)).astype(np.float32)
    rollouts = Rollouts(
        observations=rng.normal(size=(EPISODES, STEPS + 1, shape.observation)).astype(np.float32),
        actions=actions,
        rewards=rng.normal(size=(EPISODES, STEPS)).astype(np.float32),
        length=np.full(EPISODES, STEPS, np.int32),
        terminated=rng.random(EPISODES) < 0.5,
        goal=rng.integers(0, k, EPISODES).astype(np.int32),
        imagined=np.zeros(EPISODES, bool),
    )
    vector = np.tanh(rng.normal(size=(k, shape.goal))).astype(np.float32)
    return rollouts, make_goal_table([f"goal {i}" for i in range(k)], 0, 0, np.arange(k)[:, None], vector)


def flat_transitions(shape: Shape) -> dict[str, np.ndarray]:
    """The same problem as baselines store it: flat arrays over L transitions, observations (L, D + E)."""
    rollouts, goals = problem(shape)
    step = rollouts.valid()
    vectors = np.repeat(goals.vector[rollouts.goal][:, None], STEPS + 1, 1)
    observations = np.concatenate([rollouts.observations, vectors], -1)
    last = np.arange(STEPS) == STEPS - 1
    terminals = last & rollouts.terminated[:, None]
    return {
        "observations": observations[:, :-1][step],
        "next_observations": observations[:, 1:][step],
        "actions": rollouts.actions[step],
        "rewards": rollouts.rewards[step],
        "terminals": terminals[step].astype(np.float32),
        "timeouts": (last & ~terminals)[step].astype(np.float32),
    }
