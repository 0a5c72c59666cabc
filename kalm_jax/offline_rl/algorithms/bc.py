"""Behavior cloning: a policy that imitates the data. Categorical for discrete actions, else deterministic."""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from kalm_jax.offline_rl.arrays import Actions, Inputs, Loss, Metrics, Params, Scalar
from kalm_jax.offline_rl.buffer import Batch
from kalm_jax.offline_rl.distributions import select_index
from kalm_jax.offline_rl.networks import MLP, apply, batch_setting, hidden_setting, rate_setting
from kalm_jax.offline_rl.normalization import DatasetStats, policy_input
from kalm_jax.offline_rl.updates import PolicyState, adam_step
from kalm_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class BCConfig:
    """Settings of behavior cloning.

    Attributes:
      learning_rate: of Adam (authors: 1e-3).
      batch_size: transitions per update (authors: 100).
      logit_penalty: beta of the discrete loss. The authors' library has 0.5, which keeps the order of the actions but
        flattens their probabilities; 0 keeps the probabilities of the data, which sampled actions need.
      hidden: widths of the layers.
    """

    learning_rate: Scalar = rate_setting(1e-3)
    batch_size: int = batch_setting(256)
    logit_penalty: Scalar = setting(0.0, low=0, high=1e6)
    hidden: tuple[int, ...] = hidden_setting()


def init(config: BCConfig, key: Array, stats: DatasetStats) -> PolicyState:
    """The state before the first update."""
    own, network = jax.random.split(key)
    policy = policy_network(config, stats).init(network, jnp.zeros((1, stats.input_dim)))
    return PolicyState(policy, optax.adam(config.learning_rate).init(policy), jnp.zeros((), jnp.int32), own)


def update(
    config: BCConfig, state: PolicyState, stats: DatasetStats, batch: Batch, key: Array
) -> tuple[PolicyState, Metrics]:
    """One step of Adam on the batch; `key` is not used. Metrics: policy_loss."""
    inputs = policy_input(stats, batch.observation, batch.goal)
    value, grads = jax.value_and_grad(policy_loss, argnums=1)(config, state.policy, stats, inputs, batch.action)
    policy, optimizer = adam_step(config.learning_rate, grads, state.optimizer, state.policy)
    return dataclasses.replace(state, policy=policy, optimizer=optimizer, step=state.step + 1), {"policy_loss": value}


def act(config: BCConfig, state: PolicyState, stats: DatasetStats, inputs: Inputs, key: Array, greedy: bool) -> Actions:
    """The most probable or a sampled action; continuous actions are deterministic."""
    outputs = apply(policy_network(config, stats), state.policy, inputs)
    return select_index(outputs, key, greedy) if stats.discrete else jnp.tanh(outputs)


def policy_loss(config: BCConfig, policy: Params, stats: DatasetStats, inputs: Inputs, action: Actions) -> Loss:
    """mean_B -log pi(a | s, g) + beta mean_{B,A} logit^2, or mean_{B,A} (tanh(f(s, g)) - a)^2 if continuous."""
    outputs = apply(policy_network(config, stats), policy, inputs)
    if not stats.discrete:
        chex.assert_equal_shape([outputs, action])
        return jnp.mean((jnp.tanh(outputs) - action) ** 2)
    chex.assert_shape(outputs, (*action.shape, stats.action_dim))
    nll = optax.softmax_cross_entropy_with_integer_labels(outputs, action)
    return nll.mean() + config.logit_penalty * jnp.mean(outputs**2)


def policy_network(config: BCConfig, stats: DatasetStats) -> MLP:
    """Inputs (B, I) -> logits (B, A), or continuous actions before the tanh."""
    return MLP(stats.action_dim, config.hidden)
