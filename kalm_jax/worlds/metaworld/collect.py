"""Collects Meta-world rollouts by the scripted experts with noise, in parallel processes.

KALM's authors do not say how theirs were collected; their published samples look like the package's experts. Dimension
letters: N rollouts, T = 100 steps, D = 91, A = 4.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from kalm_jax.cores import available_cores
from kalm_jax.types import Episode, GoalTable, Rollouts, stack_episodes, validate
from kalm_jax.workers import end_with_parent, without_interrupts
from kalm_jax.worlds.metaworld.distractors import MODES
from kalm_jax.worlds.metaworld.goals import FAMILIES, SUCCESS_REWARD
from kalm_jax.worlds.metaworld.instructions import goals_of_level
from kalm_jax.worlds.metaworld.recording import Job, Recorded, record_job
from kalm_jax.worlds.metaworld.tasks import HORIZON, LEVEL_TASKS

NOISE = 0.3
"""Standard deviation of the noisiest attempts' actions, which range over [-1, 1]."""
_CHUNK = 10


def collect(
    seed: int,
    num_rollouts: int = 2000,
    level: str = "offline",
    noise: float = NOISE,
    distractor: str = "none",
    stray: int = 0,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Rollouts, GoalTable]:
    """Successful rollouts of a level's tasks, each task equally often (to within one rollout).

    Args:
      seed: the same seed gives the same rollouts, whatever the number of processes.
      num_rollouts: at least 1.
      level: whose tasks and sentences; novel levels give the upper bound of real data.
      noise, stray: see `recording.record`.
      distractor: see `distractors`; KALM's data have none.
      processes: one per core by default; with 1 everything happens in this process.
      progress: called as progress(done, total) when rollouts are finished.

    Returns:
      Rollouts with T = 100 and rewards of the simulator, and the goals: every sentence of the level. A rollout's `goal`
      is one of its task's sentences, at random.

    Raises:
      RuntimeError: an expert failed 100 times in a row.
    """
    if num_rollouts < 1 or noise < 0 or stray < 0:
        raise ValueError(
            f"num_rollouts is {num_rollouts}, noise {noise} and stray {stray}: use at least 1 rollout, nothing below 0"
        )
    goals, rng = goals_of_level(level), np.random.default_rng(seed)
    tasks = LEVEL_TASKS[level]
    order = rng.permutation(len(tasks))[np.arange(num_rollouts) % len(tasks)]
    sentence = rng.random(num_rollouts)
    job = Job("", (), seed, noise, distractor, stray, False)
    episodes = _record_all(job, tasks, order, processes, progress)
    family = np.array([FAMILIES.index(tasks[i]) for i in order])
    wordings = [np.flatnonzero(goals.family == f) for f in family]
    goal = [w[int(u * len(w))] for w, u in zip(wordings, sentence, strict=True)]
    rollouts = stack_episodes([_episode(recorded) for recorded in episodes], HORIZON)
    rollouts = dataclasses.replace(rollouts, goal=np.array(goal, np.int32))
    return validate(rollouts, len(goals), name="collected rollouts"), goals


def attempts(
    task: str, num: int, seed: int, noise: float = 0.0, processes: int | None = None, stray: int = 0
) -> list[Recorded]:
    """`num` attempts of a task's expert, failures among them; the same for any number of processes."""
    return _record_all(Job(task, (), seed, noise, "none", stray, True), (task,), np.zeros(num, int), processes)


def _record_all(
    settings: Job,
    tasks: Sequence[str],
    order: np.ndarray,
    processes: int | None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Recorded]:
    """An episode of the task `tasks[order[i]]` for each i; processes record chunks of one task each."""
    if settings.distractor not in MODES:
        raise ValueError(f"unknown distractor mode {settings.distractor!r}: use one of {', '.join(MODES)}")
    jobs: list[Job] = []
    for index, task in enumerate(tasks):
        places = np.flatnonzero(order == index).tolist()
        chunks = (tuple(places[i : i + _CHUNK]) for i in range(0, len(places), _CHUNK))
        jobs += [settings._replace(task=task, places=chunk) for chunk in chunks]
    processes = min(available_cores() if processes is None else processes, len(jobs))
    found: dict[int, Recorded] = {}
    with contextlib.ExitStack() as stack:
        run: Callable[..., Iterable[list[Recorded]]] = map
        if processes > 1:
            context = multiprocessing.get_context("spawn")
            pool = ProcessPoolExecutor(processes, context, initializer=end_with_parent)
            stack.callback(pool.shutdown, cancel_futures=True)
            run = pool.map
        with without_interrupts():
            answers = run(record_job, jobs)
        try:
            for job, episodes in zip(jobs, answers, strict=True):
                found |= zip(job.places, episodes, strict=True)
                if progress is not None:
                    progress(len(found), len(order))
        except BrokenProcessPool as error:
            raise OSError(
                "a process that records rollouts has died, perhaps for lack of memory: run the same command again"
            ) from error
    return [found[place] for place in range(len(order))]


def _episode(recorded: Recorded) -> Episode:
    """An attempt with KALM's rewards: increments of the dense reward, and `SUCCESS_REWARD` on success."""
    rewards = np.diff(recorded.native, prepend=np.float32(0))
    if recorded.success:
        rewards[-1] = SUCCESS_REWARD
    return recorded.observations, recorded.actions, rewards, recorded.success
