"""What a head for numbers says: a point (the paper), or a Gaussian of its own width per number, from which to draw.

All numbers are in normalised units. A Gaussian head's output is twice as wide: means, then what becomes log deviations.
"""

from __future__ import annotations

import math

import chex
import jax
import jax.numpy as jnp

LOG_STD = (-5.0, 2.0)
"""Soft bounds of the log standard deviation (Chua et al. 2018, appendix A.1): without, numbers that never change would
make the likelihood endless. Between them it is the head's output itself."""


def width(numbers: int, gaussian: bool) -> int:
    """Outputs of a head for so many numbers."""
    return 2 * numbers if gaussian else numbers


def mean_and_log_std(out: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(..., D) each, of a Gaussian head's output (..., 2 D)."""
    mean, raw = jnp.split(out, 2, axis=-1)
    low, high = LOG_STD
    below = high - jax.nn.softplus(high - raw)
    return mean, low + jax.nn.softplus(below - low)


def error(out: jax.Array, target: jax.Array, gaussian: bool) -> jax.Array:
    """(...) mean over the D numbers of the squared error, or of the negative log likelihood in nats."""
    if not gaussian:
        chex.assert_equal_shape([out, target])
        return jnp.mean((out - target) ** 2, axis=-1)
    mean, log_std = mean_and_log_std(out)
    chex.assert_equal_shape([mean, target])
    z = (target - mean) * jnp.exp(-log_std)
    return jnp.mean(0.5 * z**2 + log_std + 0.5 * math.log(2 * math.pi), axis=-1)


def value(out: jax.Array, gaussian: bool, noise: jax.Array | None = None) -> jax.Array:
    """(..., D) the point or the mean; with `noise` (..., D), standard normal times a temperature, a draw."""
    if not gaussian:
        return out
    mean, log_std = mean_and_log_std(out)
    return mean if noise is None else mean + jnp.exp(log_std) * noise
