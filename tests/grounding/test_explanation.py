"""Rollouts into words: goal summaries, sentences, likelihoods."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.grounding import decoding as decode
from kalm_jax.grounding import explanation as explanations
from kalm_jax.grounding import sequences as rows
from kalm_jax.grounding.checkpoint import load_grounded, save_grounded
from kalm_jax.grounding.explanation import (
    explain,
    generate_explanations,
    likeliest_goal_summaries,
    rollout_log_probs,
    text_log_probs,
)
from kalm_jax.grounding.model import Grounded
from kalm_jax.grounding.sequences import RowSequence
from kalm_jax.grounding.tasks import goal_prompt
from kalm_jax.grounding.trainer import TrainConfig, fit
from kalm_jax.worlds.base import GoalLanguage
from tests.grounding.toy import GOALS, TEXTS, batches, make, short, toy_rollouts


@pytest.mark.slow
@pytest.mark.parametrize("continuous", [False, True])
def test_training_learns_the_toy_world_and_imagines_it(words, continuous, tmp_path):
    rollouts = toy_rollouts(256, continuous=continuous)
    model, params = make(words, rollouts)
    config = TrainConfig(120 if continuous else 240, learning_rate=5e-3, log_every=20)
    params, curve = fit(model, params, batches(words, rollouts), config)
    assert curve[-1]["state_loss"] < 0.1 * curve[0]["state_loss"]
    save_grounded(tmp_path, Grounded(model, params, words))
    grounded = load_grounded(tmp_path)
    assert grounded.model == model
    sequences = [RowSequence(3).text(goal_prompt(words, TEXTS[i % 4])).state(np.zeros(3)) for i in range(8)]
    prompts = rows.align_right(sequences, 24, 3)
    family, goal, keys = np.zeros(8, np.int32), GOALS.array[np.arange(8) % 4], jax.random.split(jax.random.key(0), 8)

    def stop(family, goal, state, action, following):
        return jnp.abs(following[:, 0]) > 0.25

    states, _, length, success = decode.generate_rollouts(
        grounded.params,
        prompts,
        np.zeros((8, 3), np.float32),
        family,
        goal,
        keys,
        0.0,
        model=model,
        stop=stop,
        horizon=6,
    )
    assert np.asarray(success).all() and (np.asarray(length) <= 4).all()
    final = np.asarray(states)[np.arange(8), np.asarray(length)]
    assert (np.sign(final[:, 0]) == np.where(np.arange(8) % 2, -1, 1)).all()  # words decide the direction
    assert (np.asarray(states)[0, int(length[0]) + 1 :] == 0).all()
    if continuous:
        with pytest.raises(ValueError, match="discrete actions"):
            rollout_log_probs(grounded, [], rollouts.take(slice(0, 0)))
        return
    # The words that a rollout was made for explain it better than the opposite ones.
    right, wrong = (
        rollout_log_probs(grounded, [goal_prompt(words, TEXTS[(g + off) % 2]) for g in rollouts.goal], rollouts)
        for off in (0, 1)
    )
    assert (right > wrong).mean() > 0.9
    _check_likeliest_gists(grounded, toy_rollouts(64, seed=1))
    _check_what_is_told(grounded, toy_rollouts(64, seed=2))


@dataclasses.dataclass(frozen=True)
class UpsideDown:
    """A renaming (`GoalLanguage.renamings`) of the toy world: up is down; gists are exchanged, or left as they are."""

    exchange: bool = True

    @property
    def inverse(self):
        return self

    def observations(self, observations):
        return -observations

    def actions(self, actions):
        return 2 - actions

    def goal_summary(self, text):
        return {"red": "blu", "blu": "red"}.get(text, text) if self.exchange else text

    def text(self, text):
        return " ".join({"red": "blue", "blue": "red"}.get(word, word) for word in text.split(" "))


def _check_what_is_told(grounded, rollouts):
    """Sentences tell their gists, whatever the rollout shows; where none is understood the first ones stay."""
    asked = (grounded, rollouts, "start :")
    gists = np.array(["red", "blu"])[rollouts.goal]

    def told(gists, **known):
        return np.array(
            [
                text[9:12]
                for text in generate_explanations(*asked, list(gists), GoalLanguage(goal_summary=short, **known))
            ]
        )

    heard = {"summary_of_plan": lambda plan: plan}
    assert (told(gists, **heard) == gists).all()
    assert (told(gists, renamings=lambda count: [UpsideDown()], **heard) == gists).all()
    assert (told([""] * 64) == gists).mean() > 0.9  # the model's own
    # Never understood: the first sentences stay.
    assert (told(gists, summary_of_plan=lambda plan: "") == told(gists)).all()


def _check_likeliest_gists(grounded, rollouts):
    """They name the goal; of gists drawn blindly, what the model would itself do for them alone decides."""
    asked = (grounded, rollouts, "start :")
    meaning = {short(0, GOALS.array[g]): TEXTS[g] for g in (0, 1)}
    turned = dict(zip(meaning, reversed(meaning.values())))
    right = np.array([short(0, GOALS.array[g]) for g in rollouts.goal])

    def share(goals, draws=16, **known):
        said = likeliest_goal_summaries(*asked, GoalLanguage(subgoal_of_summary=goals.get, **known), draws)
        return np.mean(np.array(said) == right)

    assert share(meaning, 8) > 0.95
    # The world turned upside down is the same world with the goals' names exchanged; other names would be wrong.
    assert share(meaning, 8, renamings=lambda count: [UpsideDown(), UpsideDown()]) > 0.95
    assert share(meaning, 8, renamings=lambda count: [UpsideDown(exchange=False)]) < 0.2
    assert likeliest_goal_summaries(*asked, GoalLanguage(subgoal_of_summary={}.get, summary_question={}.get), 1) == [
        ""
    ] * len(rollouts)
    rng = np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            explanations, "generate_answers", lambda *args, **options: rng.choice(list(meaning), len(rollouts))
        )
        assert share(meaning) > 0.9
        assert share(turned) < 0.1
        # Where actions say nothing, that a goal is reached at the end, and not before.
        patch.setattr(explanations, "rollout_log_probs", lambda grounded, prompts, rollouts: np.zeros(len(prompts)))
        up = dataclasses.replace(rollouts, length=np.ones_like(rollouts.length), observations=np.zeros((64, 2, 3)))
        up.observations[:, :, 0] = np.where(np.arange(64) % 2, -1.0, 1.0)[:, None] * [-1.0, 1.0]
        question = {"red": ("goal", "go"), "blu": ("goal", "stay")}.get
        said = likeliest_goal_summaries(
            *(grounded, up, "start :"), GoalLanguage(subgoal_of_summary=meaning.get, summary_question=question), 16
        )
        assert np.mean(np.array(said) == np.where(np.arange(64) % 2, "blu", "red")) > 0.9


def test_goal_vectors_and_explanations(words):
    rollouts = toy_rollouts()
    grounded = Grounded(*make(words, rollouts), words)
    vectors = decode.encode_goals(grounded, TEXTS, batch=3)
    assert vectors.shape == (4, 32) and not np.allclose(vectors[0], vectors[1])
    np.testing.assert_allclose(decode.encode_goals(grounded, TEXTS[:1]), vectors[:1], atol=1e-5)
    texts, done = [TEXTS[0], "go " * 20, *TEXTS[1:]], []
    sorted_ = decode.encode_goals(grounded, texts, batch=3, by_length=True, progress=done.append)
    np.testing.assert_allclose(sorted_, decode.encode_goals(grounded, texts, batch=3), atol=1e-5)
    assert done == sorted(done) and done[-1] == 5
    said = explain(grounded, rollouts.take(slice(0, 3)), "rollout :", GoalLanguage())
    assert len(said) == 3 and all(isinstance(s, str) for s in said)


def test_the_likelihood_of_words_is_that_of_the_whole_row(words):
    """Also where the words fill the row, and beside answers of other lengths: against all logits, by hand."""
    model, params = make(words, toy_rollouts())
    grounded = Grounded(model, params, words)
    first, ids = [words.bos_id], words.encode(" ".join(TEXTS))[:7]
    pairs = [(first, ids), (first + ids[:6], ids[6:]), (first + ids[:2], ids[2:4])]  # rows have 8 positions
    found = text_log_probs(grounded, pairs)
    for (before, after), log_prob in zip(pairs, found, strict=True):
        whole = jax.tree.map(jnp.asarray, rows.align_right([RowSequence(3).text([*before, *after])], 8, 3))
        bound = model.bind({"params": params})
        log_probs = jax.nn.log_softmax(bound.text_logits(bound.hidden(whole)[0, :-1]))
        want = sum(log_probs[7 - len(after) + i, token] for i, token in enumerate(after))
        np.testing.assert_allclose(log_prob, want, rtol=1e-4)
