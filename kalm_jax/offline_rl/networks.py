"""What the algorithms share: their networks, the spec of a data set, normalised inputs, actions as vectors.

Letters: B batch, D observation, P pairs of its numbers, E goal vector, A action (40 for a discrete CLEVR-Robot policy
in one-hot space).
"""

from __future__ import annotations

import dataclasses

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from kalm_jax.types.transforms import ObservationTransform

HIDDEN = (256, 256)
"""Widths of the hidden layers of every network (KALM appendix, and the default of the algorithms' papers)."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Spec:
    """What a learner must know of its data: sizes, and the statistics by which inputs are normalised.

    Attributes:
      observation_mean, observation_std: (D,) float32 over the observations of the data set.
      goal_mean, goal_std: (E,) float32 over the goal table.
      action_dim: number of discrete actions, or size A of a continuous action in [-1, 1].
      discrete: whether actions are indices.
      returns: (3,) float32, mean and standard deviation of the rewards to go over the steps of the data set, and the
        largest return of a rollout; None where the learner asks for no return.
      difference_std: (P,) float32, what divides the view's differences; None where it has none.
      change: (2, D + 1) float32, mean and standard deviation of what a step changes in an observation, and of its
        reward; None where the learner learns no world.
      view: how observations are seen.
    """

    observation_mean: jax.Array
    observation_std: jax.Array
    goal_mean: jax.Array
    goal_std: jax.Array
    action_dim: int = dataclasses.field(metadata={"static": True})
    discrete: bool = dataclasses.field(metadata={"static": True})
    returns: jax.Array | None = None
    difference_std: jax.Array | None = None
    change: jax.Array | None = None
    view: ObservationTransform = dataclasses.field(default=ObservationTransform(), metadata={"static": True})

    @property
    def input_dim(self) -> int:
        """Size D + P + E of a policy's input."""
        return self.observation_mean.shape[0] + len(self.view.differences) + self.goal_mean.shape[0]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Batch:
    """Transitions that one update learns from.

    Attributes:
      observation, next_observation: (B, D) float32, not normalised.
      goal: (B, E) float32 goal vectors, not normalised.
      action: (B,) int32, or (B, A) float32 in [-1, 1].
      reward: (B,) float32.
      terminal: (B,) float32, 1 where the goal was reached, so that nothing comes after; 0 at a time-out.
      own: (B,) float32, 1 where the action was taken for this goal, 0 where the goal was put in its place
        (`buffer.Relabel`): values learn from both, what imitates the data from the first. None means all 1.
    """

    observation: jax.Array
    goal: jax.Array
    action: jax.Array
    reward: jax.Array
    next_observation: jax.Array
    terminal: jax.Array
    own: jax.Array | None = None


def fan_in_uniform(fan_in: int) -> nn.initializers.Initializer:
    """Numbers from -1/sqrt(fan_in) to 1/sqrt(fan_in), for a layer of so many inputs.

    So begin weights and biases of torch's linear layers, with which the papers' settings were chosen. flax's own are
    larger by sqrt(3), and cloned policies then worse in Reacher (BENCHMARKS.md).
    """
    bound = fan_in**-0.5

    def initialise(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return initialise


def dense(features: int, fan_in: int) -> nn.Dense:
    """A linear layer of `fan_in` inputs that begins as torch's does."""
    initialise = fan_in_uniform(fan_in)
    return nn.Dense(features, kernel_init=initialise, bias_init=initialise)


class MLP(nn.Module):
    """ReLU layers of widths `hidden` and a linear head: (B, inputs) -> (B, outputs).

    With `first` (B, width) the first layer's product is known and not computed again, see `moved_product`.

    `norm` puts a LayerNorm before each ReLU, which bounds what a critic can say of actions that the data never show
    (Ball et al., ICML 2023).
    """

    outputs: int
    hidden: tuple[int, ...] = HIDDEN
    norm: bool = False

    @nn.compact
    def __call__(self, x, first=None):
        for width in self.hidden:
            layer = dense(width, x.shape[-1])
            x, first = layer(x) if first is None else first, None
            x = nn.relu(nn.LayerNorm()(x) if self.norm else x)
        return dense(self.outputs, x.shape[-1])(x)


def moved_product(params, inputs, next_inputs, moving: int):
    """(B, width): what an `MLP`'s first layer makes of next_inputs, in which only the first `moving` numbers differ.

    A step leaves the goal vector as it was, most of the input, so most of the product is that of `inputs` (B, D+P+E),
    which XLA computes once where the network is asked for their outputs as well.
    """
    kernel, bias = params["params"]["Dense_0"]["kernel"], params["params"]["Dense_0"]["bias"]
    return inputs @ kernel + bias + (next_inputs - inputs)[:, :moving] @ kernel[:moving]


class TwinCritic(nn.Module):
    """Two independent action values Q1, Q2 of an input (B, D+E) and an action vector (B, A)."""

    hidden: tuple[int, ...] = HIDDEN
    norm: bool = False

    def setup(self):
        self.q1, self.q2 = MLP(1, self.hidden, self.norm), MLP(1, self.hidden, self.norm)

    def __call__(self, inputs, action):
        """Both values, each (B,)."""
        x = jnp.concatenate([inputs, action], axis=-1)
        return self.q1(x)[:, 0], self.q2(x)[:, 0]

    def first(self, inputs, action):
        """Q1 alone, (B,)."""
        return self.q1(jnp.concatenate([inputs, action], axis=-1))[:, 0]


def seen(spec: Spec, observation):
    """(..., D+P): observations (..., D) as networks see them, normalised by the data set's statistics."""
    out = (observation - spec.observation_mean) / spec.observation_std
    if spec.view.differences:
        out = jnp.concatenate([out, spec.view.apart(observation) / spec.difference_std], axis=-1)
    limit = spec.view.limit
    return out if limit is None else jnp.clip(out, -limit, limit)


def policy_input(spec: Spec, observation, goal):
    """(B, D+P+E): observation (B, D) as `seen` and goal vector (B, E), normalised by the statistics of the data set."""
    chex.assert_equal_shape_prefix([observation, goal], 1)
    return jnp.concatenate([seen(spec, observation), (goal - spec.goal_mean) / spec.goal_std], axis=-1)


def own_mean(own, x):
    """Mean of x (B,) over the places whose action was taken for their goal; `own` (B,) is `Batch.own`."""
    if own is None:
        return x.mean()
    chex.assert_equal_shape([own, x])
    return jnp.sum(own * x) / jnp.maximum(own.sum(), 1.0)


def soft_update(online, target, tau: float):
    """Target parameters moved by the share tau towards the online ones: theta' <- tau theta + (1 - tau) theta'."""
    return jax.tree.map(lambda o, t: t + tau * (o - t), online, target)


def copy(tree):
    """A copy with buffers of its own: a donated state must not hold one buffer twice."""
    return jax.tree.map(jnp.copy, tree)
