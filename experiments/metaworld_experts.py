"""`python -m experiments.metaworld_experts`, the command `kalm metaworld-experts` in a checkout."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("metaworld-experts")
