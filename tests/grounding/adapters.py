"""A small grounded model with and without LoRA's adapters, for the tests of training."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.pretrain import train_tokenizer
from kalm_jax.grounding.config import TaskShares
from kalm_jax.grounding.model import GroundedModel, init_params, numeric_spec
from kalm_jax.grounding.tasks import Batches
from kalm_jax.llm import lora
from kalm_jax.llm.lora import LoraConfig
from kalm_jax.llm.transformer import LlamaConfig
from kalm_jax.types import Rollouts, make_goal_table
from kalm_jax.worlds.base import GoalLanguage

WORDS = train_tokenizer(["push the red ball left"] * 3, 300)
GOALS = make_goal_table(["push the red ball left", "left"], 0, 0, np.array([[0], [1]]))
LORA = LoraConfig(rank=3)
init_adapters = jax.jit(lora.init, static_argnums=2)


def rollouts(n=30, horizon=5):
    rng = np.random.default_rng(0)
    actions = rng.integers(0, 3, (n, horizon)).astype(np.int32)
    moves = np.cumsum(0.1 * (actions[..., None] - 1.0), axis=1)
    first = rng.normal(size=(n, 1, 3))
    obs = np.concatenate([first, first + moves], axis=1).astype(np.float32)
    ones, zeros = np.ones(n, bool), np.zeros((n, horizon), np.float32)
    return Rollouts(obs, actions, zeros, np.full(n, horizon, np.int32), ones, np.arange(n, dtype=np.int32) % 2, ~ones)


def make(**options):
    data = rollouts()
    spec = numeric_spec(data, 3, hidden=16)
    model = GroundedModel(LlamaConfig(WORDS.vocab_size, 16, 2, 2, 1, 10, 24, **options), spec)
    batches = Batches(
        data, GOALS, WORDS, TaskShares(), GoalLanguage(document=lambda rng: "red ball"), spec, rows=8, length=48, seed=0
    )
    return model, init_params(model, jax.random.key(0)), batches


def with_adapters(params, key=1, drawn=True):
    """Adapters beside the number parts; `drawn` gives B values too."""
    adapters = init_adapters(jax.random.key(key), params["llm"], LORA)
    if drawn:
        rng = np.random.default_rng(0)
        adapters = jax.tree.map(lambda x: jnp.asarray(0.3 * rng.normal(size=x.shape), jnp.float32), adapters)
    return {**params, "llm": adapters}
