"""CQL (Kumar et al., NeurIPS 2020) for discrete actions: a double DQN pushed down on the actions that the data lack."""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
import optax

from kalm_jax.offline_rl.algorithms.cql import CQLConfig, joined
from kalm_jax.offline_rl.critics import adam_step
from kalm_jax.offline_rl.networks import MLP, Batch, Spec, copy, moved_product, policy_input, soft_update


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class DiscreteCQLState:
    """Everything that a resume needs.

    Attributes:
      critic: parameters. target_critic: the slow copy that gives the targets. critic_optimiser: Adam's state.
      spec: sizes and input statistics of the data set.
      step: () int32, updates done. key: the seed's key, from which each update's key is derived.
    """

    critic: dict
    target_critic: dict
    critic_optimiser: optax.OptState
    spec: Spec
    step: jax.Array
    key: jax.Array


def init(config: CQLConfig, key, spec: Spec) -> DiscreteCQLState:
    """The state before the first update.

    Raises:
      ValueError: settings that mean nothing with discrete actions.
    """
    if config.threshold is not None or config.soft_backup:
        raise ValueError("threshold (the Lagrangian) and soft_backup are for continuous actions: leave them out")
    own, critic_key = jax.random.split(key)
    critic = _critic(config, spec).init(critic_key, jnp.zeros((1, spec.input_dim)))
    optimiser = optax.adam(config.learning_rate).init(critic)
    return DiscreteCQLState(critic, copy(critic), optimiser, spec, jnp.zeros((), jnp.int32), own)


def update(config: CQLConfig, state: DiscreteCQLState, batch: Batch, key) -> tuple[DiscreteCQLState, dict]:
    """One step of the critic and of its target; `key` is not used. Metrics: critic_loss, gap, q (mean of the data)."""
    return learn(config, state, batch)


def act(config: CQLConfig, state: DiscreteCQLState, observation, goal_vector, key, greedy: bool):
    """Actions (B,) int32: of the highest value, or drawn from softmax Q, the policy that CQL(H) pushes down."""
    q = _critic(config, state.spec).apply(state.critic, policy_input(state.spec, observation, goal_vector))
    return (jnp.argmax(q, -1) if greedy else jax.random.categorical(key, q)).astype(jnp.int32)


def learn(config: CQLConfig, state: DiscreteCQLState, batch: Batch, imagined: Batch | None = None):
    """(state, metrics) after one update.

    With `imagined` transitions (COMBO) the temporal difference sees both, and the push down is at imagined states.
    """
    spec, both = state.spec, joined(batch, imagined)
    inputs = policy_input(spec, both.observation, both.goal)
    next_inputs = policy_input(spec, both.next_observation, both.goal)
    target = critic_target(config, state, inputs, next_inputs, both.reward, both.terminal)
    data_size = batch.reward.shape[0]
    (_, metrics), grads = jax.value_and_grad(critic_loss, argnums=1, has_aux=True)(
        config, state.critic, spec, inputs, both.action, target, data_size
    )
    critic, optimiser = adam_step(config.learning_rate, grads, state.critic_optimiser, state.critic)
    state = dataclasses.replace(state, critic=critic, critic_optimiser=optimiser, step=state.step + 1)
    return dataclasses.replace(state, target_critic=_next_target(config, state)), metrics


def critic_target(config: CQLConfig, state: DiscreteCQLState, inputs, next_inputs, reward, terminal):
    """y = r + gamma (1 - terminal) Q'(s', argmax_a Q(s', a)), (B,) (van Hasselt et al., AAAI 2016)."""
    critic, moving = _critic(config, state.spec), state.spec.input_dim - state.spec.goal_mean.shape[0]
    first = moved_product(state.critic, inputs, next_inputs, moving)
    best = jnp.argmax(critic.apply(state.critic, next_inputs, first), axis=-1)
    value = jnp.take_along_axis(critic.apply(state.target_critic, next_inputs), best[:, None], axis=-1)[:, 0]
    chex.assert_equal_shape([value, reward, terminal])
    return jax.lax.stop_gradient(config.reward_scale * reward + config.discount * (1.0 - terminal) * value)


def critic_loss(config: CQLConfig, critic, spec: Spec, inputs, action, target, data_size: int):
    """mean_B huber(Q(s, a) - y) + weight (mean log sum_a exp Q(s, a) - mean Q(data)), and its metrics.

    The first `data_size` rows are data; the log-sum is at the others where there are any, else at the data.
    """
    q = _critic(config, spec).apply(critic, inputs)
    chosen = jnp.take_along_axis(q, action[:, None], axis=-1)[:, 0]
    chex.assert_equal_shape([chosen, target])
    around = q if q.shape[0] == data_size else q[data_size:]
    gap = jax.nn.logsumexp(around, axis=-1).mean() - chosen[:data_size].mean()
    loss = optax.huber_loss(chosen, target).mean() + config.conservative_weight * gap
    return loss, {"critic_loss": loss, "gap": gap, "q": chosen[:data_size].mean()}


def _next_target(config: CQLConfig, state: DiscreteCQLState):
    if not config.target_period:
        return soft_update(state.critic, state.target_critic, config.tau)
    return jax.lax.cond(state.step % config.target_period == 0, lambda: state.critic, lambda: state.target_critic)


def _critic(config: CQLConfig, spec: Spec) -> MLP:
    return MLP(spec.action_dim, config.hidden, config.critic_norm)
