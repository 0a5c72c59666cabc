"""The networks that the algorithms share.

Dimension letters: B batch, I input of a network, A action, "out" outputs, "h" first hidden layer.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from kalm_jax.offline_rl.arrays import ActionVectors, Inputs, Params, PerRow
from kalm_jax.settings import MOST_WIDE, setting

HIDDEN = (256, 256)
"""Widths of the hidden layers of every network (KALM appendix, and the default of the algorithms' papers)."""


def hidden_setting(widths: tuple[int, ...] = HIDDEN) -> Any:
    """A field of a configuration: the widths of hidden layers; none is a linear network."""
    return setting(widths, low=1, high=MOST_WIDE)


def rate_setting(rate: float) -> Any:
    """A field of a configuration: a learning rate."""
    return setting(rate, above=0, high=1)


def batch_setting(size: int) -> Any:
    """A field of a configuration: a number of transitions, or of windows, per update."""
    return setting(size, low=1, high=MOST_WIDE)


def apply(network: nn.Module, params: Params, *args: Any, **kwargs: Any) -> Any:
    """The outputs of a network that changes no state (Flax's own annotation allows for changed variables as well)."""
    return network.apply(params, *args, **kwargs)


def fan_in_uniform(fan_in: int) -> nn.initializers.Initializer:
    """Uniform initialization in +-1/sqrt(fan_in), for weights and biases of a layer with `fan_in` inputs.

    torch's linear layers are initialized like this, and the papers' settings were chosen with them. flax's default is
    larger by sqrt(3), with which cloned policies are worse in Reacher (BENCHMARKS.md).
    """
    bound = fan_in**-0.5

    def initialize(key: Array, shape: tuple[int, ...], dtype: type = jnp.float32, **_: object) -> Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return initialize


def dense(features: int, fan_in: int) -> nn.Dense:
    """A linear layer of `fan_in` inputs, initialized as torch's."""
    initialize = fan_in_uniform(fan_in)
    return nn.Dense(features, kernel_init=initialize, bias_init=initialize)


class MLP(nn.Module):
    """ReLU layers of widths `hidden` and a linear head: (B, I) -> (B, outputs).

    With `first` (B, width) the product of the first layer is given and not computed again, see `moved_product`.

    `norm` adds a LayerNorm before each ReLU, which bounds the values that a critic can give to actions outside the data
    (Ball et al., ICML 2023).
    """

    outputs: int
    hidden: tuple[int, ...] = HIDDEN
    norm: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "B I"], first: Float[Array, "B h"] | None = None) -> Float[Array, "B out"]:
        for width in self.hidden:
            layer = dense(width, x.shape[-1])
            x, first = layer(x) if first is None else first, None
            x = nn.relu(nn.LayerNorm()(x) if self.norm else x)
        return dense(self.outputs, x.shape[-1])(x)


def moved_product(params: Params, inputs: Inputs, next_inputs: Inputs, moving: int) -> Float[Array, "B h"]:
    """The product of an `MLP`'s first layer with next_inputs, of which only the first `moving` entries differ.

    A step leaves the goal vector unchanged, which is most of the input, so most of the product is that of `inputs`,
    which XLA computes once where the network's outputs for them are needed as well.
    """
    kernel, bias = params["params"]["Dense_0"]["kernel"], params["params"]["Dense_0"]["bias"]
    return inputs @ kernel + bias + (next_inputs - inputs)[:, :moving] @ kernel[:moving]


class TwinCritic(nn.Module):
    """Two independent action values Q1, Q2 of an input (B, I) and an action vector (B, A)."""

    hidden: tuple[int, ...] = HIDDEN
    norm: bool = False

    def setup(self) -> None:
        self.q1, self.q2 = MLP(1, self.hidden, self.norm), MLP(1, self.hidden, self.norm)

    def __call__(self, inputs: Inputs, action: ActionVectors) -> tuple[PerRow, PerRow]:
        """Both values."""
        x = jnp.concatenate([inputs, action], axis=-1)
        return self.q1(x)[:, 0], self.q2(x)[:, 0]

    def first(self, inputs: Inputs, action: ActionVectors) -> PerRow:
        """Q1 alone."""
        return self.q1(jnp.concatenate([inputs, action], axis=-1))[:, 0]
