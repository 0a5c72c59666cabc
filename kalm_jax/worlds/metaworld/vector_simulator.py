"""Many Meta-world episodes played side by side in worker processes.

Each worker builds one simulator per task and switches it between its episodes, which costs little, so that any number
of episodes (N) is possible. An episode is a function of its task, seed and actions, whatever the number of processes.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

import numpy as np

from kalm_jax.arguments import plain_array
from kalm_jax.cores import available_cores
from kalm_jax.workers import end_with_parent, without_interrupts
from kalm_jax.worlds.metaworld.distractors import MODES, Distractor
from kalm_jax.worlds.metaworld.simulator import Snapshot, TaskSimulator
from kalm_jax.worlds.metaworld.tasks import ACTION_DIM, HORIZON, NAMES, OBSERVATION_DIM

if TYPE_CHECKING:  # workers import no JAX
    from kalm_jax.types import Episodes


class WorkerEpisodes:
    """The episodes of one worker, identified by the numbers that they were started with."""

    def __init__(self, distractor: str) -> None:
        self._distractor = distractor
        self._simulators: dict[int, TaskSimulator] = {}
        self._kept: dict[int, tuple[int, Snapshot, Distractor]] = {}
        self._current: dict[int, int] = {}  # family -> number of the episode in its simulator

    def start(self, number: int, family: int, seed: int) -> np.ndarray:
        """Starts an episode of a task; the first observation (91,)."""
        rng = np.random.default_rng([seed, family])
        simulator = self._simulators.get(family)
        if simulator is None:
            simulator = self._simulators[family] = TaskSimulator(NAMES[family])
        observation = simulator.reset(rng)
        distractor = Distractor(self._distractor, rng, observation)
        self._kept[number] = family, simulator.save(), distractor
        self._current[family] = number
        return distractor.show(observation)

    def step(self, number: int, action: np.ndarray) -> tuple[np.ndarray, bool, bool | None]:
        """One action (4,) in an episode: the observation (91,), whether it succeeded, and `tool_touches`."""
        family, snapshot, distractor = self._kept[number]
        simulator = self._simulators[family]
        if self._current[family] != number:
            simulator.load(snapshot)
            self._current[family] = number
        result = simulator.step(action)
        self._kept[number] = family, simulator.save(), distractor
        return distractor.show(result.observation), result.success, simulator.tool_touches()

    def drop(self, number: int) -> None:
        """Forgets an episode."""
        self._kept.pop(number, None)

    def call(self, method: str, jobs: Sequence[tuple]) -> list[Any]:
        """The answers of one of the methods above to each of `jobs`, the arguments of a call."""
        return [getattr(self, method)(*job) for job in jobs]


def _work(pipe: Connection, distractor: str) -> None:
    """A worker's loop: receives (method, jobs), sends (True, answers) or (False, error); None ends it."""
    end_with_parent()
    kept = WorkerEpisodes(distractor)
    while (message := pipe.recv()) is not None:
        try:
            pipe.send((True, kept.call(*message)))
        except Exception as error:
            pipe.send((False, error))


@contextlib.contextmanager
def _naming_death() -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError) as error:
        raise OSError(
            "a worker process of Meta-world's simulator has died, perhaps for lack of memory: run the same command "
            "again"
        ) from error


