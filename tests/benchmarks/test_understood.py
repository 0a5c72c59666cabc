"""The sentences by which understanding is measured, and what counts as an error."""

import pytest

from benchmarks.understood import built_in_planner, errors, sentences


def test_every_group_has_sentences():
    groups = list(sentences())
    assert {asks for _, asks, _ in groups} == {True, False} and all(texts for _, _, texts in groups)
    assert len({name for name, _, _ in groups}) == len(groups)


@pytest.mark.slow
def test_errors_are_of_both_kinds():
    said = ["push the red ball to the left", "make me a sandwich"]
    found = errors(built_in_planner(), [("goals", True, said), ("no goals", False, said)])
    assert found == {"goals": (said[1:], 2), "no goals": (said[:1], 2)}
