"""`python -m experiments.clevr`: see `kalm_jax.cli.clevr`."""

from absl import app

from kalm_jax.cli.clevr import main

if __name__ == "__main__":
    app.run(main)
