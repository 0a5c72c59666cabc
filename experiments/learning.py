"""`python -m experiments.learning`: see `benchmarks.learning_main`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("learning", module="benchmarks.learning_main")
