"""The optimizer of the language model: Muon on stacks of equal matrices is Muon on each of them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

from kalm_jax.grounding.config import NumericSpec
from kalm_jax.grounding.model import GroundedModel, init_params
from kalm_jax.grounding.trainer import TrainConfig
from kalm_jax.llm.transformer import LlamaConfig


def _expected(config: TrainConfig):
    """Muon told of every parameter's own axes, without stacks."""

    def axes(path, x):
        names = [key.key for key in path]
        if x.ndim < 2 or {"embedding", "action_out"} & set(names):
            return None
        rows = 2 if names[-2] == "o" else 1
        return optax.contrib.MuonDimensionNumbers(tuple(range(rows)), tuple(range(rows, x.ndim)))

    schedule = optax.warmup_cosine_decay_schedule(0.0, config.learning_rate, 1, config.steps, config.learning_rate / 20)
    muon = optax.contrib.muon(
        lambda step: config.muon * schedule(step),
        weight_decay=config.weight_decay,
        consistent_rms=0.2,
        adam_b2=config.beta2,
        adam_learning_rate=schedule,
        muon_weight_dimension_numbers=lambda params: jax.tree_util.tree_map_with_path(axes, params),
    )
    return optax.chain(optax.clip_by_global_norm(config.clip), muon)


@pytest.mark.slow
def test_stacked_matrices_are_updated_as_matrices_apart():
    llm = LlamaConfig(vocab_size=64, width=16, layers=3, heads=2, kv_heads=1, head_dim=8, ffn_dim=24)
    spec = NumericSpec(2, num_actions=3, mean=(0.0, 0.0), std=(1.0, 1.0), change_std=(1.0, 1.0), hidden=12)
    params = init_params(GroundedModel(llm, spec), jax.random.key(0))
    config = TrainConfig(steps=20, weight_decay=0.3)
    (init, ours), (expected_init, theirs) = (map(jax.jit, o) for o in (config.optimizer(), _expected(config)))
    p, q = params, params
    s, t = init(p), expected_init(q)
    rng = np.random.default_rng(0)
    for _ in range(4):
        grads = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), jnp.float32), params)
        updates, s = ours(grads, s, p)
        p = optax.apply_updates(p, updates)
        updates, t = theirs(grads, t, q)
        q = optax.apply_updates(q, updates)
    moved = max(float(jnp.abs(a - b).max()) for a, b in zip(jax.tree.leaves(p), jax.tree.leaves(params), strict=True))
    apart = max(float(jnp.abs(a - b).max()) for a, b in zip(jax.tree.leaves(p), jax.tree.leaves(q), strict=True))
    assert apart < 1e-6 < 1e-3 < moved
