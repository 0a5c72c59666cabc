"""`python -m experiments.replay`, the command `kalm replay` in a checkout: see `kalm_jax.cli.replay`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("replay")
