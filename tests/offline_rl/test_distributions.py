"""Densities of policies by quadrature."""

import jax.numpy as jnp
import numpy as np

from kalm_jax.offline_rl import distributions as policies


def test_densities_of_policies_integrate_to_one():
    """A squashed Gaussian on a fine grid of its noise; actions and log-probabilities from the library."""
    outputs = (jnp.array([[0.4]]), jnp.array([[-0.3]]))
    noise = jnp.linspace(-7, 7, 20001)[None, :, None]
    action, log_prob = (np.asarray(x, np.float64)[0] for x in policies.tanh_sample_and_log_prob(outputs, noise))
    density, a = np.exp(log_prob), action[:, 0]
    np.testing.assert_allclose(np.trapezoid(density, a), 1.0, atol=1e-3)
    policy = policies.Policy(1, False)
    a = np.linspace(-6, 6, 4001)
    wide = (jnp.full((4001, 1), 0.4), jnp.full((4001, 1), -0.3))
    density = np.exp(policies.log_prob(policy, wide, jnp.asarray(a[:, None], jnp.float32)))
    np.testing.assert_allclose(np.trapezoid(density, a), 1.0, atol=1e-4)
