"""`python -m experiments.metaworld`: see `kalm_jax.cli.metaworld`."""

from absl import app

from kalm_jax.cli.metaworld import main

if __name__ == "__main__":
    app.run(main)
