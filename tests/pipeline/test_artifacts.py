"""Goals and language models are known by what they hold."""

import dataclasses
import os
import shutil

import pytest

from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.pipeline import artifacts
from kalm_jax.pipeline.stages.ground import model_files
from kalm_jax.worlds.base import get_world


def test_goals_are_known_by_what_they_ask_for(tmp_path):
    """The same sentences with other goals are another table, and rollouts imagined for it are imagined again."""
    goals = get_world("clevr").goals("rephrase").take(range(4))
    other = dataclasses.replace(goals, array=goals.array[::-1].copy())
    assert (other.array != goals.array).any() and artifacts.text_mark(other) == artifacts.text_mark(goals)
    assert artifacts.goals_mark(goals.take(range(4))) == artifacts.goals_mark(goals) != artifacts.goals_mark(other)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_language_model_is_known_by_all_of_its_files(tmp_path, name, monkeypatch):
    """A byte in the middle that changes, size and all else being equal; of large files the time tells it."""
    shutil.copytree(BUILTIN, tmp_path / "llm")
    shutil.copytree(BUILTIN, tmp_path / "copy")

    def marks(folder):
        return [artifacts.content_mark(file) for file in model_files(tmp_path / folder)]

    before = marks("llm")
    assert before == marks("copy") and len(before) == 3
    content = bytearray((tmp_path / "llm" / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "llm" / name).write_bytes(content)
    assert sum(a != b for a, b in zip(before, marks("llm"), strict=True)) == 1
    monkeypatch.setattr(artifacts, "READ_WHOLE", 10)
    before = marks("copy")
    os.utime(tmp_path / "copy" / name, (1, 1))
    assert sum(a != b for a, b in zip(before, marks("copy"), strict=True)) == 1
