"""KALM on Meta-world's Sawyer arm, from nothing to a report, in one command.

    kalm metaworld --algo=td3bc

does for the robot arm what kalm clevr does for the balls, by the same pipeline: rollouts of the scripted experts,
grounding, imagined rollouts for rephrased and unseen tasks, policies with and without them, success in the simulator at
all four levels between a random policy's and the experts', and report.html in --output. It begins by saying what it
will do and about how long each part takes. The preset "default" is a first result, "full" has the amounts of the large
tables in RESULTS.md, and "smoke" shows in some minutes that everything runs. If a run is killed, the same command
continues it; a changed setting redoes the stages that depend on it.
"""

import functools

from kalm_jax.cli import job

flags = functools.partial(job.job_flags, "metaworld", without=("world", "eval_prompts"))


def main(argv: list[str]) -> None:
    """Runs the command with the given arguments."""
    job.run("metaworld", argv, flags(), "metaworld")
