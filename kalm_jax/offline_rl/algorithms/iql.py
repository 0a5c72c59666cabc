"""IQL (Kostrikov et al., ICLR 2022): values of the data's better actions by expectile regression; none is drawn."""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
import optax

from kalm_jax.offline_rl.critics import adam_step, init_critics, make_critics, squared_error, value_of
from kalm_jax.offline_rl.distributions import Policy, chosen, log_prob
from kalm_jax.offline_rl.networks import HIDDEN, MLP, Batch, Spec, copy, policy_input, soft_update


@dataclasses.dataclass(frozen=True)
class IQLConfig:
    """Settings of IQL, the paper's for locomotion; its cosine decay of the policy's learning rate is left out.

    Attributes:
      learning_rate: of Adam, all networks.
      batch_size: transitions per update.
      discount: of future reward.
      tau: share by which the target critics follow.
      expectile: of Q over the data's actions that V(s) is; 0.5 is their mean, towards 1 their best (paper 0.7 to 0.9).
      beta: inverse temperature; the weight of an action is exp(beta * advantage) (paper 3 to 10).
      max_weight: largest weight of an action.
      reward_scale: factor on rewards, see `TD3BCConfig`.
      hidden: widths of the layers. critic_norm: LayerNorm in the critics (not in the paper).
    """

    learning_rate: float = 3e-4
    batch_size: int = 256
    discount: float = 0.99
    tau: float = 0.005
    expectile: float = 0.7
    beta: float = 3.0
    max_weight: float = 100.0
    reward_scale: float = 1.0
    hidden: tuple[int, ...] = HIDDEN
    critic_norm: bool = False

    def __post_init__(self):
        if not 0 < self.expectile < 1:
            raise ValueError(f"expectile of IQL is {self.expectile}, want a number between 0 and 1")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class IQLState:
    """Everything that a resume needs.

    Attributes:
      policy, critic, value: parameters. target_critic: the slow copy by which V and the policy judge actions.
      policy_optimiser, critic_optimiser, value_optimiser: Adam's states.
      spec: sizes and input statistics of the data set.
      step: () int32, updates done. key: the seed's key, from which each update's key is derived.
    """

    policy: dict
    critic: dict
    value: dict
    target_critic: dict
    policy_optimiser: optax.OptState
    critic_optimiser: optax.OptState
    value_optimiser: optax.OptState
    spec: Spec
    step: jax.Array
    key: jax.Array


def init(config: IQLConfig, key, spec: Spec) -> IQLState:
    """The state before the first update."""
    own, policy_key, critic_key, value_key = jax.random.split(key, 4)
    inputs, adam = jnp.zeros((1, spec.input_dim)), optax.adam(config.learning_rate)
    policy = _policy(config, spec).init(policy_key, inputs)
    critic = init_critics(make_critics(config, spec), critic_key, spec)
    value = _value(config).init(value_key, inputs)
    return IQLState(
        *(policy, critic, value, copy(critic), adam.init(policy), adam.init(critic), adam.init(value)),
        spec=spec,
        step=jnp.zeros((), jnp.int32),
        key=own,
    )


def update(config: IQLConfig, state: IQLState, batch: Batch, key) -> tuple[IQLState, dict]:
    """One step of V, then of the policy and of the critics with the new V, then of the targets; `key` is not used.

    Metrics: value_loss, policy_loss, critic_loss, v and q (means over the batch).
    """
    spec, critics = state.spec, make_critics(config, state.spec)
    inputs = policy_input(spec, batch.observation, batch.goal)
    next_inputs = policy_input(spec, batch.next_observation, batch.goal)
    q = value_of(critics, state.target_critic, inputs, batch.action).min(0)
    (value_loss_, v), grads = jax.value_and_grad(value_loss, argnums=1, has_aux=True)(config, state.value, inputs, q)
    value, value_optimiser = adam_step(config.learning_rate, grads, state.value_optimiser, state.value)
    weight = advantage_weight(config, value, inputs, q)
    policy_loss_, grads = jax.value_and_grad(policy_loss, argnums=1)(
        config, state.policy, spec, inputs, batch.action, weight
    )
    policy, policy_optimiser = adam_step(config.learning_rate, grads, state.policy_optimiser, state.policy)
    target = critic_target(config, value, next_inputs, batch.reward, batch.terminal)
    (critic_loss_, q), grads = jax.value_and_grad(critic_loss, argnums=1, has_aux=True)(
        config, state.critic, spec, inputs, batch.action, target
    )
    critic, critic_optimiser = adam_step(config.learning_rate, grads, state.critic_optimiser, state.critic)
    state = dataclasses.replace(
        state,
        policy=policy,
        critic=critic,
        value=value,
        target_critic=soft_update(critic, state.target_critic, config.tau),
        policy_optimiser=policy_optimiser,
        critic_optimiser=critic_optimiser,
        value_optimiser=value_optimiser,
        step=state.step + 1,
    )
    metrics = {"value_loss": value_loss_, "policy_loss": policy_loss_, "critic_loss": critic_loss_}
    return state, metrics | {"v": v, "q": q}


def act(config: IQLConfig, state: IQLState, observation, goal_vector, key, greedy: bool):
    """Actions (B,) int32 or (B, A): the likeliest, or drawn."""
    policy = _policy(config, state.spec)
    return chosen(policy, policy.apply(state.policy, policy_input(state.spec, observation, goal_vector)), key, greedy)


def value_loss(config: IQLConfig, value, inputs, q):
    """mean_B |tau - 1(u < 0)| u^2 with u = min_i Q'_i(s, a) - V(s) (equation 5); also returns mean V."""
    v = _value(config).apply(value, inputs)[:, 0]
    chex.assert_equal_shape([v, q])
    u = q - v
    return jnp.mean(jnp.where(u < 0, 1.0 - config.expectile, config.expectile) * u**2), v.mean()


def critic_target(config: IQLConfig, value, next_inputs, reward, terminal):
    """y = r + gamma (1 - terminal) V(s'), (B,) (equation 6)."""
    v = _value(config).apply(value, next_inputs)[:, 0]
    chex.assert_equal_shape([v, reward, terminal])
    return jax.lax.stop_gradient(config.reward_scale * reward + config.discount * (1.0 - terminal) * v)


def critic_loss(config: IQLConfig, critic, spec: Spec, inputs, action, target):
    """sum_i mean_B (Q_i(s, a) - y)^2; also returns mean Q1."""
    q = value_of(make_critics(config, spec), critic, inputs, action)
    return squared_error(q, target), q[0].mean()


def advantage_weight(config: IQLConfig, value, inputs, q):
    """w = min(exp(beta (min_i Q'_i(s, a) - V(s))), max_weight), (B,), without gradient (equation 7)."""
    v = _value(config).apply(value, inputs)[:, 0]
    chex.assert_equal_shape([v, q])
    return jax.lax.stop_gradient(jnp.minimum(jnp.exp(config.beta * (q - v)), config.max_weight))


def policy_loss(config: IQLConfig, policy, spec: Spec, inputs, action, weight):
    """-mean_B w log pi(a | s)."""
    head = _policy(config, spec)
    log_probs = log_prob(head, head.apply(policy, inputs), action)
    chex.assert_equal_shape([log_probs, weight])
    return -jnp.mean(weight * log_probs)


def _value(config: IQLConfig) -> MLP:
    return MLP(1, config.hidden)


def _policy(config: IQLConfig, spec: Spec) -> Policy:
    return Policy(spec.action_dim, spec.discrete, config.hidden)
