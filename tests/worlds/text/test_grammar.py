"""The grammar's engine: data files, weights, templates, and the errors that name what is wrong."""

import numpy as np
import pytest

from kalm_jax.worlds.text import grammar
from kalm_jax.worlds.text.grammar import Numbers, alternatives, compile_rules, read_blocks, say


def read(monkeypatch, tmp_path, content):
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "rules.txt").write_text(content)
    monkeypatch.setattr(grammar.importlib.resources, "files", lambda package: tmp_path)
    return read_blocks("package", "rules.txt")


def test_blocks_templates_and_comments(monkeypatch, tmp_path):
    text = "# a comment\n@side: to the {s}\nleft: @side s=left\nmany:\n    a | 2*[left]\n    | ~\n"
    blocks = read(monkeypatch, tmp_path, text)
    assert blocks["left"] == "to the left" and alternatives(blocks["many"]) == ["a", "[left]", "[left]", ""]
    rules = compile_rules(blocks)
    assert set(rules) == {"left", "many"}
    numbers = Numbers(np.random.default_rng(0))
    said = [say(rules["many"], [], numbers) for _ in range(400)]
    assert set(said) == {"a", "to the left", ""} and 150 < said.count("to the left") < 250


@pytest.mark.parametrize(
    "text, message", [("a: x\na: y\n", "line 2: there is a block 'a' already"), ("  x\n", "line 1: content before")]
)
def test_wrong_files_are_named(monkeypatch, tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read(monkeypatch, tmp_path, text)


def test_slots_come_from_the_context():
    rules = compile_rules({"a": "put [A] here"}, {"A": 0})
    numbers = Numbers(np.random.default_rng(0))
    assert say(rules["a"], [[("the ball",)]], numbers) == "put the ball here"
    with pytest.raises(ValueError, match="empty for the goal"):
        say(None, [], numbers)
