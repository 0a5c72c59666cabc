"""A world of the user's own, from a Gymnasium environment and what it says of its goals.

    python -m experiments.world --world=my_package.my_world --algo=td3bc

runs the main job on the `WORLD` that a module makes by `gymnasium_world`; `tests/field_world.py` is a whole one, and
BUILD.md says what is wanted. Letters: N rollouts, M steps, D observation, A action, G goal array.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.controllers import random_actions
from kalm_jax.datasets.authors import require_instructions
from kalm_jax.datasets.formats import read_rollouts
from kalm_jax.evaluation import record
from kalm_jax.evaluation.episodes import balanced_goals
from kalm_jax.evaluation.gymnasium import GymnasiumSimulator, make_environment, spaces_of, take_step
from kalm_jax.grounding.tasks import Words
from kalm_jax.imagination.realism import count_rows, sound
from kalm_jax.imagination.rollouts import Reward, label_rewards
from kalm_jax.offline_rl.networks import View
from kalm_jax.report.contents import Terms
from kalm_jax.types import LEVELS, Episodes, GoalTable, Policy, Rollouts, concatenate
from kalm_jax.worlds.base import World
from kalm_jax.worlds.clevr.instructions import normalise

EXPERT = "expert"
"""The behaviour that collects, and the ceiling."""
TOGETHER = 64
"""Episodes that are collected side by side."""
TRIES = 20
"""Times that so many episodes may all fail before collecting gives up."""
SLACK = 0.1
"""Share of a number's range in real rollouts by which imagined ones may go beyond it, or beyond its largest step."""
PAIRS, FRAMES = 2, 10
"""Pairs of films in a report, and pictures of an episode that takes all its time."""
WORDS = Words(
    explanation_prompts=("start :", "this happened :", "look :", "what was the goal ? start :"),
    unseen_prompt="somebody acts in a room . explain briefly . trajectory :",
)
"""By itself a world has no plain text, short goals or questions about states: the paper's four tasks are left."""


