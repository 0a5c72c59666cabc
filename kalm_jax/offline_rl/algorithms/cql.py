"""CQL (Kumar et al., NeurIPS 2020) for continuous actions: SAC whose critics are pushed down away from the data.

This is CQL(H) with importance-weighted samples (appendix F). `discrete_cql.py` is the form for discrete actions; both
have the settings of `CQLConfig`. Letters: B batch, B' states of the penalty, N sampled actions, A action.
"""

from __future__ import annotations

import dataclasses
import math

import chex
import jax
import jax.numpy as jnp
import optax

from kalm_jax.offline_rl.critics import adam_step, init_critics, make_critics, squared_error, value_of
from kalm_jax.offline_rl.distributions import SQUASHED_LOG_STD, squashed
from kalm_jax.offline_rl.networks import HIDDEN, MLP, Batch, Spec, copy, policy_input, soft_update

LARGEST_MULTIPLIER = 1e6
"""Bound of the Lagrange multiplier (authors of CQL)."""


@dataclasses.dataclass(frozen=True)
class CQLConfig:
    """Settings of CQL, those of its paper where nothing else is said.

    Attributes:
      learning_rate: of Adam for the critics.
      batch_size: transitions per update.
      discount: of future reward.
      tau: share by which the target critics follow.
      conservative_weight: factor on the sum over critics of logsumexp Q - Q(data). KALM's 10 multiplies the mean over
        two critics and is 5 here; for discrete actions, with one critic, it is 10.
      reward_scale: factor on rewards, see `TD3BCConfig`.
      hidden: widths of the layers. critic_norm: LayerNorm in the critics (not in the paper).
      policy_learning_rate, temperature_learning_rate: of Adam (continuous actions only, like all that follow but the
        last).
      action_samples: N, of the policy at s, of the policy at s', and of the uniform distribution.
      threshold: tau of the Lagrangian form alpha (weight * gap - tau), whose alpha is learned; None keeps alpha = 1.
      multiplier_learning_rate: of Adam for alpha.
      soft_backup: SAC's target with entropy, instead of the value of the policy's mean action.
      target_period: updates between copies into the target critic, instead of `tau`; 0 means `tau` (discrete only).
    """

    learning_rate: float = 3e-4
    batch_size: int = 256
    discount: float = 0.99
    tau: float = 0.005
    conservative_weight: float = 5.0
    reward_scale: float = 1.0
    hidden: tuple[int, ...] = HIDDEN
    critic_norm: bool = False
    policy_learning_rate: float = 1e-4
    temperature_learning_rate: float = 1e-4
    action_samples: int = 10
    threshold: float | None = None
    multiplier_learning_rate: float = 1e-4
    soft_backup: bool = False
    target_period: int = 0


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CQLState:
    """Everything that a resume needs.

    Attributes:
      policy, critic: parameters. target_critic: the slow copy that gives the targets.
      log_temperature: () of SAC's entropy term. log_multiplier: () of the Lagrangian.
      policy_optimiser, critic_optimiser, temperature_optimiser, multiplier_optimiser: Adam's states.
      spec: sizes and input statistics of the data set.
      step: () int32, updates done. key: the seed's key, from which each update's key is derived.
    """

    policy: dict
    critic: dict
    target_critic: dict
    log_temperature: jax.Array
    log_multiplier: jax.Array
    policy_optimiser: optax.OptState
    critic_optimiser: optax.OptState
    temperature_optimiser: optax.OptState
    multiplier_optimiser: optax.OptState
    spec: Spec
    step: jax.Array
    key: jax.Array


def init(config: CQLConfig, key, spec: Spec) -> CQLState:
    """The state before the first update.

    Raises:
      ValueError: `target_period` is set, which the continuous form has not.
    """
    if config.target_period:
        raise ValueError(f"target_period={config.target_period} is for discrete actions: use tau for continuous ones")
    own, policy_key, critic_key = jax.random.split(key, 3)
    policy = _policy(config, spec).init(policy_key, jnp.zeros((1, spec.input_dim)))
    critic = init_critics(make_critics(config, spec), critic_key, spec)
    parameters = (policy, critic, copy(critic), jnp.zeros(()), jnp.zeros(()))
    learned = (policy, critic, parameters[3], parameters[4])
    optimisers = [optax.adam(0.0).init(x) for x in learned]
    return CQLState(*parameters, *optimisers, spec=spec, step=jnp.zeros((), jnp.int32), key=own)


def update(config: CQLConfig, state: CQLState, batch: Batch, key) -> tuple[CQLState, dict]:
    """One step of the critics, the policy, the temperature, the multiplier and the targets; see `learn`."""
    return learn(config, state, batch, draw(config, state.spec, key, batch.reward.shape[0]))


