"""A sentence of the user's own, asked of a finished run: what the language model takes it to mean, and imagines for it.

    plan, examples = imagine_sentence("runs/clevr-default", "keep red on the right side of blue, please")

CLEVR-Robot only.
"""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np

from kalm_jax.imagination.rollouts import Step
from kalm_jax.pipeline.config import PipelineConfig, load_presets
from kalm_jax.pipeline.imagining import draws_of, imagine_from, plans_of
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.types import GoalTable, make_goal_table
from kalm_jax.types.pictures import Film
from kalm_jax.worlds.clevr.figures import make_example, make_film
from kalm_jax.worlds.clevr.goals import (
    BALLS,
    DIRECTIONS,
    GOAL_SIZE,
    RELATION,
    THREE_RELATIONS,
    TWO_RELATIONS,
    make_goal,
)
from kalm_jax.worlds.clevr.world import WORLD


def imagine_sentence(
    folder: str | pathlib.Path,
    text: str,
    count: int = 2,
    seed: int = 0,
    config: PipelineConfig | None = None,
) -> tuple[list[str], list[Film]]:
    """Imagined rollouts for `text`, by the grounded language model of the run in `folder`.

    Args:
      folder: of a run of experiments.clevr in which grounding is done.
      text: what shall be done with the balls, in any words.
      count: number of rollouts, each from a random first state in which the goal is not yet reached.
      seed: of first states and actions.
      config: of the run; what matters of it is whether the language model is the user's own.

    Returns:
      The short goals that the model takes the words to come to, in the order in which it imagines them, and `count`
      films of rollouts, as `report.films.filmstrip_figure` and `report.films.gif_bytes` take them.

    Raises:
      FileNotFoundError: no grounded model there.
      ValueError: the model finds no goal in the words.
    """
    run = RunFolder(folder)
    config = config or load_presets("clevr")["default"]
    config = dataclasses.replace(
        config, world="clevr", seed=seed, imagine=dataclasses.replace(config.imagine, plan=True)
    )
    unknown = make_goal_table([text], 1, -1, np.full((1, GOAL_SIZE), -1, np.int32))
    plan = plans_of(run, config, unknown)[0]
    if plan[0].family < 0:
        raise ValueError(
            f"the language model finds no goal in {text!r}; name one or more of the balls {', '.join(BALLS)} and where "
            f"they shall be ({', '.join(DIRECTIONS)})"
        )
    goals, plan = goal_of(text, plan)
    goal = np.zeros(count, np.int32)
    states, _ = WORLD.first_states(np.random.default_rng(seed), goals, goal)
    rollouts = imagine_from(run, config, goals, goal, states, [plan], "imagine", draws=draws_of(config))
    return [step.text for step in plan], [make_film(make_example(rollouts, goals, i)) for i in range(count)]


def goal_of(text: str, plan: list[Step]) -> tuple[GoalTable, list[Step]]:
    """A plan's success test, that all of its relations hold at once, as a table of one goal; and the steps it is of.

    Three relations at most count, the first ones. A plan without any is its first single move.
    """
    steps = [step for step in plan if step.family == RELATION][:3] or plan[:1]
    family = (steps[0].family, TWO_RELATIONS, THREE_RELATIONS)[len(steps) - 1]
    array = make_goal(family, *(step.array[:3] for step in steps))
    return make_goal_table([text], 1, family, [array]), steps
