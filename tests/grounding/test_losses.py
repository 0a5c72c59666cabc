"""The loss of known predictions, and words in parts: their errors and gradients are those of words at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.grounding import losses as loss
from kalm_jax.grounding.config import NumericSpec
from kalm_jax.grounding.losses import LossWeights, grounding_loss
from kalm_jax.grounding.model import GroundedModel
from kalm_jax.grounding.sequences import STATE
from kalm_jax.llm.transformer import LlamaConfig
from tests.grounding.toy import batches, make, toy_rollouts

ROWS, POSITIONS, WIDTH, WORDS = 4, 23, 16, 64
SPEC = NumericSpec(1, num_actions=2, mean=(0.0,), std=(1.0,), change_std=(1.0,))


def problem(tied, dtype=jnp.float32):
    """A function of (weights of the word head, hidden states) -> (sum, errors), and its arguments."""
    rng = np.random.default_rng(0)
    model = GroundedModel(LlamaConfig(WORDS, WIDTH, tie_embeddings=tied), SPEC)
    shape, hidden = (WORDS, WIDTH) if tied else (WIDTH, WORDS), rng.normal(size=(ROWS, POSITIONS, WIDTH))
    weights, token = jnp.asarray(rng.normal(size=shape), dtype), rng.integers(0, WORDS, (ROWS, POSITIONS))

    def total(weights, hidden, logits=loss.MAX_LOGITS, **other):
        llm = {"embedding": {"embedding": weights}} if tied else {"head": {"kernel": weights}, "embedding": {}}
        out = loss.word_errors(model, {"params": {"llm": llm}, **other}, hidden, jnp.asarray(token), logits)
        return jnp.sum(out * jnp.linspace(0, 1, POSITIONS)), out

    return total, (weights, jnp.asarray(hidden, dtype))


def gradients(problem, positions):
    """(errors, gradients by weights and hidden states) with the logits of so many positions of each row at a time."""
    total, args = problem
    slopes, out = jax.jit(jax.grad(lambda *x: total(*x, ROWS * WORDS * positions), (0, 1), has_aux=True))(*args)
    return out, *slopes


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("positions", [1, 7, 12])
def test_words_in_parts_have_the_errors_and_gradients_of_words_at_once(tied, positions):
    want = gradients(problem(tied), POSITIONS)
    got = gradients(problem(tied), positions)
    for x, y in zip(got, want):
        assert np.abs(y).max() > 0.1
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)


def test_in_bfloat16_the_gradients_of_parts_add_up_in_float32():
    total, small = problem(False)[0], problem(False, jnp.bfloat16)
    exact = gradients((total, tuple(x.astype(jnp.float32) for x in small[1])), POSITIONS)[1]
    whole, parts = (gradients(small, n)[1] for n in (POSITIONS, 1))
    assert parts.dtype == jnp.bfloat16
    error = [np.abs(x.astype(jnp.float32) - exact).max() for x in (parts, whole)]
    assert error[0] < 1.5 * error[1]


def test_a_frozen_head_is_not_copied_to_float32():
    total, args = problem(False, jnp.bfloat16)
    wide = f"f32[{WIDTH},{WORDS}]"
    assert wide in str(jax.make_jaxpr(lambda *x: total(*x, ROWS * WORDS))(*args))
    assert wide not in str(jax.make_jaxpr(lambda *x: total(*x, ROWS * WORDS, lora={}))(*args))


def test_no_more_logits_than_said_are_made_and_few_words_pass_at_once():
    total, args = problem(False)

    def program(positions):
        return str(jax.make_jaxpr(jax.grad(lambda *x: total(*x, ROWS * WORDS * positions), has_aux=True))(*args))

    assert f"f32[{ROWS},{POSITIONS},{WORDS}]" in program(POSITIONS)
    assert f"f32[{ROWS},6,{WORDS}]" in program(6) and f"f32[{ROWS},{POSITIONS},{WORDS}]" not in program(6)
    assert loss.positions_at_a_time(12, 127, 900) == 127  # the built-in model's default run
    assert loss.positions_at_a_time(16, 127, 32000) == 127
    assert loss.positions_at_a_time(16, 127, 152064) == 26
    assert loss.positions_at_a_time(1, 3, 1 << 40) == 1


def test_loss_of_known_predictions(words):
    """With all heads at zero the loss is log V, log 4 (three actions and the end), the targets' mean square."""
    rollouts = toy_rollouts()
    model, params = make(words, rollouts)
    params = jax.tree.map(jnp.zeros_like, params)
    out = jax.tree.map(jnp.asarray, batches(words, rollouts)(0))
    total, terms = grounding_loss(model, {"params": params}, out, LossWeights(text=1.0, action=0.25, state=4.0))
    asked = (out.weight[:, :-1] > 0) & (out.kind[:, 1:] == STATE)
    change = (out.value[:, 1:] - out.base[:, :-1])[asked] / np.asarray(model.spec.change_std)
    weight = out.weight[:, :-1][asked]
    state = np.sum((change**2).mean(-1) * weight) / weight.sum()
    assert np.isclose(terms["text_loss"], np.log(words.vocab_size), rtol=1e-5)
    assert np.isclose(terms["action_loss"], np.log(4), rtol=1e-5)
    assert np.isclose(terms["state_loss"], state, rtol=1e-4)
    assert np.isclose(total, np.log(words.vocab_size) + 0.25 * np.log(4) + 4 * state, rtol=1e-4)


def test_order_of_the_rows_does_not_matter(words):
    rollouts = toy_rollouts()
    model, params = make(words, rollouts)
    out = jax.tree.map(jnp.asarray, batches(words, rollouts)(0))
    turned = jax.tree.map(lambda x: x[::-1], out)
    np.testing.assert_allclose(
        *(grounding_loss(model, {"params": params}, r, LossWeights())[0] for r in (out, turned)), rtol=1e-5
    )
