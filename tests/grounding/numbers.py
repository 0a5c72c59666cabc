"""Random rollouts of discrete or continuous actions, and small models of them, for the tests of numbers."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.pretrain import train_tokenizer
from kalm_jax.grounding import decoding as decode
from kalm_jax.grounding import sequences as rows
from kalm_jax.grounding.model import GroundedModel, init_params, numeric_spec
from kalm_jax.grounding.sequences import RowSequence
from kalm_jax.llm.transformer import LlamaConfig
from kalm_jax.types import Rollouts

WORDS = train_tokenizer(["push the red ball left"] * 3, 300)


def random_rollouts(states, actions, n=40, horizon=5, seed=0, noise=0.0):
    """s' = s + c * (first action's value) + noise; `actions` is a width, or 0 for four discrete ones."""
    rng = np.random.default_rng(seed)
    obs = np.zeros((n, horizon + 1, states), np.float32)
    obs[:, 0] = 2.0 + 3.0 * rng.normal(size=(n, states))
    taken = rng.uniform(-0.5, 2.0, (n, horizon, actions)) if actions else rng.integers(0, 4, (n, horizon))
    first = taken[..., :1] if actions else taken[..., None]
    for t in range(horizon):
        obs[:, t + 1] = obs[:, t] + 0.1 * first[:, t] + noise * rng.normal(size=(n, states))
    ones, zeros = np.ones(n, bool), np.zeros((n, horizon), np.float32)
    taken = taken.astype(np.float32 if actions else np.int32)
    return Rollouts(obs, taken, zeros, np.full(n, horizon, np.int32), ~ones, np.zeros(n, np.int32), ~ones)


def make(rollouts, layers=1, kind=GroundedModel, **options):
    spec = numeric_spec(rollouts, 4, **{"hidden": 16, **options})
    model = kind(LlamaConfig(WORDS.vocab_size, 16, layers, 2, 1, 8, 32), spec)
    params = init_params(model, jax.random.key(0))
    # Heads that say something, and differently at every position.
    rng = np.random.default_rng(1)
    return model, jax.tree.map(lambda x: x + 0.1 * rng.normal(size=x.shape).astype(np.float32), params)


def never(family, goal, state, action, following):
    return jnp.zeros(following.shape[0], bool)


def prompt(model, first, text="push the red ball left"):
    return RowSequence(model.spec.width).text([WORDS.bos_id, *WORDS.encode(text)]).state(first)


def imagine(model, params, first, horizon, temperature, state_temperature=None, seed=0):
    texts = ["push the red ball left", "left", "push the ball"]
    sequences = [prompt(model, s, texts[i % 3]) for i, s in enumerate(first)]
    n = len(first)
    out = decode.generate_rollouts(
        *(params, rows.align_right(sequences, 32, model.spec.width), first, np.zeros(n, np.int32)),
        *(np.zeros((n, 1), np.int32), jax.random.split(jax.random.key(seed), n), temperature, state_temperature),
        **{"model": model, "stop": never, "horizon": horizon},
    )
    states, actions = np.asarray(out[0]), np.asarray(out[1])
    whole = []
    for i in range(n):
        whole.append(RowSequence(model.spec.width).text([WORDS.bos_id, *WORDS.encode(texts[i % 3])]))
        whole[-1].rollout(states[i], actions[i], 1.0, 1.0)
    return states, actions, rows.align_right(whole, 24 + 2 * horizon, model.spec.width)


def uncached(model, params, whole, method, *inputs):
    """`method` of the model on the hidden states of one pass over whole rows."""

    def both(params, rows):
        bound = model.bind({"params": params})
        return getattr(bound, method)(bound.hidden(rows), *inputs)[:, :-1]

    return jax.jit(both)(params, whole)
