"""`python -m experiments.ablation`: see `kalm_jax.cli.ablation`."""

from absl import app

from kalm_jax.cli.ablation import main

if __name__ == "__main__":
    app.run(main)
