"""Layers: their initial weights and where LayerNorm is."""

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.offline_rl.critics import JointMLP
from kalm_jax.offline_rl.networks import MLP


def test_layers_begin_uniform_between_the_roots_of_their_inputs():
    """torch's `nn.Linear`: weights and biases uniform in +-1/sqrt(inputs), of variance 1/(3 inputs)."""
    plain = MLP(3, (400, 100)).init(jax.random.key(0), jnp.zeros((1, 250)))["params"]
    joint = JointMLP((400, 100)).init(jax.random.key(0), jnp.zeros((1, 240)), jnp.zeros((1, 1, 10)))["params"]
    joint = {"own": {"kernel": joint["kernel"], "bias": joint["bias"]}, "Dense_0": joint["Dense_0"]}
    for layer, inputs in zip([*plain.values(), *joint.values()], (250, 400, 100, 250, 400), strict=True):
        bound, (kernel, bias) = inputs**-0.5, (layer["kernel"], layer["bias"])
        assert kernel.shape[0] == inputs and 0.95 * bound < np.abs(kernel).max() <= bound
        assert np.isclose(np.std(kernel), bound / 3**0.5, rtol=0.05) and abs(np.mean(kernel)) < 0.1 * bound
        assert np.abs(bias).max() <= bound and len(np.unique(bias)) == bias.size


def test_layer_norm_stands_before_each_relu_and_bounds_the_output():
    net, x = MLP(2, (8, 8), norm=True), jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)))
    params = net.init(jax.random.key(0), x)
    h = x
    for i in range(2):
        dense, norm = params["params"][f"Dense_{i}"], params["params"][f"LayerNorm_{i}"]
        h = h @ dense["kernel"] + dense["bias"]
        h = (h - h.mean(1, keepdims=True)) / np.sqrt(h.var(1, keepdims=True) + 1e-6) * norm["scale"] + norm["bias"]
        h = np.maximum(h, 0)
    last = params["params"]["Dense_2"]
    np.testing.assert_allclose(net.apply(params, x), h @ last["kernel"] + last["bias"], atol=1e-5)
    far = np.abs(net.apply(params, 1e6 * x)).max()
    assert far <= np.sqrt(8) * np.linalg.norm(last["kernel"], axis=0).max() + 1e-3
