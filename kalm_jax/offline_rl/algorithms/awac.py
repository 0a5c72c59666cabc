"""AWAC (Nair et al., 2020): critics of the policy, which clones the data's actions weighted by exp(advantage)."""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
import optax

from kalm_jax.offline_rl.critics import adam_step, init_critics, make_critics, squared_error, value_of
from kalm_jax.offline_rl.distributions import Policy, chosen, drawn, log_prob
from kalm_jax.offline_rl.networks import HIDDEN, Batch, Spec, copy, policy_input, soft_update

WEIGHTS = ("softmax", "exp")
LOG_STD_RANGE = (-6.0, 0.0)
"""Of the log standard deviation of a continuous policy, as in the paper's code."""


@dataclasses.dataclass(frozen=True)
class AWACConfig:
    """Settings of AWAC.

    Attributes:
      learning_rate: of Adam, policy and critics.
      batch_size: transitions per update (paper and KALM: 1024).
      discount: of future reward.
      tau: share by which the target critics follow.
      temperature: lambda; the weight of an action is exp(advantage / lambda) (paper 0.3 to 1, KALM 1).
      weights: "softmax" divides the weights by their mean over the batch (the paper's code), which stands for its Z;
        "exp" leaves them as they are, at most `max_weight`.
      action_samples: actions per state that estimate its value; with discrete actions it is exact.
      reward_scale: factor on rewards, see `TD3BCConfig`.
      hidden: widths of the layers. critic_norm: LayerNorm in the critics (not in the paper).
    """

    learning_rate: float = 3e-4
    batch_size: int = 256
    discount: float = 0.99
    tau: float = 0.005
    temperature: float = 1.0
    weights: str = "softmax"
    max_weight: float = 100.0
    action_samples: int = 1
    reward_scale: float = 1.0
    hidden: tuple[int, ...] = HIDDEN
    critic_norm: bool = False

    def __post_init__(self):
        if self.weights not in WEIGHTS:
            raise ValueError(f"unknown weights {self.weights!r} of AWAC: use one of {', '.join(WEIGHTS)}")
        if not self.temperature > 0:
            raise ValueError(f"temperature of AWAC is {self.temperature}, want a positive number")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class AWACState:
    """Everything that a resume needs.

    Attributes:
      policy, critic: parameters. target_critic: the slow copy that gives the targets.
      policy_optimiser, critic_optimiser: Adam's states.
      spec: sizes and input statistics of the data set.
      step: () int32, updates done. key: the seed's key, from which each update's key is derived.
    """

    policy: dict
    critic: dict
    target_critic: dict
    policy_optimiser: optax.OptState
    critic_optimiser: optax.OptState
    spec: Spec
    step: jax.Array
    key: jax.Array


def init(config: AWACConfig, key, spec: Spec) -> AWACState:
    """The state before the first update."""
    own, policy_key, critic_key = jax.random.split(key, 3)
    policy = _policy(config, spec).init(policy_key, jnp.zeros((1, spec.input_dim)))
    critic = init_critics(make_critics(config, spec), critic_key, spec)
    adam = optax.adam(config.learning_rate)
    return AWACState(
        *(policy, critic, copy(critic), adam.init(policy), adam.init(critic)),
        spec=spec,
        step=jnp.zeros((), jnp.int32),
        key=own,
    )


def update(config: AWACConfig, state: AWACState, batch: Batch, key) -> tuple[AWACState, dict]:
    """One step of the critics, then of the policy and of the targets; see `learn`."""
    return learn(config, state, batch, draw(config, state.spec, key, batch.reward.shape[0]))


def act(config: AWACConfig, state: AWACState, observation, goal_vector, key, greedy: bool):
    """Actions (B,) int32 or (B, A): the likeliest, or drawn."""
    policy = _policy(config, state.spec)
    return chosen(policy, policy.apply(state.policy, policy_input(state.spec, observation, goal_vector)), key, greedy)


def draw(config: AWACConfig, spec: Spec, key, size: int) -> dict:
    """The noise of one update: `target` (B, A) and `value` (B, N, A); none with discrete actions."""
    if spec.discrete:
        return {"target": None, "value": None}
    target_key, value_key = jax.random.split(key)
    return {
        "target": jax.random.normal(target_key, (size, spec.action_dim)),
        "value": jax.random.normal(value_key, (size, config.action_samples, spec.action_dim)),
    }


