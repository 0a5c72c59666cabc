"""`python -m experiments.throughput`: see `benchmarks.throughput.main`."""

from absl import app

from benchmarks.throughput.main import main

if __name__ == "__main__":
    app.run(main)
