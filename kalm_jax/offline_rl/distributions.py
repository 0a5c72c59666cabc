"""Distributions over actions: categorical, Gaussian, and a Gaussian squashed by tanh. Log-probabilities sum over A.

Dimension letters: B batch, I input, A action, P samples per state.
"""

from __future__ import annotations

import math
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from kalm_jax.offline_rl.arrays import Actions, ActionVectors, Inputs, Loss, Params, PerRow
from kalm_jax.offline_rl.networks import HIDDEN, MLP, apply

LOG_STD = (-5.0, 2.0)
"""Bounds of the log standard deviation of a `Policy` without `log_std_range` (IQL's code)."""
SQUASHED_LOG_STD = (-20.0, 2.0)
"""Bounds of the log standard deviation under a tanh (SAC's and CQL's code)."""
Gaussian = tuple[Float[Array, "B A"], Float[Array, "B A"]]
"""Mean and log standard deviation."""


class Policy(nn.Module):
    """pi(a | s, g) for learners that weight the log-probability of recorded actions.

    Discrete: inputs (B, I) -> logits (B, A). Continuous: a Gaussian whose mean is a tanh and whose standard deviation
    is independent of the state (AWAC's and IQL's code): (mean (B, A), log standard deviation (B, A)). The latter is a
    parameter clipped to LOG_STD and initialized at 0, or with `log_std_range` a sigmoid of it between two numbers.
    """

    action_dim: int
    discrete: bool
    hidden: tuple[int, ...] = HIDDEN
    log_std_range: tuple[float, float] | None = None

    @nn.compact
    def __call__(self, inputs: Inputs) -> ActionVectors | Gaussian:
        out = MLP(self.action_dim, self.hidden)(inputs)
        if self.discrete:
            return out
        log_std = self.param("log_std", nn.initializers.zeros, (self.action_dim,))
        if self.log_std_range is None:
            log_std = jnp.clip(log_std, *LOG_STD)
        else:
            low, high = self.log_std_range
            log_std = low + (high - low) * jax.nn.sigmoid(log_std)
        return jnp.tanh(out), jnp.broadcast_to(log_std, out.shape)


def log_prob(policy: Policy, outputs: Any, action: Actions) -> PerRow:
    """log pi(a | s, g) of recorded actions; `outputs` are those of the policy."""
    if policy.discrete:
        chex.assert_shape(action, outputs.shape[:1])
        return jnp.take_along_axis(jax.nn.log_softmax(outputs), action[:, None], axis=-1)[:, 0]
    mean, log_std = outputs
    chex.assert_equal_shape([mean, action])
    return gaussian_log_prob((action - mean) / jnp.exp(log_std), log_std)


def weighted_log_prob_loss(policy: Policy, params: Params, inputs: Inputs, action: Actions, weight: PerRow) -> Loss:
    """-mean_B w log pi(a | s), of weighted behavior cloning."""
    log_probs = log_prob(policy, apply(policy, params, inputs), action)
    chex.assert_equal_shape([log_probs, weight])
    return -jnp.mean(weight * log_probs)


def gaussian_log_prob(z: Float[Array, "*b A"], log_std: Float[Array, "*#b A"]) -> Float[Array, "*b"]:
    """log N of a Gaussian's standardized values z."""
    return jnp.sum(-0.5 * z**2 - log_std - 0.5 * math.log(2 * math.pi), axis=-1)


def sample_actions(outputs: Gaussian, noise: Float[Array, "B *p A"]) -> Float[Array, "B *p A"]:
    """Actions mean + std * noise of a Gaussian `Policy`, clipped to [-1, 1]; noise (B, A) or (B, P, A)."""
    mean, log_std = outputs
    if noise.ndim == 3:
        mean, log_std = mean[:, None], log_std[:, None]
    return jnp.clip(mean + jnp.exp(log_std) * noise, -1.0, 1.0)


def select_action(policy: Policy, outputs: Any, key: Array, greedy: bool) -> Actions:
    """The most probable actions, or sampled ones."""
    if policy.discrete:
        return select_index(outputs, key, greedy)
    return outputs[0] if greedy else sample_actions(outputs, jax.random.normal(key, outputs[0].shape))


def select_index(logits: ActionVectors, key: Array, greedy: bool) -> Int[Array, " B"]:
    """The largest entry of each row, int32, or one sampled from the softmax."""
    return (jnp.argmax(logits, -1) if greedy else jax.random.categorical(key, logits)).astype(jnp.int32)


def tanh_sample_and_log_prob(outputs: Gaussian, noise: Float[Array, "B *p A"]) -> tuple[Float[Array, "B *p A"], Array]:
    """Actions tanh(mean + std * noise) and their log-probabilities; noise (B, A) or (B, P, A).

    log pi(a) = log N(u) - sum_A log(1 - tanh(u)^2), the last term as 2 (log 2 - u - softplus(-2 u)), which is accurate
    where the tanh is flat (SAC, appendix C).
    """
    mean, log_std = outputs
    if noise.ndim == 3:
        mean, log_std = mean[:, None], log_std[:, None]
    u = mean + jnp.exp(log_std) * noise
    slope = 2.0 * (math.log(2.0) - u - jax.nn.softplus(-2.0 * u))
    return jnp.tanh(u), gaussian_log_prob(noise, log_std) - slope.sum(-1)
