"""`python -m experiments.metaworld_world`: see `kalm_jax.cli.metaworld_world`."""

from absl import app

from kalm_jax.cli.metaworld_world import main

if __name__ == "__main__":
    app.run(main)
