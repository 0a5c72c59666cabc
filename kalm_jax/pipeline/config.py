"""Everything that a run depends on: one dataclass per part, free of JAX. Presets are beside their world.

Each field is a `settings.setting`: its documentation, its check and its flag are one thing, see `kalm_jax.cli.flags`.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.resources
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from kalm_jax.arguments import checked
from kalm_jax.grounding.config import TaskShares
from kalm_jax.llm.named import NAMED
from kalm_jax.pipeline.ground_config import GroundConfig, MetricsConfig, learning_rate_of_llm
from kalm_jax.pipeline.planner_config import PlannerConfig
from kalm_jax.settings import (
    MANY,
    MAX_SEED,
    MAX_SEEDS,
    MOST_STEPS,
    REQUIRED,
    Checked,
    build,
    overlay,
    setting,
    settings_of,
)

CONDITIONS = (
    *("offline", "relabel", "translate", "relabel+translate"),
    *("kalm", "kalm+translate", "kalm-privileged", "oracle"),
)
"""What learners can learn from, see `LearnConfig.conditions`."""
TRANSLATED = {
    "translate": "offline",
    "relabel+translate": "relabel+translate",
    "kalm+translate": "kalm+translate",
}
"""Conditions that tell policies the planner's subgoals -> the condition whose policies these are."""

RELABELING = ("relabel", "relabel+translate")
"""Conditions that learn from pieces of the real rollouts, each with a stage of its name for every novel level."""


def policies_of(condition: str) -> str:
    """The condition whose policies are played: itself, or that of `TRANSLATED`."""
    return TRANSLATED.get(condition, condition)


MIN_RIDGE = 1e-12
"""Least ridge of the whitening: vectors in float32 have noise of about this share of their variance."""
LLM_POLICY = "llm_policy"
"""Listed among the algorithms for the grounded language model that acts itself, and learns nothing from rollouts."""
LEARNERS = ("td3bc", "bc", "cql", "awac", "iql", "combo", "decision_transformer")
"""The learners of `kalm_jax.offline_rl`, named here so that a wrong name fails before anything heavy is imported."""
VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "state": ("ground", {"predict_change": False}),
    "gaussian": ("ground", {"gaussian_states": True}),
    "linear": ("ground", {"hidden": 0}),
    "two_models": ("ground", {"two_models": True}),
    "unaugmented": ("ground", {"augmentations": ("none",)}),
    "no_mirrors": ("ground", {"augmentations": ("exchange", "shift", "extra")}),
    "no_exchanges": ("ground", {"augmentations": ("mirror", "shift", "extra")}),
    "direct": ("imagine", {"plan": False}),
    "single_draws": ("imagine", {"draws": 1}),
    "search": ("imagine", {"search": True}),
}
"""Name of a variant of the ablation -> the part of `PipelineConfig` that it changes, and the fields. Variants of
imagination share the grounded model of the first set."""
PRESET_NAMES = ("smoke", "default", "full", "pretrained", "paper")
DRAWS = ("transitions", "rollouts")
ACTIONS = ("greedy", "sampled")
"""How a policy's action is chosen."""
OWN_ACTIONS = "own"
"""Of `EvaluateConfig.actions`: as `LearnerDefaults.actions` of the world has it for the learner."""


@dataclasses.dataclass(frozen=True)
class CollectConfig(Checked):
    """Real rollouts: how many and by which policy, or from a file."""

    rollouts: int = setting(6400, "Real rollouts that are collected in the simulator.", low=2, high=MANY)
    behavior: str = setting("", "Policy that collects the real rollouts, one of the world's; empty takes its first.")
    file: str = setting(
        "",
        "Real rollouts in a file instead of collected ones: this library's .h5, or a format that the world reads.",
        flag="offline_data",
        exists="file",
    )
    held_out: float = setting(0.05, "Share of real rollouts kept out of training, for explanations.", low=0, high=0.9)


