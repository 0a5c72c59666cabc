"""`python -m experiments.clevr`, the command `kalm clevr` in a checkout: see `kalm_jax.cli.clevr`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("clevr")