def act(config: CQLConfig, state: CQLState, observation, goal_vector, key, greedy: bool):
    """Actions (B, A): tanh of the mean, or drawn."""
    outputs = _gaussian(config, state.spec, state.policy, policy_input(state.spec, observation, goal_vector))
    return jnp.tanh(outputs[0]) if greedy else squashed(outputs, jax.random.normal(key, outputs[0].shape))[0]


def draw(config: CQLConfig, spec: Spec, key, size: int, penalty_size: int | None = None) -> dict:
    """The noise of one update: `target`, `policy` (B, A) for the B transitions of the temporal difference; `now`,
    `next` and `uniform` (B', N, A) for the penalty's B' states, which are as many if nothing is said."""
    one, many = (size, spec.action_dim), (penalty_size or size, config.action_samples, spec.action_dim)
    keys = jax.random.split(key, 5)
    return {
        "target": jax.random.normal(keys[0], one),
        "policy": jax.random.normal(keys[1], one),
        "now": jax.random.normal(keys[2], many),
        "next": jax.random.normal(keys[3], many),
        "uniform": jax.random.uniform(keys[4], many, minval=-1.0, maxval=1.0),
    }


def learn(config: CQLConfig, state: CQLState, batch: Batch, noise: dict, imagined: Batch | None = None):
    """(state, metrics) after one update with the noise of `draw`.

    With `imagined` transitions (COMBO) the temporal difference and the policy see both, the batch first, and the
    penalty's actions are drawn at the imagined states.

    Metrics: critic_loss, gap (mean over the critics), q (mean Q1 of the data), policy_loss, temperature, multiplier.
    """
    spec, both, around = state.spec, joined(batch, imagined), batch if imagined is None else imagined
    inputs, next_inputs = _inputs(spec, both), _next_inputs(spec, both)
    target = critic_target(config, state, next_inputs, both.reward, both.terminal, noise["target"])
    rival = rivals(config, state, _inputs(spec, around), _next_inputs(spec, around), noise)
    multiplier = _multiplier(config, state.log_multiplier)
    (critic_value, (gap, q)), grads = jax.value_and_grad(critic_loss, argnums=1, has_aux=True)(
        config, state.critic, spec, multiplier, (inputs, both.action, target), rival, batch.reward.shape[0]
    )
    critic, critic_optimiser = adam_step(config.learning_rate, grads, state.critic_optimiser, state.critic)
    (policy_value, log_prob), grads = jax.value_and_grad(policy_loss, argnums=1, has_aux=True)(
        config, state.policy, critic, spec, jnp.exp(state.log_temperature), inputs, noise["policy"]
    )
    policy, policy_optimiser = adam_step(config.policy_learning_rate, grads, state.policy_optimiser, state.policy)
    grads = jax.grad(temperature_loss)(state.log_temperature, log_prob, spec.action_dim)
    log_temperature, temperature_optimiser = adam_step(
        config.temperature_learning_rate, grads, state.temperature_optimiser, state.log_temperature
    )
    log_multiplier, multiplier_optimiser = state.log_multiplier, state.multiplier_optimiser
    if config.threshold is not None:
        grads = jax.grad(multiplier_loss, argnums=1)(config, log_multiplier, gap)
        log_multiplier, multiplier_optimiser = adam_step(
            config.multiplier_learning_rate, grads, multiplier_optimiser, log_multiplier
        )
    state = dataclasses.replace(
        state,
        policy=policy,
        critic=critic,
        target_critic=soft_update(critic, state.target_critic, config.tau),
        log_temperature=log_temperature,
        log_multiplier=log_multiplier,
        policy_optimiser=policy_optimiser,
        critic_optimiser=critic_optimiser,
        temperature_optimiser=temperature_optimiser,
        multiplier_optimiser=multiplier_optimiser,
        step=state.step + 1,
    )
    metrics = {"critic_loss": critic_value, "gap": gap.mean(), "q": q, "policy_loss": policy_value}
    return state, metrics | {"temperature": jnp.exp(log_temperature), "multiplier": multiplier}


def critic_target(config: CQLConfig, state: CQLState, next_inputs, reward, terminal, noise):
    """y = r + gamma (1 - terminal) V(s'), (B,).

    V(s') = min_i Q'_i(s', tanh mean(s')), or with `soft_backup` min_i Q'_i(s', a') - temperature log pi(a' | s').
    """
    critics = make_critics(config, state.spec)
    outputs = _gaussian(config, state.spec, state.policy, next_inputs)
    if config.soft_backup:
        action, log_prob = squashed(outputs, noise)
        value = value_of(critics, state.target_critic, next_inputs, action).min(0)
        value = value - jnp.exp(state.log_temperature) * log_prob
    else:
        value = value_of(critics, state.target_critic, next_inputs, jnp.tanh(outputs[0])).min(0)
    chex.assert_equal_shape([value, reward, terminal])
    return jax.lax.stop_gradient(config.reward_scale * reward + config.discount * (1.0 - terminal) * value)


