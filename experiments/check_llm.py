"""`python -m experiments.check_llm`: see `kalm_jax.cli.check_llm`."""

from absl import app

from kalm_jax.cli.check_llm import main

if __name__ == "__main__":
    app.run(main)
