"""TD3+BC (Fujimoto and Gu, NeurIPS 2021): twin critics, a delayed deterministic policy, and a pull towards the data.

With discrete actions the policy acts in the one-hot space R^A, as in KALM's paper: recorded actions are one-hot
vectors, the policy answers with a point of the simplex that they span (a softmax), and the environment gets the index
of the largest entry. The distance to the data is a sum over the entries, because a mean over forty, nearly all zero,
leaves the data without weight at the papers' alpha.
"""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
import optax

from kalm_jax.offline_rl.networks import HIDDEN, MLP, Batch, Spec, TwinCritic, copy, own_mean, policy_input, soft_update


@dataclasses.dataclass(frozen=True)
class TD3BCConfig:
    """Settings of TD3+BC; those without a remark are the paper's and the authors'.

    Attributes:
      learning_rate: of Adam, policy and critics.
      batch_size: transitions per update.
      discount: of future reward (the authors' library uses 1 by mistake where it says 0.99).
      tau: share by which targets follow, at each delayed step.
      policy_noise, noise_clip: standard deviation and bound of the noise on target actions (on logits, if discrete).
      policy_delay: critic updates for one policy update.
      alpha: weight of the action value against the data (KALM's paper 0.5, its code 2.5).
      reward_scale: factor on rewards. A critic that starts at 0 learns values near 10 sooner than values near 100, and
        the policy does not notice, as its loss divides by the mean |Q|.
      hidden: widths of the layers.
      critic_norm: LayerNorm in the critics (not in the paper).
    """

    learning_rate: float = 3e-4
    batch_size: int = 256
    discount: float = 0.99
    tau: float = 0.005
    policy_noise: float = 0.2
    noise_clip: float = 0.5
    policy_delay: int = 2
    alpha: float = 2.5
    reward_scale: float = 1.0
    hidden: tuple[int, ...] = HIDDEN
    critic_norm: bool = False


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TD3BCState:
    """Everything that a resume needs.

    Attributes:
      policy, critic: parameters. target_policy, target_critic: the slow copies that give the targets.
      policy_optimiser, critic_optimiser: Adam's states.
      spec: sizes and input statistics of the data set.
      step: () int32, updates done. key: the seed's key, from which each update's key is derived.
    """

    policy: dict
    critic: dict
    target_policy: dict
    target_critic: dict
    policy_optimiser: optax.OptState
    critic_optimiser: optax.OptState
    spec: Spec
    step: jax.Array
    key: jax.Array


def init(config: TD3BCConfig, key, spec: Spec) -> TD3BCState:
    """The state before the first update."""
    own, policy_key, critic_key = jax.random.split(key, 3)
    inputs, action = jnp.zeros((1, spec.input_dim)), jnp.zeros((1, spec.action_dim))
    policy = _policy(config, spec).init(policy_key, inputs)
    critic = _critic(config).init(critic_key, inputs, action)
    adam = optax.adam(config.learning_rate)
    return TD3BCState(
        *(policy, critic, copy(policy), copy(critic), adam.init(policy), adam.init(critic)),
        spec=spec,
        step=jnp.zeros((), jnp.int32),
        key=own,
    )


def update(config: TD3BCConfig, state: TD3BCState, batch: Batch, key) -> tuple[TD3BCState, dict]:
    """One step of the critics and, every `policy_delay` updates, one of the policy and of the targets.

    Metrics: critic_loss, q (mean Q1 of the data) at every update; policy_loss and bc_loss count `policy_delay`-fold at
    the updates that have them and as 0 at the others, so that their mean over updates is right.
    """
    spec, adam = state.spec, optax.adam(config.learning_rate)
    inputs = policy_input(spec, batch.observation, batch.goal)
    next_inputs = policy_input(spec, batch.next_observation, batch.goal)
    action = encode_action(spec, batch.action)
    noise = config.policy_noise * jax.random.normal(key, action.shape)
    target = critic_target(config, state, next_inputs, batch.reward, batch.terminal, noise)
    (_, metrics), grads = jax.value_and_grad(critic_loss, argnums=1, has_aux=True)(
        config, state.critic, inputs, action, target
    )
    updates, critic_optimiser = adam.update(grads, state.critic_optimiser)
    critic = optax.apply_updates(state.critic, updates)
    state = dataclasses.replace(state, critic=critic, critic_optimiser=critic_optimiser, step=state.step + 1)

    def delayed(state):
        (_, metrics), grads = jax.value_and_grad(policy_loss, argnums=1, has_aux=True)(
            config, state.policy, state.critic, spec, inputs, action, batch.own
        )
        updates, policy_optimiser = adam.update(grads, state.policy_optimiser)
        policy = optax.apply_updates(state.policy, updates)
        state = dataclasses.replace(
            state,
            policy=policy,
            policy_optimiser=policy_optimiser,
            target_policy=soft_update(policy, state.target_policy, config.tau),
            target_critic=soft_update(state.critic, state.target_critic, config.tau),
        )
        return state, {k: config.policy_delay * v for k, v in metrics.items()}

    def skipped(state):
        return state, {"policy_loss": jnp.zeros(()), "bc_loss": jnp.zeros(())}

    state, policy_metrics = jax.lax.cond(state.step % config.policy_delay == 0, delayed, skipped, state)
    return state, {**metrics, **policy_metrics}