def learn(config: AWACConfig, state: AWACState, batch: Batch, noise: dict) -> tuple[AWACState, dict]:
    """(state, metrics) after one update with the noise of `draw`. Metrics: critic_loss, q (mean Q1), policy_loss."""
    spec = state.spec
    inputs = policy_input(spec, batch.observation, batch.goal)
    next_inputs = policy_input(spec, batch.next_observation, batch.goal)
    target = critic_target(config, state, next_inputs, batch.reward, batch.terminal, noise["target"])
    (critic_value, q), grads = jax.value_and_grad(critic_loss, argnums=1, has_aux=True)(
        config, state.critic, spec, inputs, batch.action, target
    )
    critic, critic_optimiser = adam_step(config.learning_rate, grads, state.critic_optimiser, state.critic)
    weight = advantage_weight(config, state.policy, critic, spec, inputs, batch.action, noise["value"])
    policy_value, grads = jax.value_and_grad(policy_loss, argnums=1)(
        config, state.policy, spec, inputs, batch.action, weight
    )
    policy, policy_optimiser = adam_step(config.learning_rate, grads, state.policy_optimiser, state.policy)
    state = dataclasses.replace(
        state,
        policy=policy,
        critic=critic,
        target_critic=soft_update(critic, state.target_critic, config.tau),
        policy_optimiser=policy_optimiser,
        critic_optimiser=critic_optimiser,
        step=state.step + 1,
    )
    return state, {"critic_loss": critic_value, "q": q, "policy_loss": policy_value}


def critic_target(config: AWACConfig, state: AWACState, next_inputs, reward, terminal, noise):
    """y = r + gamma (1 - terminal) E_{a' ~ pi(s')} min_i Q'_i(s', a'), (B,): one a' drawn, or all if discrete."""
    noise = None if noise is None else noise[:, None]
    value = policy_value(config, state.policy, state.target_critic, state.spec, next_inputs, noise)
    chex.assert_equal_shape([value, reward, terminal])
    return jax.lax.stop_gradient(config.reward_scale * reward + config.discount * (1.0 - terminal) * value)


def critic_loss(config: AWACConfig, critic, spec: Spec, inputs, action, target):
    """sum_i mean_B (Q_i(s, a) - y)^2; also returns mean Q1."""
    q = value_of(make_critics(config, spec), critic, inputs, action)
    return squared_error(q, target), q[0].mean()


def policy_value(config: AWACConfig, policy, critic, spec: Spec, inputs, noise):
    """E_{a ~ pi(s)} min_i Q_i(s, a), (B,): the mean over N drawn actions, noise (B, N, A), or exact if discrete."""
    critics, outputs = make_critics(config, spec), _policy(config, spec).apply(policy, inputs)
    if spec.discrete:
        return jnp.sum(jax.nn.softmax(outputs) * critics.apply(critic, inputs).min(0), axis=-1)
    return critics.apply(critic, inputs, drawn(outputs, noise)).min(0).mean(-1)


def advantage_weight(config: AWACConfig, policy, critic, spec: Spec, inputs, action, noise):
    """w ~ exp((min_i Q_i(s, a) - V(s)) / lambda), (B,), V as in `policy_value`; without gradient (equation 13)."""
    q = value_of(make_critics(config, spec), critic, inputs, action).min(0)
    value = policy_value(config, policy, critic, spec, inputs, noise)
    chex.assert_equal_shape([q, value])
    advantage = jax.lax.stop_gradient(q - value) / config.temperature
    if config.weights == "softmax":
        return jax.nn.softmax(advantage) * advantage.shape[0]
    return jnp.minimum(jnp.exp(advantage), config.max_weight)


def policy_loss(config: AWACConfig, policy, spec: Spec, inputs, action, weight):
    """-mean_B w log pi(a | s)."""
    head = _policy(config, spec)
    log_probs = log_prob(head, head.apply(policy, inputs), action)
    chex.assert_equal_shape([log_probs, weight])
    return -jnp.mean(weight * log_probs)


def _policy(config: AWACConfig, spec: Spec) -> Policy:
    return Policy(spec.action_dim, spec.discrete, config.hidden, LOG_STD_RANGE)
