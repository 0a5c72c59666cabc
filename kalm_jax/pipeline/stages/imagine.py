"""Imagines rollouts of novel goals with the grounded language model."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from kalm_jax.datasets import write_rollouts
from kalm_jax.distributed import is_main_process
from kalm_jax.files import write_json, write_npy
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.imagination.judges import Round
from kalm_jax.imagination.subgoals import Subgoal
from kalm_jax.pipeline.artifacts import PRIVILEGED, goals_mark, goals_of, planner_stage, real_rollouts, subgoal_goals
from kalm_jax.pipeline.imagining import (
    Request,
    draws_of,
    imagine_rollouts,
    imagined_goals,
    met_goals,
    planned_goals,
    plans_of,
    success_reward,
    untold,
)
from kalm_jax.pipeline.quality import quality_rows
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.types import GoalTable, Rollouts, make_rollouts


def run_imagine(run: PipelineRun, stage: str, part: str) -> None:
    """Imagines rollouts for a novel level or the user's prompts: `rollouts.h5`, and their quality in `quality.json`.

    In the stage "imagine" the plans of sentences and what the language model reads off states say what is imagined,
    where a rollout ends, and its reward; `subgoals.h5` has the parts that reach a subgoal, as rollouts for it. In the
    stage `PRIVILEGED` the true goals and their tests say it.
    """
    world, config = run.world, run.config
    count = config.imagine.rephrase if part == "prompts" else getattr(config.imagine, part)
    goals = goals_of(run, part)
    draws = draws_of(config, part)

    def work(folder: pathlib.Path) -> None:
        grounded = load_grounded(run.path / "ground" / "model")
        real, _ = real_rollouts(run)
        if stage == PRIVILEGED:
            rng, goal = imagined_goals(config, goals, part)
            plans = plans_of(config, grounded, goals, goal, run.path)
            states, starts = world.first_states(rng, goals, goal)
            request = Request(goals, goal, states, plans, f"imagine {part}", draws)
            rollouts, _ = imagine_rollouts(config, grounded, request)
            judged, pieces = goals, None
        else:
            met = met_goals(config, goals, part)
            plans = untold(world, goals, plans_of(config, grounded, goals, met, run.path))
            judged = planned_goals(world, goals, plans, met)
            rng, goal = imagined_goals(config, judged, part)
            states, starts = world.scenes(rng, goals, goal)
            reward = success_reward(real)
            request = Request(judged, goal, states, plans, f"imagine {part}", draws, reward=reward)
            rollouts, rounds = imagine_rollouts(config, grounded, request)
            pieces = pieces_for_subgoals(rollouts, rounds, [plans[g] for g in goal], subgoal_goals(world), reward)
            moved = rollouts.length > 0  # there was something to do
            if not moved.any():
                raise ValueError(
                    f"{stage}/{part}: the language model reads the plan of every sentence as done where its rollout "
                    f"begins, so there is none of the {len(goal)} rollouts; imagine more of them"
                )
            rollouts, starts = rollouts.take(moved), starts[moved]
        if not is_main_process():
            return
        write_npy(folder / "starts.npy", starts)
        write_json(folder / "plans.json", {goals.text[g]: [s.text for s in plans[g]] for g in np.unique(goal).tolist()})
        write_rollouts(folder / "rollouts.h5", rollouts, goals)
        if pieces is not None and len(pieces):
            write_rollouts(folder / "subgoals.h5", pieces, subgoal_goals(world))
        write_json(folder / "quality.json", quality_rows(world, rollouts, goals, judged, real, config))

    settings = {"count": count, "seed": config.seed}
    settings |= {name: getattr(config.imagine, name) for name in ("temperature", "plan", "max_steps_per_subgoal")}
    if config.imagine.search:
        settings["search"] = True
    elif draws > 1:
        settings["draws"] = draws
    if world.project is not None:
        settings["project"] = world.project.__name__
    run.stage(
        f"{stage}/{part}",
        settings | {"goals": goals_mark(goals)},
        ["collect", "ground", *planner_stage(config)],
        work,
        together=True,
    )


def pieces_for_subgoals(
    rollouts: Rollouts, rounds: Sequence[Round], plans: Sequence[Sequence[Subgoal]], subgoals: GoalTable, reward: float
) -> Rollouts:
    """The rounds that reach their subgoals as rollouts of their own, with the goals `subgoals`; see `ByReading.rounds`.

    Consecutive rounds toward a subgoal are one. `reward` is that of the last step.
    """
    number = {text: i for i, text in enumerate(subgoals.text)}
    begun: dict[int, Round] = {}  # rollout -> its current round, with those before it toward the same subgoal
    found: list[tuple[Round, int]] = []
    for one in rounds:
        before = begun.get(one.rollout)
        if before is not None and before.place == one.place and not before.reached:
            one = dataclasses.replace(one, start=before.start)
        begun[one.rollout] = one
        text = plans[one.rollout][one.place].text
        if one.reached and text in number:
            found.append((one, number[text]))
    horizon = max((r.stop - r.start for r, _ in found), default=1)
    observations = np.zeros((len(found), horizon + 1, rollouts.observations.shape[2]), np.float32)
    actions = np.zeros((len(found), horizon, *rollouts.actions.shape[2:]), rollouts.actions.dtype)
    rewards = np.zeros((len(found), horizon), np.float32)
    for i, (r, _) in enumerate(found):
        steps = r.stop - r.start
        observations[i, : steps + 1] = rollouts.observations[r.rollout, r.start : r.stop + 1]
        actions[i, :steps] = rollouts.actions[r.rollout, r.start : r.stop]
        rewards[i, steps - 1] = reward
    length = np.array([r.stop - r.start for r, _ in found], np.int32)
    goal = np.array([number for _, number in found], np.int32)
    made = make_rollouts(observations, actions, length, rewards, terminated=True, goal=goal)
    return dataclasses.replace(made, imagined=np.ones(len(found), bool))
