"""Small language models of several shapes with random weights, for the tests of the language model."""

import json

import jax
import jax.numpy as jnp

from kalm_jax.llm.transformer import Llama, LlamaConfig

SHAPES = {
    "plain": LlamaConfig(50, 32, 2, 4, 4, 8, 48),
    "grouped": LlamaConfig(50, 32, 2, 4, 2, 8, 48, tie_embeddings=False),
    "head_dim": LlamaConfig(50, 32, 2, 2, 1, 24, 48, qkv_bias=True),
    "qk_norm": LlamaConfig(50, 32, 2, 4, 2, 16, 48, qk_norm=True),
}


def make(config, seed=0):
    tokens = jnp.zeros((1, 4), jnp.int32)
    params = Llama(config).init(jax.random.key(seed), tokens, tokens, jnp.ones((1, 4, 4), bool))["params"]
    # Larger weights than at initialisation, so that a wrong mask or rotation shows in the logits.
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed + 1), len(leaves))
    return jax.tree.unflatten(tree, [x + 0.2 * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys)])


def rewrite(path, **changes):
    """Changes settings in the config.json of a folder."""
    file = path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def drop(path, key):
    """Takes a setting out of the config.json of a folder."""
    file = path / "config.json"
    file.write_text(json.dumps({k: v for k, v in json.loads(file.read_text()).items() if k != key}))
