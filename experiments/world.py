"""`python -m experiments.world`: see `kalm_jax.cli.world`."""

from absl import app

from kalm_jax.cli.world import main

if __name__ == "__main__":
    app.run(main)
