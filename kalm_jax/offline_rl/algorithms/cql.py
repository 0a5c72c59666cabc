"""CQL (Kumar et al., NeurIPS 2020) for continuous actions: SAC with a penalty on values away from the data.

This is CQL(H) with importance-weighted samples (appendix F). `discrete_cql.py` is the form for discrete actions; both
have the settings of `CQLConfig`. Dimension letters: B batch, Q states of the penalty, P sampled actions, A action,
C critics.
"""

from __future__ import annotations

import dataclasses
import math

import chex
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from kalm_jax.offline_rl.actor_critic import ActorCriticState, CriticConfig, bellman_target, initial_fields
from kalm_jax.offline_rl.arrays import ActionVectors, Inputs, Loss, Metrics, Params, PerRow, Scalar
from kalm_jax.offline_rl.buffer import Batch
from kalm_jax.offline_rl.critics import init_critics, make_critics, squared_error, value_of
from kalm_jax.offline_rl.distributions import SQUASHED_LOG_STD, Gaussian, tanh_sample_and_log_prob
from kalm_jax.offline_rl.networks import MLP, apply, rate_setting
from kalm_jax.offline_rl.normalization import DatasetStats, policy_input
from kalm_jax.offline_rl.updates import adam_step, soft_update
from kalm_jax.settings import MOST_STEPS, setting
from kalm_jax.types.pytree import pytree_dataclass

Noise = dict[str, Array]
"""Named random numbers of one update, see `draw`."""
LARGEST_MULTIPLIER = 1e6
"""Bound of the Lagrange multiplier (authors of CQL)."""


@dataclasses.dataclass(frozen=True)
class CQLConfig(CriticConfig):
    """Settings of CQL beside those of `CriticConfig`; the defaults are those of the paper.

    Attributes:
      conservative_weight: factor on the sum over critics of logsumexp Q - Q(data). KALM's 10 multiplies the mean over
        two critics and is 5 here; for discrete actions, with one critic, it is 10.
      policy_learning_rate, temperature_learning_rate: of Adam (continuous actions only, like all that follow but the
        last).
      action_samples: P, of the policy at s, of the policy at s', and of the uniform distribution.
      threshold: tau of the Lagrangian form alpha (weight * gap - tau), whose alpha is learned; None keeps alpha = 1.
      multiplier_learning_rate: of Adam for alpha.
      soft_backup: SAC's target with entropy, instead of the value of the policy's mean action.
      target_period: updates between copies into the target critic, instead of `tau`; 0 means `tau` (discrete only).
    """

    conservative_weight: Scalar = setting(5.0, low=0, high=1e6)
    policy_learning_rate: Scalar = rate_setting(1e-4)
    temperature_learning_rate: Scalar = rate_setting(1e-4)
    action_samples: int = setting(10, low=1, high=100_000)
    threshold: float | None = setting(None, low=-1e6, high=1e6)
    multiplier_learning_rate: Scalar = rate_setting(1e-4)
    soft_backup: bool = False
    target_period: int = setting(0, low=0, high=MOST_STEPS)


@pytree_dataclass
class CQLState(ActorCriticState):
    """An `ActorCriticState` with the learned numbers of SAC's entropy term and of the Lagrangian, and Adam's states."""

    log_temperature: Loss
    log_multiplier: Loss
    temperature_optimizer: optax.OptState
    multiplier_optimizer: optax.OptState


def check(config: CQLConfig) -> None:
    """Raises a ValueError for settings that apply to discrete actions only."""
    if config.target_period:
        raise ValueError(f"target_period={config.target_period} is for discrete actions: use tau for continuous ones")


