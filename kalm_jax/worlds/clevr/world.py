"""CLEVR-Robot as a world of the main job."""

from __future__ import annotations

import functools

import numpy as np

from kalm_jax.datasets.authors import read_prompts, require_instructions
from kalm_jax.datasets.formats import read_rollouts
from kalm_jax.grounding.tasks import Words
from kalm_jax.imagination.rollouts import label_rewards
from kalm_jax.offline_rl.networks import View
from kalm_jax.report.contents import Terms
from kalm_jax.types import LEVELS, GoalTable, Rollouts
from kalm_jax.worlds.base import LEARNER_SETTINGS, World
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr import instructions as language
from kalm_jax.worlds.clevr import realism as quality
from kalm_jax.worlds.clevr import simulator as clevr
from kalm_jax.worlds.clevr import symmetry as clevr_renaming
from kalm_jax.worlds.clevr.collect import POLICIES, collect, collection_statistics, goals_of_level, validation_goals
from kalm_jax.worlds.clevr.policies import behavior_policy, lookahead_policy, make_episodes, random_policy
from kalm_jax.worlds.clevr.recover import recover_goals
from kalm_jax.worlds.clevr.text import corpus


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


def unsolved_states(rng: np.random.Generator, goals: GoalTable, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Random first observations (N, 10) in which goal n is not yet satisfied, and their states (N, 69)."""
    states = clevr.sample_states(rng, len(goal))
    while True:
        seen = clevr.observation_of(states)
        solved = np.flatnonzero(clevr_goals.satisfied(goals.family[goal], goals.array[goal], seen))
        if not len(solved):
            return seen, states
        states[solved] = clevr.sample_states(rng, len(solved))


def imagined_steps(family: np.ndarray) -> np.ndarray:
    """(N,) most steps of an imagined rollout: one for single moves."""
    return np.where(np.asarray(family) == clevr_goals.MOVE, 1, clevr.HORIZON)


def readings(text: str, before: np.ndarray, after: np.ndarray) -> list[tuple[np.ndarray, str, str]] | None:
    """`language.readings` of a short goal that a plan holds; None for other texts, whose meaning nobody but we know."""
    goals = corpus.read_plan(text)
    return language.readings(*goals[0][1:], before, after) if len(goals) == 1 else None


def gist_of_plan(text: str) -> str:
    """The `language.gist` of a plan of a single relation, "" for other texts."""
    goals = corpus.read_plan(text)
    return language.gist(*goals[0][1:]) if len(goals) == 1 else ""


def believable(rollouts: Rollouts, goals: GoalTable, real: Rollouts) -> np.ndarray:
    """(N,) bool: `quality.believable` by what a push does in the real rollouts."""
    return quality.believable(rollouts, quality.furthest_move(real))


def quality_rows(rollouts: Rollouts, goals: GoalTable, real: Rollouts) -> list[dict]:
    """`quality.rollout_rows` by what a push does in the real rollouts."""
    return quality.rollout_rows(rollouts, goals, quality.furthest_move(real))


def show(real: tuple[Rollouts, GoalTable], imagined: tuple[Rollouts, GoalTable, np.ndarray]) -> dict:
    """Fields of `ReportData`: example rollouts, and where balls lie."""
    return {
        "examples": examples(*real, *imagined[:2]),
        "positions": {"recorded": centres(real[0]), "imagined (rephrase)": centres(imagined[0])},
    }


def centres(rollouts: Rollouts) -> np.ndarray:
    """(M, 2) ball centres after each step."""
    return rollouts.observations[:, 1:][rollouts.valid()].reshape(-1, 2)


def examples(
    real: Rollouts, real_goals: GoalTable, imagined: Rollouts, imagined_goals: GoalTable, count=3
) -> list[dict]:
    """Real rollouts beside imagined ones for the same arrangement, three to twelve pushes long."""
    found = []
    fits = [np.flatnonzero((r.length >= 3) & (r.length <= 12) & r.terminated) for r in (real, imagined)]
    arrays = [np.asarray(g.array)[r.goal] for r, g in ((real, real_goals), (imagined, imagined_goals))]
    taken = set()
    for i in fits[1]:
        key = tuple(arrays[1][i][:3])
        same = fits[0][(arrays[0][fits[0]] == arrays[1][i]).all(1)]
        if key in taken or not len(same):
            continue
        taken.add(key)
        pairs = (("real", real, real_goals, same[0]), ("imagined", imagined, imagined_goals, i))
        for kind, rollouts, goals, j in pairs:
            found.append(example(kind, rollouts, goals, j))
        if len(taken) == count:
            break
    return found


def example(kind: str, rollouts: Rollouts, goals: GoalTable, index: int) -> dict:
    """One rollout as the report shows it, see `ReportData.examples`; `kind` is "real" or "imagined"."""
    n = int(rollouts.length[index])
    return {
        "instruction": goals.text[rollouts.goal[index]],
        "kind": kind,
        "observations": rollouts.observations[index, : n + 1],
        "actions": rollouts.actions[index, :n],
        "reached": bool(rollouts.terminated[index]),
    }


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
        short_goal=corpus.plan_of_gist,
        question=lambda gist: tuple(gist.rsplit(" ", 1)),
        gist_of_plan=gist_of_plan,
        renamings=clevr_renaming.renamings,
        plan=lambda family, goal: corpus.plan(clevr_goals.FAMILIES[family], goal),
        sample_plan=corpus.sample_plan,
    ),
    read_plan=corpus.read_plan,
    augment=None,
    numbers={},
    view=View(),
    builtin_plans=True,
    goals_of_level=goals_of_level,
    validation_goals=validation_goals,
    collect=lambda seed, count, behaviour, progress: collect(seed, count, behaviour, progress=progress),
    behaviours=POLICIES,
    statistics=collection_statistics,
    read_data=read_data,
    read_prompts=read_prompts,
    states_of=clevr.states_of,
    first_states=unsolved_states,
    imagined_steps=imagined_steps,
    readings=readings,
    stop=clevr_goals.success,
    satisfied=clevr_goals.satisfied,
    project=None,
    show_stage=None,
    label=functools.partial(label_rewards, reward=clevr_goals.reward),
    believable=believable,
    quality=quality_rows,
    explanation=quality.explanation_row,
    judge=clevr_goals.judge,
    settings=LEARNER_SETTINGS,
    # Hard goals take many pushes of several balls, single moves one.
    shares={"rephrase": 0.4, "unseen_easy": 0.1, "unseen_hard": 0.5, "prompts": 0.4},
    # TD3+BC answers with a point of the simplex, CQL and COMBO with softmax Q.
    samples=("bc", "td3bc", "cql", "awac", "iql", "combo", "decision_transformer"),
    simulator=clevr.ClevrSimulator,
    make_episodes=make_episodes,
    observe=clevr.observation_of,
    behaviour_policy=behavior_policy,
    random_policy=random_policy,
    ceiling_policy=lookahead_policy,
    ceiling="lookahead",
    terms=Terms(),
    show=show,
)
