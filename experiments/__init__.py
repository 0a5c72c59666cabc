"""The commands of `kalm` in a checkout, `python -m experiments.NAME`, and the benchmarks. Nothing imports them."""