def init(config: CQLConfig, key: Array, stats: DatasetStats) -> CQLState:
    """The state before the first update."""
    check(config)
    own, policy_key, critic_key = jax.random.split(key, 3)
    policy = policy_network(config, stats).init(policy_key, jnp.zeros((1, stats.input_dim)))
    critic = init_critics(make_critics(config, stats), critic_key, stats)
    adam, zero = optax.adam(0.0), jnp.zeros(())
    return CQLState(
        **initial_fields(policy, critic, own),
        log_temperature=zero,
        log_multiplier=jnp.zeros(()),
        temperature_optimizer=adam.init(zero),
        multiplier_optimizer=adam.init(zero),
    )


def update(
    config: CQLConfig, state: CQLState, stats: DatasetStats, batch: Batch, key: Array
) -> tuple[CQLState, Metrics]:
    """One step of the critics, the policy, the temperature, the multiplier and the targets; see `learn`."""
    return learn(config, state, stats, batch, draw(config, stats, key, batch.reward.shape[0]))


def act(
    config: CQLConfig, state: CQLState, stats: DatasetStats, inputs: Inputs, key: Array, greedy: bool
) -> ActionVectors:
    """tanh of the mean, or sampled actions."""
    outputs = policy_outputs(config, stats, state.policy, inputs)
    if greedy:
        return jnp.tanh(outputs[0])
    return tanh_sample_and_log_prob(outputs, jax.random.normal(key, outputs[0].shape))[0]


def draw(config: CQLConfig, stats: DatasetStats, key: Array, size: int, penalty_size: int | None = None) -> Noise:
    """The noise of one update.

    `target` and `policy` (B, A) are for the B = `size` transitions of the temporal difference, `now`, `next` and
    `uniform` (Q, P, A) for the Q = `penalty_size` states of the penalty (None means B).
    """
    one, many = (size, stats.action_dim), (penalty_size or size, config.action_samples, stats.action_dim)
    keys = jax.random.split(key, 5)
    return {
        "target": jax.random.normal(keys[0], one),
        "policy": jax.random.normal(keys[1], one),
        "now": jax.random.normal(keys[2], many),
        "next": jax.random.normal(keys[3], many),
        "uniform": jax.random.uniform(keys[4], many, minval=-1.0, maxval=1.0),
    }


def learn(
    config: CQLConfig, state: CQLState, stats: DatasetStats, batch: Batch, noise: Noise, imagined: Batch | None = None
) -> tuple[CQLState, Metrics]:
    """(state, metrics) after one update with the noise of `draw`.

    With `imagined` transitions (COMBO) the temporal difference and the policy use both, the batch first, and the
    penalty's actions are sampled at the imagined states.

    Metrics: critic_loss, gap (mean over the critics), q (mean Q1 of the data), policy_loss, temperature, multiplier.
    """
    both, penalized = concatenate_batches(batch, imagined), batch if imagined is None else imagined
    inputs = policy_input(stats, both.observation, both.goal)
    next_inputs = policy_input(stats, both.next_observation, both.goal)
    target = critic_target(config, state, stats, next_inputs, both, noise["target"])
    multiplier = lagrange_multiplier(config, state.log_multiplier)
    (critic_value, (gap, q)), grads = jax.value_and_grad(critic_loss, argnums=1, has_aux=True)(
        config,
        state.critic,
        stats,
        multiplier,
        inputs=inputs,
        action=both.action,
        target=target,
        penalty=penalty_actions(config, state, stats, penalized, noise),
        data_size=batch.reward.shape[0],
    )
    critic, critic_optimizer = adam_step(config.learning_rate, grads, state.critic_optimizer, state.critic)
    (policy_value, log_prob), grads = jax.value_and_grad(policy_loss, argnums=1, has_aux=True)(
        config, state.policy, critic, stats, jnp.exp(state.log_temperature), inputs, noise["policy"]
    )
    policy, policy_optimizer = adam_step(config.policy_learning_rate, grads, state.policy_optimizer, state.policy)
    grads = jax.grad(temperature_loss)(state.log_temperature, log_prob, stats.action_dim)
    log_temperature, temperature_optimizer = adam_step(
        config.temperature_learning_rate, grads, state.temperature_optimizer, state.log_temperature
    )
    log_multiplier, multiplier_optimizer = state.log_multiplier, state.multiplier_optimizer
    if config.threshold is not None:
        grads = jax.grad(multiplier_loss, argnums=1)(config, log_multiplier, gap)
        log_multiplier, multiplier_optimizer = adam_step(
            config.multiplier_learning_rate, grads, multiplier_optimizer, log_multiplier
        )
    state = dataclasses.replace(
        state,
        policy=policy,
        critic=critic,
        target_critic=soft_update(critic, state.target_critic, config.tau),
        log_temperature=log_temperature,
        log_multiplier=log_multiplier,
        policy_optimizer=policy_optimizer,
        critic_optimizer=critic_optimizer,
        temperature_optimizer=temperature_optimizer,
        multiplier_optimizer=multiplier_optimizer,
        step=state.step + 1,
    )
    metrics = {"critic_loss": critic_value, "gap": gap.mean(), "q": q, "policy_loss": policy_value}
    return state, metrics | {"temperature": jnp.exp(log_temperature), "multiplier": multiplier}


