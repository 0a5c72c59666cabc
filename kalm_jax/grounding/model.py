"""The grounded language model: a Llama that also reads and writes states and actions (KALM, section 4.1).

States enter and leave through small MLPs, discrete actions through an embedding and a softmax head, continuous ones
through linear maps. Normalisation statistics are part of the model's description, so they travel with it.
"""

from __future__ import annotations

import dataclasses

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.data import Rollouts
from kalm_jax.grounding.rows import ACTION, STATE, TEXT, Rows
from kalm_jax.llm.transformer import Cache, Llama, LlamaConfig, packed_mask


@dataclasses.dataclass(frozen=True)
class NumericSpec:
    """The numbers of an environment and their scale.

    Attributes:
      state_dim: D.
      num_actions: number of discrete actions, or 0. One more id, `num_actions` itself, says "the goal is reached".
      action_dim: width of a continuous action, or 0.
      mean, std: D values each, statistics of single states.
      change_std: D values, standard deviation of s_{t+1} - s_t.
      predict_change: the state head predicts the change of state (ours) instead of the state (paper).
      hidden: width of the encoder's and the head's hidden layer.
    """

    state_dim: int
    num_actions: int = 0
    action_dim: int = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    change_std: tuple[float, ...] = ()
    predict_change: bool = True
    hidden: int = 256

    @property
    def width(self) -> int:
        """Numbers per position W."""
        return max(self.state_dim, self.action_dim)


def numeric_spec(
    rollouts: Rollouts, num_actions: int = 0, predict_change: bool = True, hidden: int = 256
) -> NumericSpec:
    """The specification with statistics measured on (training) rollouts."""
    obs, step = np.asarray(rollouts.observations), rollouts.valid()
    seen = np.arange(obs.shape[1])[None] <= np.asarray(rollouts.length)[:, None]
    change = (obs[:, 1:] - obs[:, :-1])[step]

    def floats(x):
        return tuple(float(f"{v:.6g}") for v in x)

    # A constant number (an absent object's slot) has no scale: 1 keeps it as it is.
    std, change_std = (np.where(s > 1e-6, s, 1.0) for s in (obs[seen].std(0), change.std(0)))
    return NumericSpec(
        state_dim=obs.shape[2],
        num_actions=num_actions if rollouts.actions.ndim == 2 else 0,
        action_dim=0 if rollouts.actions.ndim == 2 else rollouts.actions.shape[2],
        mean=floats(obs[seen].mean(0)),
        std=floats(std),
        change_std=floats(change_std),
        predict_change=predict_change,
        hidden=hidden,
    )


class Mlp(nn.Module):
    """One hidden layer."""

    hidden: int
    out: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.out, name="out")(nn.silu(nn.Dense(self.hidden, name="hidden")(x)))


class GroundedModel(nn.Module):
    """See the module's first lines. All methods are pure; parameters are {"llm": ..., "state_in": ..., ...}."""

    config: LlamaConfig
    spec: NumericSpec

    def setup(self):
        c, s = self.config, self.spec
        self.llm = Llama(c)
        self.state_in = Mlp(s.hidden, c.width)
        self.state_out = Mlp(s.hidden, s.state_dim)
        if s.num_actions:
            self.action_in = nn.Embed(s.num_actions + 1, c.width, embedding_init=nn.initializers.normal(0.02))
            self.action_out = nn.Dense(s.num_actions + 1)
        else:
            self.action_in = nn.Dense(c.width)
            self.action_out = nn.Dense(s.action_dim)

    def embed_state(self, state: jax.Array) -> jax.Array:
        """(..., D) raw states -> (..., width)."""
        chex.assert_axis_dimension(state, -1, self.spec.state_dim)
        return self.state_in((state - jnp.asarray(self.spec.mean)) / jnp.asarray(self.spec.std))

    def embed_action(self, token: jax.Array, value: jax.Array) -> jax.Array:
        """Action ids (...) or continuous actions (..., A) -> (..., width)."""
        return self.action_in(token) if self.spec.num_actions else self.action_in(value[..., : self.spec.action_dim])

    def embed(self, rows: Rows) -> jax.Array:
        """(R, T, width): each position embedded by its kind."""
        kind = rows.kind[..., None]
        text = self.llm.embed(jnp.where(rows.kind == TEXT, rows.token, 0))
        state = self.embed_state(rows.value[..., : self.spec.state_dim])
        action = self.embed_action(jnp.where(rows.kind == ACTION, rows.token, 0), rows.value)
        return jnp.where(kind == TEXT, text, jnp.where(kind == STATE, state, jnp.where(kind == ACTION, action, 0.0)))

    def backbone(self, x, positions, mask, cache: Cache | None = None, index=None):
        """The transformer's hidden states and cache; see `Llama.backbone`."""
        return self.llm.backbone(x, positions, mask, cache, index)

    def hidden(self, rows: Rows) -> jax.Array:
        """(R, T, width) hidden states of packed rows."""
        return self.backbone(self.embed(rows), rows.position, packed_mask(rows.segment))[0]

    def text_logits(self, hidden: jax.Array) -> jax.Array:
        """(..., V)."""
        return self.llm.logits(hidden)

    def action_head(self, hidden: jax.Array) -> jax.Array:
        """(..., num_actions + 1) logits, the last of "the goal is reached", or (..., A) continuous actions."""
        return self.action_out(hidden)

    def state_head(self, hidden: jax.Array) -> jax.Array:
        """(..., D) in normalised units: of the change, or of the state (`spec.predict_change`)."""
        return self.state_out(hidden)

    def next_state(self, hidden: jax.Array, base: jax.Array) -> jax.Array:
        """(..., D) the predicted next state in raw units; `base` (..., D) is the latest state."""
        out, s = self.state_head(hidden), self.spec
        if s.predict_change:
            return base + out * jnp.asarray(s.change_std)
        return out * jnp.asarray(s.std) + jnp.asarray(s.mean)

    def normalised_target(self, state: jax.Array, base: jax.Array) -> jax.Array:
        """What `state_head` should say for the next state `state` (..., D) after `base` (..., D)."""
        s = self.spec
        if s.predict_change:
            return (state - base) / jnp.asarray(s.change_std)
        return (state - jnp.asarray(s.mean)) / jnp.asarray(s.std)

    def __call__(self, rows: Rows):
        """Every head on every position: (word logits, action output, state output). Used to create all parameters."""
        hidden = self.hidden(rows)
        return self.text_logits(hidden), self.action_head(hidden), self.state_head(hidden)


def init_params(model: GroundedModel, key: jax.Array, llm_params: dict | None = None) -> dict:
    """Fresh parameters, with the language model's own replaced by `llm_params` where given."""
    from kalm_jax.grounding.rows import empty_rows

    params = jax.jit(model.init)(key, empty_rows(1, 4, model.spec.width))["params"]
    if llm_params is not None:
        chex.assert_trees_all_equal_shapes(params["llm"], llm_params)
        params = {**params, "llm": jax.tree.map(jnp.array, llm_params)}
    return params