@dataclasses.dataclass(frozen=True)
class ImagineConfig(Checked):
    """Imagined rollouts of each novel level (KALM, section 4.2), and what else is asked of the language model."""

    rephrase: int = setting(5600, "Imagined rollouts for rephrased goals.", flag="imagined_rephrase", low=1, high=MANY)
    unseen_easy: int = setting(
        2800, "Imagined rollouts for easier unseen goals; 0: none.", flag="imagined_unseen_easy", low=0, high=MANY
    )
    unseen_hard: int = setting(
        1680, "Imagined rollouts for harder unseen goals; 0: none.", flag="imagined_unseen_hard", low=0, high=MANY
    )
    temperature: float = setting(
        1.0,
        "Temperature of imagined actions, and of those that the language model takes itself, in replays and as "
        "llm_policy. Actions that are imagined with --search do not depend on it, as every one is tried.",
        low=0,
        high=100,
    )
    plan: bool = setting(
        True,
        "Whether the language model first writes a goal's subgoals and imagines those one after the other; --noplan "
        "imagines for the goal's own words (paper).",
    )
    max_steps_per_subgoal: int = setting(10, "Most steps that are imagined for a subgoal at a time.", low=1, high=1000)
    draws: int = setting(
        8,
        "Continuations that are imagined for the unseen levels each time; kept is the one after which the model finds "
        "most subgoals reached in the imagined state. 1 takes what comes (paper). Only with --plan, and only in worlds "
        "whose states can be asked about, which Meta-world's cannot.",
        low=1,
        high=1000,
    )
    search: bool = setting(
        False,
        "Imagine one action at a time for all levels: try every action, and keep the one after which the model finds "
        "most subgoals reached, in place of --draws. Only with --plan, in worlds with discrete actions and states that "
        "can be asked about.",
    )
    keep_all: bool = setting(
        False,
        "Learn from every imagined rollout (paper), not only from those that reach their goal realistically.",
    )
    explained: int = setting(
        320, "Held-out rollouts that the language model explains, at most.", flag="explanations", low=1, high=MANY
    )
    explanation_draws: int = setting(
        32,
        "Goal summaries drawn for each explanation, of which the likeliest is reported too; 0 draws none.",
        low=0,
        high=10_000,
    )
    replayed: int = setting(
        300, "Imagined rollouts per novel level, played in the simulator, at most.", flag="replays", low=1, high=MANY
    )


