"""`python -m experiments.pretrain`: see `kalm_jax.cli.pretrain`."""

from absl import app

from kalm_jax.cli.pretrain import main

if __name__ == "__main__":
    app.run(main)