def act(config: TD3BCConfig, state: TD3BCState, observation, goal_vector, key, greedy: bool):
    """Actions (B,) int32, or (B, A) float32 for a continuous space, where the policy is deterministic.

    Greedy: the index of the largest entry. Sampled: an index drawn with the entries as probabilities.
    """
    logits = _policy(config, state.spec).apply(state.policy, policy_input(state.spec, observation, goal_vector))
    if not state.spec.discrete:
        return jnp.tanh(logits)
    return (jnp.argmax(logits, -1) if greedy else jax.random.categorical(key, logits)).astype(jnp.int32)


def encode_action(spec: Spec, action):
    """Action vectors (B, A): continuous ones as they are, indices (B,) as one-hot vectors."""
    return jax.nn.one_hot(action, spec.action_dim) if spec.discrete else action


def action_vector(config: TD3BCConfig, spec: Spec, policy, inputs, noise=0.0):
    """The policy's action in R^A: tanh for continuous actions, a point of the simplex (softmax) for discrete ones.

    `noise` (B, A), clipped, is added to a continuous action and to the logits of a discrete one.
    """
    out = _policy(config, spec).apply(policy, inputs)
    noise = jnp.clip(noise, -config.noise_clip, config.noise_clip)
    return jax.nn.softmax(out + noise) if spec.discrete else jnp.clip(jnp.tanh(out) + noise, -1.0, 1.0)


def critic_target(config: TD3BCConfig, state: TD3BCState, next_inputs, reward, terminal, noise):
    """y = r + gamma (1 - terminal) min_i Q'_i(s', a'), a' the target policy's action with noise, (B,)."""
    action = action_vector(config, state.spec, state.target_policy, next_inputs, noise)
    chex.assert_equal_shape([action, noise])
    q = jnp.minimum(*_critic(config).apply(state.target_critic, next_inputs, action))
    chex.assert_equal_shape([q, reward, terminal])
    return jax.lax.stop_gradient(config.reward_scale * reward + config.discount * (1.0 - terminal) * q)


def critic_loss(config: TD3BCConfig, critic, inputs, action, target):
    """sum_i mean_B (Q_i(s, a) - y)^2."""
    q1, q2 = _critic(config).apply(critic, inputs, action)
    chex.assert_equal_shape([q1, q2, target])
    loss = jnp.mean((q1 - target) ** 2) + jnp.mean((q2 - target) ** 2)
    return loss, {"critic_loss": loss, "q": q1.mean()}


def policy_loss(config: TD3BCConfig, policy, critic, spec: Spec, inputs, action, own=None):
    """-lambda mean_B Q1(s, pi(s)) + distance to the data, lambda = alpha / mean_B |Q1(s, pi(s))| held constant.

    The distance is mean_{B,A} (pi - a)^2 for continuous actions, as in the authors' code, and mean_B |pi - a|^2 for
    one-hot vectors: a mean over their 40 entries, 38 of them zero, would leave the data without weight. Means over B
    leave out what `own` (B,) says was done for another goal.
    """
    chosen = action_vector(config, spec, policy, inputs)
    chex.assert_equal_shape([chosen, action])
    q = _critic(config).apply(critic, inputs, chosen, method="first")
    chex.assert_shape(q, action.shape[:1])
    bc = own_mean(own, ((chosen - action) ** 2).mean(-1)) * (spec.action_dim if spec.discrete else 1)
    loss = -config.alpha / jax.lax.stop_gradient(own_mean(own, jnp.abs(q))) * own_mean(own, q) + bc
    return loss, {"policy_loss": loss, "bc_loss": bc}


def _policy(config: TD3BCConfig, spec: Spec) -> MLP:
    return MLP(spec.action_dim, config.hidden)


def _critic(config: TD3BCConfig) -> TwinCritic:
    return TwinCritic(config.hidden, config.critic_norm)
