"""Grounding tasks of long and of augmented rollouts."""

import numpy as np

from kalm_jax.grounding.config import TaskShares
from kalm_jax.grounding.model import numeric_spec
from kalm_jax.grounding.sequences import STATE, TEXT
from kalm_jax.grounding.tasks import Batches, augmented
from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.types import make_goal_table
from kalm_jax.worlds.base import GoalLanguage
from tests.fixtures import numbered_rollouts


def test_what_is_changed_is_said_by_a_short_goal_and_no_sentence():
    rollouts, tokenizer = numbered_rollouts(2, 6), load_tokenizer(BUILTIN)
    goals = make_goal_table(["push the puck to the left"], 0, 0, np.zeros((1, 1)))
    said = GoalLanguage(
        goal_summary=lambda family, array: "puck to target", plan=lambda family, array: "puck to target"
    )
    spec, sentence = numeric_spec(rollouts), tokenizer.encode("left")

    def turned(rng, states, actions, family):
        assert family == 0
        return -states, -actions, "ball to target"

    def texts(shares, augment):
        batches = Batches(rollouts, goals, tokenizer, shares, said, spec, rows=8, length=64, seed=0, augment=augment)
        sequences = [s for s, _ in zip(batches.sequences(0), range(40))]
        for sequence in sequences:
            kind, _, value, _, _ = sequence.arrays()
            states = value[kind == STATE][:, 0]
            assert len(states) == 0 or ((states <= 0).all() if augment else (states >= 0).all())
        return [[int(t) for t in np.concatenate(s.token)[np.concatenate(s.kind) == TEXT]] for s in sequences]

    for shares in (TaskShares(1, 0, 0, 0, 0, 0, 0), TaskShares(0, 1, 0, 0, 0, 0, 0), TaskShares(0, 0, 0, 1, 0, 0, 0)):
        assert any(sentence[0] in ids for ids in texts(shares, None))
        for ids in texts(shares, turned):
            assert "ball to target" in tokenizer.decode(ids) and not set(sentence) & set(ids)
    shown = augmented(rollouts, goals, turned, seed=0)
    step = rollouts.valid()
    np.testing.assert_array_equal(shown.actions[step], -rollouts.actions[step])
    np.testing.assert_array_equal(shown.observations[:, 0], -rollouts.observations[:, 0])
    assert (rollouts.observations >= 0).all()  # the data stay as they are


def test_long_rollouts_are_shown_in_windows():
    rollouts, tokenizer = numbered_rollouts(2, 90), load_tokenizer(BUILTIN)
    goals = make_goal_table(["go"], 0, 0, np.zeros((1, 1)))
    shares, spec = TaskShares(0.5, 0.5, 0, 0, 0, 0, 0), numeric_spec(rollouts)
    batches = Batches(rollouts, goals, tokenizer, shares, GoalLanguage(), spec, rows=4, length=32, seed=0, window=10)
    assert batches.length < 64
    lengths, ends = set(), set()
    for step in range(20):
        rows = batches(step)
        for row, segment in ((r, s) for r in range(4) for s in range(1, rows.segment[r].max() + 1)):
            mine = (rows.segment[row] == segment) & (rows.kind[row] == STATE)
            times = rows.value[row][mine][:, 0] % 100
            np.testing.assert_array_equal(np.diff(times), 1)  # consecutive steps, none left out
            lengths.add(len(times) - 1)
            ends.add(int(times[-1]))
    assert max(lengths) == 10 and len(ends) > 20 and 90 in ends
    assert Batches(rollouts, goals, tokenizer, shares, GoalLanguage(), spec, rows=4, length=32, seed=0).length > 180
