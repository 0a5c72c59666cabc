"""Any Gymnasium environment as a world: a class to derive from.

`python -m experiments.world --world=my_package.my_world --algo=td3bc` runs the pipeline on the `WORLD` of the module
`my_package.my_world`; `examples/own_world.py` is a complete one. Dimension letters: N transitions, n episodes, D
observation, A action, G goal array.
"""

from __future__ import annotations

import abc
import collections
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from kalm_jax.arguments import COUNT, EPISODE_SEED, checked
from kalm_jax.evaluation import record
from kalm_jax.evaluation.episodes import balanced_goals
from kalm_jax.evaluation.gymnasium import GymnasiumSimulator, make_environment, spaces_of, take_step
from kalm_jax.imagination.rollouts import label_rewards
from kalm_jax.settings import Setting
from kalm_jax.types import LEVELS, Episodes, GoalTable, Policy, Rollouts, Simulator, check_goal_numbers, concatenate
from kalm_jax.types.pictures import Film, Illustrations, record_film
from kalm_jax.types.text import normalize_sentence
from kalm_jax.worlds.base import Spaces, World
from kalm_jax.worlds.data import read_data
from kalm_jax.worlds.learner_defaults import LearnerDefaults

PARALLEL_EPISODES = 64
"""Episodes that are collected side by side."""
MAX_FAILED_BATCHES = 20
"""Batches of episodes in a row that may all fail before collecting gives up."""
SLACK = 0.1
"""Share of an entry's range in real rollouts by which imagined ones may exceed it, or exceed its largest step."""
FILM_PAIRS, FILM_FRAMES = 2, 10
"""Pairs of films in a report, and pictures of an episode that takes the whole horizon."""


