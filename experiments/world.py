"""`python -m experiments.world`, the command `kalm world` in a checkout: see `kalm_jax.cli.world`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("world")
