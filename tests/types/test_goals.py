"""Goal tables: errors name the fault, tables join and split without loss, and JAX sees pytrees."""

import jax
import numpy as np
import pytest

from kalm_jax.types import concatenate_goals, make_goal_table
from tests.fixtures import assert_tree_equal


def goals(k, prefix="goal"):
    array = np.arange(9 * k, dtype=np.int32).reshape(k, 9)
    return make_goal_table([f"{prefix} {i}" for i in range(k)], 1, np.arange(k), array, np.eye(k, 5))


def test_goal_table_pytree_keeps_text_out_of_the_arrays():
    table = goals(3)
    same = jax.jit(lambda g: g)(table)
    assert same.text == table.text
    assert_tree_equal(same, table)
    assert len(jax.tree.leaves(table)) == 4


def test_goal_tables_take_join_and_encode():
    a, b = goals(2, "a"), goals(3, "b")
    both, offsets = concatenate_goals([a, b])
    assert offsets == [0, 2] and both.text == ("a 0", "a 1", "b 0", "b 1", "b 2")
    part = both.take(np.arange(len(both)) >= offsets[1])
    assert part.text == b.text
    assert_tree_equal(part, b)
    assert both.take([4, 0]).text == ("b 2", "a 0")
    vector = np.ones((5, 7))
    assert both.with_vector(vector).vector.dtype == np.float32
    with pytest.raises(ValueError, match=r"vectors have shape \(4, 7\), want \(5, E\)"):
        both.with_vector(vector[:4])


def test_bad_goal_tables_are_named():
    with pytest.raises(ValueError, match=r"goal arrays have shape \(2, 9\), want \(1, G\)"):
        make_goal_table(["a"], 0, 0, np.zeros((2, 9)))
    with pytest.raises(ValueError, match="level codes"):
        make_goal_table(["a"], 4, 0, np.zeros((1, 9)))


def test_no_goals_are_a_table_too():
    table = make_goal_table(["a", "b"], 0, 0, np.zeros((2, 1), np.int32))
    assert len(table.take([])) == len(table.take(np.zeros(2, bool))) == 0 and table.take([]).text == ()


def test_a_table_is_made_of_texts_and_a_vector_for_each():
    for text, error, said in (
        ("abc", TypeError, "text is 'abc', want a sequence of sentences"),
        ([None], TypeError, r"text \[0\] is None, want a text"),
    ):
        with pytest.raises(error, match=said):
            make_goal_table(text, 0, 0, [[1]] * len(text))
    with pytest.raises(ValueError, match=r"goal vectors have shape \(5, 2\), want \(1, E\)"):
        make_goal_table(["a"], 0, 0, [[1]], np.zeros((5, 2)))
