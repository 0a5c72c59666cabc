"""AWAC (Nair et al., 2020): critics of the policy, which imitates the data's actions weighted by exp(advantage)."""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from kalm_jax.offline_rl.actor_critic import ActorCriticState, CriticConfig, bellman_target, initial_fields
from kalm_jax.offline_rl.arrays import Actions, Inputs, Metrics, Params, PerRow, Scalar
from kalm_jax.offline_rl.buffer import Batch
from kalm_jax.offline_rl.critics import critic_loss, init_critics, make_critics, value_of
from kalm_jax.offline_rl.distributions import Policy, sample_actions, select_action, weighted_log_prob_loss
from kalm_jax.offline_rl.networks import apply
from kalm_jax.offline_rl.normalization import DatasetStats, policy_input
from kalm_jax.offline_rl.updates import adam_step, soft_update
from kalm_jax.settings import setting

WEIGHTS = ("softmax", "exp")
Noise = Float[Array, "B *p A"] | None
"""Standard normal numbers for one action (B, A) or P actions (B, P, A) per state; None with discrete actions."""
LOG_STD_RANGE = (-6.0, 0.0)
"""Of the log standard deviation of a continuous policy, as in the paper's code."""


@dataclasses.dataclass(frozen=True)
class AWACConfig(CriticConfig):
    """Settings of AWAC beside those of `CriticConfig` (batch size of the paper and KALM: 1024).

    Attributes:
      temperature: lambda; the weight of an action is exp(advantage / lambda) (paper 0.3 to 1, KALM 1).
      weights: "softmax" divides the weights by their mean over the batch (the paper's code), which stands for its Z;
        "exp" leaves them as they are, at most `max_weight`.
      action_samples: P, actions per state that estimate its value; with discrete actions it is exact.
    """

    temperature: Scalar = setting(1.0, above=0, high=1e6)
    weights: str = setting("softmax", choices=WEIGHTS)
    max_weight: Scalar = setting(100.0, above=0, high=1e9)
    action_samples: int = setting(1, low=1, high=100_000)


def init(config: AWACConfig, key: Array, stats: DatasetStats) -> ActorCriticState:
    """The state before the first update."""
    own, policy_key, critic_key = jax.random.split(key, 3)
    policy = policy_network(config, stats).init(policy_key, jnp.zeros((1, stats.input_dim)))
    critic = init_critics(make_critics(config, stats), critic_key, stats)
    return ActorCriticState(**initial_fields(policy, critic, own))


def update(
    config: AWACConfig, state: ActorCriticState, stats: DatasetStats, batch: Batch, key: Array
) -> tuple[ActorCriticState, Metrics]:
    """One step of the critics, then of the policy and of the targets; see `learn`."""
    return learn(config, state, stats, batch, draw(config, stats, key, batch.reward.shape[0]))


def act(
    config: AWACConfig, state: ActorCriticState, stats: DatasetStats, inputs: Inputs, key: Array, greedy: bool
) -> Actions:
    """The most probable actions, or sampled ones."""
    policy = policy_network(config, stats)
    return select_action(policy, apply(policy, state.policy, inputs), key, greedy)


def draw(config: AWACConfig, stats: DatasetStats, key: Array, size: int) -> dict[str, Noise]:
    """The noise of one update: `target` (B, A) and `value` (B, P, A); none with discrete actions."""
    if stats.discrete:
        return {"target": None, "value": None}
    target_key, value_key = jax.random.split(key)
    return {
        "target": jax.random.normal(target_key, (size, stats.action_dim)),
        "value": jax.random.normal(value_key, (size, config.action_samples, stats.action_dim)),
    }


def learn(
    config: AWACConfig, state: ActorCriticState, stats: DatasetStats, batch: Batch, noise: dict[str, Noise]
) -> tuple[ActorCriticState, Metrics]:
    """(state, metrics) after one update with the noise of `draw`. Metrics: critic_loss, q (mean Q1), policy_loss."""
    inputs = policy_input(stats, batch.observation, batch.goal)
    next_inputs = policy_input(stats, batch.next_observation, batch.goal)
    target = critic_target(config, state, stats, next_inputs, batch, noise["target"])
    (critic_value, q), grads = jax.value_and_grad(critic_loss, argnums=1, has_aux=True)(
        make_critics(config, stats), state.critic, inputs, batch.action, target
    )
    critic, critic_optimizer = adam_step(config.learning_rate, grads, state.critic_optimizer, state.critic)
    weight = advantage_weight(config, state.policy, critic, stats, inputs, batch.action, noise["value"])
    policy_loss, grads = jax.value_and_grad(weighted_log_prob_loss, argnums=1)(
        policy_network(config, stats), state.policy, inputs, batch.action, weight
    )
    policy, policy_optimizer = adam_step(config.learning_rate, grads, state.policy_optimizer, state.policy)
    state = dataclasses.replace(
        state,
        policy=policy,
        critic=critic,
        target_critic=soft_update(critic, state.target_critic, config.tau),
        policy_optimizer=policy_optimizer,
        critic_optimizer=critic_optimizer,
        step=state.step + 1,
    )
    return state, {"critic_loss": critic_value, "q": q, "policy_loss": policy_loss}


def critic_target(
    config: AWACConfig, state: ActorCriticState, stats: DatasetStats, next_inputs: Inputs, batch: Batch, noise: Noise
) -> PerRow:
    """y = r + gamma (1 - terminal) E_{a' ~ pi(s')} min_i Q'_i(s', a'): one a' sampled, or all if discrete."""
    many = None if noise is None else noise[:, None]
    return bellman_target(
        config, batch, policy_value(config, state.policy, state.target_critic, stats, next_inputs, many)
    )


def policy_value(
    config: AWACConfig, policy: Params, critic: Params, stats: DatasetStats, inputs: Inputs, noise: Noise
) -> PerRow:
    """E_{a ~ pi(s)} min_i Q_i(s, a): the mean over P sampled actions, or exact if discrete."""
    critics, outputs = make_critics(config, stats), apply(policy_network(config, stats), policy, inputs)
    if noise is None:
        return jnp.sum(jax.nn.softmax(outputs) * apply(critics, critic, inputs).min(0), axis=-1)
    return apply(critics, critic, inputs, sample_actions(outputs, noise)).min(0).mean(-1)


def advantage_weight(
    config: AWACConfig,
    policy: Params,
    critic: Params,
    stats: DatasetStats,
    inputs: Inputs,
    action: Actions,
    noise: Noise,
) -> PerRow:
    """w ~ exp((min_i Q_i(s, a) - V(s)) / lambda), V as in `policy_value`; without gradient (equation 13)."""
    q = value_of(make_critics(config, stats), critic, inputs, action).min(0)
    value = policy_value(config, policy, critic, stats, inputs, noise)
    chex.assert_equal_shape([q, value])
    advantage = jax.lax.stop_gradient(q - value) / config.temperature
    if config.weights == "softmax":
        return jax.nn.softmax(advantage) * advantage.shape[0]
    return jnp.minimum(jnp.exp(advantage), config.max_weight)


def policy_network(config: AWACConfig, stats: DatasetStats) -> Policy:
    """The policy of the data's kind of actions."""
    return Policy(stats.action_dim, stats.discrete, config.hidden, LOG_STD_RANGE)