class MetaworldSimulator:
    """Steps batches of Meta-world episodes on all cores. Usable as a context manager; `close` ends the workers."""

    def __init__(self, processes: int | None = None, distractor: str = "episode") -> None:
        """`processes` defaults to one per core; with 1 everything happens in this process.

        Workers are spawned, so a script that uses them needs `if __name__ == "__main__":`.
        """
        if distractor not in MODES:
            raise ValueError(f"unknown distractor mode {distractor!r}: use one of {', '.join(MODES)}")
        self.processes = available_cores() if processes is None else processes
        if self.processes < 1:
            raise ValueError(f"processes is {processes}: use at least 1")
        self._numbers = itertools.count()
        self._local = WorkerEpisodes(distractor) if self.processes == 1 else None
        self._workers: list[tuple[BaseProcess, Connection]] = []
        context = multiprocessing.get_context("spawn")
        for _ in range(self.processes if self._local is None else 0):
            ours, theirs = context.Pipe()
            worker = context.Process(target=_work, args=(theirs, distractor), daemon=True)
            with without_interrupts():
                worker.start()
            theirs.close()
            self._workers.append((worker, ours))

    def start(self, episodes: Episodes) -> MetaworldPlay:
        """Begins evaluation episodes, whose `states` (N,) are seeds; see `evaluation.evaluate`."""
        return self.begin(episodes.family, episodes.states)

    def begin(self, family: np.ndarray, seeds: np.ndarray) -> MetaworldPlay:
        """Begins an episode for each task index of `family` (N,), with `seeds` (N,) of at least 0."""
        family, seeds = np.asarray(family), np.asarray(seeds)
        if family.shape != seeds.shape or family.ndim != 1 or seeds.dtype.kind not in "iu":
            raise ValueError(
                f"tasks {family.shape} and seeds {seeds.dtype} {seeds.shape}: pass integers, one of each per episode"
            )
        if len(family) and (family.dtype.kind not in "iu" or family.min() < 0 or family.max() >= len(NAMES)):
            raise ValueError(
                f"tasks are {family.dtype} {np.unique(family).tolist()}: pass integers 0..{len(NAMES) - 1}"
            )
        numbers = list(itertools.islice(self._numbers, len(family)))
        states = self.call("start", list(zip(numbers, family.tolist(), seeds.tolist())))
        return MetaworldPlay(self, numbers, np.array(states, np.float32).reshape(-1, OBSERVATION_DIM))

    def call(self, method: str, jobs: Sequence[tuple]) -> list[Any]:
        """See `WorkerEpisodes.call`; a job's first argument is its episode's number, which decides its process."""
        if self._local is not None:
            return self._local.call(method, jobs)
        homes = [[i for i, job in enumerate(jobs) if job[0] % self.processes == k] for k in range(self.processes)]
        busy = [(place, pipe) for place, (_, pipe) in zip(homes, self._workers, strict=True) if place]
        for place, pipe in busy:
            with _naming_death():
                pipe.send((method, [jobs[i] for i in place]))
        with _naming_death():
            received = [(place, *pipe.recv()) for place, pipe in busy]  # from all before an error is raised
        answers: dict[int, Any] = {}
        for place, fine, answer in received:
            if not fine:
                raise answer
            answers |= zip(place, answer, strict=True)
        return [answers[i] for i in range(len(jobs))]

    def close(self) -> None:
        """Ends the workers; the simulator cannot be used afterwards."""
        for worker, pipe in self._workers:
            with contextlib.suppress(BrokenPipeError):  # it is dead
                pipe.send(None)
            worker.join()
            pipe.close()
        self._workers = []

    def __enter__(self) -> MetaworldSimulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class MetaworldPlay:
    """See `types.Play`; `states` (N, 91) are observations.

    `by_tool` (N,) int8: 1 where the task's tool has touched what it is for (the hammer the nail), 0 where it has not,
    -1 where the task has no tool.
    """

    def __init__(self, simulator: MetaworldSimulator, numbers: list[int], states: np.ndarray) -> None:
        self._simulator, self._numbers, self.states = simulator, numbers, states
        self.horizon = np.full(len(numbers), HORIZON)
        self.by_tool = np.full(len(numbers), -1, np.int8)

    def step(self, active: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Acts where `active` (N,) bool; `actions` (N, 4) are ignored elsewhere. Returns successes (N,) bool."""
        actions = plain_array("actions", actions)
        if actions.shape != (len(self._numbers), ACTION_DIM) or actions.dtype.kind not in "iuf":
            raise ValueError(
                f"actions are of type {actions.dtype} and shape {actions.shape}: pass ({len(self._numbers)}, "
                f"{ACTION_DIM}) real numbers"
            )
        reached = np.zeros(len(self._numbers), bool)
        index = np.flatnonzero(active)
        results = self._simulator.call("step", [(self._numbers[i], actions[i].astype(np.float64)) for i in index])
        for i, result in zip(index, results, strict=True):
            self.states[i], reached[i], touched = result
            if touched is not None:
                self.by_tool[i] = max(self.by_tool[i], touched)
        return reached

    def close(self) -> None:
        """Frees the episodes."""
        self._simulator.call("drop", [(number,) for number in self._numbers])
