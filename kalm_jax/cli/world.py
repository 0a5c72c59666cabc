r"""KALM in a world of your own, from nothing to a report, in one command.

    python -m experiments.world --world=my_package.my_world --algo=td3bc

does what experiments.clevr does in the world that the module my_package.my_world has under the name WORLD: a Gymnasium
environment, its sentences, and when they are fulfilled (kalm_jax.worlds.gymnasium_world; BUILD.md). Killed, it carries
on.
"""

from absl import app, flags

from kalm_jax.cli import pipeline_flags as shared

FLAGS = flags.FLAGS
flags.DEFINE_string("world", None, "Import path of the module that has the WORLD.", required=True)


def read_flags():
    """The configuration that the flags describe."""
    from kalm_jax.pipeline.config import own_presets
    from kalm_jax.worlds.base import get_world

    return shared.read_flags(own_presets(FLAGS.world, plan=get_world(FLAGS.world).language.plan is not None))


def main(argv):
    shared.run(argv, FLAGS.world.rpartition(".")[2], read_flags, program="world")


if __name__ == "__main__":
    app.run(main)
