"""Evaluation episodes: initial states and goals that every arm shares, spread evenly over families and sentences."""

from __future__ import annotations

import numpy as np

from kalm_jax.types import LEVELS, Episodes
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import instructions as language
from kalm_jax.worlds.clevr.collect import goals_of_level
from kalm_jax.worlds.clevr.simulator import observation_of, sample_states


def make_episodes(level: str, num: int, seed: int) -> Episodes:
    """`num` episodes of a level, a function of (level, num, seed) alone.

    Families get equal numbers (of `unseen_hard`: two_relations, three_relations, line, gather), and within a family
    the sentence templates do. Draw different episodes for each training seed: see `evaluation.intervals`.
    """
    goals = goals_of_level(level)
    if num < 1:
        raise ValueError(f"num is {num}, want at least one episode")
    rng = np.random.default_rng([seed, LEVELS.index(level)])
    families = np.unique(goals.family)
    template = np.array([s.template for s in language.sentences(level)])
    sizes = num // len(families) + (np.arange(len(families)) < num % len(families))
    goal = np.concatenate(
        [spread(rng, np.flatnonzero(goals.family == f), template, size) for f, size in zip(families, sizes)]
    ).astype(np.int32)
    states = sample_states(rng, num)
    while True:
        solved = clevr_goals.satisfied(goals.family[goal], goals.array[goal], observation_of(states))
        if not solved.any():
            return Episodes(states, goal, goals)
        states[solved] = sample_states(rng, int(solved.sum()))


def spread(rng: np.random.Generator, members: np.ndarray, template: np.ndarray, size: int) -> np.ndarray:
    """`size` of the goals `members`, as evenly over templates as can be, without repeats until all are used."""
    chosen = []
    while sum(map(len, chosen)) < size:
        order = rng.permutation(members)
        _, group = np.unique(template[order], return_inverse=True)
        by_group = np.argsort(group, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[by_group] = np.concatenate([np.arange(n) for n in np.bincount(group)])
        chosen.append(order[np.argsort(rank, kind="stable")])
    return np.concatenate([np.empty(0, np.int64), *chosen])[:size]
