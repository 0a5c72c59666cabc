"""`python -m kalm_jax COMMAND`: the program `kalm`, also where pip's scripts are not in PATH."""

from kalm_jax.cli.main import main

main()