def critic_target(
    config: CQLConfig, state: CQLState, stats: DatasetStats, next_inputs: Inputs, batch: Batch, noise: ActionVectors
) -> PerRow:
    """y = r + gamma (1 - terminal) V(s').

    V(s') = min_i Q'_i(s', tanh mean(s')), or with `soft_backup` min_i Q'_i(s', a') - temperature log pi(a' | s').
    """
    critics = make_critics(config, stats)
    outputs = policy_outputs(config, stats, state.policy, next_inputs)
    if config.soft_backup:
        action, log_prob = tanh_sample_and_log_prob(outputs, noise)
        value = value_of(critics, state.target_critic, next_inputs, action).min(0)
        value = value - jnp.exp(state.log_temperature) * log_prob
    else:
        value = value_of(critics, state.target_critic, next_inputs, jnp.tanh(outputs[0])).min(0)
    return bellman_target(config, batch, value)


@pytree_dataclass
class PenaltyActions:
    """The actions whose values the penalty lowers.

    Attributes:
      inputs: (Q, I), of the states. action: (Q, 3P, A). log_density: (Q, 3P), of the actions.
    """

    inputs: Float[Array, "Q I"]
    action: Float[Array, "Q 3*P A"]
    log_density: Float[Array, "Q 3*P"]


def penalty_actions(
    config: CQLConfig, state: CQLState, stats: DatasetStats, batch: Batch, noise: Noise
) -> PenaltyActions:
    """P actions of the policy at s, P of the policy at s', P uniform ones, whose density is 0.5^A; no gradient."""
    inputs = policy_input(stats, batch.observation, batch.goal)
    next_inputs = policy_input(stats, batch.next_observation, batch.goal)
    outputs, next_outputs = (policy_outputs(config, stats, state.policy, x) for x in (inputs, next_inputs))
    now, now_log_prob = tanh_sample_and_log_prob(outputs, noise["now"])
    after, after_log_prob = tanh_sample_and_log_prob(next_outputs, noise["next"])
    uniform_log_prob = jnp.full_like(now_log_prob, stats.action_dim * math.log(0.5))
    actions = jnp.concatenate([now, after, noise["uniform"]], axis=1)
    log_density = jnp.concatenate([now_log_prob, after_log_prob, uniform_log_prob], axis=1)
    return jax.lax.stop_gradient(PenaltyActions(inputs, actions, log_density))


