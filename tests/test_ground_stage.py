"""The ground stage with a model of the user's own and every setting away from its default."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax import config, stages
from kalm_jax.grounding.checkpoint import load_grounded
from kalm_jax.grounding.tasks import TaskShares
from kalm_jax.llm.folder import BUILTIN, load_model, save_model
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.llm.transformer import Llama, LlamaConfig
from kalm_jax.run_folder import RunFolder

WORDS = load_tokenizer(BUILTIN)


def save_own(folder):
    """A tiny grouped, untied model with a window, as a folder; the built-in tokenizer keeps rows short."""
    shape = LlamaConfig(WORDS.vocab_size, 16, 2, 4, 2, 6, 24, tie_embeddings=False, sliding_window=40)
    tokens = jnp.zeros((1, 2), jnp.int32)
    params = jax.jit(Llama(shape).init)(jax.random.key(3), tokens, tokens, jnp.ones((1, 2, 2), bool))["params"]
    save_model(folder, shape, params, WORDS)
    return shape, params


@pytest.mark.parametrize("lora_rank", [2, 0])
def test_a_model_of_the_users_own_is_grounded_by_the_settings(tmp_path, lora_rank):
    shape, params = save_own(tmp_path / "own")
    ground = config.GroundConfig(
        llm=str(tmp_path / "own"),
        steps=3,
        rows=4,
        shares=TaskShares().only(["generation", "explanation"]),
        accumulate=2,
        compute="bfloat16",
        lora_rank=lora_rank,
        predict_change=False,
        gaussian_states=True,
        hidden=0,
    )
    settings = dataclasses.replace(config.PRESETS["smoke"], collect=config.CollectConfig(rollouts=12), ground=ground)
    run = RunFolder(tmp_path / "run")
    stages.run_collect(run, settings)
    stages.run_ground(run, settings)
    model, trained, _ = load_grounded(run.path / "ground" / "model")
    assert model.config == shape
    spec = model.spec
    assert (spec.predict_change, spec.gaussian_states, spec.hidden) == (False, True, 0)
    # The text part opens as a model of its own; LoRA leaves words alone, full fine-tuning does not.
    _, text, _ = load_model(run.path / "ground" / "model" / "text")
    jax.tree.map(np.testing.assert_array_equal, text, trained["llm"])
    same = jax.tree.map(lambda a, b: bool((a == b).all()), text, params)
    assert not same["layer_1"]["ffn"]["up"]["kernel"]
    assert same["embedding"]["embedding"] == same["head"]["kernel"] == bool(lora_rank)
