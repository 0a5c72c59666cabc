"""`kalm_jax.train` and `kalm_jax.evaluate`: a learner on a data set, and a policy in an environment, in one call."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import os
from typing import Any

import gymnasium
import numpy as np

from kalm_jax.arguments import COUNT, SEED, checked
from kalm_jax.datasets import read_rollouts
from kalm_jax.evaluation import evaluate as evaluate_policy
from kalm_jax.evaluation import learner_policy, mean_interval, wilson_interval
from kalm_jax.evaluation.gymnasium import Player, spaces_of
from kalm_jax.evaluation.policies import SubgoalPolicy
from kalm_jax.evaluation.returns import EPISODE_SEEDS, Evaluator, greedy_policy
from kalm_jax.offline_rl import make_buffer, state_of
from kalm_jax.offline_rl.trainer import learner_for
from kalm_jax.offline_rl.trainer import train as train_states
from kalm_jax.pipeline.config import DRAWS
from kalm_jax.pipeline.offline import fit_to_environment
from kalm_jax.pipeline.policies import ActingPolicy, TranslatingPolicy, only_vector
from kalm_jax.progress import Progress
from kalm_jax.settings import MAX_SEEDS, MOST_STEPS, Setting
from kalm_jax.types import (
    LEVELS,
    GoalTable,
    Policy,
    Rollouts,
    make_goal_table,
    validate,
    validate_goals,
    with_declared_types,
)
from kalm_jax.worlds.base import World, get_world

MAX_COPIES = 32
"""Copies of an environment that are stepped together."""


@dataclasses.dataclass(frozen=True)
class TrainingResults:
    """What `train` returns.

    Attributes:
      policies: one for each training seed.
      curve: rows with seed, update, metric and value.
      returns: rows with seed, episodes, return_mean, return_std, return_min, return_max, length_mean and success; empty
        without environment.
      summary: {"return", "low", "high", "success"}: mean over seeds and its 95% interval, NaN for fewer than three
        seeds; empty without environment.
    """

    policies: list[ActingPolicy]
    curve: list[dict[str, Any]]
    returns: list[dict[str, Any]]
    summary: dict[str, Any]


@checked(
    dataset=Setting("such as read_rollouts(file)"),
    env=Setting("the id of a Gymnasium environment, such as Pendulum-v1"),
    seeds=Setting("", low=1, high=MAX_SEEDS),
    seed=SEED,
    updates=Setting("", low=1, high=MOST_STEPS),
    episodes=COUNT,
    draw=Setting("", choices=DRAWS),
)
def train(
    algorithm: str,
    dataset: str | os.PathLike[str] | tuple[Rollouts, GoalTable],
    env: str | None = None,
    *,
    seeds: int = 3,
    seed: int = 0,
    updates: int = 20_000,
    episodes: int = 20,
    draw: str = "transitions",
    **settings: Any,
) -> TrainingResults:
    """Trains a learner on a data set, and evaluates it where an environment is given.

        results = kalm_jax.train("td3bc", "rollouts.h5", env="Pendulum-v1", seeds=3, updates=10_000, alpha=1.0)
        results.summary["return"], results.policies[0].act(observation)

    Args:
      algorithm: a learner, such as "td3bc", or the import path of a custom one.
      dataset: a file, a Minari data set's name (see `datasets.read_rollouts`), or rollouts and their goals. Arrays of
        other real numbers (float64, float16, integers) are rounded to float32 once, before anything else, and discrete
        actions are int32: the result is that of arrays of these types, and nothing is compiled again. Other types
        (complex numbers, objects, text) and numbers beyond float32 are refused.
      env: Gymnasium id. Its action bounds are scaled to [-1, 1]; without it continuous actions must be in [-1, 1].
      seeds: number of training runs, trained together. seed: the first of them.
      updates: of each training run. episodes: of its evaluation.
      draw: how batches are drawn, see `offline_rl.make_buffer`.
      **settings: fields of the learner's configuration.

    Raises:
      ValueError: an unknown learner or setting, a number out of its range, or data that do not fit the environment.
      TypeError: an argument of another type, or no data.
    """
    learner = learner_for(algorithm, updates, **settings)
    name = os.fspath(dataset) if isinstance(dataset, str | os.PathLike) else "the data"
    rollouts, goals = _data_of(dataset)
    spaces = None if env is None else spaces_of(env)
    if env is not None and spaces is not None:
        rollouts = fit_to_environment(rollouts, goals, spaces, env, name)
    elif len(goals) > 1 and not goals.vector.shape[1]:
        raise ValueError(
            f"{name}: {len(goals)} goals without goal vectors; encode their sentences first, such as by "
            "goals.with_vector(run.encode(goals.text))"
        )
    discrete = np.ndim(rollouts.actions) == 2
    num_actions = spaces.num_actions if spaces is not None else int(np.max(rollouts.actions)) + 1 if discrete else 0
    buffer, numbers = make_buffer([(rollouts, 1.0)], goals, num_actions or None, draw), list(range(seed, seed + seeds))
    stats = learner.stats(buffer)
    with Progress(f"train {algorithm}", updates * seeds, unit="update") as progress:
        states, curve = train_states(learner, buffer, numbers, updates, stats=stats, progress=progress.update)
    lookup = functools.partial(_known_vectors, goals)
    policies = [ActingPolicy(learner, state_of(states, i), stats, lookup, spaces, s) for i, s in enumerate(numbers)]
    if env is None or spaces is None:
        return TrainingResults(policies, curve, [], {})
    with Evaluator(env, spaces, numbers, episodes) as evaluator:
        returns = evaluator.play(greedy_policy(learner, states, stats, goals))
    lowest, highest = min(row["return_min"] for row in returns), max(row["return_max"] for row in returns)
    mean, low, high = mean_interval([row["return_mean"] for row in returns], lowest, highest)
    success = [row["success"] for row in returns if row["success"] != ""]
    summary = {"return": mean, "low": low, "high": high, "success": float(np.mean(success)) if success else None}
    return TrainingResults(policies, curve, returns, summary)


def _data_of(dataset: str | os.PathLike[str] | tuple[Rollouts, GoalTable]) -> tuple[Rollouts, GoalTable]:
    """The rollouts and goals of a file, or those that were given, in the types that their classes declare."""
    if isinstance(dataset, tuple):
        rollouts, goals = dataset
        rollouts = validate(rollouts, len(validate_goals(goals)))
    else:
        rollouts, goals = read_rollouts(os.fspath(dataset))
    rollouts = with_declared_types(rollouts)
    if not len(rollouts):
        raise ValueError("the data have no rollouts; give at least one")
    return rollouts, goals.with_vector(goals.vector)


def _world_of(env: str | World) -> World:
    """A world, also by its name."""
    if isinstance(env, World):
        return env
    try:
        return get_world(env)
    except ValueError as error:
        (near,) = difflib.get_close_matches(str(env), gymnasium.registry, 1, 0.5) or ["Pendulum-v1"]
        raise ValueError(f"{error}; or the id of a Gymnasium environment, such as {near}") from error


def _known_vectors(goals: GoalTable, sentences: list[str] | None) -> np.ndarray:
    """Goal vectors of sentences of the data; of the only goal without a sentence."""
    if len(goals) == 1 and (sentences is None or goals.text[0] in ("", None)):
        return only_vector(goals.vector, sentences)
    if sentences is None:
        raise ValueError(f"the policy has learned {len(goals)} goals: act(observation, sentence)")
    unknown = sorted(set(sentences) - set(goals.text))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no sentence of the data, whose goals alone have vectors here")
    return np.asarray(goals.vector)[[goals.text.index(sentence) for sentence in sentences]]


@checked(
    policy=Setting("one of load_run(...).policy(...) or train(...).policies"),
    env=Setting("the name of a world, or the id of a Gymnasium environment, such as Pendulum-v1"),
    episodes=COUNT,
    level=Setting("", choices=LEVELS),
    seed=SEED,
)
def evaluate(
    policy: ActingPolicy,
    env: str | World,
    *,
    episodes: int = 100,
    level: str = "offline",
    seed: int = 0,
    greedy: bool = True,
) -> dict[str, Any]:
    """Plays a policy, greedily by default.

        kalm_jax.evaluate(run.policy("td3bc"), "clevr", level="rephrase")["success"]
        kalm_jax.evaluate(results.policies[0], "Pendulum-v1", episodes=10)["return"]

    Args:
      policy: of a loaded run or of `train`.
      env: a world (or its name), or the id of a Gymnasium environment with a single goal.
      level: of a world's goals.
      greedy: take the policy's best actions; otherwise sample where the policy is a distribution. The table in the
        README is of sampled actions.

    Raises:
      TypeError, ValueError: no policy, an unknown environment or level, a policy of another environment, or a number
        that is no integer or out of range.

    Returns:
      episodes; success with its 95% Wilson interval low to high, None where the environment does not report it; in a
      Gymnasium environment also return and its 95% interval return_low to return_high, NaN for fewer than three
      episodes.
    """
    if isinstance(env, str) and "-v" in env:
        return _evaluate_returns(policy, env, episodes, seed, greedy)
    world = _world_of(env)
    stats = policy.stats
    world.check_sizes("the policy", stats.observation_mean.shape[-1], stats.discrete, stats.action_dim)
    played = world.make_episodes(level, episodes, seed)
    act: Policy = learner_policy(
        policy.learner, policy.state, policy.stats, greedy, seed, world.observe, world.label_rewards
    )
    asked = np.unique(played.goal)  # encoding sentences takes time
    if isinstance(policy, TranslatingPolicy):
        act = _given_subgoals(policy, act, played.goals, asked, world)
    else:
        known = policy.vectors_of([played.goals.text[g] for g in asked])
        vectors = np.zeros((len(played.goals), known.shape[1]), np.float32)
        vectors[asked] = known
        played = played.with_vectors(vectors)
    with world.simulator() as simulator:
        result = evaluate_policy(act, played, simulator)
    return {"episodes": int(episodes), **_success(result.success)}


def _given_subgoals(
    policy: TranslatingPolicy, act: Policy, goals: GoalTable, asked: np.ndarray, world: World
) -> SubgoalPolicy:
    """The policy `act` of a learner, given the subgoals of the goals number `asked`."""
    translated = {g: policy.translate(goals.text[g]) for g in asked.tolist()}
    pairs = [pair for goal in translated.values() for pair in zip(goal.told, goal.subgoals, strict=True)]
    place = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}
    families, arrays = [s.family for _, s in place], np.array([s.array for _, s in place], goals.array.dtype)
    told = make_goal_table([text for text, _ in place], 1, np.array(families), arrays)
    plans: list[list[int]] = [[] for _ in range(len(goals))]
    for g, goal in translated.items():
        plans[g] = [place[pair] for pair in zip(goal.told, goal.subgoals, strict=True)]

    def read(goal: np.ndarray, place: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        return policy.read(
            [[translated[g].subgoals[k]] for g, k in zip(goal.tolist(), place, strict=True)], before, after
        )

    return SubgoalPolicy(act, told.with_vector(policy.vectors_of(list(told.text))), plans, read, world.observe)


def _evaluate_returns(policy: ActingPolicy, env: str, episodes: int, seed: int, greedy: bool) -> dict[str, Any]:
    def act(observations: np.ndarray, seeds: np.ndarray, step: int, rewards: np.ndarray | None) -> np.ndarray:
        if step == 0:
            policy.reset()
        actions = policy.act(observations, reward=rewards, greedy=greedy)
        return actions - player.spaces.start if player.spaces.num_actions else actions

    try:
        policy.vectors_of(None)
    except ValueError as error:
        raise ValueError(
            f"an environment such as {env} has a single goal, and this policy needs sentences ({error}); evaluate it "
            "in its world, such as env='clevr'"
        ) from error
    with Player(env, min(episodes, MAX_COPIES)) as player:
        if not policy.fits(player.spaces):
            raise ValueError(
                f"the policy was trained without an environment, so its actions are not those of {env}: train it with "
                f"env={env!r}"
            )
        seeds = EPISODE_SEEDS + 1_000_000 * seed + np.arange(episodes)
        rollouts, success = player.play(act, seeds)
    played = rollouts.returns()
    mean, low, high = mean_interval(played, played.min(), played.max())
    returns = {"return": mean, "return_low": low, "return_high": high}
    return {"episodes": int(episodes), **(_success(success) if success is not None else {"success": None}), **returns}


def _success(success: np.ndarray) -> dict[str, float]:
    low, high = wilson_interval(int(success.sum()), len(success))
    return {"success": float(success.mean()), "low": float(low), "high": float(high)}
