"""Cached decoding with a grounded model: rollouts from words, actions in a simulator, words, and vectors of words.

Every jitted function is one call per batch. Rows are left-padded, so that all write at the same slot of the cache.
Batches and parameters are sharded over the devices as in training (`sharding.default_mesh`).

Dimension letters: B rows (in a simulator, episodes), T positions, D observation, A action, G goal array, K goals; E is
the width of the model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from kalm_jax.grounding.automaton import Automaton
from kalm_jax.grounding.model import Grounded, GroundedModel
from kalm_jax.grounding.sequences import Rows, RowSequence, align_right
from kalm_jax.grounding.tasks import goal_prompt
from kalm_jax.llm.transformer import Cache, prefix_mask
from kalm_jax.programs import program
from kalm_jax.sharding import BATCH_AXES, constrain, default_mesh, gather, padded_size, shard_batch, shard_params

Actions = Int[Array, " B"] | Float[Array, "B A"]
"""Actions of B rows: discrete ids, or continuous values in raw units."""
Observations = Float[Array, "B D"]
"""States of B rows in raw units."""
RowVectors = Float[Array, "B E"]
Keys = Key[Array, " B"]
Step = int | Int[Array, ""]
Temperature = float | Float[Array, ""]

TEXT_ROOM = 48
"""Rooms for texts are multiples of so many tokens, so that few programs are compiled."""

_STATE_STREAM = 1 << 30
"""Separates the random numbers of states from those of actions, which are numbered by their step."""

Stop = Callable[[Any, Any, Any, Any, Any], Any]
"""(family (B,), goal (B, G), state (B, D), action (B,) or (B, A), next state (B, D)) -> (B,) bool: goal reached."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class DecodingState:
    """What the model has read of B rows.

    Attributes:
      hidden: hidden states of the newest position.
      cache: keys and values of all positions.
      valid: slots of the cache that hold a position.
      slot: the next free slot, the same for all rows.
    """

    hidden: RowVectors
    cache: Cache
    valid: Bool[Array, "B slots"]
    slot: Int[Array, ""]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class RolloutState:
    """The loop state of `generate_rollouts`.

    Attributes:
      step: number of steps taken, t.
      decoding: what the model has read, up to the state s_t.
      state: s_t in raw units.
      states: all states so far, with `horizon` + 1 entries; 0 after a rollout's end.
      actions: all actions so far, (B, horizon) or (B, horizon, A); 0 after a rollout's end.
      length: number of actions of each rollout.
      success: rollouts that have reached their goal, where they end.
    """

    step: Int[Array, ""]
    decoding: DecodingState
    state: Observations
    states: Float[Array, "B steps D"]
    actions: Array
    length: Int[Array, " B"]
    success: Bool[Array, " B"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TextState:
    """The loop state of `generate_text`, as `RolloutState`; `tokens` are the end token after a text's end.

    `place` is the state of the automaton of each text that must be one of a given kind.
    """

    step: Int[Array, ""]
    decoding: DecodingState
    tokens: Int[Array, "B limit"]
    done: Bool[Array, " B"]
    place: Int[Array, " B"]


def prefill(model: GroundedModel, rows: Rows, size: int) -> DecodingState:
    """Reads right-aligned rows into a cache with room for `size` positions in all. `model` is bound to parameters."""
    valid, x = rows.segment > 0, model.embed(rows)
    cache = jax.tree.map(constrain, model.empty_cache(x.shape[0], size, x.dtype))
    hidden, cache = model.backbone(x, rows.position, prefix_mask(valid, size), cache, 0)
    assert cache is not None
    length = valid.shape[1]
    return DecodingState(hidden[:, -1], cache, jnp.pad(valid, ((0, 0), (0, size - length))), jnp.int32(length))


def _repeat(decoding: DecodingState, times: int) -> DecodingState:
    """Every row `times` times in succession."""
    if times == 1:
        return decoding

    def repeat(x: Array, axis: int = 0) -> Array:
        return constrain(jnp.repeat(x, times, axis), *((None,) * axis), BATCH_AXES)

    rows = int(isinstance(decoding.cache, dict))  # axis of the rows; scanned layers come first
    cache = jax.tree.map(partial(repeat, axis=rows), decoding.cache)
    return DecodingState(repeat(decoding.hidden), cache, repeat(decoding.valid), decoding.slot)


def _advance(model: GroundedModel, decoding: DecodingState, x: RowVectors) -> DecodingState:
    """Reads one more position of every row, given as vectors."""
    position = jnp.sum(decoding.valid, axis=1, keepdims=True)
    valid = decoding.valid.at[:, decoding.slot].set(True)
    hidden, cache = model.backbone(x[:, None], position, valid[:, None], decoding.cache, decoding.slot)
    assert cache is not None
    return DecodingState(hidden[:, 0], cache, valid, decoding.slot + 1)


def _advance_action(model: GroundedModel, decoding: DecodingState, action: Actions) -> DecodingState:
    """Reads one action of every row."""
    batch, discrete = action.shape[0], bool(model.spec.num_actions)
    value = jnp.zeros((batch, model.spec.width)) if discrete else jnp.asarray(action)
    token = action if discrete else jnp.zeros(batch, jnp.int32)
    return _advance(model, decoding, model.embed_action(token, value))


def _sample_actions(
    model: GroundedModel, hidden: RowVectors, keys: Keys, step: Step, temperature: Temperature
) -> Actions:
    """Actions after hidden states, at step number `step`."""
    keys = jax.vmap(lambda k: jax.random.fold_in(k, step))(keys)
    if model.spec.num_actions:
        out = model.action_head(hidden)
        noise = jax.vmap(lambda k: jax.random.gumbel(k, (model.spec.num_actions,)))(keys)
        return jnp.argmax(out[:, : model.spec.num_actions] + temperature * noise, axis=-1).astype(jnp.int32)
    if not model.spec.gaussian_actions:
        return model.continuous_action(hidden)
    noise = jax.vmap(lambda k: jax.random.normal(k, (model.spec.action_dim,)))(keys)
    return model.continuous_action(hidden, temperature * noise)


def _sample_states(
    model: GroundedModel, hidden: RowVectors, state: Observations, keys: Keys, step: Step, temperature: Temperature
) -> Observations:
    """The states after `state` and hidden states, at step number `step`."""
    if not model.spec.gaussian_states:
        return model.next_state(hidden, state)
    keys = jax.vmap(lambda k: jax.random.fold_in(jax.random.fold_in(k, _STATE_STREAM), step))(keys)
    noise = jax.vmap(lambda k: jax.random.normal(k, (model.spec.state_dim,)))(keys)
    return model.next_state(hidden, state, temperature * noise)


@program(static_argnames=("model", "steps"))
def start_episodes(params: dict, rows: Rows, *, model: GroundedModel, steps: int) -> DecodingState:
    """Reads right-aligned rows that end in a state of a simulator, with room for `steps` more steps."""
    return prefill(model.text_model.bind({"params": params}), rows, rows.kind.shape[1] + 2 * steps)


@program(static_argnames="model")
def act(
    params: dict, keys: Keys, decoding: DecodingState, step: Step, temperature: Temperature, *, model: GroundedModel
) -> Actions:
    """Actions after the newest states; `keys` are one per episode, and temperature 0 is greedy."""
    return _sample_actions(model.text_model.bind({"params": params}), decoding.hidden, keys, step, temperature)


@program(static_argnames="model", donate_argnames="decoding")
def observe(
    params: dict, action: Actions, state: Observations, decoding: DecodingState, *, model: GroundedModel
) -> DecodingState:
    """Reads actions and the raw states of the simulator that followed them."""
    bound = model.text_model.bind({"params": params})
    return _advance(bound, _advance_action(bound, decoding, action), bound.embed_state(state))


@program(static_argnames=("model", "stop", "horizon"))
def generate_rollouts(
    params: dict,
    prompts: Rows,
    state: Observations,
    family: Array,
    goal: Array,
    keys: Keys,
    temperature: Temperature,
    state_temperature: Temperature | None = None,
    first_action: Int[Array, " B"] | None = None,
    *,
    model: GroundedModel,
    stop: Stop,
    horizon: int,
) -> tuple[Float[Array, "B steps D"], Array, Int[Array, " B"], Bool[Array, " B"]]:
    """Imagines rollouts. Action a_t is drawn from the position of s_t (the authors' code is one position late).

    Args:
      prompts: right-aligned rows whose last position is the first state. A row may stand for several rollouts in
        succession, B / rows of them, which is cheaper than to read it for each.
      state: first states, in raw units.
      family, goal: arguments of `stop`, (B,) and (B, G).
      keys: one per rollout. Its result does not depend on the batch that it is in.
      temperature: of actions where the model predicts a distribution (discrete or Gaussian); 0 is greedy.
      state_temperature: of states, likewise; None is `temperature`.
      first_action: actions of the first step, which then are not drawn.
      stop: ends a rollout at its imagined success.
      horizon: maximum number of steps.

    Returns:
      States (B, horizon + 1, D), actions (B, horizon) or (B, horizon, A), lengths and success. Entries after a
      rollout's end are 0.
    """
    (read, length), batch = prompts.kind.shape, state.shape[0]
    spec, bound = model.spec, model.bind({"params": params})
    shape = (batch, horizon) if spec.num_actions else (batch, horizon, spec.action_dim)
    state_temperature = temperature if state_temperature is None else state_temperature

    def is_running(carry: RolloutState) -> Bool[Array, ""]:
        return (carry.step < horizon) & ~jnp.all(carry.success)

    def take_step(carry: RolloutState) -> RolloutState:
        t, running = carry.step, ~carry.success
        action = _sample_actions(bound, carry.decoding.hidden, keys, t, temperature)
        if first_action is not None:
            action = jnp.where(t == 0, first_action, action)
        decoding = _advance_action(bound, carry.decoding, action)
        next_state = _sample_states(bound, decoding.hidden, carry.state, keys, t, state_temperature)
        reached = stop(family, goal, carry.state, action, next_state) & running
        kept = jnp.where(running.reshape((-1,) + (1,) * (carry.actions.ndim - 2)), action, 0)
        return RolloutState(
            step=t + 1,
            decoding=_advance(bound, decoding, bound.embed_state(next_state)),
            state=next_state,
            states=carry.states.at[:, t + 1].set(jnp.where(running[:, None], next_state, 0.0)),
            actions=carry.actions.at[:, t].set(kept),
            length=carry.length + running,
            success=carry.success | reached,
        )

    start = RolloutState(
        step=jnp.int32(0),
        decoding=_repeat(prefill(bound, prompts, length + 2 * horizon), batch // read),
        state=jnp.asarray(state, jnp.float32),
        states=jnp.zeros((batch, horizon + 1, spec.state_dim)).at[:, 0].set(state),
        actions=jnp.zeros(shape, jnp.int32 if spec.num_actions else jnp.float32),
        length=jnp.zeros(batch, jnp.int32),
        success=jnp.zeros(batch, bool),
    )
    end = jax.lax.while_loop(is_running, take_step, start)
    return end.states, end.actions, end.length, end.success


@program(static_argnames=("model", "limit"))
def generate_text(
    params: dict,
    rows: Rows,
    keys: Keys,
    temperature: Temperature,
    eos: Step,
    most: Step | None = None,
    automaton: Automaton | None = None,
    *,
    model: GroundedModel,
    limit: int,
) -> Int[Array, "B limit"]:
    """Token ids after right-aligned rows, `eos` after a text's end; stops when every row has ended.

    `keys` are one per row; temperature 0 is greedy. Texts have `most` tokens, by default `limit`, for which there is
    room: one compiled program serves every `most` up to it. With an automaton the likeliest token among those that it
    allows comes next.
    """
    most = limit if most is None else most
    bound, (batch, length) = model.text_model.bind({"params": params}), rows.kind.shape

    def is_running(carry: TextState) -> Bool[Array, ""]:
        return (carry.step < most) & ~jnp.all(carry.done)

    def take_step(carry: TextState) -> TextState:
        t = carry.step
        logits = bound.text_logits(carry.decoding.hidden)
        noise = jax.vmap(lambda k: jax.random.gumbel(jax.random.fold_in(k, t), logits.shape[1:]))(keys)
        scores, place = logits + temperature * noise, carry.place
        if automaton is None:
            token = jnp.argmax(scores, axis=-1).astype(jnp.int32)
        else:
            allowed = jnp.asarray(automaton.token)[place]
            scores = jnp.take_along_axis(scores, jnp.maximum(allowed, 0), axis=1)
            best = jnp.argmax(jnp.where(allowed < 0, -jnp.inf, scores), axis=-1)[:, None]
            token = jnp.take_along_axis(allowed, best, axis=1)[:, 0]
            place = jnp.take_along_axis(jnp.asarray(automaton.next)[place], best, axis=1)[:, 0]
        token = jnp.where(carry.done, eos, token)
        return TextState(
            step=t + 1,
            decoding=_advance(bound, carry.decoding, bound.embed_text(token)),
            tokens=carry.tokens.at[:, t].set(token),
            done=carry.done | (token == eos),
            place=place,
        )

    start = TextState(
        step=jnp.int32(0),
        decoding=prefill(bound, rows, length + limit),
        tokens=jnp.full((batch, limit), eos, jnp.int32),
        done=jnp.zeros(batch, bool),
        place=jnp.zeros(batch, jnp.int32),
    )
    return jax.lax.while_loop(is_running, take_step, start).tokens


@program(static_argnames="model")
def _goal_vectors(params: dict, rows: Rows, *, model: GroundedModel) -> RowVectors:
    bound = model.text_model.bind({"params": params})
    hidden, _ = bound.backbone(bound.embed_text(rows.token), rows.position, rows.segment)
    weight = (rows.segment > 0)[..., None].astype(hidden.dtype)
    mean = jnp.sum(hidden * weight, axis=1) / jnp.maximum(jnp.sum(weight, axis=1), 1.0)
    return hidden[:, -1] + 2.0 * mean  # a mean varies about half as much


class ShardedBatchRunner:
    """Calls a jitted function on the default mesh with batches of `batch` rows, at least as many as asked for."""

    def __init__(self, function: Callable, params: dict, batch: int) -> None:
        """`function(params, **batch, **others)`; parameters are put on the mesh unless they are there already."""
        self.batch = padded_size(batch)
        self._function, self._mesh = function, default_mesh()
        self._params = shard_params(self._mesh, params)

    def __call__(self, batch: Mapping[str, Any], **others: Any) -> Any:
        """`function` of a batch from the host, split along the first axis of its arrays, with results on the host."""
        return gather(self.on_devices(batch, **others))

    def on_devices(self, batch: Mapping[str, Any], **others: Any) -> Any:
        """The same, with the results left on the devices."""
        with jax.set_mesh(self._mesh):
            return self._function(self._params, **shard_batch(self._mesh, dict(batch)), **others)


def encode_goals(
    grounded: Grounded,
    texts: Sequence[str],
    batch: int = 128,
    by_length: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Float[np.ndarray, "K E"]:
    """Goal vectors: the language model's last hidden states for the prompt of a rollout.

    A vector is the sum of two. The state at the end of the prompt, from which the model continues to a rollout, is
    similar for the same goal in different wordings; the mean over the prompt keeps the wordings apart.

    Args:
      by_length: batches hold prompts of similar length, which is less work where positions cost more than compiling
        some programs: for all but small models. The vectors differ by rounding.
      progress: called after each batch with the number of sentences that are done.
    """
    prompts = [goal_prompt(grounded.tokenizer, text) for text in texts]
    return over_rows(_goal_vectors, grounded, prompts, batch, by_length=by_length, progress=progress)


def generate_answers(
    grounded: Grounded,
    prompts: Sequence[list[int] | RowSequence],
    temperature: float = 0.0,
    seed: int = 0,
    limit: int = TEXT_ROOM,
    batch: int = 128,
    end: int | None = None,
    automaton: Automaton | None = None,
    by_length: bool = False,
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """The model's text after each prompt (token ids, or a row that ends in words); greedy at temperature 0.

    An answer ends before the token `end`, by default the tokenizer's end of a sentence, or after `limit` tokens. With
    an automaton it is one of the texts that this allows. For `by_length` and `progress` see `over_rows`.
    """
    end = grounded.tokenizer.eos_id if end is None else end
    batch = smaller_batch(batch, len(prompts))
    answers = over_rows(
        generate_text,
        grounded,
        prompts,
        batch,
        step=16,
        seed=seed,
        temperature=temperature,
        eos=end,
        most=limit,
        limit=round_up(limit, TEXT_ROOM),
        by_length=by_length,
        progress=progress,
        **({} if automaton is None else {"automaton": automaton}),
    )
    texts = (grounded.tokenizer.decode(ids[: ids.index(end)] if end in ids else ids) for ids in answers.tolist())
    return [text.strip() for text in texts]


def over_rows(
    function: Callable,
    grounded: Grounded,
    prompts: Sequence[list[int] | RowSequence],
    batch: int,
    step: int = 8,
    seed: int | None = None,
    by_length: bool = False,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> np.ndarray:
    """`function(params, rows, model=, **options)` of all prompts, which are right-aligned rows or their token ids.

    Rows have a multiple of `step` positions, all the same, or with `by_length` those of a batch. With `seed` the
    function gets one key per row as well. `progress` is called after each batch with the number of rows done.
    """
    if not prompts:
        return np.zeros(0, np.float32)
    width = grounded.model.spec.width
    rows = [p if isinstance(p, RowSequence) else RowSequence(width).text(p) for p in prompts]
    run, longest = ShardedBatchRunner(function, grounded.params, batch), max(row.length for row in rows)
    keys = None if seed is None else jax.random.split(jax.random.key(seed), round_up(len(rows), run.batch))
    order = sorted(range(len(rows)), key=lambda i: rows[i].length) if by_length else list(range(len(rows)))
    if keys is not None and by_length:  # each row keeps its key
        keys = keys[np.append(order, np.arange(len(rows), len(keys)))]
    out: list[Any] = [None] * len(rows)
    for start in range(0, len(rows), run.batch):
        # One compiled program serves all batches of a length: the last one is filled up.
        chosen = order[start : start + run.batch]
        chunk = [rows[i] for i in chosen]
        length = round_up(max(row.length for row in chunk) if by_length else longest, step)
        chunk += [RowSequence(width).text([grounded.tokenizer.bos_id])] * (run.batch - len(chunk))
        inputs: dict[str, Any] = {"rows": align_right(chunk, length, width)}
        if keys is not None:
            inputs["keys"] = keys[start : start + run.batch]
        for i, result in zip(chosen, run(inputs, model=grounded.model, **options)):
            out[i] = result
        if progress is not None:
            progress(start + len(chosen))
    return np.stack(out)


def smaller_batch(batch: int, rows: int) -> int:
    """`batch`, or an eighth of it where that holds all rows: few rows are then cheap."""
    return batch // 8 if max(rows, 1) <= batch // 8 else batch


def round_up(number: int, step: int) -> int:
    """The least multiple of `step` that is at least `number`; few different shapes are few compiled programs."""
    return -(-number // step) * step
