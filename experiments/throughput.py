"""`python -m experiments.throughput`: see `benchmarks.throughput.main`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("throughput", module="benchmarks.throughput.main")