@dataclasses.dataclass(frozen=True)
class LearnConfig(Checked):
    """Offline RL (KALM, section 4.3): learners, conditions, seeds and budget, the same for all conditions."""

    algorithms: tuple[str, ...] = setting(
        ("td3bc",),
        "Offline RL learners; llm_policy is the grounded language model acting itself.",
        flag="algo",
        choices=(*LEARNERS, LLM_POLICY),
        importable=True,
    )
    conditions: tuple[str, ...] = setting(
        ("offline", "kalm"),
        "What learners learn from: offline (real rollouts); relabel (half of every batch is pieces of the real "
        "rollouts under novel sentences whose goal they reach; no language model takes part); translate (the policies "
        "of offline, told the planner's subgoals in the data's words); relabel+translate (half of every batch is "
        "pieces of the real rollouts for true subgoals of novel sentences, and policies are told the planner's); kalm "
        "(half of every batch is imagined; the language model's plan of a sentence and what it reads off its own "
        "states say what is imagined, kept and rewarded); kalm+translate (that half is the imagined parts for single "
        "subgoals, and policies are told these); kalm-privileged (as kalm, but the true goals, their tests and the "
        "world's rewards say it); oracle (that half consists of real rollouts of the novel goals; a reference, which "
        "a condition that is given subgoals can exceed). All but kalm-privileged reward novel goals alike.",
        choices=CONDITIONS,
    )
    seeds: int = setting(3, "Policies trained per learner and condition.", low=1, high=MAX_SEEDS)
    updates: int = setting(
        40_000, "Updates of each policy; half for bc, a quarter for decision_transformer.", low=1, high=MOST_STEPS
    )
    draw: str = setting(
        "rollouts",
        "What batches draw with equal chance: transitions (paper), or a rollout and then one of its steps, so that "
        "long, stuck rollouts do not dominate.",
        choices=DRAWS,
    )
    # 0.99 hardly distinguishes three pushes from ten. That 0.9 is better was not measured with all else equal.
    discount: float = setting(0.9, "Discount of the learners that have one (paper: 0.99).", low=0, high=1)
    relabel: float = setting(
        0.5,
        "Share of goals replaced by others when td3bc's critic learns (hindsight relabeling; paper: 0).",
        low=0,
        high=0.95,
    )
    whitening: float = setting(
        1e-3,
        "Rescales goal vectors so that they vary equally in every direction: the ridge, as a share of their largest "
        "variance; 0 turns it off (paper).",
        low=0,
        high=1e6,
    )
    wordings: int = setting(
        0,
        "Sentences of each goal that policies learn from, beside those of test episodes; 0: all. Every sentence is "
        "encoded by the language model, which takes time with a large one.",
        low=0,
        high=MANY,
    )
    encoder: str = setting(
        "",
        "Language model whose sentence vectors tell policies of goals: a Hugging Face folder, or a name: "
        f"{', '.join(NAMED)}. It is used as it is. Empty: the grounded model (paper).",
        exists="config.json",
        names=tuple(NAMED),
    )
    settings: str = setting(
        "ours",
        "Learners' settings: ours; quick, which is ours with settings of td3bc that suit a few thousand updates; or "
        "those that KALM's authors published (td3bc, bc, cql, awac; discount 0.99).",
        choices=("ours", "quick", "kalm"),
    )
    compat: str = setting(
        "none",
        "kalm: discount 1 and every rollout's end terminal, as in the authors' code; none: time-outs bootstrap.",
        choices=("none", "kalm"),
    )
    checkpoints: int = setting(
        1,
        "How many of the last checkpoints, a twentieth of the training apart, share the test episodes evenly: the "
        "success rate is their mean (paper: 5). Each needs two episodes.",
        low=1,
        high=20,
    )
    dt_backbone: str = setting(
        "own",
        "Transformer of the Decision Transformer: one of its own, or the grounded language model's with its weights.",
        choices=("own", "llm"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.whitening < MIN_RIDGE:
            raise ValueError(f"--whitening={self.whitening}: give 0, which turns it off, or at least {MIN_RIDGE}")

    @property
    def learners(self) -> tuple[str, ...]:
        """The algorithms that learn from rollouts."""
        return tuple(name for name in self.algorithms if name != LLM_POLICY)

    @property
    def learned(self) -> tuple[str, ...]:
        """The conditions that policies are trained in; those of `TRANSLATED` play the policies of others."""
        return tuple(dict.fromkeys(policies_of(condition) for condition in self.conditions))

    def updates_of(self, algorithm: str) -> int:
        """`updates`; fewer for those that clone: half for BC, as fewer did better on validation sentences (measured
        on an earlier version), and a quarter for the Decision Transformer, as each of its updates reads some hundreds
        of steps; how much that costs has not been measured.
        """
        return -(-self.updates // {"bc": 2, "decision_transformer": 4}.get(algorithm, 1))


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(Checked):
    """Test episodes in the simulator."""

    episodes: int = setting(
        300,
        "Test episodes per level and seed, half of them with sentences that policies were trained with and half with "
        "new ones; the random policy plays those of one seed.",
        low=1,
        high=MANY,
    )
    expert_episodes: int = setting(
        100, "Test episodes of the expert per level; it may be slower than a policy.", low=1, high=MANY
    )
    actions: tuple[str, ...] = setting(
        (OWN_ACTIONS,),
        "How policies choose actions in test episodes: greedy (the best one), sampled (drawn from the policy's "
        "distribution), or own, which is one of the two for each learner, fixed on validation sentences. Policies "
        "without a distribution take the best.",
        choices=(OWN_ACTIONS, *ACTIONS),
    )


@dataclasses.dataclass(frozen=True)
class PipelineConfig(Checked):
    """Everything that a run of the main job depends on."""

    world: str = setting(REQUIRED, "The environment: clevr, metaworld, or the import path of a module with a WORLD.")
    seed: int = setting(0, "Root of all random numbers.", low=0, high=MAX_SEED)
    collect: CollectConfig = CollectConfig()
    ground: GroundConfig = GroundConfig()
    planner: PlannerConfig = PlannerConfig()
    metrics: MetricsConfig = MetricsConfig()
    imagine: ImagineConfig = ImagineConfig()
    learn: LearnConfig = LearnConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    prompts: str = setting(
        "",
        "Prompt file in a format that the world reads: match rate and success on its goals go to prompts.csv.",
        flag="eval_prompts",
        exists="file",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if 1 < self.learn.checkpoints > self.evaluate.episodes // 2:
            raise ValueError(
                f"--episodes={self.evaluate.episodes}, half with met and half with new sentences, cannot be shared by "
                f"--checkpoints={self.learn.checkpoints}: give at least twice as many episodes"
            )


PARTS = ("", "collect", "ground", "planner", "metrics", "imagine", "learn", "evaluate")
"""Fields of `PipelineConfig` that hold settings; "" is itself."""


def parts_of(config: PipelineConfig) -> dict[str, Any]:
    """`PARTS` -> the dataclass with their settings."""
    return {part: getattr(config, part) if part else config for part in PARTS}


def configure(config: PipelineConfig, given: Mapping[str, Any]) -> PipelineConfig:
    """A configuration with some settings changed, named like their flags: `configure(config, {"grounding_steps": 9})`.

    A language model given by `llm` has more to lose than the built-in one and fills its devices: unless they are given
    too, its learning rate is 5e-5 (2e-4 with LoRA) and nothing is measured in training. Where the episodes of a preset
    are too few for the `checkpoints` that are given there are more, and fewer checkpoints for the `episodes` given.
    What is given never gives way, also where it is a number that a preset or a default has.

    Raises:
      ValueError: an unknown name, or a value that is not allowed.
    """
    given = dict(given)
    reads = bool(given.get("grounding_reading_steps"))
    if given.get("llm"):
        rank = given.get("lora_rank", config.ground.lora_rank)
        given.setdefault("grounding_learning_rate", learning_rate_of_llm(rank))
        given.setdefault("evaluate_every", 0)
    changes: dict[str, Any] = {}
    known, asked = list[str](), set(given)
    for part, old in parts_of(config).items():
        mine = {}
        for field in settings_of(type(old)):
            known.append(field.flag)
            if field.flag in given:
                value = given.pop(field.flag)
                names = field.kind is TaskShares and not isinstance(value, TaskShares)
                checked = dataclasses.replace(field, kind=tuple) if names else field
                mine[field.name] = checked.checked(value, f"--{field.flag}")
                if names:
                    mine[field.name] = old.shares.only(mine[field.name])
        changes |= {part: dataclasses.replace(old, **mine)} if part else mine
    if given:
        near = [f"{name}, meant as {close[0]}?" for name in given if (close := difflib.get_close_matches(name, known))]
        raise ValueError(f"unknown settings {', '.join(given)}{' (' * bool(near)}{', '.join(near)}{')' * bool(near)}")
    learn, evaluate = changes["learn"], changes["evaluate"]
    shared = max(1, evaluate.episodes // 2)  # of checkpoints and episodes what was not asked for gives way
    if learn.checkpoints > shared and "checkpoints" not in asked:
        changes["learn"] = dataclasses.replace(learn, checkpoints=shared)
    elif learn.checkpoints > shared and "episodes" not in asked:
        changes["evaluate"] = dataclasses.replace(evaluate, episodes=2 * learn.checkpoints)
    made = dataclasses.replace(config, **changes)
    if reads and made.ground.reading >= made.ground.steps:
        raise ValueError(
            f"--grounding_reading_steps={made.ground.reading} leaves no step of --grounding_steps={made.ground.steps} "
            "for the other tasks: give fewer, or more --grounding_steps"
        )
    return made


def presets_module(world: str) -> ModuleType | None:
    """The module `presets` of a built-in world's folder, None for other worlds."""
    folder = importlib.resources.files("kalm_jax.worlds")
    built_in = isinstance(world, str) and world.isidentifier() and (folder / world / "presets.py").is_file()
    return importlib.import_module(f"kalm_jax.worlds.{world}.presets") if built_in else None


@checked()
def load_presets(world: str) -> dict[str, PipelineConfig]:
    """The presets of a world by name: those of its folder's `presets.py`, otherwise those of its WORLD.

    Raises:
      ValueError: there is no such world.
    """
    if (module := presets_module(world)) is not None:
        presets = module.PRESETS
    else:
        from kalm_jax.worlds.base import get_world
        from kalm_jax.worlds.default_presets import PRESETS as DEFAULT

        made = get_world(world)
        about: dict[str, Any] = {"collect": {"behavior": made.behaviors[0]}}
        about["imagine"] = {"plan": made.language.plan is not None}
        if not made.language.subgoals():
            about["learn"] = {"conditions": ("offline", "kalm-privileged")}
        presets = {
            name: overlay(overlay(preset, about), made.presets.get(name, {})) for name, preset in DEFAULT.items()
        }
    return {name: build(PipelineConfig, {"world": world, **preset}) for name, preset in presets.items()}
