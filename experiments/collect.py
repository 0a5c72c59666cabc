"""`python -m experiments.collect`, the command `kalm collect` in a checkout: see `kalm_jax.cli.collect`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("collect")
