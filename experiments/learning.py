"""`python -m experiments.learning`: see `benchmarks.learning_main`."""

from absl import app

from benchmarks.learning_main import main

if __name__ == "__main__":
    app.run(main)
