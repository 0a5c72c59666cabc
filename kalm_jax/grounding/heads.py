"""What a head for numbers predicts: a point (the paper), or a Gaussian with a width per number, from which to sample.

All numbers are in normalized units. A Gaussian head has twice as many outputs: means, then unbounded log deviations.
"""

from __future__ import annotations

import math

import chex
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Numbers = Float[Array, "*batch D"]
"""States or continuous actions."""
HeadOutput = Float[Array, "*batch outputs"]
"""What a head returns: D numbers, or 2 D where it is Gaussian."""

LOG_STD = (-5.0, 2.0)
"""Soft bounds of the log standard deviation (Chua et al. 2018, appendix A.1). Without them the likelihood of numbers
that never change would be unbounded. Between the bounds it is nearly the head's output itself."""


def width(numbers: int, gaussian: bool) -> int:
    """Number of outputs of a head for so many numbers."""
    return 2 * numbers if gaussian else numbers


def mean_and_log_std(out: HeadOutput) -> tuple[Numbers, Numbers]:
    """Mean and log standard deviation of a Gaussian head's 2 D outputs."""
    mean, raw = jnp.split(out, 2, axis=-1)
    low, high = LOG_STD
    below = high - jax.nn.softplus(high - raw)
    return mean, low + jax.nn.softplus(below - low)


def error(out: HeadOutput, target: Numbers, gaussian: bool) -> Float[Array, "*batch"]:
    """Mean over the D numbers of the squared error, or of the negative log likelihood in nats."""
    if not gaussian:
        chex.assert_equal_shape([out, target])
        return jnp.mean((out - target) ** 2, axis=-1)
    mean, log_std = mean_and_log_std(out)
    chex.assert_equal_shape([mean, target])
    z = (target - mean) * jnp.exp(-log_std)
    return jnp.mean(0.5 * z**2 + log_std + 0.5 * math.log(2 * math.pi), axis=-1)


def value(out: HeadOutput, gaussian: bool, noise: Numbers | None = None) -> Numbers:
    """The point or the mean; with `noise`, which is standard normal times a temperature, a sample."""
    if not gaussian:
        return out
    mean, log_std = mean_and_log_std(out)
    return mean if noise is None else mean + jnp.exp(log_std) * noise
