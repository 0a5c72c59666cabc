"""`python -m experiments.collect`: see `kalm_jax.cli.collect`."""

from absl import app

from kalm_jax.cli.collect import main

if __name__ == "__main__":
    app.run(main)
