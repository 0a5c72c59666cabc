"""Decoding with a cache: an uncached pass, other batches, and padding give the same."""

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.grounding import decoding as decode
from kalm_jax.grounding import sequences as rows
from kalm_jax.grounding.explanation import rollout_log_probs
from kalm_jax.grounding.model import Grounded
from kalm_jax.grounding.sequences import STATE, RowSequence
from kalm_jax.grounding.tasks import goal_prompt
from kalm_jax.sharding import pad_batch
from tests.grounding.toy import TEXTS, make, toy_rollouts


def test_imagined_rollouts_equal_an_uncached_pass_and_do_not_depend_on_the_batch(words):
    rollouts = toy_rollouts()
    model, params = make(words, rollouts)
    first = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    sequences = [RowSequence(3).text(goal_prompt(words, TEXTS[i % 4])).state(first[i]) for i in range(6)]
    keys = jax.random.split(jax.random.key(5), 6)

    def never(family, goal, state, action, following):
        return jnp.zeros(following.shape[0], bool)

    def run(index, length):
        index = np.asarray(index)
        return decode.generate_rollouts(
            params,
            rows.align_right([sequences[i] for i in index], length, 3),
            first[index],
            np.zeros(len(index), np.int32),
            np.zeros((len(index), 2), np.int32),
            keys[index],
            1.0,
            model=model,
            stop=never,
            horizon=10,
        )

    states, actions, length, _ = (np.asarray(x) for x in run(range(6), 20))
    assert (length == 10).all()
    alone = run([4, 2], 28)  # other neighbours, more padding
    np.testing.assert_allclose(alone[0], states[[4, 2]], atol=1e-4)
    np.testing.assert_array_equal(alone[1], actions[[4, 2]])
    shown = [
        RowSequence(3).text(goal_prompt(words, TEXTS[i % 4])).rollout(states[i], actions[i], 1.0, 1.0) for i in range(6)
    ]
    whole = jax.tree.map(jnp.asarray, rows.pack(shown, 6, 40, 3))
    bound = model.bind({"params": params})
    predicted = np.asarray(bound.next_state(bound.hidden(whole), whole.base))
    asked = (whole.weight[:, :-1] > 0) & (whole.kind[:, 1:] == STATE)
    np.testing.assert_allclose(predicted[:, :-1][asked], whole.value[:, 1:][asked], atol=1e-4)


def test_few_rows_take_a_smaller_batch_and_say_the_same(words):
    rollouts = toy_rollouts()
    grounded = Grounded(*make(words, rollouts), words)
    assert [decode.smaller_batch(128, n) for n in (0, 16, 17, 500)] == [16, 16, 128, 128]
    assert decode.smaller_batch(4, 1) == 4
    prompts = [goal_prompt(words, text) for text in TEXTS]
    several = decode.generate_answers(grounded, prompts * 5, temperature=1.0, seed=3, batch=40)
    assert several[:4] == decode.generate_answers(grounded, prompts, temperature=1.0, seed=3, batch=40)
    few = rollout_log_probs(grounded, prompts, rollouts.take(slice(0, 4)), batch=32)
    many = rollout_log_probs(grounded, prompts, rollouts.take(slice(0, 4)), batch=31)
    np.testing.assert_allclose(few, many, rtol=1e-5)


def test_rows_that_fill_a_batch_of_decoding_change_no_other(words):
    model, params = make(words, toy_rollouts())
    first = np.random.default_rng(3).normal(size=(5, 3)).astype(np.float32)
    sequences = [RowSequence(3).text(goal_prompt(words, TEXTS[i % 4])).state(s) for i, s in enumerate(first)]
    inputs = {
        "prompts": rows.align_right(sequences, 24, 3),
        "state": first,
        "family": np.zeros(5, np.int32),
        "goal": np.zeros((5, 2), np.int32),
    }
    keys = jax.random.split(jax.random.key(1), 6)
    run = decode.ShardedBatchRunner(decode.generate_rollouts, params, 5)
    assert run.batch == 6  # on the tests' two devices

    def never(family, goal, state, action, following):
        return jnp.zeros(following.shape[0], bool)

    options = {"temperature": 1.0, "model": model, "stop": never, "horizon": 6}
    found = run({**pad_batch(inputs, 6), "keys": keys}, **options)
    want = decode.generate_rollouts(params, **inputs, keys=keys[:5], **options)
    for i in range(5):
        np.testing.assert_allclose(found[0][i], want[0][i], atol=1e-4, err_msg=f"states of row {i}")
        np.testing.assert_array_equal(found[1][i], want[1][i], err_msg=f"actions of row {i}")
    assert len(np.unique(np.asarray(want[1]))) > 1
