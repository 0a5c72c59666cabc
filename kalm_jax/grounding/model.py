"""The grounded language model: a Llama that also reads and writes states and actions (KALM, section 4.1).

States enter and leave through small MLPs (paper) or linear maps (authors' code), discrete actions through an embedding
and a softmax head, continuous ones through linear maps. Normalisation statistics are part of the model's description,
so they travel with it.

With `NumericSpec.two_models` there are two such models (KALM's first outlook: one alone must learn both how the world
moves and how to act in it): one for words and actions, and under `states` one for states, each with maps of its own.
Words stay with actions because explaining and planning are part of knowing what to do, while the next state follows
from state and action. Both read every position, and no weight is shared, so neither loss reaches the other's model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.grounding import heads
from kalm_jax.grounding.sequences import ACTION, STATE, TEXT, Rows
from kalm_jax.llm.transformer import Cache, Llama, LlamaConfig
from kalm_jax.types import Rollouts

Vectors = jax.Array | tuple[jax.Array, jax.Array]
"""What goes into and comes out of the language model, (..., width); with two models a pair, the second of states. A
cache is a pair then too."""

STILL = 1e-3
"""Scale of the changes of a number that never changes in the data: the state head's small errors must not move it."""


@dataclasses.dataclass(frozen=True)
class NumericSpec:
    """The numbers of an environment and their scale.

    Attributes:
      state_dim: D.
      num_actions: number of discrete actions, or 0. One more id, `num_actions` itself, says "the goal is reached".
      action_dim: width of a continuous action, or 0.
      mean, std: D values each, statistics of single states.
      change_std: D values, standard deviation of s_{t+1} - s_t.
      differences: pairs of a state's numbers whose difference the encoder reads too, such as places along one axis.
        What things do to each other hangs on these.
      difference_std: their standard deviations, where the first number of the pair is not 0.
      limit: the encoder reads normalised states and differences cut off at this distance from 0; None leaves them. A
        number that never moves in the data is a hundred deviations off as soon as it does.
      predict_change: the state head predicts the change of state (ours) instead of the state (paper).
      hidden: width of the encoder's and the head's hidden layer; 0 makes both linear maps.
      action_mean, action_std: `action_dim` values each, statistics of continuous actions.
      action_low, action_high: `action_dim` values each, smallest and largest action of the data; decoding stays within.
      gaussian_states: the state head says a distribution (see `heads`) instead of a point.
      gaussian_actions: so does the head of continuous actions.
      two_models: states have a language model of their own; see the module's first lines.
    """

    state_dim: int
    num_actions: int = 0
    action_dim: int = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    change_std: tuple[float, ...] = ()
    predict_change: bool = True
    hidden: int = 512
    action_mean: tuple[float, ...] = ()
    action_std: tuple[float, ...] = ()
    action_low: tuple[float, ...] = ()
    action_high: tuple[float, ...] = ()
    gaussian_states: bool = False
    gaussian_actions: bool = False
    two_models: bool = False
    differences: tuple[tuple[int, int], ...] = ()
    difference_std: tuple[float, ...] = ()
    limit: float | None = None

    def __post_init__(self):
        if bool(self.num_actions) == bool(self.action_dim):
            raise ValueError(
                f"num_actions={self.num_actions} and action_dim={self.action_dim}: actions are either discrete or "
                "continuous, so exactly one of them is positive"
            )
        if self.gaussian_actions and self.num_actions:
            raise ValueError("gaussian_actions is for continuous actions; discrete ones have a distribution already")
        if self.limit is not None and self.limit <= 0:
            raise ValueError(f"limit={self.limit}: nothing would be read; use a positive one, or None")
        sizes = {"mean": self.state_dim, "std": self.state_dim, "change_std": self.state_dim}
        sizes |= {f"action_{k}": self.action_dim for k in ("mean", "std", "low", "high")}
        sizes["difference_std"] = len(self.differences)
        for name, size in sizes.items():
            if len(getattr(self, name)) != size:
                raise ValueError(f"{name} has {len(getattr(self, name))} numbers, but there are {size}")

    @property
    def width(self) -> int:
        """Numbers per position W."""
        return max(self.state_dim, self.action_dim)


