"""Measured limits of the hardware, and the share of them that a compiled program reaches.

Two limits: floating-point operations per second of a large matrix product, and bytes per second read and written by a
pass over an array larger than any cache. A program's own operations and bytes are those that XLA counts in what it has
compiled. It counts a loop's body once, and of branches the most expensive. Its bytes are the operands and results of
every fused operation: where caches hold them, a program moves fewer through memory and may show more than 100%.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp

SIZES = {"cpu": (1024, 1 << 26, "float32")}
"""Backend -> side of the matrices, numbers of the long array, type of the matrices."""
ACCELERATOR = (8192, 1 << 28, "bfloat16")
AHEAD = 4
"""Calls before the result is waited for, so that an accelerator never waits for the next."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """Floating-point operations and bytes read and written, of one unit of work."""

    flops: float
    bytes: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.flops + other.flops, self.bytes + other.bytes)

    def __mul__(self, times: float) -> Cost:
        return Cost(self.flops * times, self.bytes * times)


def cost_of(compiled: jax.stages.Compiled) -> Cost:
    """What XLA counts in a compiled program; see the module's first lines for what it counts once."""
    counted = compiled.cost_analysis()
    return Cost(counted.get("flops", 0.0), counted.get("bytes accessed", 0.0))


@dataclasses.dataclass(frozen=True)
class Roofline:
    """Limits of one device (of a CPU: of the cores that the clock counts as one).

    Attributes:
      flops: operations per second of a matrix product.
      bytes: per second, read and written.
      dtype: type of the matrices.
    """

    flops: float
    bytes: float
    dtype: str

    def shares(self, cost: Cost, rate: float) -> dict[str, float]:
        """Shares of the two limits reached by `rate` units per second, each of which costs `cost`."""
        return {"flops_share": cost.flops * rate / self.flops, "bytes_share": cost.bytes * rate / self.bytes}

    def __str__(self) -> str:
        return f"matrix products {self.flops / 1e9:.4g} Gflop/s ({self.dtype}), memory {self.bytes / 1e9:.4g} GB/s"


def measure_roofline(
    clock: Callable[[], float] = time.process_time,
    repeats: int = 5,
    seconds: float = 0.2,
    sizes: tuple[int, int, str] | None = None,
) -> Roofline:
    """The limits of the first device: the best of `repeats` blocks, since other jobs only lower it.

    Args:
      clock: seconds of work, as in `measure`.
      repeats: blocks of each limit.
      seconds: of a block, at least.
      sizes: see `SIZES`; None is by the backend.
    """
    side, length, dtype = sizes or SIZES.get(jax.default_backend(), ACCELERATOR)
    matrix = jnp.full((side, side), 1 / side, dtype)
    product = jax.jit(jnp.matmul)
    flops = _best(lambda x: product(x, matrix), matrix, clock, repeats, seconds)
    add = jax.jit(lambda x: x + 1, donate_argnums=0)  # in place: fresh memory would be cleared by the system first
    passes = _best(add, jnp.zeros(length, jnp.float32), clock, repeats, seconds)
    return Roofline(flops * 2 * side**3, passes * 2 * 4 * length, dtype)


def _best(function, x: jax.Array, clock, repeats: int, seconds: float) -> float:
    """Calls per second of `clock` of x = function(x), in the best block."""
    x, best = jax.block_until_ready(function(x)), 0.0
    for _ in range(repeats):
        begun, calls, took = clock(), 0, 0.0
        while took < seconds or not calls:
            for _ in range(AHEAD):
                x = function(x)
            x = jax.block_until_ready(x)
            calls += AHEAD
            took = clock() - begun
        best = max(best, calls / max(took, 1e-9))
    return best
