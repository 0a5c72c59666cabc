"""The grounded language model: a Llama that also reads and writes states and actions (KALM, section 4.1).

States enter and leave through small MLPs (paper) or linear maps (authors' code), discrete actions through an embedding
and a softmax head, continuous actions through linear maps.

Dimension letters: B rows, T positions, D observation, A action, V vocabulary; E is the width of the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from kalm_jax.grounding import heads
from kalm_jax.grounding.config import NumericSpec
from kalm_jax.grounding.heads import HeadOutput
from kalm_jax.grounding.sequences import ACTION, STATE, TEXT, Rows, empty_rows
from kalm_jax.llm.arrays import Hidden, MaskOrSegments, PerToken, Vectors
from kalm_jax.llm.tokenizer import Tokenizer
from kalm_jax.llm.transformer import Cache, Index, Llama, LlamaConfig, empty_cache
from kalm_jax.types import Rollouts

Tokens = Int[Array, "*batch"]
States = Float[Array, "*batch D"]
ActionVectors = Float[Array, "*batch A"]
Values = Float[Array, "*batch W"]
"""States and continuous actions in `Rows`; W is `NumericSpec.width`."""

CONSTANT_SCALE = 1e-3
"""Scale of the changes of a number that never changes in the data: small errors of the state head must not move it."""


def numeric_spec(
    rollouts: Rollouts, num_actions: int = 0, differences: tuple[tuple[int, int], ...] = (), **options: Any
) -> NumericSpec:
    """The specification with statistics measured on (training) rollouts; `num_actions` is not used for continuous ones.

    `options` are the fields of `NumericSpec` that are choices: `predict_change`, `hidden`, `gaussian_states`,
    `gaussian_actions`, `limit`.
    """
    obs, step = np.asarray(rollouts.observations), rollouts.valid()
    visited = np.arange(obs.shape[1])[None] <= np.asarray(rollouts.length)[:, None]
    change, states = (obs[:, 1:] - obs[:, :-1])[step], obs[visited]
    statistics: dict[str, Any] = {
        "state_dim": obs.shape[2],
        "mean": _floats(states.mean(0)),
        "std": _floats(_scale(states)),
        "change_std": _floats(_scale(change, CONSTANT_SCALE)),
        "differences": differences,
        "difference_std": tuple(_difference_std(states, i, j) for i, j in differences),
    }
    if rollouts.actions.ndim == 2:
        return NumericSpec(num_actions=num_actions, **statistics, **options)
    actions = np.asarray(rollouts.actions)[step]
    measured = {"mean": actions.mean(0), "std": _scale(actions), "low": actions.min(0), "high": actions.max(0)}
    statistics |= {f"action_{name}": _floats(x) for name, x in measured.items()}
    return NumericSpec(action_dim=actions.shape[1], **statistics, **options)


def _scale(x: np.ndarray, constant: float = 1.0) -> np.ndarray:
    """Standard deviations; a constant number (the slot of an absent object) gets `constant`."""
    std = x.std(0)
    return np.where(std > 1e-6, std, constant)


def _difference_std(states: np.ndarray, i: int, j: int) -> float:
    present = states[states[:, i] != 0]
    return _floats(_scale((present[:, i] - present[:, j])[:, None]))[0] if len(present) else 1.0


def _floats(x: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{v:.6g}") for v in x)


class Mlp(nn.Module):
    """One hidden layer of ReLUs, which represent "on which side of another object" better than smooth units do."""

    hidden: int
    out: int

    @nn.compact
    def __call__(self, x: Float[Array, "*batch inputs"]) -> HeadOutput:
        return nn.Dense(self.out, name="out")(nn.relu(nn.Dense(self.hidden, name="hidden")(x)))


def _map(hidden: int, out: int) -> nn.Module:
    return Mlp(hidden, out) if hidden else nn.Dense(out)


def _standardized(x: Array, mean: tuple[float, ...], std: tuple[float, ...]) -> Array:
    return (x - jnp.asarray(mean)) / jnp.asarray(std)


class GroundedModel(nn.Module):
    """A language model with inputs and outputs for states and actions. All methods are pure.

    Parameters are {"llm": ..., "state_in": ..., "state_out": ..., "action_in": ..., "action_out": ...}.
    """

    config: LlamaConfig
    spec: NumericSpec

    def setup(self) -> None:
        c, s = self.config, self.spec
        self.llm = Llama(c)
        self.state_in = _map(s.hidden, c.width)
        self.state_out = _map(s.hidden, heads.width(s.state_dim, s.gaussian_states))
        outputs = s.num_actions + 1 if s.num_actions else heads.width(s.action_dim, s.gaussian_actions)
        self.action_in: nn.Embed | nn.Dense
        if s.num_actions:
            self.action_in = nn.Embed(s.num_actions + 1, c.width, embedding_init=nn.initializers.normal(0.02))
        else:
            self.action_in = nn.Dense(c.width)
        self.action_out = nn.Dense(outputs)

    @property
    def text_model(self) -> GroundedModel:
        """The model to use, with the same parameters, where no state is to be predicted."""
        return self

    def empty_cache(self, batch: int, size: int, dtype: Any = jnp.float32) -> Cache:
        """A cache of `batch` rows of `size` positions for `backbone`."""
        return empty_cache(self.config, batch, size, dtype)

    def embed_text(self, token: Tokens) -> Hidden:
        """Vectors of token ids."""
        return self.llm.embed(token)

    def embed_state(self, state: States) -> Hidden:
        """Vectors of states in raw units."""
        s = self.spec
        chex.assert_axis_dimension(state, -1, s.state_dim)
        normalized = _standardized(state, s.mean, s.std)
        if s.differences:
            one, other = np.array(s.differences).T
            difference = (state[..., one] - state[..., other]) / jnp.asarray(s.difference_std)
            normalized = jnp.concatenate([normalized, difference], -1)
        return self.state_in(normalized if s.limit is None else jnp.clip(normalized, -s.limit, s.limit))

    def embed_action(self, token: Tokens, value: Values) -> Hidden:
        """Vectors of actions: discrete ones are read from `token`, continuous ones in raw units from `value`."""
        s = self.spec
        if s.num_actions:
            return self.action_in(token)
        return self.action_in(_standardized(value[..., : s.action_dim], s.action_mean, s.action_std))

    def embed(self, rows: Rows) -> Vectors:
        """Vectors of rows, each position embedded by its kind."""
        kind = rows.kind[..., None]
        text = self.embed_text(jnp.where(rows.kind == TEXT, rows.token, 0))
        state = self.embed_state(rows.value[..., : self.spec.state_dim])
        action = self.embed_action(jnp.where(rows.kind == ACTION, rows.token, 0), rows.value)
        x = jnp.where(kind == TEXT, text, jnp.where(kind == STATE, state, jnp.where(kind == ACTION, action, 0.0)))
        return x.astype(text.dtype)

    def backbone(
        self, x: Vectors, positions: PerToken, mask: MaskOrSegments, cache: Cache | None = None, index: Index = None
    ) -> tuple[Vectors, Cache | None]:
        """The transformer's hidden states and cache; see `Llama.backbone`."""
        return self.llm.backbone(x, positions, mask, cache, index)

    def hidden(self, rows: Rows) -> Vectors:
        """Hidden states of packed rows."""
        return self.backbone(self.embed(rows), rows.position, rows.segment)[0]

    def text_logits(self, hidden: Hidden) -> Float[Array, "*batch V"]:
        """Logits of the next token."""
        return self.llm.logits(hidden)

    def action_head(self, hidden: Hidden) -> HeadOutput:
        """`num_actions` + 1 logits, the last one of "the goal is reached"; of continuous actions see `heads`."""
        return self.action_out(hidden)

    def state_head(self, hidden: Hidden) -> HeadOutput:
        """The normalized change or state (`spec.predict_change`); with `spec.gaussian_states` see `heads`."""
        return self.state_out(hidden)

    def action_error(self, out: HeadOutput, action: ActionVectors) -> Float[Array, "*batch"]:
        """Error of `action_head`'s output for raw continuous actions; see `heads.error`."""
        s = self.spec
        return heads.error(out, _standardized(action, s.action_mean, s.action_std), s.gaussian_actions)

    def continuous_action(self, hidden: Hidden, noise: ActionVectors | None = None) -> ActionVectors:
        """The action in raw units, within the bounds of the data; of `noise` see `heads.value`."""
        s = self.spec
        out = heads.value(self.action_head(hidden), s.gaussian_actions, noise)
        raw = out * jnp.asarray(s.action_std) + jnp.asarray(s.action_mean)
        return jnp.clip(raw, jnp.asarray(s.action_low), jnp.asarray(s.action_high))

    def next_state(self, hidden: Hidden, base: States, noise: States | None = None) -> States:
        """The predicted next state in raw units; `base` is the latest state.

        With `spec.gaussian_states` it is the mean, or a sample where there is `noise`; see `heads.value`.
        """
        s = self.spec
        out = heads.value(self.state_head(hidden), s.gaussian_states, noise)
        if s.predict_change:
            return base + out * jnp.asarray(s.change_std)
        return out * jnp.asarray(s.std) + jnp.asarray(s.mean)

    def normalized_target(self, state: States, base: States) -> States:
        """What `state_head` should output for the next state `state` after the state `base`."""
        s = self.spec
        if s.predict_change:
            return (state - base) / jnp.asarray(s.change_std)
        return _standardized(state, s.mean, s.std)

    def __call__(self, rows: Rows) -> tuple[Array, Array, Array]:
        """Every head at every position: (word logits, action output, state output). Used to create all parameters."""
        hidden = self.hidden(rows)
        return self.text_logits(hidden), self.action_head(hidden), self.state_head(hidden)