def numeric_spec(
    rollouts: Rollouts, num_actions: int = 0, differences: tuple[tuple[int, int], ...] = (), **options
) -> NumericSpec:
    """The specification with statistics measured on (training) rollouts.

    Args:
      rollouts: with discrete or continuous actions.
      num_actions: of discrete actions; not read for continuous ones.
      differences: see `NumericSpec`.
      **options: fields of `NumericSpec` that are choices: `predict_change`, `hidden`, `gaussian_states`,
        `gaussian_actions`, `two_models`, `limit`.
    """
    obs, step = np.asarray(rollouts.observations), rollouts.valid()
    seen = np.arange(obs.shape[1])[None] <= np.asarray(rollouts.length)[:, None]
    change, states = (obs[:, 1:] - obs[:, :-1])[step], obs[seen]
    statistics = {
        "state_dim": obs.shape[2],
        "mean": _floats(states.mean(0)),
        "std": _floats(_scale(states)),
        "change_std": _floats(_scale(change, STILL)),
        "differences": differences,
        "difference_std": tuple(_difference_std(states, i, j) for i, j in differences),
    }
    if rollouts.actions.ndim == 2:
        return NumericSpec(num_actions=num_actions, **statistics, **options)
    actions = np.asarray(rollouts.actions)[step]
    return NumericSpec(
        action_dim=actions.shape[1],
        action_mean=_floats(actions.mean(0)),
        action_std=_floats(_scale(actions)),
        action_low=_floats(actions.min(0)),
        action_high=_floats(actions.max(0)),
        **statistics,
        **options,
    )


def _scale(x: np.ndarray, constant: float = 1.0) -> np.ndarray:
    """Standard deviations; a constant number (an absent object's slot) has no scale, and 1 keeps it as it is."""
    std = x.std(0)
    return np.where(std > 1e-6, std, constant)


def _difference_std(states: np.ndarray, i: int, j: int) -> float:
    there = states[states[:, i] != 0]
    return _floats(_scale((there[:, i] - there[:, j])[:, None]))[0] if len(there) else 1.0


def _floats(x: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{v:.6g}") for v in x)


class Mlp(nn.Module):
    """One hidden layer of ReLUs, which show sooner than smooth units on which side of another ball a ball lies."""

    hidden: int
    out: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.out, name="out")(nn.relu(nn.Dense(self.hidden, name="hidden")(x)))


def _map(hidden: int, out: int) -> nn.Module:
    return Mlp(hidden, out) if hidden else nn.Dense(out)


