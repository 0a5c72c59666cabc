"""`python -m experiments.ablation`, the command `kalm ablation` in a checkout: see `kalm_jax.cli.ablation`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("ablation")
