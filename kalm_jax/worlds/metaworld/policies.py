"""Meta-world's evaluation episodes, and the policies that frame its results: random floor and experts' ceiling."""

from __future__ import annotations

import numpy as np

from kalm_jax.evaluation.episodes import balanced_goals
from kalm_jax.types import LEVELS, Episodes, Policy
from kalm_jax.worlds.metaworld import instructions as language
from kalm_jax.worlds.metaworld.collect import goals_of_level
from kalm_jax.worlds.metaworld.experts import make_expert
from kalm_jax.worlds.metaworld.tasks import ACTION_DIM, NAMES


def make_episodes(level: str, num: int, seed: int) -> Episodes:
    """`num` episodes of a level, a function of (level, num, seed) alone; `states` (n,) are the simulator's seeds.

    Tasks get equal numbers, and within a task the sentence templates do. Play them with
    `envs.metaworld_batch.MetaworldSimulator`.
    """
    goals = goals_of_level(level)
    rng = np.random.default_rng([seed, LEVELS.index(level)])
    template = np.array([s.template for s in language.sentences(level)])
    goal = balanced_goals(rng, goals.family, rng.permutation(np.unique(goals.family)), num, template)
    return Episodes(rng.integers(2**62, size=num), goal, goals)


def random_policy(seed: int) -> Policy:
    """Actions drawn evenly from [-1, 1]: the floor under every success rate."""

    def act(episodes, states, active, step):
        return np.random.default_rng([seed, step]).uniform(-1.0, 1.0, (len(states), ACTION_DIM))

    return act


def expert_policy() -> Policy:
    """The scripted expert of each episode's task, without noise: what imitation cannot be asked to exceed."""
    experts = {}

    def act(episodes, states, active, step):
        actions = np.zeros((len(states), ACTION_DIM))
        for i in np.flatnonzero(active):
            family = int(episodes.family[i])
            if family not in experts:
                experts[family] = make_expert(NAMES[family])
            actions[i] = experts[family](states[i])
        return actions

    return act
