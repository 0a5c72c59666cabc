"""Records attempts of Meta-world's scripted experts with noise, in a collecting process, which imports no JAX."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from kalm_jax.worlds.metaworld.behaviors import make_expert
from kalm_jax.worlds.metaworld.distractors import Distractor
from kalm_jax.worlds.metaworld.simulator import TaskSimulator
from kalm_jax.worlds.metaworld.tasks import ACTION_DIM, HORIZON, NAMES

ATTEMPTS = 100
"""Failures of one rollout in a row after which recording stops with an error."""


class Recorded(NamedTuple):
    """One attempt: observations (L+1, 91), executed actions (L, 4), native rewards (L,), and whether it succeeded."""

    observations: np.ndarray
    actions: np.ndarray
    native: np.ndarray
    success: bool


class Job(NamedTuple):
    """The work of a process: one task's rollouts, identified by their places in the collection.

    `noise`, `distractor` and `stray` as in `record`. Unless `keep_failures`, an attempt that fails is repeated.
    """

    task: str
    places: tuple[int, ...]
    seed: int
    noise: float
    distractor: str
    stray: int
    keep_failures: bool


def record_job(job: Job) -> list[Recorded]:
    """The rollouts of a job, functions of seed, task and place; RuntimeError where an expert failed too often."""
    return [_record_one(job, place) for place in job.places]


@functools.cache
def _simulator(task: str) -> TaskSimulator:
    return TaskSimulator(task)


def _record_one(job: Job, place: int) -> Recorded:
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([job.seed, NAMES.index(job.task), place, attempt])
        episode = record(_simulator(job.task), rng, job.noise, job.distractor, job.stray)
        if episode.success or job.keep_failures:
            return episode
    raise RuntimeError(
        f"{job.task}: the expert failed {ATTEMPTS} times in a row with noise {job.noise}; lower the noise"
    )


def record(
    simulator: TaskSimulator, rng: np.random.Generator, noise: float, distractor: str = "none", stray: int = 0
) -> Recorded:
    """One attempt of the task's expert, at most 100 steps.

    Gaussian noise is added to its actions; its standard deviation is drawn for the attempt, between 0 and `noise`. The
    expert does not see the distractor that the observations show. Half of the attempts begin after up to `stray` steps
    in a random direction, which are not recorded.
    """
    expert, observation = make_expert(simulator.task.name), simulator.reset(rng)
    shown = Distractor(distractor, rng, observation)
    level = noise * rng.random()
    if stray:
        observation = _strayed(simulator, rng, observation, stray)
    observations, actions, native = [shown.show(observation)], [], []
    for _ in range(HORIZON):
        action = np.clip(expert(observation) + level * rng.normal(size=ACTION_DIM), -1.0, 1.0)
        observation, reward, success = simulator.step(action)
        observations.append(shown.show(observation))
        actions.append(action)
        native.append(reward)
        if success:
            break
    arrays = [np.array(x, np.float32) for x in (observations, actions, native)]
    return Recorded(arrays[0], arrays[1], arrays[2], success)


def _strayed(simulator: TaskSimulator, rng: np.random.Generator, observation: np.ndarray, stray: int) -> np.ndarray:
    """The observation after up to `stray` steps of one random action, half of the time; the first one otherwise."""
    steps, action = int(rng.random() < 0.5) * rng.integers(1, stray + 1), rng.uniform(-1.0, 1.0, ACTION_DIM)
    for _ in range(steps):
        observation = simulator.step(action).observation
    return observation
