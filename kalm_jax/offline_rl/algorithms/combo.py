"""COMBO (Yu et al., NeurIPS 2021): CQL that also learns from rollouts of a learned world, and is pushed down on them.

The first `dynamics_updates` updates train the world (`dynamics_model.py`). After them the world stays as it is: every
`rollout_every` updates it is rolled out with the policy from the batch's states, the rollouts of the last calls are
remembered, and each update is CQL's on the batch and on remembered transitions, with the log-sum of the penalty at the
remembered states (equation 3). Discrete actions take `discrete_cql.py`, whose policy in rollouts is softmax Q.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
import optax

from kalm_jax.offline_rl.algorithms import cql, discrete_cql
from kalm_jax.offline_rl.algorithms.cql import CQLConfig, CQLState
from kalm_jax.offline_rl.algorithms.discrete_cql import DiscreteCQLState
from kalm_jax.offline_rl.algorithms.dynamics_model import (
    Imagined,
    empty_memory,
    init_models,
    model_loss,
    rollout,
    sample_memory,
    world_spec,
)
from kalm_jax.offline_rl.buffer import Buffer
from kalm_jax.offline_rl.critics import adam_step
from kalm_jax.offline_rl.networks import Batch, Spec


@dataclasses.dataclass(frozen=True)
class COMBOConfig(CQLConfig):
    """Settings of COMBO: those of `CQLConfig`, and of its world.

    Attributes:
      conservative_weight: beta (paper 0.5 to 5).
      dynamics_updates: updates of the world, before any of the policy. They count as updates of the run.
      models: members of the ensemble (paper: 7, of which the best 5 on held-out data are used).
      model_hidden, model_learning_rate: widths of a member's layers (paper: four of 200), Adam's learning rate.
      model_beta: see `dynamics_model.model_loss`; 0 is the likelihood of the paper.
      horizon: steps of a rollout (paper 1 to 25).
      rollout_every: updates from one call of rollouts, one per transition of the batch, to the next.
      memory: calls whose rollouts are remembered.
      imagined_share: of the transitions that an update learns from, 1 - f of the paper (0.2 to 0.5).
      terminal: (next observation (B, D), goal vector (B, E)) -> (B,) bool where it is known when an episode ends; None
        learns it.
    """

    conservative_weight: float = 1.0
    dynamics_updates: int = 5000
    models: int = 5
    model_hidden: tuple[int, ...] = (200, 200)
    model_learning_rate: float = 1e-3
    model_beta: float = 0.5
    horizon: int = 5
    rollout_every: int = 50
    memory: int = 20
    imagined_share: float = 0.5
    terminal: Callable | None = None

    def __post_init__(self):
        if not 0 < self.imagined_share < 1:
            raise ValueError(f"imagined_share of COMBO is {self.imagined_share}, want a number between 0 and 1")
        for name in ("models", "horizon", "rollout_every", "memory"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} of COMBO is {getattr(self, name)}, want at least 1")

    @property
    def imagined_size(self) -> int:
        """Imagined transitions per update."""
        return max(1, round(self.batch_size * self.imagined_share / (1 - self.imagined_share)))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class World:
    """The learned world: parameters of its members, Adam's state, and the rollouts that are remembered."""

    models: dict
    optimiser: optax.OptState
    memory: Imagined


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class COMBOState(CQLState):
    """Everything that a resume needs, with continuous actions: that of CQL, and `world`."""

    world: World


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class DiscreteCOMBOState(DiscreteCQLState):
    """Everything that a resume needs, with discrete actions: that of CQL, and `world`."""

    world: World


def spec_of(config: COMBOConfig, buffer: Buffer) -> Spec:
    """What `init` must know of the data."""
    return world_spec(buffer)


def init(config: COMBOConfig, key, spec: Spec) -> COMBOState | DiscreteCOMBOState:
    """The state before the first update."""
    agent_key, model_key = jax.random.split(key)
    models = init_models(config.model_hidden, config.models, model_key, spec)
    memory = empty_memory(spec, config.memory * config.batch_size, config.horizon)
    world = World(models, optax.adam(config.model_learning_rate).init(models), memory)
    agent = (discrete_cql if spec.discrete else cql).init(config, agent_key, spec)
    return (DiscreteCOMBOState if spec.discrete else COMBOState)(**_fields(agent), world=world)


