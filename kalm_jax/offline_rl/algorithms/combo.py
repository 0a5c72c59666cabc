"""COMBO (Yu et al., NeurIPS 2021): CQL that also learns from rollouts of learned dynamics, with the penalty on them.

The first `dynamics_updates` updates train the dynamics models (`dynamics_model.py`), which are fixed after that. Every
`rollout_every` updates the policy is rolled out in them from the batch's observations; the rollouts of the last calls
are kept in a memory, and each update is CQL's on the batch and on transitions of the memory, with the log-sum of the
penalty at the states of the memory (equation 3). Discrete actions use `discrete_cql.py`, whose policy in rollouts is
softmax Q.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Int

from kalm_jax.offline_rl.algorithms import cql, discrete_cql, dynamics_model
from kalm_jax.offline_rl.algorithms.cql import CQLConfig, CQLState
from kalm_jax.offline_rl.algorithms.discrete_cql import DiscreteCQLState
from kalm_jax.offline_rl.algorithms.dynamics_model import ModelRollouts
from kalm_jax.offline_rl.arrays import Actions, Inputs, Loss, Metrics, Params, Scalar
from kalm_jax.offline_rl.buffer import Batch, Buffer
from kalm_jax.offline_rl.networks import hidden_setting, rate_setting
from kalm_jax.offline_rl.normalization import DatasetStats, policy_input
from kalm_jax.offline_rl.updates import adam_step, zeros_like_output
from kalm_jax.settings import MOST_STEPS, setting
from kalm_jax.types.pytree import pytree_dataclass

Agent = CQLState | DiscreteCQLState


@dataclasses.dataclass(frozen=True)
class COMBOConfig(CQLConfig):
    """Settings of COMBO: those of `CQLConfig`, and of its dynamics models.

    Attributes:
      conservative_weight: beta (paper 0.5 to 5).
      dynamics_updates: updates of the dynamics models, before any of the policy. They count as updates of the run. Of
        a run with fewer they are a fifth, unless they are given.
      models: members of the ensemble (paper: 7, of which the best 5 on held-out data are used).
      model_hidden, model_learning_rate: widths of a member's layers (paper: four of 200), Adam's learning rate.
      model_beta: see `dynamics_model.model_loss`; 0 is the likelihood of the paper.
      horizon: steps of a rollout (paper 1 to 25).
      rollout_every: updates from one call of rollouts, one per transition of the batch, to the next.
      memory: calls whose rollouts are kept.
      imagined_share: share of transitions from the memory in an update, 1 - f of the paper (0.2 to 0.5).
      terminal: (next observation (B, D), goal vector (B, E)) -> (B,) bool where it is known when an episode ends; None
        learns it.
    """

    conservative_weight: Scalar = setting(1.0, low=0, high=1e6)
    dynamics_updates: int = setting(5000, low=0, high=MOST_STEPS)
    models: int = setting(5, low=1, high=1000)
    model_hidden: tuple[int, ...] = hidden_setting((200, 200))
    model_learning_rate: Scalar = rate_setting(1e-3)
    model_beta: Scalar = setting(0.5, low=0, high=1)
    horizon: int = setting(5, low=1, high=10_000)
    rollout_every: int = setting(50, low=1, high=MOST_STEPS)
    memory: int = setting(20, low=1, high=10_000)
    imagined_share: float = setting(0.5, static=True, above=0, below=1)  # decides a size
    terminal: Callable[[Array, Array], Array] | None = None

    @property
    def imagined_size(self) -> int:
        """Transitions of the memory per update."""
        return max(1, round(self.batch_size * self.imagined_share / (1 - self.imagined_share)))


@pytree_dataclass
class DynamicsState:
    """The dynamics models: parameters of all members, Adam's state, and the memory of rollouts."""

    models: Params
    optimizer: optax.OptState
    memory: ModelRollouts


@pytree_dataclass
class COMBOState:
    """Everything that a resume needs.

    Attributes:
      agent: the state of CQL, without step and key, see `agent_state`.
      dynamics: the state of the dynamics models.
      step: () int32, updates done. key: the seed's key, from which each update's key is derived.
    """

    agent: Agent
    dynamics: DynamicsState
    step: Int[Array, ""]
    key: Array


def dataset_stats(config: COMBOConfig, buffer: Buffer) -> DatasetStats:
    """What `init` must know of the data."""
    return dynamics_model.dynamics_stats(buffer)


def init(config: COMBOConfig, key: Array, stats: DatasetStats) -> COMBOState:
    """The state before the first update."""
    agent_key, model_key = jax.random.split(key)
    models = dynamics_model.init_models(config.model_hidden, config.models, model_key, stats)
    memory = dynamics_model.empty_memory(stats, config.memory * config.batch_size, config.horizon)
    dynamics = DynamicsState(models, optax.adam(config.model_learning_rate).init(models), memory)
    agent = (discrete_cql if stats.discrete else cql).init(config, agent_key, stats)
    return COMBOState(without_step(agent), dynamics, agent.step, agent.key)


