"""`python -m experiments.pretrain`: see `benchmarks.pretrain`."""

from kalm_jax.cli.main import run

if __name__ == "__main__":
    run("pretrain", module="benchmarks.pretrain")
