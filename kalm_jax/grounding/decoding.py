"""Cached decoding with a grounded model: rollouts from words, words after anything, and vectors of words.

Every function is one jitted call per batch; prompts are left-padded, so that all rows write at the same cache slot.
Batches are split over the devices, and parameters lie on them, as in training (`default_mesh`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.grounding.model import GroundedModel, Vectors
from kalm_jax.grounding.sequences import Rows, RowSequence, align_right
from kalm_jax.grounding.tasks import goal_prompt
from kalm_jax.llm.tokenizer import Tokenizer, left_pad
from kalm_jax.llm.transformer import empty_cache, prefix_mask
from kalm_jax.sharding import constrain, default_mesh, gather, padded_size, shard_batch, shard_params

Stop = Callable[[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]
"""(family (B,), goal (B, G), state (B, D), action (B,) or (B, A), next state (B, D)) -> (B,) bool: goal reached."""

_STATES = 1 << 30
"""Sets the random numbers of states apart from those of actions, which are numbered by their step."""


def prefill(model, params, rows: Rows, size: int):
    """Hidden state (B, width) of the last position of right-aligned rows, and a cache for `size` positions."""
    valid = rows.segment > 0
    x = model.apply({"params": params}, rows, method="embed")
    cache = jax.tree.map(lambda y: empty_cache(model.config, y.shape[0], size, y.dtype), x)  # of two models a pair
    cache = jax.tree.map(constrain, cache)
    hidden, cache = model.apply(
        {"params": params}, x, rows.position, prefix_mask(valid, size), cache, 0, method="backbone"
    )
    return _at(hidden, -1), cache, jnp.pad(valid, ((0, 0), (0, size - valid.shape[1])))


def _at(hidden: Vectors, position: int) -> Vectors:
    """Hidden states (B, T, width) at one position."""
    return jax.tree.map(lambda h: h[:, position], hidden)


def next_position(model, params, x: Vectors, slot, valid, cache):
    """One more position x (B, width) at cache slot `slot`; returns hidden (B, width), validity and cache."""
    position = jnp.sum(valid, axis=1, keepdims=True)
    valid = valid.at[:, slot].set(True)
    x = jax.tree.map(lambda y: y[:, None], x)
    hidden, cache = model.apply({"params": params}, x, position, valid[:, None], cache, slot, method="backbone")
    return _at(hidden, 0), valid, cache


def draw_action(model, apply, hidden, keys, t, temperature):
    """(B,) ids or (B, A) values after hidden states (B, width) at step t."""
    keys = jax.vmap(lambda k: jax.random.fold_in(k, t))(keys)
    if model.spec.num_actions:
        out = apply(hidden, method="action_head")
        noise = jax.vmap(lambda k: jax.random.gumbel(k, (model.spec.num_actions,)))(keys)
        return jnp.argmax(out[:, : model.spec.num_actions] + temperature * noise, axis=-1).astype(jnp.int32)
    noise = None
    if model.spec.gaussian_actions:
        noise = temperature * jax.vmap(lambda k: jax.random.normal(k, (model.spec.action_dim,)))(keys)
    return apply(hidden, noise, method="continuous_action")


def _draw_state(model, apply, hidden, state, keys, t, temperature):
    """(B, D) the states after `state` (B, D) and hidden states (B, width) at step t."""
    noise = None
    if model.spec.gaussian_states:
        keys = jax.vmap(lambda k: jax.random.fold_in(jax.random.fold_in(k, _STATES), t))(keys)
        noise = temperature * jax.vmap(lambda k: jax.random.normal(k, (model.spec.state_dim,)))(keys)
    return apply(hidden, state, noise, method="next_state")


@functools.partial(jax.jit, static_argnames=("model", "stop", "horizon"))
def generate_rollouts(
    params,
    prompts: Rows,
    state,
    family,
    goal,
    keys,
    temperature,
    state_temperature=None,
    first_action=None,
    *,
    model: GroundedModel,
    stop: Stop,
    horizon: int,
):
    """Imagines rollouts; a_t is drawn from the position of s_t (the authors' code is one step late, `kalm.md` 9.1).

    Args:
      params: of `model`.
      prompts: B right-aligned rows whose last position is the first state.
      state: (B, D) first states, raw units.
      family, goal: what `stop` reads, (B,) and (B, G).
      keys: (B,) random keys, one per rollout: its result does not depend on the batch that it is in.
      temperature: of actions where the model says their distribution (discrete or Gaussian); 0 is greedy.
      state_temperature: of states, likewise; None is `temperature`.
      first_action: (B,) the actions of the first step, which then are not drawn.
      stop: ends a rollout at its imagined success.
      horizon: most steps.

    Returns:
      states (B, horizon+1, D), actions (B, horizon[, A]), length (B,), success (B,). What comes after the end is 0.
    """
    apply = functools.partial(model.apply, {"params": params})
    batch, prompt = prompts.kind.shape
    hidden, cache, valid = prefill(model, params, prompts, prompt + 2 * horizon)
    shape = (batch, horizon) if model.spec.num_actions else (batch, horizon, model.spec.action_dim)
    states = jnp.zeros((batch, horizon + 1, model.spec.state_dim)).at[:, 0].set(state)
    actions = jnp.zeros(shape, jnp.int32 if model.spec.num_actions else jnp.float32)
    state_temperature = temperature if state_temperature is None else state_temperature

    def going(carry):
        t, _, _, _, _, _, _, _, done, _ = carry
        return (t < horizon) & ~jnp.all(done)

    def body(carry):
        t, hidden, state, states, actions, cache, valid, length, done, success = carry
        action = draw_action(model, apply, hidden, keys, t, temperature)
        if first_action is not None:
            action = jnp.where(t == 0, first_action, action)
        value = jnp.zeros((batch, model.spec.width)) if model.spec.num_actions else jnp.asarray(action)
        x = apply(action if model.spec.num_actions else jnp.zeros(batch, jnp.int32), value, method="embed_action")
        hidden, valid, cache = next_position(model, params, x, prompt + 2 * t, valid, cache)
        nxt = _draw_state(model, apply, hidden, state, keys, t, state_temperature)
        reached = stop(family, goal, state, action, nxt) & ~done
        keep = ~done
        states = states.at[:, t + 1].set(jnp.where(keep[:, None], nxt, 0.0))
        masked = jnp.where(keep.reshape((-1,) + (1,) * (actions.ndim - 2)), action, 0)
        actions = actions.at[:, t].set(masked)
        length, success, done = length + keep, success | reached, done | reached
        x = apply(nxt, method="embed_state")
        hidden, valid, cache = next_position(model, params, x, prompt + 2 * t + 1, valid, cache)
        return t + 1, hidden, nxt, states, actions, cache, valid, length, done, success

    no = jnp.zeros(batch, bool)
    carry = (
        0,
        hidden,
        jnp.asarray(state, jnp.float32),
        states,
        actions,
        cache,
        valid,
        jnp.zeros(batch, jnp.int32),
        no,
        no,
    )
    _, _, _, states, actions, _, _, length, _, success = jax.lax.while_loop(going, body, carry)
    return states, actions, length, success


@functools.partial(jax.jit, static_argnames=("model", "limit", "eos"))
def generate_text(params, prompts: Rows, keys, temperature, *, model: GroundedModel, limit: int, eos: int):
    """Words (B, limit) after right-aligned prompts, `eos` after the end; stops when every row has ended.

    `keys` (B,) are random keys, `temperature` is that of the words; 0 is greedy.
    """
    model, (batch, prompt) = model.speaker, prompts.kind.shape
    hidden, cache, valid = prefill(model, params, prompts, prompt + limit)

    def going(carry):
        t, _, _, _, _, done = carry
        return (t < limit) & ~jnp.all(done)

    def body(carry):
        t, hidden, words, cache, valid, done = carry
        logits = model.apply({"params": params}, hidden, method="text_logits")
        noise = jax.vmap(lambda k: jax.random.gumbel(jax.random.fold_in(k, t), logits.shape[1:]))(keys)
        word = jnp.argmax(logits + temperature * noise, axis=-1).astype(jnp.int32)
        word = jnp.where(done, eos, word)
        done = done | (word == eos)
        x = model.apply({"params": params}, word, method=lambda m, w: m.llm.embed(w))
        hidden, valid, cache = next_position(model, params, x, prompt + t, valid, cache)
        return t + 1, hidden, words.at[:, t].set(word), cache, valid, done

    words = jnp.full((batch, limit), eos, jnp.int32)
    return jax.lax.while_loop(going, body, (0, hidden, words, cache, valid, jnp.zeros(batch, bool)))[2]


@functools.partial(jax.jit, static_argnames=("model",))
def _goal_hidden(params, tokens, valid, *, model: GroundedModel):
    position = jnp.maximum(jnp.cumsum(valid, axis=1) - 1, 0)

    def encode(m):
        return m.backbone(m.llm.embed(tokens), position, valid.astype(jnp.int32))[0]

    hidden = model.speaker.apply({"params": params}, method=encode)
    weight = valid[..., None].astype(hidden.dtype)
    mean = jnp.sum(hidden * weight, axis=1) / jnp.maximum(jnp.sum(weight, axis=1), 1.0)
    return hidden[:, -1] + 2.0 * mean  # a mean varies about half as much


class Spread:
    """One of the jitted functions on the mesh: called with the arrays of a batch on the host, answers on the host.

    Attributes:
      batch: rows that every batch must have, at least as many as asked for.
    """

    def __init__(self, function: Callable, params, batch: int):
        """`function(params, *arrays, *rest, **static)`; parameters are put on the mesh, where they may lie already."""
        self.batch = padded_size(batch)
        self._function, self._mesh = function, default_mesh()
        self._params = shard_params(self._mesh, params)

    def __call__(self, arrays: tuple, *rest, **static):
        """`arrays` are split along their first axis; `rest` are numbers, or what `on_devices` answered."""
        return gather(self.on_devices(arrays, *rest, **static))

    def on_devices(self, arrays: tuple, *rest, **static):
        """The same, with the answer left on the devices."""
        with jax.set_mesh(self._mesh):
            return self._function(self._params, *shard_batch(self._mesh, arrays), *rest, **static)


def encode_goals(
    model: GroundedModel, params, tokenizer: Tokenizer, texts: Sequence[str], batch: int = 128
) -> np.ndarray:
    """Goal vectors (K, width): the language model's last hidden states as it has read what it is to imagine.

    The sum of two: the state at the end of the prompt, from which the model goes on to a rollout, names the same balls
    alike in different wordings; the mean over the prompt keeps the wordings apart.
    """
    rows = [goal_prompt(tokenizer, text) for text in texts]
    width = -(-max((len(r) for r in rows), default=1) // 8) * 8
    out, run = [], Spread(_goal_hidden, params, batch)
    for chunk in chunks(rows, run.batch, fill=[tokenizer.bos_id]):
        out.append(run(left_pad(chunk, tokenizer.pad_id, width), model=model))
    return np.concatenate(out)[: len(rows)] if out else np.zeros((0, model.config.width), np.float32)


def answer(
    model: GroundedModel,
    params,
    tokenizer: Tokenizer,
    prompts: Sequence[list[int] | RowSequence],
    temperature: float = 0.0,
    seed: int = 0,
    limit: int = 48,
    batch: int = 128,
    end: int | None = None,
) -> list[str]:
    """What the model says after each prompt, token ids or a row that ends in words; greedy at temperature 0.

    An answer ends before the token `end`, by default the tokenizer's end of a sentence, or after `limit` tokens.
    """
    end = tokenizer.eos_id if end is None else end
    empty = RowSequence(model.spec.width)
    rows = [p if isinstance(p, RowSequence) else RowSequence(model.spec.width).text(p) for p in prompts]
    width = -(-max((row.length for row in rows), default=1) // 8) * 8
    out, run = [], Spread(generate_text, params, fitting(batch, len(rows)))
    keys = jax.random.split(jax.random.key(seed), -(-max(len(rows), 1) // run.batch) * run.batch)
    for i, chunk in enumerate(chunks(rows, run.batch, fill=empty.text([tokenizer.bos_id]))):
        inputs = (align_right(chunk, width, model.spec.width), keys[i * run.batch : (i + 1) * run.batch])
        out.extend(run(inputs, temperature, model=model, limit=limit, eos=end))
    return [tokenizer.decode(w[: _first(w, end)]).strip() for w in out[: len(rows)]]


def fitting(batch: int, rows: int) -> int:
    """`batch`, or an eighth of it where that holds all rows: few rows then cost little."""
    return batch // 8 if max(rows, 1) <= batch // 8 else batch


def _first(words, eos) -> int:
    ends = np.flatnonzero(words == eos)
    return int(ends[0]) if len(ends) else len(words)


def chunks(items: list, size: int, fill):
    """Lists of exactly `size` items, the last one filled up, so that one compiled program serves all."""
    for i in range(0, len(items), size):
        chunk = items[i : i + size]
        yield chunk + [fill] * (size - len(chunk))
