r"""KALM on Meta-world's Sawyer arm, from nothing to a report, in one command.

    python -m experiments.metaworld --algo=td3bc

does for the arm what experiments.clevr does for the balls, by the same pipeline: rollouts of the scripted experts,
grounding, imagined rollouts for rephrased and unseen tasks, policies with and without them, success in the simulator at
all four levels between a random floor and the experts' ceiling, report.html in --output. Killed, it carries on.
"""

from absl import app

from kalm_jax.cli import pipeline_flags as shared


def read_flags():
    """The configuration that the flags describe."""
    from kalm_jax.pipeline.config import METAWORLD_PRESETS

    return shared.read_flags(METAWORLD_PRESETS)


def main(argv):
    shared.run(argv, "metaworld", read_flags)


if __name__ == "__main__":
    app.run(main)
