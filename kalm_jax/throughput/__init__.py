"""How fast the parts run, beside peers where they are installed. A suite is a module with `groups()`: see `measure`."""

SUITES = {"offline_rl": "kalm_jax.throughput.offline_rl", "env": "kalm_jax.throughput.env"}
"""Name -> module. `groups()` yields lists of contestants that do the same work; each list is measured interleaved."""
