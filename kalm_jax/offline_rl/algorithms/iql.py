"""IQL (Kostrikov et al., ICLR 2022): values of the data's better actions by expectile regression, without sampling."""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from kalm_jax.offline_rl.actor_critic import ActorCriticState, CriticConfig, bellman_target, initial_fields
from kalm_jax.offline_rl.arrays import Actions, Inputs, Loss, Metrics, Params, PerRow, Scalar
from kalm_jax.offline_rl.buffer import Batch
from kalm_jax.offline_rl.critics import critic_loss, init_critics, make_critics, value_of
from kalm_jax.offline_rl.distributions import Policy, select_action, weighted_log_prob_loss
from kalm_jax.offline_rl.networks import MLP, apply
from kalm_jax.offline_rl.normalization import DatasetStats, policy_input
from kalm_jax.offline_rl.updates import adam_step, soft_update
from kalm_jax.settings import setting
from kalm_jax.types.pytree import pytree_dataclass


@dataclasses.dataclass(frozen=True)
class IQLConfig(CriticConfig):
    """Settings of IQL beside those of `CriticConfig`, the paper's for locomotion.

    The cosine decay of the policy's learning rate in the paper is left out.

    Attributes:
      expectile: of Q over the data's actions that V(s) is; 0.5 is their mean, toward 1 their best (paper 0.7 to 0.9).
      beta: inverse temperature; the weight of an action is exp(beta * advantage) (paper 3 to 10).
      max_weight: largest weight of an action.
    """

    expectile: Scalar = setting(0.7, above=0, below=1)
    beta: Scalar = setting(3.0, low=0, high=1e6)
    max_weight: Scalar = setting(100.0, above=0, high=1e9)


@pytree_dataclass
class IQLState(ActorCriticState):
    """An `ActorCriticState` with V; the target critics judge actions, for V and for the policy."""

    value: Params
    value_optimizer: optax.OptState


def init(config: IQLConfig, key: Array, stats: DatasetStats) -> IQLState:
    """The state before the first update."""
    own, policy_key, critic_key, value_key = jax.random.split(key, 4)
    inputs = jnp.zeros((1, stats.input_dim))
    policy = policy_network(config, stats).init(policy_key, inputs)
    critic = init_critics(make_critics(config, stats), critic_key, stats)
    value = value_network(config).init(value_key, inputs)
    optimizer = optax.adam(config.learning_rate).init(value)
    return IQLState(**initial_fields(policy, critic, own), value=value, value_optimizer=optimizer)


def update(
    config: IQLConfig, state: IQLState, stats: DatasetStats, batch: Batch, key: Array
) -> tuple[IQLState, Metrics]:
    """One step of V, then of the policy and of the critics with the new V, then of the targets; `key` is not used.

    Metrics: value_loss, policy_loss, critic_loss, v and q (means over the batch).
    """
    critics = make_critics(config, stats)
    inputs = policy_input(stats, batch.observation, batch.goal)
    next_inputs = policy_input(stats, batch.next_observation, batch.goal)
    q = value_of(critics, state.target_critic, inputs, batch.action).min(0)
    (value_loss_, v), grads = jax.value_and_grad(value_loss, argnums=1, has_aux=True)(config, state.value, inputs, q)
    value, value_optimizer = adam_step(config.learning_rate, grads, state.value_optimizer, state.value)
    weight = advantage_weight(config, value, inputs, q)
    policy_loss_, grads = jax.value_and_grad(weighted_log_prob_loss, argnums=1)(
        policy_network(config, stats), state.policy, inputs, batch.action, weight
    )
    policy, policy_optimizer = adam_step(config.learning_rate, grads, state.policy_optimizer, state.policy)
    target = critic_target(config, value, next_inputs, batch)
    (critic_loss_, q), grads = jax.value_and_grad(critic_loss, argnums=1, has_aux=True)(
        critics, state.critic, inputs, batch.action, target
    )
    critic, critic_optimizer = adam_step(config.learning_rate, grads, state.critic_optimizer, state.critic)
    state = dataclasses.replace(
        state,
        policy=policy,
        critic=critic,
        value=value,
        target_critic=soft_update(critic, state.target_critic, config.tau),
        policy_optimizer=policy_optimizer,
        critic_optimizer=critic_optimizer,
        value_optimizer=value_optimizer,
        step=state.step + 1,
    )
    metrics = {"value_loss": value_loss_, "policy_loss": policy_loss_, "critic_loss": critic_loss_}
    return state, metrics | {"v": v, "q": q}


def act(config: IQLConfig, state: IQLState, stats: DatasetStats, inputs: Inputs, key: Array, greedy: bool) -> Actions:
    """The most probable actions, or sampled ones."""
    policy = policy_network(config, stats)
    return select_action(policy, apply(policy, state.policy, inputs), key, greedy)


def value_loss(config: IQLConfig, value: Params, inputs: Inputs, q: PerRow) -> tuple[Loss, Loss]:
    """mean_B |tau - 1(u < 0)| u^2 with u = min_i Q'_i(s, a) - V(s) (equation 5); also returns mean V."""
    v = apply(value_network(config), value, inputs)[:, 0]
    chex.assert_equal_shape([v, q])
    u = q - v
    return jnp.mean(jnp.where(u < 0, 1.0 - config.expectile, config.expectile) * u**2), v.mean()


def critic_target(config: IQLConfig, value: Params, next_inputs: Inputs, batch: Batch) -> PerRow:
    """y = r + gamma (1 - terminal) V(s') (equation 6)."""
    return bellman_target(config, batch, apply(value_network(config), value, next_inputs)[:, 0])


def advantage_weight(config: IQLConfig, value: Params, inputs: Inputs, q: PerRow) -> PerRow:
    """w = min(exp(beta (min_i Q'_i(s, a) - V(s))), max_weight), without gradient (equation 7)."""
    v = apply(value_network(config), value, inputs)[:, 0]
    chex.assert_equal_shape([v, q])
    return jax.lax.stop_gradient(jnp.minimum(jnp.exp(config.beta * (q - v)), config.max_weight))


def value_network(config: IQLConfig) -> MLP:
    """V: inputs (B, I) -> (B, 1)."""
    return MLP(1, config.hidden)


def policy_network(config: IQLConfig, stats: DatasetStats) -> Policy:
    """The policy of the data's kind of actions."""
    return Policy(stats.action_dim, stats.discrete, config.hidden)
