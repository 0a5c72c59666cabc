"""The learners of a run: their configuration, the policies that they trained, and how those are evaluated."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import jax
import numpy as np
from flax import serialization

from kalm_jax.evaluation import rows
from kalm_jax.files import write_bytes
from kalm_jax.llm.hf.config import read_config
from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.llm.transformer import Llama
from kalm_jax.offline_rl import Learner, kalm_learner, make_buffer, make_learner, state_of
from kalm_jax.offline_rl.registry import find_algorithm
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.types import EpisodeResults, Episodes, Rollouts, unnamed_goal
from kalm_jax.types.transforms import ObservationTransform
from kalm_jax.worlds.base import World, get_world

RELABELED = {"td3bc": {"alpha": 10.0, "batch_size": 256}}
"""Learners whose critic learns from relabeled goals while their policy learns from the actions of its own goal, and the
settings that then suit them. The critic may have four times its weight of the paper, and batches must have enough
transitions whose goal is their original one."""
CHECKPOINTS = 20
"""Parts of a training run, at whose ends policies may be kept."""
DT_CONTEXT = 10
"""Context of a Decision Transformer in steps: the length of most rollouts here, half of its authors' 20."""
DYNAMICS_SHARE = 5
"""COMBO trains its dynamics model for one in so many of the updates, before its policy."""


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
    if algorithm == "decision_transformer":
        special = {"context": DT_CONTEXT}
        if config.learn.dt_backbone == "llm":
            llm = read_config(config.ground.llm or BUILTIN)
            special |= {"backbone": Llama(llm), "width": llm.width}
    return make_learner(algorithm, **{k: v for k, v in settings.items() if k in known} | special)


def view_of(config: PipelineConfig) -> ObservationTransform:
    """How policies see observations: transformed as suits the world, or unchanged with the authors' settings."""
    ours = config.learn.settings == "ours"
    return get_world(config.world).learning.observation_transform if ours else ObservationTransform()


def relabel_share(config: PipelineConfig, algorithm: str) -> float:
    """Share of relabeled goals: 0 with the authors' settings or semantics, or where the world tests no single steps."""
    ours = config.learn.settings == "ours" and config.learn.compat == "none"
    possible = ours and get_world(config.world).learning.relabel is not None and algorithm in RELABELED
    return config.learn.relabel if possible else 0.0


def checkpoints(config: PipelineConfig, algorithm: str) -> dict[str, int]:
    """File of each evaluated checkpoint -> after how many updates; the last one is at the end of the training."""
    updates, count = config.learn.updates_of(algorithm), config.learn.checkpoints
    points = {max(1, round(updates * (CHECKPOINTS - i) / CHECKPOINTS)) for i in range(1, count)} - {updates}
    return {f"policies-{point}.msgpack": point for point in sorted(points)} | {"policies.msgpack": updates}


def save_states(path: pathlib.Path, states: Any) -> None:
    """Writes a learner's states of all seeds."""
    leaves = jax.tree.leaves(states)
    write_bytes(path, serialization.to_bytes([np.asarray(jax.random.key_data(x) if _is_key(x) else x) for x in leaves]))


def load_states(
    path: pathlib.Path,
    learner: Learner,
    *,
    observation_dim: int,
    num_actions: int,
    action_dim: int,
    goal_width: int,
    transform: ObservationTransform = ObservationTransform(),
) -> Any:
    """A learner's states of all seeds, as `save_states` wrote them.

    Args:
      path: the file. learner: with the configuration of its training.
      observation_dim, num_actions, action_dim: sizes of the environment, see `worlds.base.Spaces`.
      goal_width: E of the goal vectors.
      transform: of the observations.
    """
    # States are of the same shape whatever the data hold: here a single step of nothing.
    seen = np.zeros((1, 2, observation_dim), np.float32)
    action = np.zeros((1, 1), np.int32) if num_actions else np.zeros((1, 1, action_dim), np.float32)
    length, goal, no = np.ones(1, np.int32), np.zeros(1, np.int32), np.zeros(1, bool)
    step = Rollouts(seen, action, np.zeros((1, 1), np.float32), length, no, goal, no)
    goals = unnamed_goal(np.zeros(goal_width))
    data = make_buffer([(step, 1.0)], goals, num_actions or None, view=transform)
    like = jax.eval_shape(learner.init, jax.random.key(0), learner.spec(data))
    leaves = serialization.msgpack_restore(path.read_bytes())
    restored = [
        jax.random.wrap_key_data(leaves[str(i)]) if _is_key(want) else jax.numpy.asarray(leaves[str(i)])
        for i, want in enumerate(jax.tree.leaves(like))
    ]
    return jax.tree.unflatten(jax.tree.structure(like), restored)


def _is_key(x: Any) -> bool:
    return jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)


def load_policies(
    run: RunFolder, config: PipelineConfig, algorithm: str, condition: str, name: str = "policies.msgpack"
) -> list[Any]:
    """The trained states of one learner and condition, one per seed; `name` is one of `checkpoints`."""
    path = run.path / "learn" / f"{algorithm}-{condition}" / name
    width = np.load(run.path / "encode" / "data" / "vectors.npy").shape[1]
    spaces = get_world(config.world).spaces
    states = load_states(
        path,
        configured_learner(config, algorithm),
        observation_dim=spaces.observation_dim,
        num_actions=spaces.num_actions,
        action_dim=spaces.action_dim,
        goal_width=width,
        transform=view_of(config),
    )
    return [state_of(states, i) for i in range(config.learn.seeds)]


def action_choices(world: World, algorithm: str) -> tuple[str, ...]:
    """How a learner's policy is evaluated: greedily, and by sampling where it is a distribution."""
    return ("greedy", "sampled") if algorithm in world.learning.stochastic else ("greedy",)


def result_rows(
    world: World,
    result: EpisodeResults,
    episodes: Episodes,
    algorithm: str,
    condition: str,
    seed: int,
    action_choice: str,
) -> list[dict[str, Any]]:
    """`evaluation.rows` with a world's names."""
    return rows(
        result,
        episodes,
        environment=world.name,
        algorithm=algorithm,
        condition=condition,
        seed=seed,
        action_choice=action_choice,
        families=world.families,
        early=world.spaces.early_steps,
    )