def update(
    config: COMBOConfig, state: COMBOState, stats: DatasetStats, batch: Batch, key: Array
) -> tuple[COMBOState, Metrics]:
    """One step of the dynamics models, or, after `dynamics_updates` of them, one of CQL.

    Metrics: model_loss, and those of CQL, each 0 while the other phase runs.
    """
    chex.assert_shape(batch.reward, (config.batch_size,))
    rollout_key, sample_key, agent_key = jax.random.split(key, 3)
    plan = schedule(config, state.step)
    dynamics, loss = update_models(config, state.dynamics, stats, batch, plan.learn_models)
    memory = update_memory(config, state, dynamics, stats, batch, rollout_key, plan)
    imagined = dynamics_model.sample_memory(memory, plan.filled, sample_key, config.imagined_size)
    agent, metrics = update_agent(config, agent_state(state), stats, batch, imagined, agent_key, plan.learn_models)
    dynamics = dataclasses.replace(dynamics, memory=memory)
    return COMBOState(without_step(agent), dynamics, agent.step, state.key), metrics | {"model_loss": loss}


def act(
    config: COMBOConfig, state: COMBOState, stats: DatasetStats, inputs: Inputs, key: Array, greedy: bool
) -> Actions:
    """As CQL's."""
    module = discrete_cql if stats.discrete else cql
    return module.act(config, agent_state(state), stats, inputs, key, greedy)


def without_step(agent: Agent) -> Agent:
    """The state of CQL without step and key, which a `COMBOState` has already."""
    nothing: Any = None
    return dataclasses.replace(agent, step=nothing, key=nothing)


def agent_state(state: COMBOState) -> Agent:
    """The whole state of CQL."""
    return dataclasses.replace(state.agent, step=state.step, key=state.key)


@pytree_dataclass
class Schedule:
    """What an update does.

    Attributes:
      learn_models: () bool, trains the dynamics models, not the policy. roll_out: () bool, fills a part of the memory.
      first: () int32, first row of the memory for those rollouts. filled: () int32, rows filled, these included.
    """

    learn_models: Bool[Array, ""]
    roll_out: Bool[Array, ""]
    first: Int[Array, ""]
    filled: Int[Array, ""]


def schedule(config: COMBOConfig, step: Int[Array, ""]) -> Schedule:
    """What update number `step`, counted from 0, does."""
    since = jnp.maximum(step - config.dynamics_updates, 0)
    learning, calls = step < config.dynamics_updates, since // config.rollout_every + 1
    due = ~learning & (since % config.rollout_every == 0)
    slot, slots = (calls - 1) % config.memory, jnp.minimum(calls, config.memory)
    return Schedule(learning, due, slot * config.batch_size, slots * config.batch_size)


def update_models(
    config: COMBOConfig, dynamics: DynamicsState, stats: DatasetStats, batch: Batch, learn: Bool[Array, ""]
) -> tuple[DynamicsState, Loss]:
    """(state, loss) after a step of Adam, or the state unchanged and 0."""

    def step(models: Params, optimizer: optax.OptState) -> tuple[Params, optax.OptState, Array]:
        loss, grads = jax.value_and_grad(dynamics_model.model_loss, argnums=1)(
            config.model_hidden, models, stats, batch, config.model_beta
        )
        return *adam_step(config.model_learning_rate, grads, optimizer, models), loss

    models, optimizer, loss = jax.lax.cond(
        learn, step, lambda *unchanged: (*unchanged, jnp.zeros(())), dynamics.models, dynamics.optimizer
    )
    return dataclasses.replace(dynamics, models=models, optimizer=optimizer), loss


def update_memory(
    config: COMBOConfig,
    state: COMBOState,
    dynamics: DynamicsState,
    stats: DatasetStats,
    batch: Batch,
    key: Array,
    plan: Schedule,
) -> ModelRollouts:
    """The memory with new rollouts in place of the oldest, if the schedule has them."""
    first = plan.first  # only the rows of one call pass through the condition, which copies all that it is given
    old = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, first, config.batch_size), dynamics.memory)

    def policy(observation: Array, goal: Array, act_key: Array) -> Array:
        return act(config, state, stats, policy_input(stats, observation, goal), act_key, False)

    def imagine() -> ModelRollouts:
        args = (config.model_hidden, dynamics.models, stats, batch.observation, batch.goal, key)
        return dynamics_model.rollout(*args, policy=policy, horizon=config.horizon, terminal=config.terminal)

    new = jax.lax.cond(plan.roll_out, imagine, lambda: old)
    return jax.tree.map(lambda x, y: jax.lax.dynamic_update_slice_in_dim(x, y, first, 0), dynamics.memory, new)


def update_agent(
    config: COMBOConfig,
    agent: Agent,
    stats: DatasetStats,
    batch: Batch,
    imagined: Batch,
    key: Array,
    wait: Bool[Array, ""],
) -> tuple[Agent, Metrics]:
    """(agent, metrics) after an update of CQL, or with the step counted alone and zeros while it has to `wait`."""

    def learn(agent: Agent) -> tuple[Agent, Metrics]:
        if isinstance(agent, DiscreteCQLState):
            return discrete_cql.learn(config, agent, stats, batch, imagined)
        noise = cql.draw(config, stats, key, config.batch_size + config.imagined_size, config.imagined_size)
        return cql.learn(config, agent, stats, batch, noise, imagined)

    metrics = zeros_like_output(learn, agent)[1]

    def skip(agent: Agent) -> tuple[Agent, Metrics]:
        return dataclasses.replace(agent, step=agent.step + 1), metrics

    return jax.lax.cond(wait, skip, learn, agent)