def gymnasium_world(
    name: str,
    environment: str,
    goals: GoalTable,
    validation: GoalTable,
    families: Sequence[str],
    reached: Callable,
    reward: Reward,
    expert: Callable,
    horizon: int,
    early: int,
    **fields,
) -> World:
    """A world whose simulator is a Gymnasium environment.

    Args:
      name: of the world, in results and in the report's title.
      environment: Gymnasium id (`my_package:Id-v0` imports the package). Actions are Discrete or a bounded Box. `reset`
        takes a seed and `options={"instruction": text}` with any sentence of `goals` and `validation`, and begins where
        that goal is not yet satisfied; the info of `step` has `is_success`.
      goals: every sentence of all four levels (`data.make_goal_table`; without vectors). Sentences of one goal have
        the same family and array.
      validation: sentences of no level for the data's goals, for what is measured in training; their level is rephrase.
      families: names of the kinds of goals; a goal's family is an index into them.
      reached: (family (M,), goal (M, G), state (M, D), action (M,) or (M, A), next state (M, D)) -> (M,) bool, whether
        that step reaches the goal, for NumPy and JAX arrays alike. A state counts as satisfying a goal where a step of
        action 0 that changes nothing would reach it; pass `satisfied` where that is not so.
      reward: the same arguments, NumPy arrays -> (M,) the environment's reward.
      expert: (rng, observations (n, D), family (n,), goal (n, G)) -> actions (n,) or (n, A) in [-1, 1]; records the
        data, some noise included, and is the ceiling.
      horizon: most steps of an episode. early: the stricter limit beside it.
      **fields: of `World`, in the place of what is made here: `words` and `read_plan` for a world whose goals can be
        said as short goals, `judge`, `settings`, `terms` and so on.

    Raises:
      ValueError: no such environment; a level without sentences, a sentence twice, a family without a name.
    """
    _check(goals, validation, families, horizon, early)
    spaces = spaces_of(environment)
    simulator = functools.cache(lambda: GymnasiumSimulator(environment, horizon))
    no_action = np.zeros(
        (1,) if spaces.num_actions else (1, len(spaces.low)), np.int32 if spaces.num_actions else float
    )

    def goals_of_level(level: str) -> GoalTable:
        return goals.take(np.asarray(goals.level) == LEVELS.index(level))

    def satisfied(family, goal, state):
        family, goal, state = np.atleast_1d(family), np.atleast_2d(goal), np.atleast_2d(state)
        return np.asarray(reached(family, goal, state, np.repeat(no_action, len(state), 0), state))

    def expert_policy(_, seed: int) -> Policy:
        def act(episodes, states, active, step):
            rng, index = np.random.default_rng([seed, step]), np.flatnonzero(active)
            chosen = np.asarray(expert(rng, states[index], episodes.family[index], episodes.array[index]))
            actions = np.zeros((len(states), *no_action.shape[1:]), no_action.dtype)
            actions[index] = chosen
            return actions

        return act

    def random_policy(seed: int) -> Policy:
        def act(episodes, states, active, step):
            drawn = random_actions(np.random.default_rng([seed, step]), spaces, len(states))
            return drawn if spaces.num_actions else spaces.to_unit(drawn)

        return act

    def collect(seed: int, count: int, behaviour: str, progress) -> tuple[Rollouts, GoalTable]:
        del behaviour
        rng, mine, parts, done, tries = np.random.default_rng(seed), goals_of_level("offline"), [], 0, 0
        while done < count:
            goal = _spread_goals(rng, mine, TOGETHER)
            policy = expert_policy(None, int(rng.integers(2**31)))
            rollouts = record(policy, Episodes(_seeds(rng, TOGETHER), goal, mine), simulator(), np.asarray)
            parts.append(rollouts.take(np.flatnonzero(rollouts.terminated)[: count - done]))
            done, tries = done + len(parts[-1]), 0 if len(parts[-1]) else tries + 1
            if tries == TRIES:
                raise ValueError(f"{name}: the expert reached no goal in the last {TRIES * TOGETHER} episodes")
            progress(done, count)
        return world.label(concatenate(parts), mine), mine

    def first_states(rng, table: GoalTable, goal) -> tuple[np.ndarray, np.ndarray]:
        seeds = _seeds(rng, len(goal))
        return simulator().first_observations([table.text[g] for g in goal], seeds), seeds

    def make_episodes(level: str, num: int, seed: int) -> Episodes:
        rng, table = np.random.default_rng([seed, LEVELS.index(level)]), goals_of_level(level)
        return Episodes(_seeds(rng, num), _spread_goals(rng, table, num), table)

    world = World(
        name=name,
        title=f"KALM on {name}",
        families=tuple(families),
        observation_dim=spaces.observation_dim,
        num_actions=spaces.num_actions,
        action_dim=len(spaces.low),
        horizon=horizon,
        early=early,
        words=WORDS,
        read_plan=lambda text: [],
        augment=None,
        numbers={},
        view=View(),
        builtin_plans=False,
        goals_of_level=goals_of_level,
        validation_goals=lambda: validation,
        collect=collect,
        behaviours=(EXPERT,),
        statistics=statistics,
        read_data=functools.partial(read_data, goals=goals, spaces=spaces),
        read_prompts=None,
        states_of=None,
        first_states=first_states,
        imagined_steps=lambda family: np.full(np.shape(family), horizon),
        readings=None,
        stop=reached,
        satisfied=satisfied,
        project=None,
        show_stage=None,
        label=functools.partial(label_rewards, reward=reward),
        believable=believable,
        quality=functools.partial(quality_rows, families=tuple(families)),
        explanation=functools.partial(explanation_row, meanings=_meanings(goals)),
        judge=None,
        settings={},
        shares=dict.fromkeys(LEVELS[1:], 1.0),
        samples=("bc", "td3bc", "cql", "awac", "iql", "combo", "decision_transformer") if spaces.num_actions else (),
        simulator=simulator,
        make_episodes=make_episodes,
        observe=np.asarray,
        behaviour_policy=expert_policy,
        random_policy=random_policy,
        ceiling_policy=expert_policy,
        ceiling=EXPERT,
        terms=Terms(
            horizon=horizon,
            early=early,
            steps="steps",
            words="words_own.html",
            unrealistic={"outside": "outside the data", "dynamics": "beyond the dynamics"},
            explained=("right goal", "in the data's words"),
            paper_match={},
            paper_unrealistic={},
            paper_explanation="-",
        ),
        show=lambda real, imagined: {"films": films(environment, horizon, expert, *imagined)},
    )
    world = dataclasses.replace(world, **fields)
    return world


