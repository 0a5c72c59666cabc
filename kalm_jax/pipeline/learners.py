"""The learners of a run: their configuration, the policies that they trained, and how those are evaluated."""

from __future__ import annotations

import dataclasses
from typing import Any

from kalm_jax import offline_rl
from kalm_jax.evaluation import learner_policy
from kalm_jax.llm.hf.config import read_config
from kalm_jax.llm.hf.folder import find_folder
from kalm_jax.llm.transformer import Llama
from kalm_jax.offline_rl import DatasetStats, Learner, kalm_learner, make_learner, state_of
from kalm_jax.offline_rl.registry import State, find_algorithm
from kalm_jax.offline_rl.trainer import DYNAMICS_SHARE
from kalm_jax.pipeline.config import LLM_POLICY, OWN_ACTIONS, PipelineConfig
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.types import Policy
from kalm_jax.types.transforms import ObservationTransform
from kalm_jax.worlds.base import get_world

RELABELED = {"td3bc": {"alpha": 10.0, "batch_size": 256}}
"""Learners whose critic learns from relabeled goals while their policy learns from the actions of its own goal, and the
settings that then suit them. The critic may have four times its weight of the paper, and batches must have enough
transitions whose goal is their original one."""
QUICK = {"td3bc": {"learning_rate": 2e-3, "tau": 0.02, "policy_delay": 1, "hidden": (128, 128)}}
"""Settings for a few thousand updates: larger steps, networks of half the width, a policy that learns at every update,
and targets that follow in fifty updates instead of four hundred."""
CHECKPOINTS = 20
"""Parts of a training run, at whose ends policies may be kept."""
DT_CONTEXT = 10
"""Context of a Decision Transformer in steps: the length of most rollouts here, half of its authors' 20."""


def configured_learner(config: PipelineConfig, algorithm: str) -> Learner:
    """The learner with the run's settings."""
    compat = config.learn.compat == "kalm"
    if config.learn.settings == "kalm":
        return kalm_learner(algorithm, discrete=bool(get_world(config.world).spaces.num_actions), compat=compat)
    settings = dict(get_world(config.world).learning.settings.get(algorithm, {})) | {
        "discount": 1.0 if compat else config.learn.discount,
        "dynamics_updates": config.learn.updates_of(algorithm) // DYNAMICS_SHARE,
    }
    known = {field.name for field in dataclasses.fields(find_algorithm(algorithm)[1])}
    special: dict[str, Any] = dict(RELABELED[algorithm]) if relabel_share(config, algorithm) else {}
    if config.learn.settings == "quick":
        special |= QUICK.get(algorithm, {})
    if algorithm == "decision_transformer":
        special = {"context": DT_CONTEXT}
        if config.learn.dt_backbone == "llm":
            llm = read_config(find_folder(config.ground.llm))
            llm = dataclasses.replace(llm, layers=config.ground.llm_layers or llm.layers)
            special |= {"backbone": Llama(llm), "width": llm.width}
    return make_learner(algorithm, **{k: v for k, v in settings.items() if k in known} | special)


def view_of(config: PipelineConfig) -> ObservationTransform:
    """How policies see observations: transformed as suits the world, or unchanged with the authors' settings."""
    ours = config.learn.settings != "kalm"
    return get_world(config.world).learning.observation_transform if ours else ObservationTransform()


def relabel_share(config: PipelineConfig, algorithm: str) -> float:
    """Share of relabeled goals: 0 with the authors' settings or semantics, or where the world tests no single steps."""
    ours = config.learn.settings != "kalm" and config.learn.compat == "none"
    possible = ours and get_world(config.world).learning.relabel is not None and algorithm in RELABELED
    return config.learn.relabel if possible else 0.0


def action_choices(config: PipelineConfig, algorithm: str) -> tuple[str, ...]:
    """How a learner's policies choose actions in tests: of `ACTIONS`, greedily where they are no distribution."""
    learning = get_world(config.world).learning
    if algorithm not in (*learning.stochastic, LLM_POLICY):
        return ("greedy",)
    own = learning.actions.get(algorithm, "greedy")
    return tuple(dict.fromkeys(own if choice == OWN_ACTIONS else choice for choice in config.evaluate.actions))


def policy_points(config: PipelineConfig, algorithm: str) -> list[int]:
    """After how many updates the policies are kept that are evaluated; the end of training is the last."""
    updates, count = config.learn.updates_of(algorithm), config.learn.checkpoints
    return sorted({max(1, round(updates * (CHECKPOINTS - i) / CHECKPOINTS)) for i in range(1, count)} | {updates})


def load_policies(
    run: PipelineRun, algorithm: str, condition: str, point: int | None = None
) -> tuple[list[State], DatasetStats]:
    """The trained states of one learner and condition, one per seed, and the statistics of their data.

    `point` is one of `policy_points`; None takes the end of training.
    """
    folder = run.path / "learn" / f"{algorithm}-{condition}" / "policies"
    point = policy_points(run.config, algorithm)[-1] if point is None else point
    states, stats = offline_rl.load_policies(folder, configured_learner(run.config, algorithm), point)
    return [state_of(states, i) for i in range(run.config.learn.seeds)], stats


def played_policies(
    run: PipelineRun, algorithm: str, condition: str, point: int | None = None
) -> dict[str, list[Policy]]:
    """Those of `load_policies` as evaluation plays them: choice of actions -> a policy per seed.

    They choose as `action_choices` says.
    """
    world, learner = run.world, configured_learner(run.config, algorithm)
    states, stats = load_policies(run, algorithm, condition, point)
    choices = action_choices(run.config, algorithm)
    return {
        choice: [
            learner_policy(
                learner, state, stats, choice == "greedy", run.config.seed + i, world.observe, world.label_rewards
            )
            for i, state in enumerate(states)
        ]
        for choice in choices
    }
