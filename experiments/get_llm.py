"""`python -m experiments.get_llm`, the command `kalm get-llm` in a checkout: see `kalm_jax.cli.get_llm`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("get-llm")
