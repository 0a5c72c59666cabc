"""Distributions over actions: categorical, Gaussian, and a Gaussian squashed by tanh. Log-probabilities sum over A.

Letters: B batch, A action, N samples per state (written "..." where there may be some).
"""

from __future__ import annotations

import math

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from kalm_jax.offline_rl.networks import HIDDEN, MLP

LOG_STD = (-5.0, 2.0)
"""Bounds of the log standard deviation of a `Policy` without `log_std_range` (IQL's code)."""
SQUASHED_LOG_STD = (-20.0, 2.0)
"""Bounds of the log standard deviation under a tanh (SAC's and CQL's code)."""


class Policy(nn.Module):
    """pi(a | s, g) for learners that weigh the log-probability of recorded actions.

    Discrete: inputs (B, D) -> logits (B, A). Continuous: a Gaussian whose mean is a tanh and whose spread does not
    depend on the state (AWAC's and IQL's code): (mean (B, A), log standard deviation (B, A)). The latter is a parameter
    kept in LOG_STD, from 0 on, or with `log_std_range` a sigmoid of it between two numbers, from their middle on.
    """

    action_dim: int
    discrete: bool
    hidden: tuple[int, ...] = HIDDEN
    log_std_range: tuple[float, float] | None = None

    @nn.compact
    def __call__(self, inputs):
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


def log_prob(policy: Policy, outputs, action):
    """log pi(a | s, g), (B,), of actions (B,) int32 or (B, A)."""
    if policy.discrete:
        chex.assert_shape(action, outputs.shape[:1])
        return jnp.take_along_axis(jax.nn.log_softmax(outputs), action[:, None], axis=-1)[:, 0]
    mean, log_std = outputs
    chex.assert_equal_shape([mean, action])
    return gaussian_log_prob((action - mean) / jnp.exp(log_std), log_std)


def gaussian_log_prob(z, log_std):
    """log N of a Gaussian's standardised values z (..., A), (...)."""
    return jnp.sum(-0.5 * z**2 - log_std - 0.5 * math.log(2 * math.pi), axis=-1)


def drawn(outputs, noise):
    """Actions mean + std * noise of a Gaussian `Policy`, kept in [-1, 1]; noise (B, A) or (B, N, A)."""
    mean, log_std = outputs
    if noise.ndim == 3:
        mean, log_std = mean[:, None], log_std[:, None]
    return jnp.clip(mean + jnp.exp(log_std) * noise, -1.0, 1.0)


def chosen(policy: Policy, outputs, key, greedy: bool):
    """Actions (B,) int32 or (B, A): the likeliest, or drawn."""
    if policy.discrete:
        return (jnp.argmax(outputs, -1) if greedy else jax.random.categorical(key, outputs)).astype(jnp.int32)
    return outputs[0] if greedy else drawn(outputs, jax.random.normal(key, outputs[0].shape))


def squashed(outputs, noise):
    """(actions (..., A), log-probabilities (...)) of tanh(mean + std * noise).

    log pi(a) = log N(u) - sum_A log(1 - tanh(u)^2), the last term as 2 (log 2 - u - softplus(-2 u)), which does not
    lose its digits where the tanh is flat (SAC, appendix C).
    """
    mean, log_std = outputs
    if noise.ndim == 3:
        mean, log_std = mean[:, None], log_std[:, None]
    u = mean + jnp.exp(log_std) * noise
    slope = 2.0 * (math.log(2.0) - u - jax.nn.softplus(-2.0 * u))
    return jnp.tanh(u), gaussian_log_prob(noise, log_std) - slope.sum(-1)
