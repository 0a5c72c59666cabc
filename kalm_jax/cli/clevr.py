r"""KALM on CLEVR-Robot, from nothing to a report, in one command.

    python -m experiments.clevr --algo=td3bc

collects rollouts in the simulator, grounds the language model on them, imagines rollouts for goals worded or composed
in ways that the data never used, trains policies with and without the imagined rollouts, tests them in the simulator
at all four levels, and writes tables, figures and report.html into --output. Killed, the same command carries on; a
changed setting redoes the stages that depend on it.
"""

import pathlib

from absl import app, flags

from kalm_jax.cli import pipeline_flags as shared

FLAGS = flags.FLAGS
flags.DEFINE_enum(
    "behaviour",
    "scripted",
    ["scripted", "lookahead"],
    "Policy that collects the real rollouts: scripted resembles the authors' data, lookahead is competent.",
)
flags.DEFINE_string(
    "eval_prompts",
    "",
    "Prompt file in the authors' format (.npy): match rate and success on its goals go to prompts.csv.",
)
shared.check("eval_prompts", lambda v: not v or pathlib.Path(v).is_file(), "no such file")


def read_flags():
    """The configuration that the flags describe."""
    from kalm_jax.pipeline.config import PRESETS

    return shared.read_flags(PRESETS, prompts=FLAGS.eval_prompts, collect={"behaviour": FLAGS.behaviour})


def main(argv):
    shared.run(argv, "clevr", read_flags)


if __name__ == "__main__":
    app.run(main)