class Grounded(NamedTuple):
    """A grounded language model: its modules, its parameters and its tokenizer."""

    model: GroundedModel
    params: dict
    tokenizer: Tokenizer


def init_params(model: GroundedModel, key: jax.Array, llm_params: dict | None = None) -> dict:
    """Random parameters; with `llm_params` those of the language model, which are not copied."""
    rows = empty_rows(1, 4, model.spec.width)
    if llm_params is None:
        return jax.jit(model.init)(key, rows)["params"]
    chex.assert_trees_all_equal_shapes(jax.eval_shape(model.init, key, rows)["params"]["llm"], llm_params)

    # A second, random copy of a large model would not fit into memory. What is not returned is not computed.
    def numeric_parts(key: jax.Array, rows: Rows) -> dict:
        return change_llms(model.init(key, rows)["params"], lambda llm: {})

    return change_llms(jax.jit(numeric_parts)(key, rows), lambda _: llm_params)


def nested_models(params: dict) -> dict[str, dict]:
    """The parameters of models inside a model, by name; only `two_models.TwoModels` has one."""
    return {name: part for name, part in params.items() if isinstance(part, dict) and "llm" in part}


def change_llms(params: dict, change: Callable[[dict], dict]) -> dict:
    """`params` with `change` applied to the language model's and to those of nested models, which have no word head."""
    out = {**params, "llm": change(params["llm"])}
    for name, part in nested_models(params).items():
        llm = {key: x for key, x in change(part["llm"]).items() if key != "head"}
        out[name] = {**part, "llm": llm}
    return out