def critic_loss(
    config: CQLConfig,
    critic: Params,
    stats: DatasetStats,
    multiplier: Scalar,
    *,
    inputs: Inputs,
    action: ActionVectors,
    target: PerRow,
    penalty: PenaltyActions,
    data_size: int,
) -> tuple[Loss, tuple[Float[Array, " C"], Loss]]:
    """sum_i mean_B (Q_i(s, a) - y)^2 + alpha (weight sum_i gap_i - tau), with

    gap_i = mean_Q log sum_n exp(Q_i(s, a_n) - log p(a_n)) - mean Q_i(data). The sum over the 3P samples is, as in the
    authors' code, not divided by 3P, which adds log 3P to the gap and matters to `threshold` alone. The first
    `data_size` rows of inputs, action and target are data.

    Returns:
      (loss, (gap of each critic, mean Q1 of the data)).
    """
    critics = make_critics(config, stats)
    q = value_of(critics, critic, inputs, action)
    penalized = apply(critics, critic, penalty.inputs, penalty.action)
    chex.assert_shape(penalized, (q.shape[0], *penalty.log_density.shape))
    gap = jax.nn.logsumexp(penalized - penalty.log_density, axis=-1).mean(1) - q[:, :data_size].mean(1)
    excess = multiplier * (config.conservative_weight * gap.sum() - (config.threshold or 0.0))
    return squared_error(q, target) + excess, (gap, q[0, :data_size].mean())


def policy_loss(
    config: CQLConfig,
    policy: Params,
    critic: Params,
    stats: DatasetStats,
    temperature: Scalar,
    inputs: Inputs,
    noise: ActionVectors,
) -> tuple[Loss, PerRow]:
    """mean_B temperature log pi(a | s) - min_i Q_i(s, a), a sampled from the policy; also returns log pi."""
    action, log_prob = tanh_sample_and_log_prob(policy_outputs(config, stats, policy, inputs), noise)
    q = value_of(make_critics(config, stats), critic, inputs, action).min(0)
    chex.assert_equal_shape([q, log_prob])
    return jnp.mean(temperature * log_prob - q), log_prob


def temperature_loss(log_temperature: Loss, log_prob: PerRow, action_dim: int) -> Loss:
    """-temperature (mean_B log pi(a | s) + target entropy), the target being -A (SAC, equation 18)."""
    return -jnp.exp(log_temperature) * (jax.lax.stop_gradient(log_prob).mean() - action_dim)


def multiplier_loss(config: CQLConfig, log_multiplier: Loss, gap: Float[Array, " C"]) -> Loss:
    """-alpha (weight sum_i gap_i - tau): alpha grows while the gap is above the threshold (CQL, equation 30)."""
    excess = config.conservative_weight * jax.lax.stop_gradient(gap).sum() - (config.threshold or 0.0)
    return -lagrange_multiplier(config, log_multiplier) * excess


def concatenate_batches(batch: Batch, imagined: Batch | None) -> Batch:
    """The transitions of both, the batch's first."""
    if imagined is None:
        return batch
    original = None if batch.is_original_goal is None else jnp.ones_like(imagined.reward)
    imagined = dataclasses.replace(imagined, is_original_goal=original)
    return jax.tree.map(lambda x, y: jnp.concatenate([x, y]), batch, imagined)


def lagrange_multiplier(config: CQLConfig, log_multiplier: Loss) -> Loss:
    """alpha; 1 without a threshold."""
    if config.threshold is None:
        return jnp.ones_like(log_multiplier)
    return jnp.clip(jnp.exp(log_multiplier), 0.0, LARGEST_MULTIPLIER)


def policy_outputs(config: CQLConfig, stats: DatasetStats, policy: Params, inputs: Inputs) -> Gaussian:
    """Mean and log standard deviation before the tanh."""
    mean, log_std = jnp.split(apply(policy_network(config, stats), policy, inputs), 2, axis=-1)
    return mean, jnp.clip(log_std, *SQUASHED_LOG_STD)


def policy_network(config: CQLConfig, stats: DatasetStats) -> MLP:
    """Inputs (B, I) -> (B, 2 A)."""
    return MLP(2 * stats.action_dim, config.hidden)
