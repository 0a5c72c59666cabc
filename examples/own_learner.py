"""A custom learner: behavior cloning in which a step with a higher reward than others counts more.

    kalm collect --env=Pendulum-v1 --policy=random --output=pendulum.h5
    kalm offline --algo=examples.own_learner --env=Pendulum-v1 --data=pendulum.h5 --updates=1000

`kalm_jax.train("examples.own_learner", ...)` and `--algo=examples.own_learner` of every command train it.
"""

import dataclasses

import jax
import jax.numpy as jnp
import optax

from kalm_jax.offline_rl.algorithms import bc
from kalm_jax.offline_rl.networks import MLP
from kalm_jax.offline_rl.normalization import policy_input
from kalm_jax.settings import setting


@dataclasses.dataclass(frozen=True)
class Config(bc.BCConfig):
    """Settings: those of behavior cloning, and `weight`, by which differences of rewards in a batch count."""

    weight: float = setting(1.0, low=0, high=10)


init, act = bc.init, bc.act


def update(config, state, stats, batch, key):
    """One step of Adam on the weighted loss."""

    def loss(policy):
        out = MLP(stats.action_dim, config.hidden).apply(policy, policy_input(stats, batch.observation, batch.goal))
        if stats.discrete:
            each = optax.softmax_cross_entropy_with_integer_labels(out, batch.action)
        else:
            each = ((jnp.tanh(out) - batch.action) ** 2).mean(-1)
        reward = (batch.reward - batch.reward.mean()) / (batch.reward.std() + 1e-6)  # of any size and sign
        return jnp.mean(jax.nn.softmax(config.weight * reward) * len(reward) * each)

    value, grads = jax.value_and_grad(loss)(state.policy)
    updates, optimizer = optax.adam(config.learning_rate).update(grads, state.optimizer)
    policy = optax.apply_updates(state.policy, updates)
    return dataclasses.replace(state, policy=policy, optimizer=optimizer, step=state.step + 1), {"policy_loss": value}
