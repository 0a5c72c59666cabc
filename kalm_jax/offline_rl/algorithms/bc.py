"""Behaviour cloning: a policy that does what the data do. Categorical for discrete actions, else deterministic."""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
import optax

from kalm_jax.offline_rl.networks import HIDDEN, MLP, Batch, Spec, policy_input


@dataclasses.dataclass(frozen=True)
class BCConfig:
    """Settings of behaviour cloning.

    Attributes:
      learning_rate: of Adam (authors: 1e-3).
      batch_size: transitions per update (authors: 100).
      logit_penalty: beta of the discrete loss. The authors' library has 0.5, which leaves the order of the actions but
        flattens their probabilities; 0 keeps the probabilities of the data, which sampled actions need.
      hidden: widths of the layers.
    """

    learning_rate: float = 1e-3
    batch_size: int = 256
    logit_penalty: float = 0.0
    hidden: tuple[int, ...] = HIDDEN


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class BCState:
    """Everything that a resume needs.

    Attributes:
      policy: parameters. optimiser: Adam's state.
      spec: sizes and input statistics of the data set.
      step: () int32, updates done. key: the seed's key, from which each update's key is derived.
    """

    policy: dict
    optimiser: optax.OptState
    spec: Spec
    step: jax.Array
    key: jax.Array


def init(config: BCConfig, key, spec: Spec) -> BCState:
    """The state before the first update."""
    own, network = jax.random.split(key)
    policy = _policy(config, spec).init(network, jnp.zeros((1, spec.input_dim)))
    return BCState(policy, optax.adam(config.learning_rate).init(policy), spec, jnp.zeros((), jnp.int32), own)


def update(config: BCConfig, state: BCState, batch: Batch, key) -> tuple[BCState, dict]:
    """One step of Adam on the batch; `key` is not used. Metrics: policy_loss."""
    inputs = policy_input(state.spec, batch.observation, batch.goal)
    loss = discrete_loss if state.spec.discrete else continuous_loss
    value, grads = jax.value_and_grad(loss, argnums=1)(config, state.policy, state.spec, inputs, batch.action)
    updates, optimiser = optax.adam(config.learning_rate).update(grads, state.optimiser)
    policy = optax.apply_updates(state.policy, updates)
    return dataclasses.replace(state, policy=policy, optimiser=optimiser, step=state.step + 1), {"policy_loss": value}


def act(config: BCConfig, state: BCState, observation, goal_vector, key, greedy: bool):
    """Actions (B,) int32: the most probable or a sampled one; continuous actions (B, A) are deterministic."""
    outputs = _policy(config, state.spec).apply(state.policy, policy_input(state.spec, observation, goal_vector))
    if not state.spec.discrete:
        return jnp.tanh(outputs)
    return (jnp.argmax(outputs, -1) if greedy else jax.random.categorical(key, outputs)).astype(jnp.int32)


def discrete_loss(config: BCConfig, policy, spec: Spec, inputs, action):
    """mean_B -log pi(a | s, g) + beta mean_{B,A} logit^2."""
    logits = _policy(config, spec).apply(policy, inputs)
    chex.assert_shape(logits, (*action.shape, spec.action_dim))
    nll = optax.softmax_cross_entropy_with_integer_labels(logits, action)
    chex.assert_equal_shape([nll, action])
    return nll.mean() + config.logit_penalty * jnp.mean(logits**2)


def continuous_loss(config: BCConfig, policy, spec: Spec, inputs, action):
    """mean_{B,A} (tanh(f(s, g)) - a)^2."""
    chosen = jnp.tanh(_policy(config, spec).apply(policy, inputs))
    chex.assert_equal_shape([chosen, action])
    return jnp.mean((chosen - action) ** 2)


def _policy(config: BCConfig, spec: Spec) -> MLP:
    return MLP(spec.action_dim, config.hidden)
