"""Prompt files of KALM's authors become goals and first states, and faults are named."""

import numpy as np
import pytest

from kalm_jax.types import GoalTable
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr.prompts import read_prompts


def save(path, data):
    np.save(path, data, allow_pickle=True)
    return path


def prompt_dictionary():
    rng = np.random.default_rng(0)
    relation, line = np.array([1, 0, 2, 0, 0, 3], np.float32), np.array([0, 0, 0, 0, 0, 2], np.float32)
    two = np.concatenate([np.zeros(6), [1, 2, 0, 0, 0, 0], [0, 0, 1, 2, 0, 1]]).astype(np.float32)
    move = np.array([0, 0, 0, 1, 0, 2], np.float32)
    texts = [
        "Push the red ball behind the blue ball.",
        "Get red over to green",
        "Make a line",
        "Both at once",
        "Purple, ahead",
    ]
    return {
        "number_of_objects": 5,
        "instructions": [np.array([text]) for text in texts],
        "goals": [relation, relation, line, two, move],
        "observations": [rng.normal(size=(length, 10)).astype(np.float32) for length in (3, 1, 7, 2, 1)],
        "rewards": [rng.normal(size=(2, 1)) for _ in range(5)],
    }


def test_prompts(tmp_path):
    data = prompt_dictionary()
    goals, start = read_prompts(save(tmp_path / "p.npy", data))
    assert isinstance(goals, GoalTable) and start.dtype == np.float32
    np.testing.assert_array_equal(start, [x[0] for x in data["observations"]])
    assert [clevr_goals.FAMILIES[f] for f in goals.family] == ["relation", "relation", "line", "two_relations", "move"]
    assert goals.level.tolist() == [0, 1, 3, 3, 2]
    assert goals.text[0] == "push the red ball behind the blue ball"
    assert goals.array[1].tolist() == [0, 2, 3, -1, -1, -1, -1, -1, -1]
    assert goals.array[3].tolist() == [0, 1, 0, 2, 3, 1, -1, -1, -1]


def test_test_files_with_encodings(tmp_path):
    data = prompt_dictionary()
    plain = [x[0] for x in data["observations"]]
    data["observations"] = np.stack([np.concatenate([x, np.ones(768, "f4")]) for x in plain])
    _, start = read_prompts(save(tmp_path / "t.npy", data))
    np.testing.assert_array_equal(start, plain)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("goals", None, r"holds .*want a dictionary with instructions, goals, observations"),
        ("goals", [np.zeros(6)], r".*have \[5, 1, 5\] entries"),
        ("goals", [np.ones(6)] * 5, r"goals\[0\]: "),
        ("instructions", [np.array([""])] * 5, r"instructions\[0\] is"),
        ("observations", [np.zeros((2, 9))] * 5, r"observations\[0\] has shape \(2, 9\)"),
        ("observations", [np.zeros((0, 10))] * 5, r"observations\[0\] has shape \(0, 10\)"),
        ("observations", [np.full((2, 10), np.nan)] * 5, r"prompt 0: observations\[0\] is nan, want a finite number"),
        ("observations", [np.full(12, 1e300)] * 5, r"prompt 0: observations\[0\] is 1e\+300, want a finite number"),
        ("observations", [[1, [2]]] * 5, "prompt 0: observations is no array"),
        ("observations", [None] * 5, r"observations\[0\] has shape \(\) and type object"),
        ("instructions", [np.ones((4, 9))] * 5, r"instructions\[0\] is '.*', want a sentence"),
        ("instructions", [b"\xff"] * 5, r"instructions\[0\] is"),
        ("goals", ["left"] * 5, r"goals\[0\]: "),
    ],
)
def test_prompt_faults_are_named(tmp_path, field, value, words):
    data = prompt_dictionary()
    if value is None:
        del data[field]
    else:
        data[field] = value
    with pytest.raises(ValueError, match=r"p\.npy: " + words):
        read_prompts(save(tmp_path / "p.npy", data))
