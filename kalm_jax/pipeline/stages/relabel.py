"""Finds pieces of the real rollouts that reach novel goals or their subgoals, for the conditions `RELABELING`."""

from __future__ import annotations

import pathlib

import jax
import numpy as np

from kalm_jax.datasets import write_rollouts
from kalm_jax.pipeline.artifacts import goals_mark, real_rollouts, subgoal_goals
from kalm_jax.pipeline.imagining import imagined_goals
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.progress import Progress
from kalm_jax.types import GoalTable, Rollouts, make_rollouts
from kalm_jax.worlds.base import World


def run_relabel(run: PipelineRun, condition: str, level: str) -> None:
    """Writes pieces of the real rollouts for as many sentences of a novel level as are imagined to `rollouts.h5`.

    In the condition "relabel+translate" they are pieces for one of the subgoals of each sentence, in `subgoals.h5`. No
    language model takes part; what the goals and their subgoals are, and when they are reached, is told. Goals that no
    real rollout reaches are left out, and where that is all of them there is no file.
    """
    world, goals = run.world, run.world.goals(level)

    def work(folder: pathlib.Path) -> None:
        rng, goal = imagined_goals(run.config, goals, level)
        asked, file = goals, "rollouts.h5"
        if condition == "relabel+translate":
            asked, file = subgoal_goals(world), "subgoals.h5"
            goal = drawn_subgoals(world, goals, goal, asked, rng)
        real, _ = real_rollouts(run)
        with Progress(f"{condition} {level}", len(goal), unit="rollout") as progress:
            found = pieces(world, real, asked, goal, rng, progress)
        if len(found):
            write_rollouts(folder / file, found, asked)
        else:
            print(f"{condition}/{level}: no real rollout reaches such a goal, so the policies learn from none of them")

    settings = {"count": getattr(run.config.imagine, level), "seed": run.config.seed, "goals": goals_mark(goals)}
    run.stage(f"{condition}/{level}", settings, ["collect"], work)


def drawn_subgoals(
    world: World, goals: GoalTable, goal: np.ndarray, subgoals: GoalTable, rng: np.random.Generator
) -> np.ndarray:
    """(N,) a random one of the true subgoals of each goal number in `goal` (N,), as a number in `subgoals`."""
    plan, number = world.language.plan, {text: i for i, text in enumerate(subgoals.text)}
    assert plan is not None, "see `check_conditions`"
    plans = {g: world.language.read_plan(plan(int(goals.family[g]), goals.array[g])) for g in np.unique(goal).tolist()}
    return np.array([number[plans[g][rng.integers(len(plans[g]))][0]] for g in goal.tolist()])


def pieces(
    world: World, real: Rollouts, goals: GoalTable, goal: np.ndarray, rng: np.random.Generator, progress: Progress
) -> Rollouts:
    """A piece of a real rollout for each goal number in `goal` (N,), fewer where the data have none, with its rewards.

    A piece ends at a step that reaches the goal. It begins at a random state of the same rollout, from which on the
    goal is not satisfied, at most as many steps before as an imagined rollout may have.
    """
    judge = world.learning.relabel
    assert judge is not None, "see `check_conditions`"
    judge = jax.jit(judge)
    rollout, step = np.nonzero(np.arange(real.horizon) < real.length[:, None])
    before, action = real.observations[rollout, step], real.actions[rollout, step]
    after = real.observations[rollout, step + 1]
    longest = world.imagined_steps(np.asarray(goals.family))
    groups: dict[tuple, list[int]] = {}  # what goals ask for -> their numbers
    for g in goal:
        groups.setdefault((int(goals.family[g]), *np.asarray(goals.array[g]).tolist()), []).append(int(g))
    found: list[tuple[int, int, int, int]] = []  # rollout, first step, step after the last, goal
    for done, mine in enumerate(groups.values(), 1):
        family, array = (np.asarray(x)[mine[:1]].repeat(len(step), 0) for x in (goals.family, goals.array))
        _, reached, possible = map(np.asarray, judge(family, array, before, action, after))
        ends = np.flatnonzero(reached & possible)
        # The first transition from which on the goal is open until the end.
        closed = np.flatnonzero(~possible | reached)
        for g, end in zip(mine, rng.choice(ends, len(mine)) if len(ends) else (), strict=False):
            earlier = closed[np.searchsorted(closed, end) - 1] + 1 if closed[0] < end else 0
            first = max(earlier, end - step[end], end + 1 - longest[g])
            start = int(rng.integers(first, end + 1))
            found.append((int(rollout[end]), int(step[start]), int(step[end]) + 1, g))
        progress.update(round(len(goal) * done / len(groups)))
    horizon = max((stop - start for _, start, stop, _ in found), default=1)
    observations = np.zeros((len(found), horizon + 1, real.observations.shape[2]), np.float32)
    actions = np.zeros((len(found), horizon, *real.actions.shape[2:]), real.actions.dtype)
    for i, (r, start, stop, _) in enumerate(found):
        observations[i, : stop - start + 1] = real.observations[r, start : stop + 1]
        actions[i, : stop - start] = real.actions[r, start:stop]
    length = np.array([stop - start for _, start, stop, _ in found], np.int32)
    numbers = np.array([g for *_, g in found], np.int32)
    return world.label_rewards(make_rollouts(observations, actions, length, terminated=True, goal=numbers), goals)
