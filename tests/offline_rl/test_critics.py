"""Critics of many action vectors."""

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.offline_rl.critics import JointMLP


def test_joint_layers_equal_concatenated_inputs():
    rng = np.random.default_rng(0)
    x, y = jnp.asarray(rng.normal(size=(5, 3))), jnp.asarray(rng.normal(size=(5, 4, 2)))
    for norm in (False, True):
        net = JointMLP((8, 6), norm)
        params = jax.jit(net.init)(jax.random.key(0), x, y)["params"]
        h = np.concatenate([np.repeat(x[:, None], 4, 1), y], -1) @ params["kernel"] + params["bias"]
        for i in range(2):
            if norm:
                h = (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + 1e-6)
            h = np.maximum(h, 0) @ params[f"Dense_{i}"]["kernel"] + params[f"Dense_{i}"]["bias"]
        np.testing.assert_allclose(net.apply({"params": params}, x, y), h[..., 0], atol=1e-5)
