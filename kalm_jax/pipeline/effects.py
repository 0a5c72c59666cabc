"""Flags that change nothing beside others: who gives one expects that it does something, so it is refused.

Only what the user gives counts. Presets may hold settings that the others leave without use.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

from kalm_jax.grounding.config import TASKS
from kalm_jax.grounding.tasks import possible_tasks
from kalm_jax.offline_rl.registry import find_algorithm
from kalm_jax.pipeline.artifacts import NOVEL_LEVELS
from kalm_jax.pipeline.config import LLM_POLICY, OWN_ACTIONS, PipelineConfig, parts_of
from kalm_jax.pipeline.learners import RELABELED
from kalm_jax.pipeline.planner_config import TRAINED, PlannerConfig
from kalm_jax.settings import settings_of
from kalm_jax.worlds.base import World, get_world

_NONE: Any = object()


@dataclasses.dataclass(frozen=True)
class Idle:
    """When flags change nothing.

    Attributes:
      flags: their names.
      when: (configuration, world) -> whether they change nothing; of `kalm knowledge` (conditions) -> the same.
      why: follows "has no effect"; "{world}" stands for the world's name.
      off: the value that says the same as leaving the flag out, and is always allowed.
    """

    flags: tuple[str, ...]
    when: Callable[..., bool]
    why: str
    off: Any = _NONE


def _draws_for_nothing(c: PipelineConfig, _: World) -> bool:
    return not (c.prompts or any(getattr(c.imagine, level) for level in NOVEL_LEVELS[1:]))


def _no_discount(c: PipelineConfig, _: World) -> bool:
    configs = [find_algorithm(name)[1] for name in c.learn.learners]
    return not any(field.name == "discount" for config in configs for field in dataclasses.fields(config))


def _never_sampled(c: PipelineConfig, world: World) -> bool:
    """Whether all policies of the run are played greedily."""
    draws = world.spaces.num_actions or c.ground.gaussian_actions
    return not (set(c.learn.learners) & set(world.learning.stochastic) or (LLM_POLICY in c.learn.algorithms and draws))


LEARNING = tuple(
    "updates conditions draw discount relabel whitening wordings encoder settings compat checkpoints".split()
)
PLANNING = tuple(field.flag for field in settings_of(PlannerConfig) if field.name != "llm")
RULES = (
    Idle(("rollouts", "behavior"), lambda c, _: bool(c.collect.file), "with --offline_data, which has the rollouts"),
    Idle(("grounding_recompute",), lambda c, _: not c.ground.llm, "without --llm", "all"),
    Idle(("llm_layers",), lambda c, _: not c.ground.llm, "without --llm", 0),
    Idle(("planner",), lambda c, _: not c.imagine.plan, "without subgoals (--noplan)", ""),
    Idle(PLANNING, lambda c, _: not c.planner.llm, "without --planner"),
    Idle(
        ("metric_rollouts", "metric_explanations"),
        lambda c, _: not c.metrics.every,
        "where nothing is measured in training (--evaluate_every=0, the default with --llm)",
    ),
    Idle(
        ("grounding_reading_steps",),
        lambda c, world: not (c.ground.shares.description and world.language.describe),
        "without the grounding task description",
        0,
    ),
    Idle(
        ("augment",),
        lambda _, world: world.augment is None,
        "in the world {world}, which shows rollouts as they are",
        ("none",),
    ),
    Idle(
        ("action_head",),
        lambda _, world: bool(world.spaces.num_actions),
        "in the world {world}, whose actions are discrete",
        False,
    ),
    Idle(
        ("temperature",),
        lambda c, world: not (world.spaces.num_actions or c.ground.gaussian_actions or c.ground.gaussian_states),
        "in the world {world}, whose actions are continuous, without --action_head=gaussian or --state_head=gaussian",
    ),
    Idle(("plan",), lambda _, world: world.language.plan is None, "in the world {world}, which has no subgoals", False),
    Idle(("max_steps_per_subgoal",), lambda c, _: not c.imagine.plan, "without subgoals (--noplan)"),
    Idle(
        ("max_steps_per_subgoal", "draws"),
        lambda c, _: c.imagine.search,
        "with --search, which imagines every action of one step at a time",
    ),
    Idle(
        ("search",), lambda c, _: not c.imagine.plan, "without subgoals (--noplan), by which actions are chosen", False
    ),
    Idle(
        ("search",),
        lambda _, world: world.language.state_queries is None or not world.spaces.num_actions,
        "in the world {world}, as it needs discrete actions and states that can be asked about",
        False,
    ),
    Idle(("draws",), lambda c, _: not c.imagine.plan, "without subgoals (--noplan), by which draws are chosen", 1),
    Idle(
        ("draws",),
        lambda _, world: world.language.state_queries is None,
        "in the world {world}, whose states cannot be asked about",
        1,
    ),
    Idle(
        ("draws",),
        _draws_for_nothing,
        "where nothing is imagined for unseen goals (--imagined_unseen_easy=0 --imagined_unseen_hard=0)",
        1,
    ),
    Idle(
        ("explanation_draws",),
        lambda _, world: world.language.subgoal_of_summary is None,
        "in the world {world}, which has no goal summaries",
        0,
    ),
    Idle(
        (*LEARNING, "dt_backbone", "keep_all"),
        lambda c, _: not c.learn.learners,
        f"with --algo={LLM_POLICY} alone, which learns nothing from rollouts",
    ),
    Idle(("discount",), lambda c, _: c.learn.settings == "kalm", "with --settings=kalm, which has its own"),
    Idle(("discount",), lambda c, _: c.learn.compat == "kalm", "with --compat=kalm, whose discount is 1"),
    Idle(("discount",), _no_discount, "here, as no learner of --algo has one"),
    Idle(("relabel",), lambda c, _: c.learn.settings == "kalm", "with --settings=kalm, which relabels nothing", 0),
    Idle(("relabel",), lambda c, _: c.learn.compat == "kalm", "with --compat=kalm, which relabels nothing", 0),
    Idle(
        ("relabel",),
        lambda c, _: not set(c.learn.learners) & set(RELABELED),
        f"here: of the learners only {', '.join(RELABELED)} learns from relabeled goals",
        0,
    ),
    Idle(
        ("relabel",),
        lambda _, world: world.learning.relabel is None,
        "in the world {world}, whose rewards a single step does not determine",
        0,
    ),
    Idle(
        ("settings",),
        lambda c, _: c.learn.settings == "quick" and "td3bc" not in c.learn.learners,
        "here: it is settings of td3bc, and --algo has no td3bc",
    ),
    Idle(("compat",), lambda c, _: set(c.learn.learners) <= {"bc"}, "here: bc sees neither rewards nor ends", "none"),
    Idle(
        ("dt_backbone",),
        lambda c, _: "decision_transformer" not in c.learn.learners,
        "without decision_transformer in --algo",
        "own",
    ),
    Idle(
        ("keep_all",),
        lambda c, _: not {"kalm", "kalm+translate", "kalm-privileged"} & set(c.learn.learned),
        "without a condition that learns from imagined rollouts, such as kalm",
        False,
    ),
    Idle(
        ("actions",),
        _never_sampled,
        "here: no policy of the run is played by sampling in the world {world}",
        (OWN_ACTIONS,),
    ),
)
"""In this order the first that holds is said."""


def _without(*kinds: str, random: bool = True) -> Callable[[Collection[str]], bool]:
    """Whether no condition is trained on text of these kinds; with `random` off, none from pretrained weights."""
    wanted = {name for name, (kind, fresh) in TRAINED.items() if kind in kinds and (random or not fresh)}
    return lambda conditions: not wanted & set(conditions)


_TEXTS = tuple({kind for kind, _ in TRAINED.values()})
KNOWLEDGE_RULES = (
    Idle(("planner_steps", "planner_rows", "planner_row_length"), _without(*_TEXTS), "where no condition is trained"),
    Idle(
        ("planner_learning_rate", "planner_lora_rank", "planner_layers"),
        _without(*_TEXTS, random=False),
        "where no condition trains a pretrained model (random weights are all trained, at a rate of their own)",
    ),
    Idle(("seeds",), _without(*_TEXTS), "where no condition is trained", 1),
    Idle(("sentences",), _without("data"), "where no condition is trained on the data's sentences"),
    Idle(("moves",), _without("moves"), "without a condition with moves"),
    Idle(("examples",), lambda conditions: "prompt" not in conditions, "without the condition prompt"),
    Idle(
        ("seed",),
        lambda conditions: "prompt" not in conditions and _without(*_TEXTS)(conditions),
        "where no condition draws anything",
        0,
    ),
)
"""The same of `kalm knowledge`, by its conditions."""


def check_effects(config: PipelineConfig, given: Mapping[str, Any]) -> None:
    """Refuses flags that change nothing in the run of a configuration.

    Args:
      config: made from a preset and `given`.
      given: flag -> value, as the user wrote them.

    Raises:
      ValueError: names the first such flag, and says why and what to do.
    """
    world = get_world(config.world)
    for rule in RULES:
        for flag in rule.flags:
            if flag in given and given[flag] != rule.off and rule.when(config, world):
                why = rule.why.format(world=world.name)
                raise ValueError(f"--{_written(config, flag, given[flag])} has no effect {why}: leave it out")
    if "grounding_tasks" in given:
        found = dict(zip(given["grounding_tasks"], _chances(config, given["grounding_tasks"]), strict=True))
        without = [task for task, chance in found.items() if not chance]
        if without and any(found.values()):
            raise ValueError(
                f"--grounding_tasks has {', '.join(without)}, for which the world {world.name} has no data: leave "
                f"{'it' if len(without) == 1 else 'them'} out"
            )


def check_knowledge_effects(given: Mapping[str, Any], conditions: Collection[str]) -> None:
    """`check_effects` of `kalm knowledge`, which compares these conditions."""
    for rule in KNOWLEDGE_RULES:
        for flag in rule.flags:
            if flag in given and given[flag] != rule.off and rule.when(conditions):
                value = given[flag]
                said = ",".join(map(str, value)) if isinstance(value, tuple) else value
                raise ValueError(
                    f"--{flag}={said} has no effect {rule.why} (--conditions={','.join(conditions)}): leave it out"
                )


def _chances(config: PipelineConfig, tasks: Any) -> list[float]:
    """How often each of the tasks is drawn in grounding."""
    chances = possible_tasks(config.ground.shares, get_world(config.world).language, has_rollouts=True)
    return [float(chances[TASKS.index(task)]) for task in tasks]


def _written(config: PipelineConfig, flag: str, value: Any) -> str:
    """A flag and its value, about as they were given."""
    field = next(f for part in parts_of(config).values() for f in settings_of(type(part)) if f.flag == flag)
    if field.is_switch:
        return flag if value else f"no{flag}"
    words = {of: word for word, of in field.words.items()}
    return f"{flag}={','.join(map(str, value)) if isinstance(value, tuple) else words.get(value, value)}"
