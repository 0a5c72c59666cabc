"""CLEVR-Robot's evaluation episodes, and the policies that its results are compared with: random, expert, behavior."""

from __future__ import annotations

import numpy as np

from kalm_jax.evaluation.episodes import balanced_goals
from kalm_jax.types import LEVELS, Episodes, Policy
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import instructions as language
from kalm_jax.worlds.clevr.behaviors import begin_habits, scripted_actions
from kalm_jax.worlds.clevr.collect import LOOKAHEAD_EPSILON, goals_of_level
from kalm_jax.worlds.clevr.lookahead import lookahead_actions
from kalm_jax.worlds.clevr.simulator import NUM_ACTIONS, ClevrSimulator, observation_of, sample_states


def make_episodes(level: str, num: int, seed: int) -> Episodes:
    """`num` episodes of a level, a function of (level, num, seed) alone; `states` are (num, 69) float64.

    Families are equally frequent (of `unseen_hard`: two_relations, three_relations, line, gather), and within a family
    the sentence templates are. Draw different episodes for each training seed: see `kalm_jax.evaluation.statistics`.
    """
    goals = goals_of_level(level)
    rng = np.random.default_rng([seed, LEVELS.index(level)])
    template = np.array([s.template for s in language.sentences(level)])
    goal = balanced_goals(rng, goals.family, np.unique(goals.family), num, template)
    states = sample_states(rng, num)
    while True:
        solved = clevr_goals.satisfied(goals.family[goal], goals.array[goal], observation_of(states))
        if not solved.any():
            return Episodes(states, goal, goals)
        states[solved] = sample_states(rng, int(solved.sum()))


def random_policy(seed: int) -> Policy:
    """Every action equally likely."""

    def act(episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int) -> np.ndarray:
        return np.random.default_rng([seed, step]).integers(NUM_ACTIONS, size=len(states))

    return act


def lookahead_policy(simulator: ClevrSimulator, seed: int, epsilon: float = 0.05) -> Policy:
    """The expert, which tries every push in the simulator before it takes one: 40 simulated pushes for each action."""

    def act(episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int) -> np.ndarray:
        index, rng = np.flatnonzero(active), np.random.default_rng([seed, step])
        actions = np.zeros(len(states), np.int64)
        family, goal = episodes.family[index], episodes.array[index]
        actions[index] = lookahead_actions(simulator, states[index], family, goal, rng, epsilon)
        return actions

    return act


def behavior_policy(simulator: ClevrSimulator, seed: int) -> Policy:
    """Pursues goals of any level as the policy that collects data does: scripted for relations, else by lookahead.

    The lookahead policy takes as many random pushes as in collection.
    """
    habits: dict[str, np.ndarray] = {}

    def act(episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int) -> np.ndarray:
        rng, actions = np.random.default_rng([seed, step]), np.zeros(len(states), np.int64)
        if step == 0:
            habits.update(begin_habits(rng, len(states)))
        relation = episodes.family == clevr_goals.RELATION
        for index, scripted in ((np.flatnonzero(active & relation), True), (np.flatnonzero(active & ~relation), False)):
            if scripted and len(index):
                mine = {name: values[index] for name, values in habits.items()}
                seen, steps = observation_of(states[index]), np.full(len(index), step)
                actions[index] = scripted_actions(rng, seen, episodes.array[index], mine, steps)
            elif len(index):
                goal = (episodes.family[index], episodes.array[index])
                actions[index] = lookahead_actions(simulator, states[index], *goal, rng, LOOKAHEAD_EPSILON)
        return actions

    return act
