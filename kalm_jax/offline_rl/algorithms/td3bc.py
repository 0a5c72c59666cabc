"""TD3+BC (Fujimoto and Gu, NeurIPS 2021): twin critics, a delayed deterministic policy, and a pull toward the data.

With discrete actions the policy acts in the one-hot space R^A, as in KALM's paper: recorded actions are one-hot
vectors, the policy's output is a point of the simplex that they span (a softmax), and the environment gets the index
of the largest entry. The distance to the data is a sum over the entries, because a mean over forty entries, nearly all
zero, leaves the data without weight at the papers' alpha.
"""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
from jaxtyping import Array

from kalm_jax.offline_rl.actor_critic import ActorCriticState, CriticConfig, bellman_target, initial_fields
from kalm_jax.offline_rl.arrays import Actions, ActionVectors, Inputs, Loss, Metrics, Params, PerRow, Scalar
from kalm_jax.offline_rl.buffer import Batch
from kalm_jax.offline_rl.distributions import select_index
from kalm_jax.offline_rl.networks import MLP, TwinCritic, apply
from kalm_jax.offline_rl.normalization import DatasetStats, policy_input
from kalm_jax.offline_rl.updates import adam_step, copy, masked_mean, soft_update
from kalm_jax.settings import setting
from kalm_jax.types.pytree import pytree_dataclass


@dataclasses.dataclass(frozen=True)
class TD3BCConfig(CriticConfig):
    """Settings of TD3+BC beside those of `CriticConfig`; the defaults are those of the paper and its code.

    KALM's authors' library uses a discount of 1 by mistake where it says 0.99. Targets follow at each delayed step.
    The scale of rewards does not affect the policy, because its loss divides by the mean |Q|.

    Attributes:
      policy_noise, noise_clip: standard deviation and bound of the noise on target actions (on logits, if discrete).
      policy_delay: critic updates for one policy update.
      alpha: weight of the action value against the data (KALM's paper 0.5, its code 2.5).
    """

    policy_noise: Scalar = setting(0.2, low=0, high=100)
    noise_clip: Scalar = setting(0.5, low=0, high=100)
    policy_delay: int = setting(2, low=1, high=1_000_000)
    alpha: Scalar = setting(2.5, low=0, high=1e6)


@pytree_dataclass
class TD3BCState(ActorCriticState):
    """An `ActorCriticState` with the slow copy of the policy, whose actions are those of the targets."""

    target_policy: Params


def init(config: TD3BCConfig, key: Array, stats: DatasetStats) -> TD3BCState:
    """The state before the first update."""
    own, policy_key, critic_key = jax.random.split(key, 3)
    inputs, action = jnp.zeros((1, stats.input_dim)), jnp.zeros((1, stats.action_dim))
    policy: Params = policy_network(config, stats).init(policy_key, inputs)
    critic: Params = critic_network(config).init(critic_key, inputs, action)
    return TD3BCState(**initial_fields(policy, critic, own), target_policy=copy(policy))


def update(
    config: TD3BCConfig, state: TD3BCState, stats: DatasetStats, batch: Batch, key: Array
) -> tuple[TD3BCState, Metrics]:
    """One step of the critics and, every `policy_delay` updates, one of the policy and of the targets.

    Metrics: critic_loss, q (mean Q1 of the data) at every update; policy_loss and bc_loss count `policy_delay`-fold at
    the updates that have them and as 0 at the others, so that their mean over updates is right.
    """
    inputs = policy_input(stats, batch.observation, batch.goal)
    next_inputs = policy_input(stats, batch.next_observation, batch.goal)
    action = encode_action(stats, batch.action)
    noise = config.policy_noise * jax.random.normal(key, action.shape)
    target = critic_target(config, state, stats, next_inputs, batch, noise)
    (_, metrics), grads = jax.value_and_grad(critic_loss, argnums=1, has_aux=True)(
        config, state.critic, inputs, action, target
    )
    critic, critic_optimizer = adam_step(config.learning_rate, grads, state.critic_optimizer, state.critic)
    state = dataclasses.replace(state, critic=critic, critic_optimizer=critic_optimizer, step=state.step + 1)

    def delayed(state: TD3BCState) -> tuple[TD3BCState, Metrics]:
        (_, metrics), grads = jax.value_and_grad(policy_loss, argnums=1, has_aux=True)(
            config, state.policy, state.critic, stats, inputs, action, batch.is_original_goal
        )
        policy, policy_optimizer = adam_step(config.learning_rate, grads, state.policy_optimizer, state.policy)
        state = dataclasses.replace(
            state,
            policy=policy,
            policy_optimizer=policy_optimizer,
            target_policy=soft_update(policy, state.target_policy, config.tau),
            target_critic=soft_update(state.critic, state.target_critic, config.tau),
        )
        return state, {k: config.policy_delay * v for k, v in metrics.items()}

    def skipped(state: TD3BCState) -> tuple[TD3BCState, Metrics]:
        return state, {"policy_loss": jnp.zeros(()), "bc_loss": jnp.zeros(())}

    state, policy_metrics = jax.lax.cond(state.step % config.policy_delay == 0, delayed, skipped, state)
    return state, {**metrics, **policy_metrics}