class GroundedModel(nn.Module):
    """See the module's first lines. All methods are pure; parameters are {"llm": ..., "state_in": ..., ...}.

    With two models they are {"llm": ..., "action_out": ..., "states": {"llm": ..., "state_out": ..., ...}, ...}.
    """

    config: LlamaConfig
    spec: NumericSpec

    def setup(self):
        c, s = self.config, self.spec
        self.llm = Llama(c)
        self.state_in = _map(s.hidden, c.width)
        self.state_out = _map(s.hidden, heads.width(s.state_dim, s.gaussian_states))
        if s.num_actions:
            self.action_in = nn.Embed(s.num_actions + 1, c.width, embedding_init=nn.initializers.normal(0.02))
            self.action_out = nn.Dense(s.num_actions + 1)
        else:
            self.action_in = nn.Dense(c.width)
            self.action_out = nn.Dense(heads.width(s.action_dim, s.gaussian_actions))
        if s.two_models:  # it says no words, so it has no head for them
            own = dataclasses.replace(s, two_models=False)
            self.states = GroundedModel(dataclasses.replace(c, tie_embeddings=True), own)

    @property
    def speaker(self) -> GroundedModel:
        """The model of words and actions by itself, with the same parameters: half the work where no state is asked."""
        if not self.spec.two_models:
            return self
        return GroundedModel(self.config, dataclasses.replace(self.spec, two_models=False))

    def _each(self, of: Callable[[GroundedModel], jax.Array]) -> Vectors:
        """`of` this model, or of both."""
        return (of(self), of(self.states)) if self.spec.two_models else of(self)

    def embed_state(self, state: jax.Array) -> Vectors:
        """(..., D) raw states -> (..., width)."""
        return self._each(lambda m: m._embed_state(state))

    def embed_action(self, token: jax.Array, value: jax.Array) -> Vectors:
        """Action ids (...) or raw continuous actions (..., A) -> (..., width)."""
        return self._each(lambda m: m._embed_action(token, value))

    def embed(self, rows: Rows) -> Vectors:
        """(R, T, width): each position embedded by its kind."""
        return self._each(lambda m: m._embed(rows))

    def _embed_state(self, state: jax.Array) -> jax.Array:
        s = self.spec
        chex.assert_axis_dimension(state, -1, s.state_dim)
        read = (state - jnp.asarray(s.mean)) / jnp.asarray(s.std)
        if s.differences:
            one, other = np.array(s.differences).T
            apart = (state[..., one] - state[..., other]) / jnp.asarray(s.difference_std)
            read = jnp.concatenate([read, apart], -1)
        return self.state_in(read if s.limit is None else jnp.clip(read, -s.limit, s.limit))

    def _embed_action(self, token: jax.Array, value: jax.Array) -> jax.Array:
        s = self.spec
        if s.num_actions:
            return self.action_in(token)
        return self.action_in((value[..., : s.action_dim] - jnp.asarray(s.action_mean)) / jnp.asarray(s.action_std))

    def _embed(self, rows: Rows) -> jax.Array:
        kind = rows.kind[..., None]
        text = self.llm.embed(jnp.where(rows.kind == TEXT, rows.token, 0))
        state = self._embed_state(rows.value[..., : self.spec.state_dim])
        action = self._embed_action(jnp.where(rows.kind == ACTION, rows.token, 0), rows.value)
        x = jnp.where(kind == TEXT, text, jnp.where(kind == STATE, state, jnp.where(kind == ACTION, action, 0.0)))
        return x.astype(text.dtype)

    def backbone(self, x: Vectors, positions, mask, cache: Cache | tuple[Cache, Cache] | None = None, index=None):
        """The transformer's hidden states and cache; see `Llama.backbone`."""
        if not self.spec.two_models:
            return self.llm.backbone(x, positions, mask, cache, index)
        own, others = cache or (None, None)
        hidden, own = self.llm.backbone(x[0], positions, mask, own, index)
        seen, others = self.states.backbone(x[1], positions, mask, others, index)
        return (hidden, seen), (own, others)

    def hidden(self, rows: Rows) -> Vectors:
        """(R, T, width) hidden states of packed rows."""
        return self.backbone(self.embed(rows), rows.position, rows.segment)[0]

    def text_logits(self, hidden: Vectors) -> jax.Array:
        """(..., V)."""
        return self.llm.logits(hidden[0] if self.spec.two_models else hidden)

    def action_head(self, hidden: Vectors) -> jax.Array:
        """(..., num_actions + 1) logits, the last of "the goal is reached", or of continuous actions see `heads`."""
        return self.action_out(hidden[0] if self.spec.two_models else hidden)

    def state_head(self, hidden: Vectors) -> jax.Array:
        """(..., D) of the change, or of the state (`spec.predict_change`); with `spec.gaussian_states` see `heads`."""
        return self.states.state_head(hidden[1]) if self.spec.two_models else self.state_out(hidden)

    def action_error(self, out: jax.Array, action: jax.Array) -> jax.Array:
        """(...) how far `action_head`'s output is from raw continuous actions (..., A)."""
        s = self.spec
        target = (action - jnp.asarray(s.action_mean)) / jnp.asarray(s.action_std)
        return heads.error(out, target, s.gaussian_actions)

    def continuous_action(self, hidden: Vectors, noise: jax.Array | None = None) -> jax.Array:
        """(..., A) the action in raw units, within the data's bounds; for `noise` (..., A) see `heads.value`."""
        s = self.spec
        out = heads.value(self.action_head(hidden), s.gaussian_actions, noise)
        raw = out * jnp.asarray(s.action_std) + jnp.asarray(s.action_mean)
        return jnp.clip(raw, jnp.asarray(s.action_low), jnp.asarray(s.action_high))

    def next_state(self, hidden: Vectors, base: jax.Array, noise: jax.Array | None = None) -> jax.Array:
        """(..., D) the predicted next state in raw units; `base` (..., D) is the latest state.

        With `spec.gaussian_states` it is the mean, or with `noise` (..., D) a draw; see `heads.value`.
        """
        s = self.spec
        out = heads.value(self.state_head(hidden), s.gaussian_states, noise)
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
    """Fresh parameters; with `llm_params` only the number parts are, beside that language model (not copied).

    Two models both begin as `llm_params`: as the same arrays.
    """
    from kalm_jax.grounding.sequences import empty_rows

    rows = empty_rows(1, 4, model.spec.width)
    if llm_params is None:
        return jax.jit(model.init)(key, rows)["params"]
    chex.assert_trees_all_equal_shapes(jax.eval_shape(model.init, key, rows)["params"]["llm"], llm_params)

    # Of a large model, a second one of random weights would not fit beside: what is not returned is not computed.
    def numbers(key):
        return change_llms(model.init(key, rows)["params"], lambda llm: {})

    return change_llms(jax.jit(numbers)(key), lambda nothing: llm_params)


def change_llms(params: dict, change: Callable[[dict], dict]) -> dict:
    """Parameters of a `GroundedModel` with another `llm`, and with two models both; a word head is the first's only."""
    out = {**params, "llm": change(params["llm"])}
    if "states" in params:
        llm = {name: x for name, x in change(params["states"]["llm"]).items() if name != "head"}
        out["states"] = {**params["states"], "llm": llm}
    return out
