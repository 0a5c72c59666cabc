"""`python -m experiments.study`, the command `kalm study` in a checkout: see `kalm_jax.cli.study`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("study")
