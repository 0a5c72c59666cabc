"""`python -m experiments.metaworld_experts`: see `benchmarks.metaworld_experts`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("metaworld-experts", module="benchmarks.metaworld_experts")
