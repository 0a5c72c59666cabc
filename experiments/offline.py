"""`python -m experiments.offline`: see `kalm_jax.cli.offline`."""

from absl import app

from kalm_jax.cli.offline import main

if __name__ == "__main__":
    app.run(main)
