"""CLEVR-Robot as a world of the main job."""

from __future__ import annotations

import functools

import numpy as np

from kalm_jax.data import LEVELS, GoalTable, Rollouts
from kalm_jax.data.authors import read_prompts, require_instructions
from kalm_jax.data.collect import POLICIES, collect, collection_statistics, goals_of_level
from kalm_jax.data.formats import read_rollouts
from kalm_jax.data.recover import recover_goals
from kalm_jax.envs import clevr, clevr_goals, corpus, language
from kalm_jax.evaluation import lookahead_policy, make_episodes, random_policy
from kalm_jax.grounding.tasks import Words
from kalm_jax.imagination import quality
from kalm_jax.imagination.generate import label_rewards
from kalm_jax.worlds.world import World


def read_data(path: str) -> tuple[Rollouts, GoalTable]:
    """Rollouts of CLEVR-Robot from a user's file, described by sentences; refuses those of evaluation levels."""
    rollouts, goals = read_rollouts(path)
    if rollouts.observations.shape[2] != clevr.OBSERVATION_DIM or rollouts.actions.ndim != 2:
        raise ValueError(
            f"{path}: observations {rollouts.observations.shape} and actions {rollouts.actions.shape} are not those of "
            f"CLEVR-Robot, which has {clevr.OBSERVATION_DIM} numbers and {clevr.NUM_ACTIONS} discrete actions"
        )
    if not any(goals.text) and (np.asarray(goals.family) < 0).all():
        return recover_goals(rollouts, path)
    require_instructions(goals, f"{path}: grounding")
    novel = sorted({t for t in goals.text if language.split_of(t) in LEVELS[1:]})
    if novel:
        raise ValueError(f"{path} holds {len(novel)} sentences of evaluation levels, such as {novel[0]!r}; remove them")
    return rollouts, goals


def unsolved_states(rng: np.random.Generator, goals: GoalTable, goal: np.ndarray) -> np.ndarray:
    """(N, 10) random first states in which goal n is not yet satisfied."""
    states = clevr.observation_of(clevr.sample_states(rng, len(goal)))
    while True:
        solved = np.flatnonzero(clevr_goals.satisfied(goals.family[goal], goals.array[goal], states))
        if not len(solved):
            return states
        states[solved] = clevr.observation_of(clevr.sample_states(rng, len(solved)))


def imagined_steps(family: np.ndarray) -> np.ndarray:
    """(N,) most steps of an imagined rollout: one for single moves."""
    return np.where(np.asarray(family) == clevr_goals.MOVE, 1, clevr.HORIZON)


def believable(rollouts: Rollouts, goals: GoalTable, real: Rollouts) -> np.ndarray:
    """(N,) bool: `quality.believable` by what a push does in the real rollouts."""
    return quality.believable(rollouts, quality.furthest_move(real))


def quality_rows(rollouts: Rollouts, goals: GoalTable, real: Rollouts) -> list[dict]:
    """`quality.rollout_rows` by what a push does in the real rollouts."""
    return quality.rollout_rows(rollouts, goals, quality.furthest_move(real))


WORLD = World(
    name="clevr",
    title="KALM on CLEVR-Robot",
    families=clevr_goals.FAMILIES,
    observation_dim=clevr.OBSERVATION_DIM,
    num_actions=clevr.NUM_ACTIONS,
    action_dim=0,
    horizon=clevr.HORIZON,
    early=10,
    words=Words(
        document=corpus.sample_document,
        describe=language.describe,
        gist=language.gist,
        plan=lambda family, goal: corpus.plan(clevr_goals.FAMILIES[family], goal),
        sample_plan=corpus.sample_plan,
    ),
    read_plan=corpus.read_plan,
    goals_of_level=goals_of_level,
    collect=lambda seed, count, behaviour, progress: collect(seed, count, behaviour, progress=progress),
    behaviours=POLICIES,
    statistics=collection_statistics,
    read_data=read_data,
    read_prompts=read_prompts,
    states_of=clevr.states_of,
    first_states=unsolved_states,
    imagined_steps=imagined_steps,
    stop=clevr_goals.success,
    satisfied=clevr_goals.satisfied,
    label=functools.partial(label_rewards, reward=clevr_goals.reward),
    believable=believable,
    quality=quality_rows,
    explanation=quality.explanation_row,
    judge=clevr_goals.judge,
    # Rephrased goals are the most, and take many pushes each.
    shares={"rephrase": 0.6, "unseen_easy": 0.2, "unseen_hard": 0.2, "prompts": 0.6},
    # TD3+BC answers with a point of the simplex, CQL and COMBO with softmax Q.
    samples=("bc", "td3bc", "cql", "awac", "iql", "combo"),
    simulator=clevr.ClevrSimulator,
    make_episodes=make_episodes,
    observe=clevr.observation_of,
    random_policy=random_policy,
    ceiling_policy=lookahead_policy,
    ceiling="lookahead",
)
