"""KALM on CLEVR-Robot, from nothing to a report, in one command.

    kalm clevr --algo=td3bc

collects rollouts in the simulator, grounds the language model on them, imagines rollouts for goals worded or composed
in ways that the data never used, trains policies with and without the imagined rollouts, tests them in the simulator
at all four levels, and writes results.csv, figures and report.html into --output. It begins by saying what it will do
and about how long each part takes. The preset "default" is a first result, "full" has the amounts of the large tables
in RESULTS.md, and "smoke" shows in some minutes that everything runs. If a run is killed, the same command
continues it; a changed setting redoes the stages that depend on it.
"""

import functools

from kalm_jax.cli import job

flags = functools.partial(job.job_flags, "clevr", without=("world",))


def main(argv: list[str]) -> None:
    """Runs the command with the given arguments."""
    job.run("clevr", argv, flags(), "clevr")
