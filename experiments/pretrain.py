"""`python -m experiments.pretrain`, the command `kalm pretrain` in a checkout: see `kalm_jax.cli.pretrain`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("pretrain")
