"""Folders of grounded models."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from kalm_jax.grounding.checkpoint import load_grounded, save_grounded
from kalm_jax.grounding.model import Grounded
from tests.grounding.numbers import WORDS, make, random_rollouts


def test_a_grounded_folder_comes_back_whole_or_says_what_is_wrong(tmp_path):
    model, params = make(random_rollouts(3, 2), gaussian_states=True)
    save_grounded(tmp_path / "good", Grounded(model, params, WORDS))
    again, params_again, _ = load_grounded(tmp_path / "good")
    assert again == model
    jax.tree.map(np.testing.assert_array_equal, params_again, params)
    _, half, _ = load_grounded(tmp_path / "good", jnp.bfloat16)
    assert {x.dtype for x in jax.tree.leaves(half["llm"])} == {jnp.dtype(jnp.bfloat16)}
    assert {x.dtype for k, v in half.items() if k != "llm" for x in jax.tree.leaves(v)} == {jnp.dtype(jnp.float32)}

    def broken(name, change):
        shutil.copytree(tmp_path / "good", tmp_path / name)
        change(tmp_path / name)
        return tmp_path / name

    def without_a_tensor(path):
        tensors = load_file(path / "numbers.safetensors")
        save_file({k: v for k, v in tensors.items() if k != "state_out/out/bias"}, path / "numbers.safetensors")

    def other_head(path):
        raw = json.loads((path / "numbers.json").read_text())
        (path / "numbers.json").write_text(json.dumps({**raw, "gaussian_states": False}))

    def half_a_file(path):
        file = path / "numbers.safetensors"
        file.write_bytes(file.read_bytes()[:-10])

    for name, change, message in (
        ("tensor", without_a_tensor, r"numbers.safetensors.*state_out/out/bias"),
        ("head", other_head, r"state_out/out/kernel"),
        ("half", half_a_file, "cannot be read"),
    ):
        with pytest.raises(ValueError, match=message):
            load_grounded(broken(name, change))