class GymnasiumWorld(World):
    """A world whose simulator is a Gymnasium environment.

    A subclass sets the attributes and implements `success`, `reward` and `expert`. A world whose goals can be
    decomposed into subgoals sets `language` as well. A ValueError says that there is no such environment, that a level
    has no sentences, that a sentence stands twice, or that a family has no name.

    Attributes:
      environment: Gymnasium id (`my_package:Id-v0` imports the package). Actions are Discrete or a bounded Box. `reset`
        takes a seed and `options={"instruction": text}` with any sentence of both tables, and begins where that goal is
        not yet satisfied; the info of `step` has `is_success`.
      goal_table: every sentence of all four levels (`types.make_goal_table`), without vectors. Sentences of one goal
        have the same family and array.
      validation_table: sentences of no level for the data's goals; their level is "rephrase".
      horizon, early_steps: see `base.Spaces`.
    """

    environment: str
    goal_table: GoalTable
    validation_table: GoalTable
    horizon: int
    early_steps: int

    def __init__(self) -> None:
        self._check_goals()
        self._gym_spaces = spaces_of(self.environment)
        num_actions, action_dim = self._gym_spaces.num_actions, len(self._gym_spaces.low)
        self.spaces = Spaces(self._gym_spaces.observation_dim, num_actions, action_dim, self.horizon, self.early_steps)
        if num_actions:
            stochastic = ("bc", "td3bc", "cql", "awac", "iql", "combo", "decision_transformer")
            self.learning = LearnerDefaults(stochastic=stochastic)

    def _check_goals(self) -> None:
        tables = self.goal_table, self.validation_table
        missing = [level for i, level in enumerate(LEVELS) if i not in self.goal_table.level]
        if missing:
            raise ValueError(f"no goal is of the level {', '.join(missing)}: add sentences of it to goal_table")
        count = collections.Counter(normalize_sentence(text) for table in tables for text in table.text)
        twice = sorted(text for text, times in count.items() if times > 1)
        if twice:
            raise ValueError(f"{len(twice)} sentences stand twice in the tables of goals, such as {twice[0]!r}")
        codes = {int(f) for table in tables for f in table.family}
        if not codes <= set(range(len(self.families))):
            raise ValueError(
                f"families {sorted(codes)} of goals: there are names for {len(self.families)}; name every family in "
                "`families`"
            )
        if not len(self.validation_table):
            raise ValueError("validation_table is empty: add sentences of no level, on which training is measured")

    @abc.abstractmethod
    def reward(
        self, family: np.ndarray, goal: np.ndarray, state: np.ndarray, action: np.ndarray, next_state: np.ndarray
    ) -> np.ndarray:
        """(N,) the environment's reward; the arguments are those of `success`."""

    @abc.abstractmethod
    def expert(
        self, rng: np.random.Generator, observations: np.ndarray, family: np.ndarray, goal: np.ndarray
    ) -> np.ndarray:
        """Actions (n,) or (n, A) in [-1, 1] for observations (n, D), families (n,) and goals (n, G).

        Records the data, some noise included, and shows what is attainable.
        """

    def goals(self, level: str) -> GoalTable:
        return self.goal_table.take(np.asarray(self.goal_table.level) == LEVELS.index(level))

    def validation_goals(self) -> GoalTable:
        return self.validation_table

    def _no_actions(self, count: int) -> np.ndarray:
        """(count,) or (count, A) actions 0."""
        if self.spaces.num_actions:
            return np.zeros(count, np.int32)
        return np.zeros((count, self.spaces.action_dim))

    def satisfied(self, family: Any, goal: Any, state: Any) -> np.ndarray:
        """(N,) bool, whether a step of action 0 that changes nothing reaches the goal."""
        family, goal, state = np.atleast_1d(family), np.atleast_2d(goal), np.atleast_2d(state)
        return np.asarray(self.success(family, goal, state, self._no_actions(len(state)), state))

    def label_rewards(self, rollouts: Rollouts, goals: GoalTable) -> Rollouts:
        return label_rewards(rollouts, goals, self.reward)

    @functools.cached_property
    def _simulator(self) -> GymnasiumSimulator:
        return GymnasiumSimulator(self.environment, self.horizon)

    def simulator(self) -> GymnasiumSimulator:
        return self._simulator

    def expert_policy(self, simulator: Simulator | None, seed: int) -> Policy:
        def act(episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int) -> np.ndarray:
            rng, index = np.random.default_rng([seed, step]), np.flatnonzero(active)
            actions = self._no_actions(len(states))
            actions[index] = self.expert(rng, states[index], episodes.family[index], episodes.array[index])
            return actions

        return act

    @checked(seed=EPISODE_SEED, count=COUNT)
    def collect(
        self, seed: int, count: int, behavior: str, progress: Callable[[int, int], None]
    ) -> tuple[Rollouts, GoalTable]:
        rng, goals, parts, done, failed = np.random.default_rng(seed), self.goals("offline"), [], 0, 0
        while done < count:
            goal = _balanced(rng, goals, PARALLEL_EPISODES)
            policy = self.expert_policy(None, int(rng.integers(2**31)))
            episodes = Episodes(_seeds(rng, PARALLEL_EPISODES), goal, goals)
            rollouts = record(policy, episodes, self.simulator(), self.observe)
            parts.append(rollouts.take(np.flatnonzero(rollouts.terminated)[: count - done]))
            done, failed = done + len(parts[-1]), 0 if len(parts[-1]) else failed + 1
            if failed == MAX_FAILED_BATCHES:
                raise ValueError(
                    f"{self.name}: the expert reached no goal in the last {failed * PARALLEL_EPISODES} episodes; "
                    "improve `expert` or raise `horizon`"
                )
            progress(done, count)
        return self.label_rewards(concatenate(parts), goals), goals

    def read_data(self, path: str) -> tuple[Rollouts, GoalTable]:
        level = {text: LEVELS[code] for text, (_, code) in self.sentence_meanings().items()}
        return read_data(path, self, lambda text: level.get(normalize_sentence(text)))

    @checked()
    def first_states(
        self, rng: np.random.Generator, goals: GoalTable, goal: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        goal = check_goal_numbers(goal, goals)
        seeds = _seeds(rng, len(goal))
        return self.simulator().first_observations([goals.text[g] for g in goal], seeds), seeds

    @checked(level=Setting("", choices=LEVELS), count=COUNT, seed=EPISODE_SEED)
    def make_episodes(self, level: str, count: int, seed: int) -> Episodes:
        rng, goals = np.random.default_rng([seed, LEVELS.index(level)]), self.goals(level)
        return Episodes(_seeds(rng, count), _balanced(rng, goals, count), goals)

    def unrealistic_steps(self, rollouts: Rollouts, goals: GoalTable, real: Rollouts) -> dict[str, np.ndarray]:
        """Steps beyond what real rollouts show, by more than a tenth of each entry's range, since imagined entries
        are never quite constant: "outside" ends where an entry is further out than in any real rollout, "dynamics"
        changes an entry by more than any real step."""
        step, known = rollouts.valid(), real.valid()
        seen = np.concatenate([real.observations[:, 0], real.observations[:, 1:][known]])
        low, high = seen.min(0), seen.max(0)
        room = SLACK * (high - low) + 1e-6
        after, change = rollouts.observations[:, 1:], np.abs(np.diff(rollouts.observations, axis=1))
        largest = np.abs(np.diff(real.observations, axis=1))[known].max(0) + room
        marks = {"outside": (after < low - room) | (after > high + room), "dynamics": change > largest}
        return {kind: mark.any(-1) & step for kind, mark in marks.items()}

    def illustrate(
        self, real: tuple[Rollouts, GoalTable], imagined: tuple[Rollouts, GoalTable, np.ndarray]
    ) -> Illustrations:
        """Films of some imagined rollouts' actions in the simulator, beside the expert's."""
        return Illustrations(films=self._films(*imagined))

    def _films(self, rollouts: Rollouts, goals: GoalTable, seeds: np.ndarray) -> list[Film]:
        """Films; none where the environment has no render mode "rgb_array"."""
        env = make_environment(self.environment, self.horizon)
        drawable = "rgb_array" in (env.metadata.get("render_modes") or ())
        env.close()
        if not drawable:
            return []
        env, films = make_environment(self.environment, self.horizon, "rgb_array"), []
        # Those that reach their goal first, one of each sentence.
        order = np.argsort(~np.asarray(rollouts.terminated), kind="stable")
        chosen = {int(rollouts.goal[i]): int(i) for i in order[::-1]}
        for i in list(chosen.values())[::-1][:FILM_PAIRS]:
            goal, actions = goals.take([rollouts.goal[i]]), rollouts.actions[i, : rollouts.length[i]]
            films.append(self._film(env, self.expert_name, goal, int(seeds[i]), None))
            films.append(self._film(env, "imagined actions, replayed", goal, int(seeds[i]), actions))
        env.close()
        return films

    def _film(self, env: Any, kind: str, goal: GoalTable, seed: int, actions: np.ndarray | None) -> Film:
        """A film of one episode, by actions (n,) or (n, A) or, with None, by the expert."""
        (text,) = goal.text
        seen, _ = env.reset(seed=seed, options={"instruction": text})

        def act(step: int) -> tuple[bool, bool]:
            nonlocal seen
            if actions is None:
                rng = np.random.default_rng([seed, step])
                (action,) = self.expert(rng, np.asarray(seen, np.float32)[None], goal.family, goal.array)
            else:
                action = actions[step]
            seen, reached, over = take_step(env, self._gym_spaces, action)
            return reached, over

        steps = self.horizon if actions is None else len(actions)
        return record_film(text, kind, env.render, act, steps, max(1, self.horizon // FILM_FRAMES))


def _seeds(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count,) seeds of resets."""
    return rng.integers(2**31 - 1, size=count)


def _balanced(rng: np.random.Generator, goals: GoalTable, count: int) -> np.ndarray:
    """(count,) int32 goals: families equally often, then sentences equally often within each."""
    return rng.permutation(balanced_goals(rng, goals.family, rng.permutation(np.unique(goals.family)), count))
