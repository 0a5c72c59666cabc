"""`python -m experiments.replay`: see `kalm_jax.cli.replay`."""

from absl import app

from kalm_jax.cli.replay import main

if __name__ == "__main__":
    app.run(main)
