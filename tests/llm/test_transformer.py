"""The language model alone: an independent implementation, and what must not change the result."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.llm import transformer
from kalm_jax.llm.hf import folder
from kalm_jax.llm.transformer import Llama, LlamaConfig
from tests.llm.small import SHAPES, make


def reference_logits(config, params, tokens):
    """A second implementation of the model in NumPy float64, one position pair at a time (Llama, section 2)."""
    p = jax.tree.map(lambda x: np.asarray(x, np.float64), params)

    def norm(x, scale):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + config.norm_eps) * scale

    def turn(x, t):  # x (H,), rotated as H/2 complex numbers
        half = config.head_dim // 2
        z = (x[:half] + 1j * x[half:]) * np.exp(1j * t * config.rope_theta ** (-np.arange(half) / half))
        return np.concatenate([z.real, z.imag])

    x = p["embedding"]["embedding"][tokens]
    for i in range(config.layers):
        layer = p[f"layer_{i}"]
        h, a = norm(x, layer["attention_norm"]["scale"]), layer["attention"]
        heads = {}
        for name in "qkv":
            heads[name] = np.einsum("td,dnh->tnh", h, a[name]["kernel"]) + a[name].get("bias", 0.0)
        if config.qk_norm:
            for name in "qk":
                heads[name] = norm(heads[name], a[f"{name}_norm"]["scale"])
        out = np.zeros((len(tokens), config.heads, config.head_dim))
        for t in range(len(tokens)):
            for n in range(config.heads):
                kv = n // (config.heads // config.kv_heads)
                q = turn(heads["q"][t, n], t)
                scores = np.array([q @ turn(heads["k"][s, kv], s) for s in range(t + 1)]) / np.sqrt(config.head_dim)
                weights = np.exp(scores - scores.max())
                out[t, n] = weights / weights.sum() @ heads["v"][: t + 1, kv]
        x = x + np.einsum("tnh,nhd->td", out, a["o"]["kernel"])
        h, f = norm(x, layer["ffn_norm"]["scale"]), layer["ffn"]
        gate = h @ f["gate"]["kernel"]
        x = x + (gate / (1 + np.exp(-gate)) * (h @ f["up"]["kernel"])) @ f["down"]["kernel"]
    x = norm(x, p["norm"]["scale"])
    return x @ (p["embedding"]["embedding"].T if config.tie_embeddings else p["head"]["kernel"])


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_equal_an_independent_implementation(shape):
    config, params = SHAPES[shape], make(SHAPES[shape])
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 50, 12))
    positions = jnp.arange(12)[None]
    got = Llama(config).apply(
        {"params": params}, tokens[None], positions, transformer.packed_mask(jnp.ones((1, 12), int))
    )
    want = reference_logits(config, params, tokens)
    assert np.abs(want).max() > 1.0
    np.testing.assert_allclose(got[0], want, atol=2e-4)


def test_packed_segments_do_not_see_each_other():
    config, params = SHAPES["grouped"], make(SHAPES["grouped"])
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 50, 5), rng.integers(0, 50, 7)

    def logits(tokens, positions, segments):
        mask = transformer.packed_mask(jnp.asarray(segments)[None])
        asked = jnp.asarray(tokens)[None], jnp.asarray(positions)[None], mask
        return jax.jit(Llama(config).apply)({"params": params}, *asked)[0]

    packed = logits(np.r_[a, b, 0], np.r_[0:5, 0:7, 0], np.r_[[1] * 5, [2] * 7, 0])
    alone = logits(b, np.arange(7), np.ones(7, int))
    np.testing.assert_allclose(packed[5:12], alone, atol=1e-5)


def test_cache_and_left_padding_change_nothing():
    config, params = SHAPES["grouped"], make(SHAPES["grouped"])
    model, tokens = Llama(config), jnp.asarray(np.random.default_rng(2).integers(0, 50, (1, 10)))
    whole = jax.jit(model.apply)(
        {"params": params}, tokens, jnp.arange(10)[None], transformer.packed_mask(jnp.ones((1, 10), int))
    )
    pad, size = 3, 16
    valid = jnp.arange(pad + 6)[None] >= pad
    padded = jnp.concatenate([jnp.zeros((1, pad), int), tokens[:, :6]], axis=1)
    positions = jnp.maximum(jnp.cumsum(valid, axis=1) - 1, 0)
    cache = transformer.empty_cache(config, 1, size)

    @jax.jit
    def run(x, positions, mask, cache, index):
        bound = model.bind({"params": params})
        hidden, cache = bound.backbone(bound.embed(x), positions, mask, cache, index)
        return bound.logits(hidden), cache

    out, cache = run(padded, positions, transformer.prefix_mask(valid, size), cache, 0)
    steps, seen = [out[:, -1]], jnp.pad(valid, ((0, 0), (0, size - valid.shape[1])))
    for t in range(6, 10):
        slot = pad + t
        seen = seen.at[:, slot].set(True)
        out, cache = run(tokens[:, t : t + 1], jnp.array([[t]]), seen[:, None], cache, slot)
        steps.append(out[:, 0])
    np.testing.assert_allclose(jnp.stack(steps, 1)[0], whole[0, 5:], atol=2e-5)


def test_the_built_in_model_knows_opposites():
    """Text alone taught it: after a dislike the plain meaning names the other side, with higher probability."""
    config, params, words = folder.load_model(folder.BUILTIN)

    def logprob(prompt, answer):
        ids = [words.bos_id, *words.encode(prompt), *words.encode(answer)]
        start = 1 + len(words.encode(prompt))
        tokens = jnp.asarray(ids)[None]
        mask = transformer.packed_mask(jnp.ones_like(tokens))
        logits = jax.jit(Llama(config).apply)({"params": params}, tokens, jnp.arange(len(ids))[None], mask)[0]
        return float(jax.nn.log_softmax(logits)[jnp.arange(start - 1, len(ids) - 1), tokens[0, start:]].sum())

    plain = "put the red ball to the left of the blue ball =>"
    assert logprob(plain, "red left blue") > logprob(plain, "red right blue") + 1
    dislike = "i hate that the red ball is to the left of the blue ball =>"
    assert logprob(dislike, "red right blue") > logprob(dislike, "red left blue") + 1


def test_recomputing_less_in_the_backward_pass_changes_no_gradient():
    products, slopes = [], []
    for recompute in ("all", "cheap"):
        config = LlamaConfig(50, 16, 2, 4, 2, 8, 32, scan_layers=True, recompute=recompute)
        model, tokens = Llama(config), jnp.arange(12)[None]
        params = jax.jit(model.init)(jax.random.key(0), tokens, tokens, jnp.ones((1, 12), int))
        slope = jax.grad(lambda p: jnp.sum(jnp.sin(model.apply(p, tokens, tokens, jnp.ones((1, 12), int)))))  # noqa: B023
        products.append(str(jax.make_jaxpr(slope)(params)).count("dot_general"))
        slopes.append(jax.jit(slope)(params))
    # Of a layer: 7 products with weights, recomputed or not; 2 of attention are recomputed in any case.
    assert products[0] - products[1] >= 6
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6), *slopes)
    with pytest.raises(ValueError, match="recompute 'some' is not one of all, cheap"):
        LlamaConfig(50, recompute="some")