def films(environment: str, horizon: int, expert: Callable, rollouts: Rollouts, goals: GoalTable, seeds) -> list[dict]:
    """Films (see `ReportData.films`) of some imagined rollouts' actions in the simulator, beside the expert's.

    None where the environment has no render mode "rgb_array".
    """
    env = make_environment(environment, horizon)
    drawable = "rgb_array" in (env.metadata.get("render_modes") or ())
    env.close()
    if not drawable:
        return []
    env, spaces = make_environment(environment, horizon, "rgb_array"), spaces_of(environment)
    stride, found = max(1, horizon // FRAMES), []
    # Those that reach their goal first, one of each sentence.
    order = np.argsort(~np.asarray(rollouts.terminated), kind="stable")
    chosen = {int(rollouts.goal[i]): int(i) for i in order[::-1]}

    def film(kind: str, text: str, seed: int, act: Callable, steps: int) -> dict:
        seen, _ = env.reset(seed=seed, options={"instruction": text})
        frames, times, reached, over, step = [env.render()], [0], False, False, 0
        while step < steps and not over:
            seen, reached, over = take_step(env, spaces, act(step, seen))
            over, step = over or reached, step + 1
            if step % stride == 0 or over:
                frames.append(env.render())
                times.append(step)
        outcome = f"goal reached after {step} steps" if reached else f"goal not reached in {step} steps"
        return {"instruction": text, "kind": kind, "outcome": outcome, "frames": np.stack(frames), "steps": times}

    for g, i in list(chosen.items())[::-1][:PAIRS]:
        text, goal, seed = goals.text[g], (goals.family[[g]], goals.array[[g]]), int(seeds[i])

        def by_expert(step, seen, goal=goal, seed=seed):
            return expert(np.random.default_rng([seed, step]), np.asarray(seen, np.float32)[None], *goal)[0]

        found.append(film(EXPERT, text, seed, by_expert, horizon))
        imagined = functools.partial(lambda actions, step, seen: actions[step], np.asarray(rollouts.actions[i]))
        found.append(film("imagined actions, replayed", text, seed, imagined, int(rollouts.length[i])))
    env.close()
    return found


def _check(goals: GoalTable, validation: GoalTable, families, horizon: int, early: int) -> None:
    if not 1 <= early < horizon:
        raise ValueError(f"early is {early} and horizon {horizon}: want 1 <= early < horizon")
    missing = [level for i, level in enumerate(LEVELS) if not (np.asarray(goals.level) == i).any()]
    if missing:
        raise ValueError(f"no goal is of the level {', '.join(missing)}: every level wants sentences")
    texts = [normalise(text) for text in (*goals.text, *validation.text)]
    twice = sorted({text for text in texts if texts.count(text) > 1})
    if twice:
        raise ValueError(f"{len(twice)} sentences stand twice among goals and validation, such as {twice[0]!r}")
    for table in (goals, validation):
        if np.asarray(table.family).min(initial=0) < 0 or np.asarray(table.family).max(initial=0) >= len(families):
            raise ValueError(
                f"families {np.unique(table.family).tolist()} of goals: there are names for {len(families)}"
            )
    if not len(validation):
        raise ValueError("no validation sentences: what is measured in training needs some, of no level")


def _seeds(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count,) seeds of resets."""
    return rng.integers(2**31 - 1, size=count)


def _spread_goals(rng: np.random.Generator, goals: GoalTable, count: int) -> np.ndarray:
    """(count,) int32 goals: families equally often, then sentences equally often within each."""
    drawn = balanced_goals(rng, goals.family, rng.permutation(np.unique(goals.family)), count)
    return rng.permutation(drawn)


def _meanings(goals: GoalTable) -> dict:
    """Normalised sentence -> ((family, *array), level)."""
    rows = zip(goals.text, goals.family, goals.array, goals.level, strict=True)
    return {normalise(text): ((int(f), *map(float, array)), int(level)) for text, f, array, level in rows}


def explanation_row(texts, rollouts: Rollouts, goals: GoalTable, prompt: str, meanings: dict) -> dict:
    """Counts of explanations that are a sentence of the rollout's goal: `correct` of any level, `exact` the data's."""
    keys = [(int(goals.family[g]), *map(float, goals.array[g])) for g in rollouts.goal]
    said = [meanings.get(normalise(text), (None, None)) for text in texts]
    correct = [key == goal for key, (goal, _) in zip(keys, said, strict=True)]
    exact = [right and level == 0 for right, (_, level) in zip(correct, said, strict=True)]
    return {"prompt": prompt, "rollouts": len(texts), "correct": sum(correct), "exact": sum(exact)}


def statistics(rollouts: Rollouts, goals: GoalTable) -> dict:
    """What a collection looks like: rollouts, sentences, lengths, return."""
    length = np.asarray(rollouts.length)
    return {
        "rollouts": len(length),
        "sentences": len(np.unique(rollouts.goal)),
        **{f"length_{how}": float(getattr(length, how)()) for how in ("mean", "min", "max")},
        "return_mean": float(np.asarray(rollouts.rewards).sum(1).mean()),
    }


def read_data(path: str, goals: GoalTable, spaces) -> tuple[Rollouts, GoalTable]:
    """Rollouts of the world from a user's file, described by sentences; refuses those of evaluation levels."""
    rollouts, found = read_rollouts(path, action_bounds=None if spaces.num_actions else (-1.0, 1.0))
    shape, discrete = rollouts.observations.shape, rollouts.actions.ndim == 2
    if shape[2] != spaces.observation_dim or discrete != bool(spaces.num_actions):
        raise ValueError(
            f"{path}: observations {shape} and actions {rollouts.actions.shape} are not those of the world, which has "
            f"{spaces.observation_dim} numbers and "
            + (f"{spaces.num_actions} discrete actions" if spaces.num_actions else f"{len(spaces.low)} continuous ones")
        )
    require_instructions(found, f"{path}: grounding")
    level = {text: level for text, (_, level) in _meanings(goals).items()}
    novel = sorted({text for text in found.text if level.get(normalise(text), 0) > 0})
    if novel:
        raise ValueError(f"{path} holds {len(novel)} sentences of evaluation levels, such as {novel[0]!r}; remove them")
    return rollouts, found


def unrealistic(rollouts: Rollouts, real: Rollouts) -> dict[str, np.ndarray]:
    """(N, T) bool each, of steps: "outside" ends where a number is further out than in any real rollout, "dynamics"
    changes a number by more than any real step did; both by more than a tenth of its range there, as imagined numbers
    are never quite still."""
    step, known = rollouts.valid(), real.valid()
    seen = np.concatenate([real.observations[:, 0], real.observations[:, 1:][known]])
    low, high = seen.min(0), seen.max(0)
    room = SLACK * (high - low) + 1e-6
    after, change = rollouts.observations[:, 1:], np.abs(np.diff(rollouts.observations, axis=1))
    largest = np.abs(np.diff(real.observations, axis=1))[known].max(0) + room
    marks = {"outside": (after < low - room) | (after > high + room), "dynamics": change > largest}
    return {kind: mark.any(-1) & step for kind, mark in marks.items()}


def believable(rollouts: Rollouts, goals: GoalTable, real: Rollouts) -> np.ndarray:
    """(N,) bool: rollouts that reach their goal without an `unrealistic` step."""
    del goals
    return sound(rollouts, unrealistic(rollouts, real).values())


def quality_rows(rollouts: Rollouts, goals: GoalTable, real: Rollouts, families: Sequence[str]) -> list[dict]:
    """Rows by level and family, see `World.quality`."""
    return count_rows(rollouts, goals, unrealistic(rollouts, real), families)
