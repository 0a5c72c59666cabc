"""`python -m experiments.metaworld`, the command `kalm metaworld` in a checkout: see `kalm_jax.cli.metaworld`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("metaworld")