def act(
    config: TD3BCConfig, state: TD3BCState, stats: DatasetStats, inputs: Inputs, key: Array, greedy: bool
) -> Actions:
    """The most probable or a sampled action; a continuous policy is deterministic."""
    logits = apply(policy_network(config, stats), state.policy, inputs)
    return select_index(logits, key, greedy) if stats.discrete else jnp.tanh(logits)


def encode_action(stats: DatasetStats, action: Actions) -> ActionVectors:
    """Action vectors: continuous ones unchanged, indices as one-hot vectors."""
    return jax.nn.one_hot(action, stats.action_dim) if stats.discrete else action


def action_vector(
    config: TD3BCConfig, stats: DatasetStats, policy: Params, inputs: Inputs, noise: ActionVectors | float = 0.0
) -> ActionVectors:
    """The policy's action in R^A: tanh for continuous actions, a point of the simplex (softmax) for discrete ones.

    `noise`, clipped, is added to a continuous action and to the logits of a discrete one.
    """
    out = apply(policy_network(config, stats), policy, inputs)
    noise = jnp.clip(noise, -config.noise_clip, config.noise_clip)
    return jax.nn.softmax(out + noise) if stats.discrete else jnp.clip(jnp.tanh(out) + noise, -1.0, 1.0)


def critic_target(
    config: TD3BCConfig, state: TD3BCState, stats: DatasetStats, next_inputs: Inputs, batch: Batch, noise: ActionVectors
) -> PerRow:
    """y = r + gamma (1 - terminal) min_i Q'_i(s', a'), a' the target policy's action with noise."""
    action = action_vector(config, stats, state.target_policy, next_inputs, noise)
    chex.assert_equal_shape([action, noise])
    q = jnp.minimum(*apply(critic_network(config), state.target_critic, next_inputs, action))
    return bellman_target(config, batch, q)


def critic_loss(
    config: TD3BCConfig, critic: Params, inputs: Inputs, action: ActionVectors, target: PerRow
) -> tuple[Loss, Metrics]:
    """sum_i mean_B (Q_i(s, a) - y)^2."""
    q1, q2 = apply(critic_network(config), critic, inputs, action)
    chex.assert_equal_shape([q1, q2, target])
    loss = jnp.mean((q1 - target) ** 2) + jnp.mean((q2 - target) ** 2)
    return loss, {"critic_loss": loss, "q": q1.mean()}


def policy_loss(
    config: TD3BCConfig,
    policy: Params,
    critic: Params,
    stats: DatasetStats,
    inputs: Inputs,
    action: ActionVectors,
    is_original_goal: PerRow | None = None,
) -> tuple[Loss, Metrics]:
    """-lambda mean_B Q1(s, pi(s)) + distance to the data, lambda = alpha / mean_B |Q1(s, pi(s))| held constant.

    The distance is mean_{B,A} (pi - a)^2 for continuous actions, as in the authors' code, and mean_B |pi - a|^2 for
    one-hot vectors. Means over B leave out the rows whose goal was relabeled.
    """
    predicted = action_vector(config, stats, policy, inputs)
    chex.assert_equal_shape([predicted, action])
    q = apply(critic_network(config), critic, inputs, predicted, method=TwinCritic.first)
    chex.assert_shape(q, action.shape[:1])
    bc = masked_mean(is_original_goal, ((predicted - action) ** 2).mean(-1))
    bc = bc * (stats.action_dim if stats.discrete else 1)
    scale = -config.alpha / jax.lax.stop_gradient(masked_mean(is_original_goal, jnp.abs(q)))
    loss = scale * masked_mean(is_original_goal, q) + bc
    return loss, {"policy_loss": loss, "bc_loss": bc}


def policy_network(config: TD3BCConfig, stats: DatasetStats) -> MLP:
    """Inputs (B, I) -> logits (B, A), or continuous actions before the tanh."""
    return MLP(stats.action_dim, config.hidden)


def critic_network(config: TD3BCConfig) -> TwinCritic:
    """The twin critics."""
    return TwinCritic(config.hidden, config.critic_norm)
