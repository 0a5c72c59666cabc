"""Flags of every program that computes on several devices or hosts, and what they do."""

import sys

from absl import flags

from kalm_jax.malloc import configure_malloc

configure_malloc()  # before NumPy and JAX are imported, whose threads may make arenas of their own

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "mesh",
    "",
    "How devices are used: sizes of the axes data, fsdp, tensor, such as data:2,fsdp:4. Default: all of them for data.",
)
flags.DEFINE_string(
    "hosts",
    "",
    "Other processes that run the same command: ADDRESS:PORT,COUNT,INDEX, or auto under SLURM and on a TPU pod slice. "
    "Default: $KALM_JAX_HOSTS, else none.",
)


def start() -> None:
    """Prepares JAX as the flags say; ends the program where they cannot be read."""
    from kalm_jax.distributed import setup_jax

    try:
        setup_jax(mesh=FLAGS.mesh, hosts=FLAGS.hosts)
    except ValueError as error:
        sys.exit(f"error: {error}")