def rivals(config: CQLConfig, state: CQLState, inputs, next_inputs, noise):
    """What the data's actions compete with at the states `inputs`: (inputs, actions (B', 3N, A), their log-densities).

    N actions of the policy at s, N of the policy at s', N uniform ones, whose density is 0.5^A.
    """
    now, now_log_prob = squashed(_gaussian(config, state.spec, state.policy, inputs), noise["now"])
    after, after_log_prob = squashed(_gaussian(config, state.spec, state.policy, next_inputs), noise["next"])
    uniform_log_prob = jnp.full_like(now_log_prob, state.spec.action_dim * math.log(0.5))
    actions = jnp.concatenate([now, after, noise["uniform"]], axis=1)
    log_density = jnp.concatenate([now_log_prob, after_log_prob, uniform_log_prob], axis=1)
    return jax.lax.stop_gradient((inputs, actions, log_density))


def critic_loss(config: CQLConfig, critic, spec: Spec, multiplier, td, rival, data_size: int):
    """sum_i mean_B (Q_i(s, a) - y)^2 + alpha (weight sum_i gap_i - tau), with

    gap_i = mean_B' log sum_n exp(Q_i(s, a_n) - log p(a_n)) - mean Q_i(data). The sum over the 3N samples is, as in the
    authors' code, not divided by 3N, which adds log 3N to the gap and matters to `threshold` alone.

    Args:
      td: (inputs, actions, targets) of which the first `data_size` are data. rival: see `rivals`.

    Returns:
      (loss, (gap (C,), mean Q1 of the data)).
    """
    critics, (inputs, action, target), (states, actions, log_density) = make_critics(config, spec), td, rival
    q = value_of(critics, critic, inputs, action)
    rated = critics.apply(critic, states, actions)
    chex.assert_shape(rated, (q.shape[0], *log_density.shape))
    gap = jax.nn.logsumexp(rated - log_density, axis=-1).mean(1) - q[:, :data_size].mean(1)
    penalty = multiplier * (config.conservative_weight * gap.sum() - (config.threshold or 0.0))
    return squared_error(q, target) + penalty, (gap, q[0, :data_size].mean())


def policy_loss(config: CQLConfig, policy, critic, spec: Spec, temperature, inputs, noise):
    """mean_B temperature log pi(a | s) - min_i Q_i(s, a), a drawn from the policy; also returns log pi (B,)."""
    action, log_prob = squashed(_gaussian(config, spec, policy, inputs), noise)
    q = value_of(make_critics(config, spec), critic, inputs, action).min(0)
    chex.assert_equal_shape([q, log_prob])
    return jnp.mean(temperature * log_prob - q), log_prob


def temperature_loss(log_temperature, log_prob, action_dim: int):
    """-temperature (mean_B log pi(a | s) + target entropy), the target being -A (SAC, equation 18)."""
    return -jnp.exp(log_temperature) * (jax.lax.stop_gradient(log_prob).mean() - action_dim)


def multiplier_loss(config: CQLConfig, log_multiplier, gap):
    """-alpha (weight sum_i gap_i - tau): alpha grows while the gap is above the threshold (CQL, equation 30)."""
    excess = config.conservative_weight * jax.lax.stop_gradient(gap).sum() - config.threshold
    return -_multiplier(config, log_multiplier) * excess


def joined(batch: Batch, imagined: Batch | None) -> Batch:
    """The transitions of both, the batch's first."""
    if imagined is None:
        return batch
    imagined = dataclasses.replace(imagined, own=None if batch.own is None else jnp.ones_like(imagined.reward))
    return jax.tree.map(lambda x, y: jnp.concatenate([x, y]), batch, imagined)


def _multiplier(config: CQLConfig, log_multiplier):
    if config.threshold is None:
        return jnp.ones_like(log_multiplier)
    return jnp.clip(jnp.exp(log_multiplier), 0.0, LARGEST_MULTIPLIER)


def _inputs(spec: Spec, batch: Batch):
    return policy_input(spec, batch.observation, batch.goal)


def _next_inputs(spec: Spec, batch: Batch):
    return policy_input(spec, batch.next_observation, batch.goal)


def _gaussian(config: CQLConfig, spec: Spec, policy, inputs):
    """(mean, log standard deviation), each (B, A), before the tanh."""
    mean, log_std = jnp.split(_policy(config, spec).apply(policy, inputs), 2, axis=-1)
    return mean, jnp.clip(log_std, *SQUASHED_LOG_STD)


def _policy(config: CQLConfig, spec: Spec) -> MLP:
    return MLP(2 * spec.action_dim, config.hidden)
