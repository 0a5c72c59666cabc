"""Action values: independent critics of every action of a finite set, or of many action vectors for one state.

Letters: C critics, B batch, D input, N actions per state, A action.
"""

from __future__ import annotations

import chex
import flax.linen as nn
import jax.numpy as jnp
import optax

from kalm_jax.offline_rl.networks import HIDDEN, MLP, Spec, dense, fan_in_uniform


class JointMLP(nn.Module):
    """A value of an input x (B, D) with each of its action vectors y (B, N, A): (B, N).

    The first layer is W [x; y] = W_x x + W_y y, and W_x x is computed once for all N: with ten actions for a goal
    vector of 768 numbers that more than halves the time of CQL. `norm` puts a LayerNorm before each ReLU.
    """

    hidden: tuple[int, ...] = HIDDEN
    norm: bool = False

    @nn.compact
    def __call__(self, x, y):
        widths = (*self.hidden, 1)
        inputs = x.shape[-1] + y.shape[-1]
        kernel = self.param("kernel", fan_in_uniform(inputs), (inputs, widths[0]))
        bias = self.param("bias", fan_in_uniform(inputs), (widths[0],))
        of_x = x @ kernel[: x.shape[-1]] + bias
        of_y = y.reshape(-1, y.shape[-1]) @ kernel[x.shape[-1] :]
        # Rows of (state, action) pairs: XLA multiplies two axes a quarter faster than three on a CPU.
        h = (of_x[:, None] + of_y.reshape(*y.shape[:2], -1)).reshape(-1, widths[0])
        for width in widths[1:]:
            h = dense(width, h.shape[-1])(nn.relu(nn.LayerNorm()(h) if self.norm else h))
        return h.reshape(y.shape[:2])


class Critics(nn.Module):
    """`count` independent action values.

    With discrete actions (`num_actions` > 0): inputs (B, D) -> (C, B, num_actions), a value for every action.
    Else inputs (B, D) and action vectors (B, N, A) -> (C, B, N).
    """

    num_actions: int = 0
    count: int = 2
    hidden: tuple[int, ...] = HIDDEN
    norm: bool = False

    def setup(self):
        if self.num_actions:
            self.critics = [MLP(self.num_actions, self.hidden, self.norm) for _ in range(self.count)]
        else:
            self.critics = [JointMLP(self.hidden, self.norm) for _ in range(self.count)]

    def __call__(self, *inputs):
        return jnp.stack([critic(*inputs) for critic in self.critics])


def make_critics(config, spec: Spec, count: int = 2) -> Critics:
    """The critics that a configuration with `hidden` and `critic_norm` asks for."""
    return Critics(spec.action_dim if spec.discrete else 0, count, config.hidden, config.critic_norm)


def init_critics(critics: Critics, key, spec: Spec) -> dict:
    """Parameters of `critics` before the first update."""
    inputs = (jnp.zeros((1, spec.input_dim)),)
    return critics.init(key, *inputs, *(() if spec.discrete else (jnp.zeros((1, 1, spec.action_dim)),)))


def value_of(critics: Critics, params, inputs, action):
    """Q_i(s, a) of one action per state, (C, B); `action` is (B,) int32 or (B, A)."""
    if critics.num_actions:
        chex.assert_shape(action, inputs.shape[:1])
        return jnp.take_along_axis(critics.apply(params, inputs), action[None, :, None], axis=-1)[..., 0]
    chex.assert_rank(action, 2)
    return critics.apply(params, inputs, action[:, None])[..., 0]


def squared_error(q, target):
    """sum_i mean_B (Q_i - y)^2 of values (C, B) and targets (B,)."""
    chex.assert_shape(q, (q.shape[0], *target.shape))
    return jnp.mean((q - target) ** 2, axis=1).sum()


def adam_step(learning_rate: float, grads, optimiser, params):
    """(parameters, optimiser state) after one step of Adam."""
    updates, optimiser = optax.adam(learning_rate).update(grads, optimiser)
    return optax.apply_updates(params, updates), optimiser
