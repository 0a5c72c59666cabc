"""`python -m experiments.compile`, the command `kalm compile` in a checkout: see `kalm_jax.cli.compile`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("compile")
