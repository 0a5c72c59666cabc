"""`python -m experiments.knowledge`, the command `kalm knowledge` in a checkout: see `kalm_jax.cli.knowledge`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("knowledge")
