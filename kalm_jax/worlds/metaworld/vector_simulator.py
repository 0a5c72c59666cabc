"""Many Meta-world episodes played side by side, in worker processes: what batches of actions are evaluated with.

Each worker builds one simulator per task and switches it between its episodes, which costs little, so that the
number of episodes is free. An episode is a function of its task, seed and actions, whatever the number of processes.
"""

from __future__ import annotations

import itertools
import multiprocessing

import numpy as np

from kalm_jax.cores import available_cores
from kalm_jax.worlds.metaworld.distractors import MODES, Distractor
from kalm_jax.worlds.metaworld.simulator import TaskSimulator
from kalm_jax.worlds.metaworld.tasks import ACTION_DIM, HORIZON, NAMES, OBSERVATION_DIM


class Episodes:
    """Episodes in this process, known by the numbers that they were started with: the work of one worker."""

    def __init__(self, distractor: str):
        self._distractor = distractor
        self._simulators: dict[int, TaskSimulator] = {}
        self._kept: dict[int, list] = {}  # number -> [family, snapshot, distractor]
        self._current: dict[int, int] = {}  # family -> number of the episode that its simulator is at

    def start(self, numbers, families, seeds) -> np.ndarray:
        """Starts episodes (n,) of these tasks; first observations (n, 91)."""
        return np.stack([self._start(*job) for job in zip(numbers, families, seeds, strict=True)])

    def _start(self, number: int, family: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng([int(seed), int(family)])
        simulator = self._simulators.get(family)
        if simulator is None:
            simulator = self._simulators[family] = TaskSimulator(NAMES[family])
        observation = simulator.reset(rng)
        distractor = Distractor(self._distractor, rng, observation)
        self._kept[number] = [family, simulator.save(), distractor]
        self._current[family] = number
        return distractor.show(observation)

    def step(self, numbers, actions) -> tuple[np.ndarray, np.ndarray]:
        """One action (n, 4) in each episode: observations (n, 91) and successes (n,) bool."""
        results = [self._step(*job) for job in zip(numbers, actions, strict=True)]
        return np.stack([seen for seen, _ in results]), np.array([success for _, success in results], bool)

    def _step(self, number: int, action) -> tuple[np.ndarray, bool]:
        family, snapshot, distractor = self._kept[number]
        simulator = self._simulators[family]
        if self._current[family] != number:
            simulator.load(snapshot)
            self._current[family] = number
        result = simulator.step(action)
        self._kept[number][1] = simulator.save()
        return distractor.show(result.observation), result.success

    def drop(self, numbers) -> None:
        """Forgets episodes."""
        for number in numbers:
            self._kept.pop(number, None)


def _work(pipe, distractor: str) -> None:
    """A worker's loop: (method, arguments) in, (True, answer) or (False, error) out; None ends it."""
    episodes = Episodes(distractor)
    while (message := pipe.recv()) is not None:
        method, arguments = message
        try:
            pipe.send((True, getattr(episodes, method)(*arguments)))
        except Exception as error:
            pipe.send((False, error))


class MetaworldSimulator:
    """Steps batches of Meta-world episodes on all cores. Usable as a context manager; `close` ends the workers."""

    def __init__(self, processes: int | None = None, distractor: str = "episode"):
        """`processes` defaults to one for each core; with 1 everything happens in this process.

        Workers are spawned, so a script that makes one needs `if __name__ == "__main__":`.
        """
        if distractor not in MODES:
            raise ValueError(f"unknown distractor mode {distractor!r}: use one of {', '.join(MODES)}")
        self.processes = available_cores() if processes is None else processes
        if self.processes < 1:
            raise ValueError(f"processes is {processes}, want at least 1")
        self._numbers = itertools.count()
        self._local = Episodes(distractor) if self.processes == 1 else None
        self._workers = []
        context = multiprocessing.get_context("spawn")
        for _ in range(self.processes if self._local is None else 0):
            ours, theirs = context.Pipe()
            worker = context.Process(target=_work, args=(theirs, distractor), daemon=True)
            worker.start()
            theirs.close()
            self._workers.append((worker, ours))

    def start(self, episodes) -> MetaworldPlay:
        """Begins `evaluation.Episodes`, whose `states` (n,) are seeds here; see `evaluation.evaluate`."""
        return self.begin(episodes.family, episodes.states)

    def begin(self, family, seeds) -> MetaworldPlay:
        """Begins an episode for each task index of `family` (n,), with these `seeds` (n,) of at least 0."""
        family, seeds = np.asarray(family), np.asarray(seeds)
        if family.shape != seeds.shape or family.ndim != 1 or seeds.dtype.kind not in "iu":
            raise ValueError(f"tasks {family.shape} and seeds {seeds.dtype} {seeds.shape}: want (n,) integers of both")
        numbers = np.array(list(itertools.islice(self._numbers, len(family))), np.int64)
        (states,) = self.call("start", numbers, OBSERVATION_DIM, family.tolist(), seeds.tolist())
        return MetaworldPlay(self, numbers, states.astype(np.float32))

    def call(self, method: str, numbers: np.ndarray, width: int, *columns) -> list[np.ndarray]:
        """Calls a method of `Episodes` where each episode lives, and puts the answers in the order of `numbers`."""
        if self._local is not None:
            answer = getattr(self._local, method)(numbers.tolist(), *columns)
            return list(answer) if isinstance(answer, tuple) else [answer]
        home = numbers % self.processes
        places = [np.flatnonzero(home == i) for i in range(self.processes)]
        for place, (_, pipe) in zip(places, self._workers):
            if len(place):
                pipe.send((method, (numbers[place].tolist(), *([column[i] for i in place] for column in columns))))
        parts = [(place, pipe.recv()) for place, (_, pipe) in zip(places, self._workers) if len(place)]
        for _, (fine, answer) in parts:
            if not fine:
                raise answer
        found = [np.zeros((len(numbers), width), np.float32), np.zeros(len(numbers), bool)]
        for place, (_, answer) in parts:
            for whole, part in zip(found, answer if isinstance(answer, tuple) else (answer,)):
                whole[place] = part
        return found if method == "step" else found[:1]

    def close(self) -> None:
        """Ends the workers; the simulator cannot be used afterwards."""
        for worker, pipe in self._workers:
            pipe.send(None)
            worker.join()
            pipe.close()
        self._workers = []

    def __enter__(self) -> MetaworldSimulator:
        return self

    def __exit__(self, *_) -> None:
        self.close()


class MetaworldPlay:
    """Episodes that are being played.

    Attributes:
      states: (n, 91) float32 observations, what policies see.
      horizon: (n,) int, steps allowed.
    """

    def __init__(self, simulator: MetaworldSimulator, numbers: np.ndarray, states: np.ndarray):
        self._simulator, self._numbers, self.states = simulator, numbers, states
        self.horizon = np.full(len(numbers), HORIZON)

    def step(self, active, actions) -> np.ndarray:
        """Acts where `active` (n,) bool; `actions` (n, 4) are ignored elsewhere. Returns successes (n,) bool."""
        actions = np.asarray(actions, np.float64)
        if actions.shape != (len(self._numbers), ACTION_DIM):
            raise ValueError(f"actions have shape {actions.shape}, want ({len(self._numbers)}, {ACTION_DIM})")
        reached = np.zeros(len(self._numbers), bool)
        if np.any(active):
            numbers = self._numbers[active]
            self.states[active], reached[active] = self._simulator.call(
                "step", numbers, OBSERVATION_DIM, actions[active]
            )
        return reached

    def close(self) -> None:
        """Frees the episodes."""
        self._simulator.call("drop", self._numbers, OBSERVATION_DIM)
