"""`python -m experiments.check_llm`, the command `kalm check-llm` in a checkout: see `kalm_jax.cli.check_llm`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("check-llm")
