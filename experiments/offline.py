"""`python -m experiments.offline`, the command `kalm offline` in a checkout: see `kalm_jax.cli.offline`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("offline")