def update(config: COMBOConfig, state, batch: Batch, key):
    """One step of the world, or, after `dynamics_updates` of them, one of CQL on the batch and on imagined transitions.

    Metrics: model_loss, and those of CQL, each 0 while the other phase runs.
    """
    chex.assert_shape(batch.reward, (config.batch_size,))
    rollout_key, sample_key, agent_key = jax.random.split(key, 3)
    learning, due, first, filled = schedule(config, state.step)
    world, model_loss_ = _learn_world(config, state.world, state.spec, batch, learning)
    world = dataclasses.replace(world, memory=_remember(config, state, world, batch, rollout_key, due, first))
    imagined = sample_memory(world.memory, filled, sample_key, config.imagined_size)
    agent, metrics = _learn_policy(config, _agent(state), batch, imagined, agent_key, learning)
    state = dataclasses.replace(state, **_fields(agent), world=world)
    return state, metrics | {"model_loss": model_loss_}


def act(config: COMBOConfig, state, observation, goal_vector, key, greedy: bool):
    """As CQL's."""
    module = discrete_cql if state.spec.discrete else cql
    return module.act(config, state, observation, goal_vector, key, greedy)


def schedule(config: COMBOConfig, step):
    """What update number `step`, from 0, does: (learn the world, roll out, row where those rollouts go, rows filled).

    The rows filled include those of this update.
    """
    since = jnp.maximum(step - config.dynamics_updates, 0)
    learning, calls = step < config.dynamics_updates, since // config.rollout_every + 1
    due = ~learning & (since % config.rollout_every == 0)
    slot, slots = (calls - 1) % config.memory, jnp.minimum(calls, config.memory)
    return learning, due, slot * config.batch_size, slots * config.batch_size


def _learn_world(config: COMBOConfig, world: World, spec: Spec, batch: Batch, learning):
    """(world, its loss) after a step of Adam, or as it was and 0."""

    def step(models, optimiser):
        loss, grads = jax.value_and_grad(model_loss, argnums=1)(
            config.model_hidden, models, spec, batch, config.model_beta
        )
        return *adam_step(config.model_learning_rate, grads, optimiser, models), loss

    def keep(models, optimiser):
        return models, optimiser, jnp.zeros(())

    models, optimiser, loss = jax.lax.cond(learning, step, keep, world.models, world.optimiser)
    return dataclasses.replace(world, models=models, optimiser=optimiser), loss


def _remember(config: COMBOConfig, state, world: World, batch: Batch, key, due, first) -> Imagined:
    """The memory with new rollouts from row `first` on, in the place of the oldest, where they are due.

    Only the rows of one call pass through the condition, which would copy the whole memory at every update.
    """
    size = config.batch_size
    old = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, first, size), world.memory)

    def policy(observation, goal, act_key):
        return act(config, state, observation, goal, act_key, False)

    def imagine():
        return rollout(
            *(config.model_hidden, world.models, state.spec, batch.observation, batch.goal, key),
            policy=policy,
            horizon=config.horizon,
            terminal=config.terminal,
        )

    new = jax.lax.cond(due, imagine, lambda: old)
    return jax.tree.map(lambda x, y: jax.lax.dynamic_update_slice_in_dim(x, y, first, 0), world.memory, new)


def _learn_policy(config: COMBOConfig, agent, batch: Batch, imagined: Batch, key, learning):
    """(agent, metrics) after an update of CQL, or one update older and zeros while the world is learned."""
    size = config.batch_size

    def learn(agent):
        if agent.spec.discrete:
            return discrete_cql.learn(config, agent, batch, imagined)
        noise = cql.draw(config, agent.spec, key, size + config.imagined_size, config.imagined_size)
        return cql.learn(config, agent, batch, noise, imagined)

    metrics = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(learn, agent)[1])

    def wait(agent):
        return dataclasses.replace(agent, step=agent.step + 1), metrics

    return jax.lax.cond(learning, wait, learn, agent)


def _agent(state) -> CQLState | DiscreteCQLState:
    """The part of a state that is CQL's."""
    fields = _fields(state)
    del fields["world"]
    return (DiscreteCQLState if state.spec.discrete else CQLState)(**fields)


def _fields(state) -> dict:
    return {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
